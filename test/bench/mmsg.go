//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batchSize   = 64
	slotSize    = 2048 // bytes of a datagram; SIP in this program stays below
	controlSize = 40   // IP_PKTINFO
	socketBytes = 8 << 20
	gathering   = 20 * time.Microsecond // and what the kernel adds, by default up to 50 µs
)

type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

// side is the memory of one direction.
type side struct {
	hdrs    [batchSize]mmsghdr
	iovs    [batchSize]unix.Iovec
	names   [batchSize]unix.RawSockaddrInet4
	control [batchSize * controlSize]byte
	slab    [batchSize * slotSize]byte
}

func (s *side) init() {
	for i := range s.hdrs {
		s.iovs[i].Base = &s.slab[i*slotSize]
		h := &s.hdrs[i].hdr
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&s.names[i])), unix.SizeofSockaddrInet4
		h.Iov = &s.iovs[i]
		h.SetIovlen(1)
		h.Control = &s.control[i*controlSize]
	}
}

// batchSocket is one UDP socket that speaks from any address of 127.0.0.0/8 to
// one server, in batches. One goroutine uses it.
type batchSocket struct {
	fd      int
	port    uint16
	server  netip.AddrPort
	in, out *side
	queued  int
	pin     runtime.Pinner

	Foreign uint64 // datagrams that did not come from the server
}

func openBatch(server netip.AddrPort) (_ *batchSocket, err error) {
	if !server.Addr().Is4() || !server.Addr().IsLoopback() {
		return nil, fmt.Errorf("load only goes to IPv4 loopback, not to %v", server)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open load socket: %w", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	growBuffers(fd)
	// Nothing from outside reaches it; without the right to do so, take sorts it out.
	_ = unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "lo")
	if err = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1); err != nil {
		return nil, fmt.Errorf("ask for packet info: %w", err)
	}
	if err = unix.Bind(fd, &unix.SockaddrInet4{}); err != nil {
		return nil, fmt.Errorf("bind load socket: %w", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return nil, fmt.Errorf("name load socket: %w", err)
	}
	four, ok := name.(*unix.SockaddrInet4)
	if !ok {
		return nil, errors.New("load socket is not IPv4")
	}
	s := &batchSocket{fd: fd, port: uint16(four.Port), server: server, in: &side{}, out: &side{}}
	s.pin.Pin(s.in)
	s.pin.Pin(s.out)
	s.in.init()
	s.out.init()
	for i := range s.out.names {
		n := &s.out.names[i]
		n.Family, n.Addr = unix.AF_INET, server.Addr().As4()
		p := (*[2]byte)(unsafe.Pointer(&n.Port))
		p[0], p[1] = byte(server.Port()>>8), byte(server.Port())
		c := (*unix.Cmsghdr)(unsafe.Pointer(&s.out.control[i*controlSize]))
		c.Level, c.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
		c.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
		s.out.hdrs[i].hdr.SetControllen(unix.CmsgSpace(unix.SizeofInet4Pktinfo))
	}
	return s, nil
}

// growBuffers asks for large buffers; the system's limit may be lower.
func growBuffers(fd int) {
	for force, plain := range map[int]int{unix.SO_RCVBUFFORCE: unix.SO_RCVBUF, unix.SO_SNDBUFFORCE: unix.SO_SNDBUF} {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, socketBytes) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, socketBytes)
		}
	}
}

func (s *batchSocket) close() {
	_ = unix.Close(s.fd)
	s.pin.Unpin()
}

// slot lends the memory of the next datagram, to be given to send.
func (s *batchSocket) slot() []byte { return s.out.slab[s.queued*slotSize:][:0:slotSize] }

// send queues a datagram from one of our addresses; b is from slot or is copied.
func (s *batchSocket) send(from [4]byte, b []byte) error {
	if len(b) > slotSize {
		return fmt.Errorf("datagram of %d bytes is too long", len(b))
	}
	mine := s.out.slab[s.queued*slotSize:][:len(b)]
	if len(b) > 0 && &mine[0] != &b[0] {
		copy(mine, b)
	}
	s.out.iovs[s.queued].SetLen(len(b))
	info := (*unix.Inet4Pktinfo)(unsafe.Pointer(&s.out.control[s.queued*controlSize+unix.CmsgLen(0)]))
	info.Ifindex, info.Spec_dst = 0, from
	if s.queued++; s.queued == batchSize {
		return s.flush()
	}
	return nil
}

// flush sends what is queued. Loopback takes a datagram or drops it at the
// receiver; it does not push back for long.
func (s *batchSocket) flush() error {
	for done := 0; done < s.queued; {
		n, _, e := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.out.hdrs[done])), uintptr(s.queued-done), 0, 0, 0)
		switch e {
		case 0:
			done += int(n)
		case unix.EINTR, unix.ECONNREFUSED: // the latter reports an earlier datagram
		case unix.EAGAIN, unix.ENOBUFS:
			s.wait(unix.POLLOUT, time.Millisecond)
		default:
			s.queued = 0
			return fmt.Errorf("send: %w", e)
		}
	}
	s.queued = 0
	return nil
}

// receive hands on what has come, waiting up to d for a first datagram. The
// bytes are valid only during the call.
func (s *batchSocket) receive(d time.Duration, take func(to [4]byte, b []byte) error) error {
	for waited := d <= 0; ; waited = true {
		n, err := s.receiveNow(take)
		if n > 0 || err != nil || waited {
			return err
		}
		s.wait(unix.POLLIN, d)
	}
}

func (s *batchSocket) receiveNow(take func(to [4]byte, b []byte) error) (int, error) {
	in := s.in
	for i := range in.hdrs {
		in.iovs[i].SetLen(slotSize)
		in.hdrs[i].hdr.SetControllen(controlSize)
		in.hdrs[i].hdr.Namelen = unix.SizeofSockaddrInet4
	}
	n, _, e := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&in.hdrs[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
	switch e {
	case 0:
	case unix.EAGAIN, unix.EINTR, unix.ECONNREFUSED:
		return 0, nil
	default:
		return 0, fmt.Errorf("receive: %w", e)
	}
	want := s.server.Addr().As4()
	for i := range int(n) {
		p := (*[2]byte)(unsafe.Pointer(&in.names[i].Port))
		if in.names[i].Addr != want || uint16(p[0])<<8|uint16(p[1]) != s.server.Port() {
			s.Foreign++
			continue
		}
		var to [4]byte
		if c := (*unix.Cmsghdr)(unsafe.Pointer(&in.control[i*controlSize])); in.hdrs[i].hdr.Controllen > 0 && c.Type == unix.IP_PKTINFO {
			to = (*unix.Inet4Pktinfo)(unsafe.Pointer(&in.control[i*controlSize+unix.CmsgLen(0)])).Addr
		}
		if err := take(to, in.slab[i*slotSize:][:in.hdrs[i].n]); err != nil {
			return int(n), err
		}
	}
	return int(n), nil
}

// gather lets datagrams gather, as a network card does. It does not wait for the
// socket: each answer would have to wake this thread, at its sender's cost.
func (s *batchSocket) gather() {
	ts := unix.NsecToTimespec(int64(gathering))
	_ = unix.Nanosleep(&ts, nil) // an error is a wait that was short
}

func (s *batchSocket) wait(events int16, d time.Duration) {
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: events}}
	ts := unix.NsecToTimespec(int64(d))
	_, _ = unix.Ppoll(fds, &ts, nil) // an error is a wait that was short
}

// echo sends every datagram back, in batches, until ctx ends: the floor of what
// a server on this machine can cost.
func (s *batchSocket) echo(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := echoOnce(s); err != nil {
			return err
		}
	}
	return nil
}

func echoOnce(s *batchSocket) error {
	in := s.in
	for i := range in.hdrs {
		in.iovs[i].SetLen(slotSize)
		in.hdrs[i].hdr.SetControllen(0)
		in.hdrs[i].hdr.Namelen = unix.SizeofSockaddrInet4
	}
	n, _, e := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&in.hdrs[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
	switch e {
	case 0:
	case unix.EAGAIN:
		s.wait(unix.POLLIN, 100*time.Millisecond)
		return nil
	case unix.EINTR, unix.ECONNREFUSED:
		return nil
	default:
		return fmt.Errorf("receive: %w", e)
	}
	for i := range int(n) {
		in.iovs[i].SetLen(int(in.hdrs[i].n))
		in.hdrs[i].hdr.SetControllen(0)
	}
	for done := 0; done < int(n); {
		m, _, e := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&in.hdrs[done])), uintptr(int(n)-done), 0, 0, 0)
		switch e {
		case 0:
			done += int(m)
		case unix.EINTR, unix.EAGAIN, unix.ENOBUFS, unix.ECONNREFUSED:
		default:
			return fmt.Errorf("send: %w", e)
		}
	}
	return nil
}
