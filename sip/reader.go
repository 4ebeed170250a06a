package sip

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"fengsui/sip/intake"
)

// Pause after an error of a listening socket: the library would end the
// listener at the first.
const socketPause = 50 * time.Millisecond

const (
	maxSources   = 8192            // sources the library may know by one reader
	handOverTime = 2 * time.Second // a spent reader stays: a handler that has not started by then answers from another port
)

// packetReader is the socket sipgo reads: a token for each message. It takes a
// ticket for each request, in the order of receipt, and keeps the listener alive
// through errors.
//
// The library keeps the address of every source it was ever given until its
// loop over the socket ends. So after some thousand of them another reader with
// a loop of its own takes over the socket, and this one ends.
type packetReader struct {
	net.PacketConn
	e       *Endpoint
	once    sync.Once
	reading chan struct{} // closed at the first read: the library knows the socket

	// Used by ReadFrom.
	message []byte             // sipgo has it until the next ReadFrom, of the reader that takes over too
	last    string             // source
	turns   int                // of the source: at least as many as there were sources
	spent   chan struct{}      // closed when another reader should take over
	next    chan *packetReader // gives that one, once it reads
}

func newPacketReader(e *Endpoint, inner net.PacketConn, message []byte) *packetReader {
	return &packetReader{
		PacketConn: inner, e: e, message: message, reading: make(chan struct{}), spent: make(chan struct{}), next: make(chan *packetReader, 1),
	}
}

// servePackets gives the library the socket, and again whenever a reader is
// spent. It returns when the last of its loops has ended.
func (e *Endpoint) servePackets(first *packetReader) error {
	var loops sync.WaitGroup
	defer loops.Wait()
	for r := first; ; {
		ended := make(chan error, 1)
		loops.Go(func() { ended <- e.srv.ServeUDP(r) })
		select {
		case err := <-ended:
			return err
		case <-r.spent:
		}
		n := newPacketReader(e, r.PacketConn, r.message)
		r.next <- n
		r = n
	}
}

// handOver ends this reader: the next one reads before the library forgets what
// it knew by this one, and for a while it goes on knowing it, so that the
// requests it was given last are answered from this socket.
func (r *packetReader) handOver() {
	close(r.spent)
	r.e.m.handovers.Inc()
	n := <-r.next
	select {
	case <-n.reading:
	case <-r.e.done:
		return
	}
	t := time.NewTimer(handOverTime)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.e.done:
	}
}

func (r *packetReader) ReadFrom(b []byte) (int, net.Addr, error) {
	r.once.Do(func() { close(r.reading) })
	for {
		if r.turns >= maxSources {
			if r.turns = 0; r.e.ua.TransportLayer().Pool("udp").Size() >= maxSources && !r.e.closing() {
				r.handOver()
				return 0, nil, net.ErrClosed
			}
		}
		n, from, err := r.PacketConn.ReadFrom(r.message)
		if err == nil {
			message := r.message[:n]
			if r.e.closing() && !isResponse(message) {
				continue
			}
			source := from.String()
			if source != r.last {
				r.last = source
				r.turns++
			}
			r.own(source)
			if p, ok := peek(message); ok && !r.e.seen.seen(p, source, time.Now(), gosip.Timer_J) {
				r.e.order.take(p.seq, string(p.sender))
			}
			return r.e.tokens.put(b, message), from, nil
		}
		if errors.Is(err, net.ErrClosed) || !r.e.pause() {
			return 0, nil, net.ErrClosed
		}
	}
}

// WriteTo sends, and notes from where answers are expected.
func (r *packetReader) WriteTo(b []byte, to net.Addr) (int, error) {
	if !isResponse(b) {
		r.e.in.Wrote(addrPort(to))
	}
	return r.PacketConn.WriteTo(b, to)
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
	*intake.Listener
	e *Endpoint
}

func (l *streamListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			return l.e.newStream(c), nil
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

// The library's parser keeps, for the life of a connection, a buffer as large as
// the largest piece it was ever given with the line begun before; and of a piece
// of 4 bytes or less it may take CRs and LFs for a keep-alive.
const (
	largestPiece = 512
	leastPiece   = 5
)

// streamConn is a connection sipgo reads: a token for each piece of a message.
type streamConn struct {
	*intake.Conn
	e    *Endpoint
	once sync.Once
	rest []byte // of the message sipgo is reading; used by Read
}

func (e *Endpoint) newStream(c *intake.Conn) *streamConn {
	s := &streamConn{Conn: c, e: e}
	e.mu.Lock()
	e.conns[s] = struct{}{}
	e.mu.Unlock()
	if e.closing() { // accepted meanwhile
		_ = s.Close()
	}
	return s
}

func (s *streamConn) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		message, err := s.ReadMessage()
		if err != nil {
			return 0, err // the library closes the connection
		}
		if s.e.closing() && !isResponse(message) {
			continue
		}
		if p, ok := peek(message); ok {
			s.e.order.take(p.seq, string(p.sender))
		}
		s.rest = message
	}
	n := len(s.rest)
	if n > largestPiece {
		if n = bytes.LastIndexByte(s.rest[:largestPiece], '\n') + 1; n < 2*leastPiece {
			n = largestPiece
		}
		n -= max(0, leastPiece-(len(s.rest)-n)) // what is left must be no less
	}
	piece := s.rest[:n]
	s.rest = s.rest[n:]
	return s.e.tokens.put(b, piece), nil
}

// The intake keeps the times.

func (s *streamConn) SetDeadline(time.Time) error      { return errors.ErrUnsupported }
func (s *streamConn) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (s *streamConn) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

func (s *streamConn) Close() error {
	err := s.Conn.Close()
	s.lost()
	return err
}

// lost ends the dialogs that live on the connection.
func (s *streamConn) lost() {
	s.once.Do(func() {
		var gone []*Dialog
		way := s.Flow()
		s.e.mu.Lock()
		delete(s.e.conns, s)
		for _, d := range s.e.dialogs {
			if f := d.to().Flow; f.Transport == way.Transport && f.Remote == way.Remote {
				gone = append(gone, d)
			}
		}
		s.e.mu.Unlock()
		for _, d := range gone {
			d.end(ErrUnreachable)
		}
	})
}
