package siptest

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// Bytes in flight in one direction before a writer waits.
const window = 1 << 20

// stream is one direction of a connection.
type stream struct {
	mu            sync.Mutex // guards all below
	cond          sync.Cond
	buf           []byte
	ended         bool // the writer closed
	broken        bool // the reader closed
	readDeadline  deadline
	writeDeadline deadline
}

func newStream() *stream {
	s := &stream{}
	s.cond.L = &s.mu
	return s
}

func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.buf) == 0 {
		switch {
		case s.broken:
			return 0, &net.OpError{Op: "read", Net: "tcp", Err: net.ErrClosed}
		case s.ended:
			return 0, io.EOF
		case s.readDeadline.passed():
			return 0, &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
		}
		s.cond.Wait()
	}
	n := copy(b, s.buf)
	s.buf = s.buf[n:]
	s.cond.Broadcast()
	return n, nil
}

func (s *stream) write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.buf) >= window {
		if s.ended || s.broken || s.writeDeadline.passed() {
			break
		}
		s.cond.Wait()
	}
	switch {
	case s.ended:
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: net.ErrClosed}
	case s.broken:
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", syscall.EPIPE)}
	case s.writeDeadline.passed():
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: os.ErrDeadlineExceeded}
	}
	s.buf = append(s.buf, b...)
	s.cond.Broadcast()
	return len(b), nil
}

func (s *stream) end(reader bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reader {
		s.broken = true
		s.buf = nil
		s.readDeadline.set(time.Time{}, &s.cond)
	} else {
		s.ended = true
		s.writeDeadline.set(time.Time{}, &s.cond)
	}
	s.cond.Broadcast()
}

// streamConn is one end of a connection in memory.
type streamConn struct {
	in, out       *stream
	local, remote netip.AddrPort
}

// newPipe returns both ends of a connection.
func newPipe(client, server netip.AddrPort) (net.Conn, net.Conn) {
	up, down := newStream(), newStream()
	return &streamConn{in: down, out: up, local: client, remote: server},
		&streamConn{in: up, out: down, local: server, remote: client}
}

func (c *streamConn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *streamConn) Write(b []byte) (int, error) { return c.out.write(b) }
func (c *streamConn) Close() error {
	c.in.end(true)
	c.out.end(false)
	return nil
}
func (c *streamConn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c *streamConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

func (c *streamConn) SetReadDeadline(t time.Time) error {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.readDeadline.set(t, &c.in.cond)
	return nil
}

func (c *streamConn) SetWriteDeadline(t time.Time) error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.writeDeadline.set(t, &c.out.cond)
	return nil
}

func (c *streamConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}
