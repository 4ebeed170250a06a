//go:build linux

package epoll

import (
	"errors"
	"net"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Socket is a connection that the runtime does not wait for. Its methods may be
// called from any goroutine and never wait for the peer.
type Socket struct {
	mu     sync.Mutex // held during each call of the system, so that fd is still ours
	fd     int
	closed bool
}

// Take makes a socket of a connection, which is closed then and must not be used
// any more; if it fails the connection is as it was.
func Take(c *net.TCPConn) (*Socket, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd, failed := -1, error(nil)
	err = raw.Control(func(of uintptr) { fd, failed = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, os.NewSyscallError("fcntl", failed)); err != nil {
		return nil, err
	}
	_ = c.Close() // the connection lives on in fd
	return &Socket{fd: fd}, nil
}

// ID is what [Event] calls the socket; a later one may have it when this one is
// closed.
func (k *Socket) ID() int { return k.fd }

// Read reads what is there: again says that nothing is, 0 bytes without it that
// the peer sends no more.
func (k *Socket) Read(b []byte) (n int, again bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return 0, false, os.ErrClosed
	}
	switch n, e := k.call(unix.SYS_READ, b); e {
	case 0:
		return n, false, nil
	case unix.EAGAIN:
		return 0, true, nil
	default:
		return 0, false, os.NewSyscallError("read", e)
	}
}

// Write writes what the system takes at once, which may be less than all.
func (k *Socket) Write(b []byte) (n int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return 0, os.ErrClosed
	}
	for n < len(b) {
		m, e := k.call(unix.SYS_WRITE, b[n:])
		switch e {
		case 0:
			n += m
		case unix.EAGAIN:
			return n, nil
		default:
			return n, os.NewSyscallError("write", e)
		}
	}
	return n, nil
}

// call reads or writes. It does not wait, so the scheduler need not know.
func (k *Socket) call(number uintptr, b []byte) (int, unix.Errno) {
	for {
		n, _, e := unix.RawSyscall(number, uintptr(k.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		if e != unix.EINTR {
			return int(n), e
		}
	}
}

// Close closes the connection.
func (k *Socket) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return os.ErrClosed
	}
	k.closed = true
	return os.NewSyscallError("close", unix.Close(k.fd))
}
