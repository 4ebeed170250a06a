package sim

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"fengsui/internal/sim/wire"
)

const (
	readBuffer   = 64 << 10 // for a datagram, or a piece of a stream
	socketMemory = 4 << 20  // asked of the system for a shared socket, each way
	dialTimeout  = 5 * time.Second
	writeTimeout = 5 * time.Second

	// maxReadFailures in a row make a UDP socket deaf.
	maxReadFailures = 100
)

// path is how a device's messages come and go.
type path interface {
	write(b []byte) error
	local() netip.AddrPort
	reliable() bool // TCP: nothing is sent again
	close()
}

// socket is a UDP socket of one device, or shared by many.
type socket struct {
	sim    *Sim
	conn   *net.UDPConn
	addr   netip.AddrPort
	device *device // nil: shared
}

func (s *Sim) openSocket(d *device) (*socket, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: s.local.AsSlice()})
	if err != nil {
		return nil, fmt.Errorf("open UDP socket: %w", err)
	}
	if d == nil {
		// Best effort: the system's limit may be lower.
		_ = conn.SetReadBuffer(socketMemory)
		_ = conn.SetWriteBuffer(socketMemory)
	}
	addr := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	k := &socket{sim: s, conn: conn, device: d, addr: netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())}
	if !s.work(k.read) {
		_ = conn.Close()
		return nil, errStopped
	}
	return k, nil
}

func (k *socket) write(b []byte) error {
	if loss := k.sim.cfg.SIPLoss; loss > 0 && rand.Float64() < loss {
		return nil
	}
	_, err := k.conn.WriteToUDPAddrPort(b, k.sim.server)
	return err
}

func (k *socket) local() netip.AddrPort { return k.addr }
func (k *socket) reliable() bool        { return false }

func (k *socket) close() {
	if k.device != nil {
		_ = k.conn.Close()
	}
}

// read hands datagrams on until the socket is closed.
func (k *socket) read() {
	raw, err := k.conn.SyscallConn()
	if err != nil {
		return // closed
	}
	pool := &k.sim.buffers
	for failures := 0; failures < maxReadFailures; {
		b, n, err := readReady(k.conn, raw, pool)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			failures++ // perhaps an ICMP error of an earlier datagram
			continue
		}
		failures = 0
		if loss := k.sim.cfg.SIPLoss; loss == 0 || rand.Float64() >= loss {
			k.sim.receive(k, k.device, (*b)[:n])
		}
		pool.Put(b)
	}
}

// connection is a device's TCP connection.
type connection struct {
	device *device
	conn   *net.TCPConn
	addr   netip.AddrPort
	closed atomic.Bool
	split  bool
}

// dial connects in the background; the device hears of it through connected.
func (d *device) dial() {
	d.dialing = true
	if !d.sim.work(func() { d.dialNow() }) {
		d.dialing = false
	}
}

func (d *device) dialNow() {
	s := d.sim
	select {
	case s.dials <- struct{}{}:
		defer func() { <-s.dials }()
	case <-s.ctx.Done():
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, dialTimeout)
	defer cancel()
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "tcp", s.server.String())
	if err != nil {
		d.shard.do(d, func(now instant) { d.connected(now, nil, err) })
		return
	}
	addr := c.LocalAddr().(*net.TCPAddr).AddrPort()
	k := &connection{device: d, conn: c.(*net.TCPConn), addr: netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), split: s.quirks.has(splitCRLF)}
	if !s.work(k.read) {
		_ = c.Close()
		return
	}
	d.shard.do(d, func(now instant) { d.connected(now, k, nil) })
}

func (k *connection) write(b []byte) error {
	if err := k.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if i := bytes.Index(b, []byte("\r\n\r\n")); k.split && i >= 0 {
		if _, err := k.conn.Write(b[:i+3]); err != nil {
			return err
		}
		b = b[i+3:]
	}
	_, err := k.conn.Write(b)
	return err
}

func (k *connection) local() netip.AddrPort { return k.addr }
func (k *connection) reliable() bool        { return true }
func (k *connection) close()                { k.closed.Store(true); _ = k.conn.Close() }

// read cuts the stream into messages until the connection ends.
func (k *connection) read() {
	_ = k.readAll() // it ends with the connection, whatever the reason
	_ = k.conn.Close()
	if d := k.device; !k.closed.Load() {
		d.shard.do(d, func(now instant) { d.lost(now, k) })
	}
}

func (k *connection) readAll() error {
	d := k.device
	raw, err := k.conn.SyscallConn()
	if err != nil {
		return err
	}
	pool := &d.sim.buffers
	var rest []byte // of an unfinished message; nil while the connection is idle
	for {
		b, n, err := readReady(k.conn, raw, pool)
		if err != nil {
			return err
		}
		data := (*b)[:n]
		if len(rest) > 0 {
			rest = append(rest, data...)
			data = rest
		}
		left, ferr := d.sim.cut(k, d, data)
		if len(left) == 0 {
			rest = nil
		} else {
			rest = append([]byte(nil), left...)
		}
		pool.Put(b)
		if err := cmp.Or(ferr, atEnd(n)); err != nil {
			return err
		}
	}
}

// cut hands on the whole messages in data and returns what is left.
func (s *Sim) cut(k *connection, d *device, data []byte) ([]byte, error) {
	for len(data) > 0 {
		skip, size, ok, err := wire.Frame(data)
		if err != nil {
			s.counters.unreadable.Add(1)
			return nil, err
		}
		data = data[skip:]
		if !ok {
			return data, nil
		}
		s.receive(k, d, data[:size])
		data = data[size:]
	}
	return nil, nil
}
