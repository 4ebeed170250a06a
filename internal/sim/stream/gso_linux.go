package stream

import (
	"net"

	"golang.org/x/sys/unix"
)

// maxSegments is how many packets of full size one write may hold: the kernel
// takes 64, and a datagram 65507 bytes.
const maxSegments = 40

// segmentation asks the kernel to cut every write into packets of size bytes
// (UDP_SEGMENT, since Linux 4.18); 0 ends it. It reports whether that works.
func segmentation(c *net.UDPConn, size int) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	set := false
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size) == nil
	})
	return err == nil && set
}
