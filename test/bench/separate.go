//go:build linux

package main

import (
	"net"

	"golang.org/x/sys/unix"
)

// separate makes every packet of a media socket go through the kernel on its
// own, as packets of real cameras arrive: over loopback a run that is cut by the
// kernel (UDP_SEGMENT) would reach the receiver in one piece, which flatters it.
// The kernel refuses to cut without checksums, and the sender then writes each
// packet itself.
func separate(c *net.UDPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1)
	})
}
