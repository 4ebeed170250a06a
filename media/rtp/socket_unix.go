//go:build unix

package rtp

import (
	"errors"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// reusePort lets a connection begin at a port that our listener has.
func reusePort(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
}

// shareListener allows connections to begin at the listener's port. It is set
// after the bind, so that a second server on the port still fails.
func shareListener(l *net.TCPListener) {
	raw, err := l.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
}

func addressInUse(err error) bool {
	return errors.Is(err, unix.EADDRINUSE) || errors.Is(err, unix.EADDRNOTAVAIL)
}

// readNow reads a datagram if one is there.
func readNow(c *net.UDPConn, b []byte) (n int, from netip.AddrPort, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, netip.AddrPort{}, false
	}
	err = raw.Read(func(fd uintptr) bool {
		got, sa, err := unix.Recvfrom(int(fd), b, unix.MSG_DONTWAIT)
		if err != nil {
			return true
		}
		switch a := sa.(type) {
		case *unix.SockaddrInet4:
			n, ok = got, true
			from = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
		case *unix.SockaddrInet6:
			n, ok = got, true
			from = netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
		}
		return true
	})
	return n, from, ok && err == nil
}
