//go:build linux

package epoll

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// A change is told once, so that a socket that nobody reads is no work.
	changes = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET
	// The gate tells of the first one only, until it is opened again.
	once = unix.EPOLLIN | unix.EPOLLONESHOT
)

// Set is sockets that are waited for together. Wait is called by one goroutine,
// all else by any. Unless Wait is called what happens at the sockets wakes
// nobody, so that much may come together.
type Set struct {
	fd   int
	gate *os.File // an epoll of fd alone that tells once; the goroutine that waits for it is parked as for any file
	raw  syscall.RawConn

	// Used by Wait.
	events []unix.EpollEvent
	ready  []Event
	some   func(uintptr) bool
	park   bool
	open   bool // the gate is to tell
	closed bool
	err    error
}

// Event tells that a socket may have become readable or writable.
type Event struct {
	ID    int  // of the socket
	Ended bool // the peer sends no more, or the connection failed
}

// New makes a set whose Wait tells of at most the given number of events.
func New(most int) (*Set, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	s := &Set{fd: fd, events: make([]unix.EpollEvent, most)}
	s.some = s.waitSome
	if err := s.makeGate(); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return s, nil
}

func (s *Set) makeGate() error {
	gate, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err = unix.SetNonblock(gate, true); err != nil {
		return errors.Join(os.NewSyscallError("fcntl", err), unix.Close(gate))
	}
	s.gate = os.NewFile(uintptr(gate), "epoll")
	if s.raw, err = s.gate.SyscallConn(); err == nil {
		err = s.gate.SetReadDeadline(time.Time{}) // fails if the runtime cannot wait for it
	}
	if err == nil {
		err = os.NewSyscallError("epoll_ctl", unix.EpollCtl(gate, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: once}))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("wait for epoll: %w", err), s.gate.Close())
	}
	return nil
}

// Close ends Wait, which must be under way or follow, and frees what it uses.
// Nothing else is called after it.
func (s *Set) Close() error { return s.gate.Close() }

// SetDeadline ends the Wait under way, or the next ones, at t with
// [os.ErrDeadlineExceeded], until another time is set.
func (s *Set) SetDeadline(t time.Time) error { return s.gate.SetReadDeadline(t) }

// Add enters a socket, which leaves the set by its Close.
func (s *Set) Add(k *Socket) error { return s.control(unix.EPOLL_CTL_ADD, k) }

// Again has a socket told of again if there is anything to tell.
func (s *Set) Again(k *Socket) error { return s.control(unix.EPOLL_CTL_MOD, k) }

func (s *Set) control(op int, k *Socket) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return os.ErrClosed
	}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(s.fd, op, k.fd, &unix.EpollEvent{Events: changes, Fd: int32(k.fd)}))
}

// Wait returns what has changed since the last call; with park it waits until
// something has. The slice is valid until the next call.
func (s *Set) Wait(park bool) ([]Event, error) {
	s.ready, s.park, s.err = s.ready[:0], park, nil
	switch err := s.raw.Read(s.some); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, err
	case err != nil:
		if !s.closed {
			s.closed = true
			_ = unix.Close(s.fd) // nobody waits for it any more
		}
		return nil, os.ErrClosed
	}
	return s.ready, s.err
}

// waitSome is called when there may be events, until it returns true.
func (s *Set) waitSome(gate uintptr) bool {
	var n int
	var err error
	if s.open {
		s.open = false
		_, err = unix.EpollWait(int(gate), s.events, 0) // closes it
	}
	if err == nil {
		n, err = unix.EpollWait(s.fd, s.events, 0)
	}
	if n == 0 && err == nil && s.park {
		s.open = true
		err = unix.EpollCtl(int(gate), unix.EPOLL_CTL_MOD, s.fd, &unix.EpollEvent{Events: once})
	}
	if err != nil && !errors.Is(err, unix.EINTR) {
		s.err = os.NewSyscallError("epoll", err)
		return true
	}
	for i := range max(n, 0) {
		e := &s.events[i]
		s.ready = append(s.ready, Event{ID: int(e.Fd), Ended: e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0})
	}
	return n > 0 || err != nil || !s.park
}
