package sip

import (
	"errors"
	"net"
	"sync"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"fengsui/sip/flow"
)

// Pause after an error of a listening socket: the library would end the
// listener at the first.
const socketPause = 50 * time.Millisecond

// packetReader is the socket sipgo reads. It takes a ticket for each request,
// in the order of receipt, and keeps the listener alive through errors.
type packetReader struct {
	net.PacketConn
	e       *Endpoint
	once    sync.Once
	reading chan struct{} // closed at the first read: the library knows the socket
}

func newPacketReader(e *Endpoint, inner net.PacketConn) *packetReader {
	return &packetReader{PacketConn: inner, e: e, reading: make(chan struct{})}
}

func (r *packetReader) ReadFrom(b []byte) (int, net.Addr, error) {
	r.once.Do(func() { close(r.reading) })
	for {
		n, from, err := r.PacketConn.ReadFrom(b)
		if err == nil {
			if r.e.closing() && !isResponse(b[:n]) {
				continue
			}
			source := from.String()
			r.own(source)
			if p, ok := peek(b[:n]); ok && !r.e.seen.seen(p, source, time.Now(), gosip.Timer_J) {
				r.e.order.take(p.seq, string(p.sender))
			}
			return n, from, nil
		}
		if errors.Is(err, net.ErrClosed) || !r.e.pause() {
			return 0, nil, net.ErrClosed
		}
	}
}

// own makes this socket the one that answers the source. The library answers
// through the socket that heard the source first since it last heard another,
// which with two sockets may be the wrong one.
func (r *packetReader) own(source string) {
	if !r.e.severalPackets {
		return
	}
	pool := r.e.ua.TransportLayer().Pool("udp")
	if c := pool.Get(r.LocalAddr().String()); c != nil {
		pool.Add(source, c)
		_, _ = c.TryClose() // the reference Get took; a listening socket stays open
	}
}

// streamListener is the listener sipgo accepts from.
type streamListener struct {
	net.Listener
	e         *Endpoint
	index     int
	transport string
}

func (l *streamListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			return l.e.newStream(c, l), nil
		}
		if errors.Is(err, net.ErrClosed) || !l.e.pause() {
			return nil, net.ErrClosed
		}
	}
}

// pause waits out an error of a listening socket, such as too many open files.
// It reports false when the endpoint closes.
func (e *Endpoint) pause() bool {
	e.m.retried.Inc()
	t := time.NewTimer(socketPause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-e.done:
		return false
	}
}

// streamConn is a connection sipgo reads. Each read gives one message, or a
// part of a long one.
type streamConn struct {
	net.Conn
	e    *Endpoint
	flow flow.Flow
	once sync.Once
}

func (e *Endpoint) newStream(c net.Conn, l *streamListener) *streamConn {
	s := &streamConn{Conn: c, e: e, flow: flow.Flow{
		Transport: l.transport, Listener: l.index,
		Local: addrPort(c.LocalAddr()), Remote: addrPort(c.RemoteAddr()),
	}}
	e.mu.Lock()
	e.conns[s] = struct{}{}
	e.mu.Unlock()
	if e.closing() { // accepted meanwhile
		_ = s.Close()
	}
	return s
}

func (s *streamConn) Read(b []byte) (int, error) {
	for {
		n, err := s.Conn.Read(b)
		if err != nil {
			return n, err // the library closes the connection
		}
		if s.e.closing() && !isResponse(b[:n]) {
			continue
		}
		if p, ok := peek(b[:n]); ok {
			s.e.order.take(p.seq, string(p.sender))
		}
		return n, nil
	}
}

func (s *streamConn) Close() error {
	err := s.Conn.Close()
	s.lost()
	return err
}

// lost ends the dialogs that live on the connection.
func (s *streamConn) lost() {
	s.once.Do(func() {
		var gone []*Dialog
		s.e.mu.Lock()
		delete(s.e.conns, s)
		for _, d := range s.e.dialogs {
			if f := d.to().Flow; f.Transport == s.flow.Transport && f.Remote == s.flow.Remote {
				gone = append(gone, d)
			}
		}
		s.e.mu.Unlock()
		for _, d := range gone {
			d.end(ErrUnreachable)
		}
	})
}
