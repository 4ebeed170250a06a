package intake

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"fengsui/sip/flow"
	"fengsui/sip/trace"
)

const (
	maxDatagram = 65535
	maxPayload  = 65507 // of UDP over IPv4
)

// PacketConn wraps a UDP socket, whose index among our listeners is given. Its
// ReadFrom answers what it can and returns the rest, repaired and stamped; it
// ends only when the socket is closed or a read deadline set on it passes.
// Answers go to the source of the datagram. The caller's buffer should hold
// 66,560 bytes: what does not fit once it is repaired is answered 413.
func (in *Intake) PacketConn(inner net.PacketConn, listener int) net.PacketConn {
	c := &packetConn{PacketConn: inner, in: in, listener: listener}
	c.udp, _ = inner.(*net.UDPConn)
	if c.udp != nil {
		if err := c.udp.SetReadBuffer(in.cfg.ReadBuffer); err != nil {
			in.log.Warn().Err(err).Int("bytes", in.cfg.ReadBuffer).Msg("read buffer not set")
		}
	}
	c.local = addrPort(inner.LocalAddr())
	c.datagrams.New = func() any { b := make([]byte, maxDatagram); return &b }
	return c
}

type packetConn struct {
	net.PacketConn
	udp       *net.UDPConn // PacketConn, if it is one
	in        *Intake
	listener  int
	local     netip.AddrPort
	datagrams sync.Pool
}

// reply is the way back to the source of one datagram.
type reply struct {
	c    *packetConn
	to   netip.AddrPort
	addr net.Addr // of a socket that is no *net.UDPConn
	flow flow.Flow
}

func (r *reply) send(answer []byte) { _, _ = r.c.write(answer, r.to, r.addr) } // counted there

func (c *packetConn) ReadFrom(p []byte) (int, net.Addr, error) {
	w := c.in.works.Get().(*work)
	defer c.in.works.Put(w)
	b := c.datagrams.Get().(*[]byte)
	defer c.datagrams.Put(b)
	back := &reply{c: c}
	for failed := 0; ; {
		n, err := c.read(*b, back)
		switch {
		case err == nil:
			failed = 0
		case errors.Is(err, net.ErrClosed), errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, os.ErrDeadlineExceeded):
			return 0, nil, err
		default: // an ICMP error of some datagram sent before, a datagram cut short
			c.in.metrics.readErrors.Inc()
			if failed++; failed > 10 {
				time.Sleep(10 * time.Millisecond)
			}
			continue
		}
		raw := trimLeading((*b)[:n])
		if len(raw) == 0 { // CRLF or NUL to keep a NAT open
			continue
		}
		out := c.in.take(w, (*b)[:n], back.flow, back)
		if out == nil {
			continue
		}
		if len(out) > len(p) {
			c.in.tooLarge(w, raw, back.flow, time.Now(), back)
			continue
		}
		if back.addr == nil {
			back.addr = net.UDPAddrFromAddrPort(back.flow.Remote)
		}
		return copy(p, out), back.addr, nil
	}
}

// read reads one datagram and says in back where it came from.
func (c *packetConn) read(b []byte, back *reply) (n int, err error) {
	if c.udp != nil {
		n, back.to, err = c.udp.ReadFromUDPAddrPort(b)
		back.addr = nil
	} else {
		n, back.addr, err = c.PacketConn.ReadFrom(b)
		back.to = addrPort(back.addr)
	}
	back.flow = flow.Flow{Transport: flow.UDP, Listener: c.listener, Local: c.local, Remote: flow.Unmap(back.to)}
	return n, err
}

// WriteTo sends what sipgo has to send.
func (c *packetConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	to := addrPort(addr)
	at := time.Now() // before the answer can be there
	n, err := c.write(p, to, addr)
	if err == nil {
		f := flow.Flow{Transport: flow.UDP, Listener: c.listener, Local: c.local, Remote: flow.Unmap(to)}
		c.in.ring.Add(at, trace.Out, f, p)
	}
	return n, err
}

func (c *packetConn) write(p []byte, to netip.AddrPort, addr net.Addr) (n int, err error) {
	if len(p) > maxPayload {
		c.in.metrics.writeErrors.WithLabelValues(writeTooLarge).Inc()
		return 0, errTooLarge
	}
	if c.udp != nil && to.IsValid() {
		n, err = c.udp.WriteToUDPAddrPort(p, to)
	} else {
		n, err = c.PacketConn.WriteTo(p, addr)
	}
	if err != nil {
		c.in.metrics.writeErrors.WithLabelValues(writeFailed).Inc()
		return n, err
	}
	c.in.metrics.sent.udp.Inc()
	c.in.metrics.sentBytes.udp.Add(float64(n))
	return n, nil
}

var errTooLarge = errors.New("message too large for a datagram")

// addrPort is the address of a socket; the zero one if it has none.
func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.UDPAddr:
		return flow.Unmap(a.AddrPort())
	case *net.TCPAddr:
		return flow.Unmap(a.AddrPort())
	case nil:
		return netip.AddrPort{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return flow.Unmap(ap)
}
