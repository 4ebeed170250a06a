//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Floors: what this machine charges for the traffic alone. They run in a child
// of ours, on the server's core.
const (
	floorEcho = "echo" // sends every datagram back
	floorSink = "sink" // reads and forgets
)

type floor struct {
	*process
	addr netip.AddrPort
}

func startFloor(ctx context.Context, b *bench, kind string) (*floor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own binary: %w", err)
	}
	ports, err := freePorts(ctx, 1)
	if err != nil {
		return nil, err
	}
	p, err := startPinned(ctx, b.cores.server, filepath.Join(b.temp, "floor.log"), self, "-floor", kind, "-listen", ports[0].String())
	if err != nil {
		return nil, err
	}
	f := &floor{p, ports[0]}
	err = until(ctx, 5*time.Second, 10*time.Millisecond, "the floor's socket", func() (bool, string, error) {
		_, err := socketDrops(f.addr.Port())
		return err == nil, f.tail(), nil
	})
	if err != nil {
		_ = p.stop()
		return nil, err
	}
	return f, nil
}

// runFloor is the child.
func runFloor(ctx context.Context, kind, listen string) error {
	addr, err := netip.ParseAddrPort(listen)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	s, err := openBatch(addr)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.rebind(addr); err != nil {
		return err
	}
	if kind == floorEcho {
		return s.echo(ctx)
	}
	return s.sink(ctx)
}

// rebind replaces the socket by one that listens at addr.
func (s *batchSocket) rebind(addr netip.AddrPort) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open floor socket: %w", err)
	}
	growBuffers(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("bind floor socket: %w", err)
	}
	_ = unix.Close(s.fd)
	s.fd, s.port = fd, addr.Port()
	return nil
}

// sink reads in batches and looks at nothing, until ctx ends.
func (s *batchSocket) sink(ctx context.Context) error {
	in := s.in
	for i := range in.hdrs {
		in.iovs[i].SetLen(slotSize)
	}
	for ctx.Err() == nil {
		n, _, e := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&in.hdrs[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
		switch e {
		case 0:
		case unix.EAGAIN:
			s.wait(unix.POLLIN, 100*time.Millisecond)
			continue
		case unix.EINTR:
			continue
		default:
			return fmt.Errorf("receive: %w", e)
		}
		for i := range int(n) {
			in.hdrs[i].hdr.SetControllen(0)
			in.hdrs[i].hdr.Namelen = unix.SizeofSockaddrInet4
		}
	}
	return nil
}

func listenFrom(_ context.Context, a netip.Addr) (*net.UDPConn, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: a.AsSlice()})
	if err != nil {
		return nil, fmt.Errorf("open media socket: %w", err)
	}
	return conn, nil
}
