package sim

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"fengsui/internal/sim/wire"
)

const (
	ownBuffer    = 8 << 10  // for a datagram on a device's own socket
	sharedBuffer = 64 << 10 // on a shared one
	socketMemory = 4 << 20  // asked of the system for a shared socket, each way
	dialTimeout  = 5 * time.Second
	writeTimeout = 5 * time.Second
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
	size := sharedBuffer
	if k.device != nil {
		size = ownBuffer
	}
	buf := make([]byte, size)
	for {
		n, _, err := k.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return // closed: UDP has no other error that matters here
		}
		if loss := k.sim.cfg.SIPLoss; loss > 0 && rand.Float64() < loss {
			continue
		}
		k.sim.receive(k, k.device, buf[:n])
	}
}

// connection is a device's TCP connection.
type connection struct {
	device *device
	conn   net.Conn
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
	k := &connection{device: d, conn: c, addr: netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), split: s.quirks.has(splitCRLF)}
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
	d := k.device
	var buf []byte
	chunk := make([]byte, 2<<10)
	for {
		n, err := k.conn.Read(chunk)
		buf = append(buf, chunk[:n]...)
		for len(buf) > 0 {
			skip, size, ok, ferr := wire.Frame(buf)
			if ferr != nil {
				d.sim.counters.unreadable.Add(1)
				err = ferr
				break
			}
			if !ok {
				buf = buf[skip:]
				break
			}
			d.sim.receive(k, d, buf[skip:skip+size])
			buf = buf[skip+size:]
		}
		if len(buf) == 0 {
			buf = nil // an idle connection keeps no buffer
		}
		if err != nil {
			_ = k.conn.Close()
			if !k.closed.Load() {
				d.shard.do(d, func(now instant) { d.lost(now, k) })
			}
			return
		}
	}
}
