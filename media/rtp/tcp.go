package rtp

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"fengsui/internal/lease"
)

const (
	unknownTime  = 10 * time.Second
	unknownBytes = 64 << 10
	unknownPoll  = 200 * time.Millisecond // how often an unknown connection asks again whose it is
	acceptPause  = 50 * time.Millisecond
)

// conn is a TCP connection of a device. The goroutine that reads owns split;
// once attached to a session it takes packets under the session's mutex.
type conn struct {
	net.Conn
	from   netip.AddrPort
	opened time.Time
	split  Splitter
	mute   atomic.Bool             // a report could not be written whole
	claim  atomic.Pointer[Session] // whose it is, once that is known
	lease  lease.Lease
}

// acceptShared accepts on the shared port until it is closed.
func (s *Server) acceptShared(l *net.TCPListener) {
	s.acceptLoop(l, func(c *conn) { s.serve(c, nil) })
}

// acceptOwn accepts on the leased port of n until it is closed.
func (s *Server) acceptOwn(l *net.TCPListener, n *Session) {
	lease.Label(lease.MediaReceiver, n.want.Owner)
	s.acceptLoop(l, func(c *conn) { s.serve(c, n) })
}

func (s *Server) acceptLoop(l *net.TCPListener, serve func(*conn)) {
	for {
		c, err := l.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of files, or aborted by the peer
			s.readErrors.Add(1)
			time.Sleep(acceptPause)
			continue
		}
		n := s.wrap(c)
		if !s.gate.enter(n) || !s.track(func() { serve(n) }) {
			s.gate.leave(n, false)
			_ = c.Close()
		}
	}
}

func (s *Server) wrap(c net.Conn) *conn {
	from := c.RemoteAddr().(*net.TCPAddr).AddrPort()
	return &conn{Conn: c, from: netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), opened: time.Now(), split: Splitter{chunks: s.chunks}}
}

// adoptConn makes a connection that we opened the session's.
func (s *Server) adoptConn(c net.Conn, n *Session) error {
	w := s.wrap(c)
	w.claim.Store(n)
	s.gate.own(w)
	if err := n.attach(w, time.Now()); err != nil {
		s.gate.leave(w, true)
		return errors.Join(err, c.Close())
	}
	if !s.track(func() { s.receive(w, n) }) {
		n.detach(w, time.Now())
		n.running.Done()
		s.gate.leave(w, true)
		return errors.Join(ErrClosed, c.Close())
	}
	return nil
}

// serve finds out whose connection it is, n if that is known, and receives.
func (s *Server) serve(c *conn, n *Session) {
	lease.Label(lease.MediaConnection, "")
	found := s.identify(c, n)
	if found == nil || found.attach(c, time.Now()) != nil {
		s.gate.leave(c, false)
		s.gate.rejected.Add(1)
		_ = c.Close()
		c.split.release()
		return
	}
	c.claim.Store(found)
	s.gate.known(c)
	s.receive(c, found)
}

// identify reads until the first RTP header tells the session. The bytes stay
// in the splitter. It gives up after 10 s or 64 KiB.
func (s *Server) identify(c *conn, n *Session) *Session {
	deadline := c.opened.Add(unknownTime)
	for {
		now := time.Now()
		if !now.Before(deadline) || c.split.Buffered() >= unknownBytes || n != nil && n.isClosed() {
			return nil
		}
		_ = c.SetReadDeadline(minTime(now.Add(unknownPoll), deadline))
		got, err := c.Read(c.split.Space())
		now = time.Now()
		c.split.Filled(got, now)
		var timeout net.Error
		if err != nil && (!errors.As(err, &timeout) || !timeout.Timeout()) {
			return nil
		}
		head, err := c.split.Peek()
		if err != nil {
			return nil
		}
		if head == nil {
			continue
		}
		if n != nil {
			return n
		}
		if found := s.find(head, c.from, true, now); found != nil {
			return found
		}
		s.orphans.add(orphanKey{ssrcOf(head), c.from}, now)
	}
}

// receive reads an attached connection to its end.
func (s *Server) receive(c *conn, n *Session) {
	lease.Label(lease.MediaConnection, n.want.Owner)
	defer n.running.Done()
	_ = c.SetReadDeadline(time.Time{})
	for {
		work := lease.Region(lease.MediaConnection, n.want.Owner)
		err := n.drain(c, time.Now())
		work.End()
		if err != nil {
			break
		}
		got, err := c.Read(c.split.Space())
		c.split.Filled(got, time.Now())
		if err != nil {
			break
		}
	}
	n.detach(c, time.Now())
	s.gate.leave(c, true)
	_ = c.Close()
	c.split.release()
}

// gate counts the TCP connections and bounds those whose session is not known.
type gate struct {
	perIP, total int
	leases       *lease.Book

	rejected atomic.Uint64

	mu      sync.Mutex
	closed  bool
	unknown map[netip.Addr]int
	waiting int
	conns   map[*conn]struct{}
}

func (g *gate) enter(c *conn) bool {
	g.leases.Open(&c.lease, lease.MediaConnection, c)
	g.mu.Lock()
	defer g.mu.Unlock()
	ip := c.from.Addr()
	g.waiting++
	g.unknown[ip]++
	g.conns[c] = struct{}{}
	ok := !g.closed && g.waiting <= g.total && g.unknown[ip] <= g.perIP
	if !ok {
		g.rejected.Add(1)
	}
	return ok
}

// own counts a connection that is known from the start.
func (g *gate) own(c *conn) {
	g.leases.Open(&c.lease, lease.MediaConnection, c)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns[c] = struct{}{}
}

func (g *gate) known(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(c)
}

func (g *gate) leave(c *conn, known bool) {
	defer c.lease.Release()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !known {
		g.forget(c)
	}
	delete(g.conns, c)
}

func (g *gate) forget(c *conn) {
	ip := c.from.Addr()
	g.waiting--
	if g.unknown[ip]--; g.unknown[ip] <= 0 {
		delete(g.unknown, ip)
	}
}

func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.conns)
}

// close closes all connections.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for c := range g.conns {
		_ = c.Close()
	}
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
