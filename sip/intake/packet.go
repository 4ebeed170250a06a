package intake

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"fengsui/internal/mmsg"
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
//
// A *net.UDPConn is read and answered in batches; calls of ReadFrom wait for one
// another.
func (in *Intake) PacketConn(inner net.PacketConn, listener int) net.PacketConn {
	c := &packetConn{PacketConn: inner, in: in, listener: listener}
	c.udp, _ = inner.(*net.UDPConn)
	if c.udp != nil {
		if got := mmsg.GrowReadBuffer(c.udp, in.cfg.ReadBuffer); got < in.cfg.ReadBuffer {
			in.log.Warn().Int("bytes", got).Int("wanted", in.cfg.ReadBuffer).Msg("read buffer is smaller than wanted: raise net.core.rmem_max, or bursts lose datagrams")
		}
		var err error
		if c.batch, err = newBatch(c); err != nil { // the socket is closed: reading it will say so
			in.log.Warn().Err(err).Msg("socket not read in batches")
		}
	}
	c.local = addrPort(inner.LocalAddr())
	return c
}

type packetConn struct {
	net.PacketConn
	udp      *net.UDPConn // PacketConn, if it is one
	batch    *batch       // of udp
	in       *Intake
	listener int
	local    netip.AddrPort
}

// reply is the way back to the source of one datagram.
type reply struct {
	c     *packetConn
	to    netip.AddrPort
	addr  net.Addr // of a socket that is no *net.UDPConn
	flow  flow.Flow
	index int // in the batch, if there is one
}

func (r *reply) send(answer []byte) {
	if r.c.batch != nil {
		r.c.batch.send(r, answer)
		return
	}
	_, _ = r.c.write(answer, r.to, r.addr) // counted there
}

func (r *reply) from(to netip.AddrPort, addr net.Addr) {
	r.to, r.addr = to, addr
	r.flow = flow.Flow{Transport: flow.UDP, Listener: r.c.listener, Local: r.c.local, Remote: flow.Unmap(to)}
}

// source is the address for sipgo.
func (r *reply) source() net.Addr {
	if r.addr != nil {
		return r.addr
	}
	return net.UDPAddrFromAddrPort(r.flow.Remote)
}

func (c *packetConn) ReadFrom(p []byte) (int, net.Addr, error) {
	if c.batch != nil {
		return c.batch.readFrom(p)
	}
	w := c.in.works.Get()
	defer c.in.works.Put(w)
	if w.datagram == nil {
		w.datagram = make([]byte, maxDatagram)
	}
	back := &reply{c: c}
	for failed := 0; ; {
		n, addr, err := c.PacketConn.ReadFrom(w.datagram)
		if err != nil {
			if c.failed(err, &failed) {
				return 0, nil, err
			}
			continue
		}
		failed = 0
		back.from(addrPort(addr), addr)
		if n = c.datagram(w, w.datagram[:n], time.Now(), back, p); n > 0 {
			return n, back.source(), nil
		}
	}
}

// failed reports whether an error ends reading; any other is counted and, after
// several in a row, slept over.
func (c *packetConn) failed(err error, failed *int) (ends bool) {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	c.in.metrics.readErrors.Inc() // an ICMP error of some datagram sent before, a datagram cut short
	if *failed++; *failed > 10 {
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// datagram handles what was read and copies to p what is for sipgo.
func (c *packetConn) datagram(w *work, b []byte, now time.Time, back *reply, p []byte) int {
	raw := trimLeading(b)
	if len(raw) == 0 { // CRLF or NUL to keep a NAT open
		return 0
	}
	out := c.in.takeAt(w, b, back.flow, now, back)
	if len(out) > len(p) {
		c.in.tooLarge(w, raw, back.flow, now, back)
		return 0
	}
	return copy(p, out)
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
