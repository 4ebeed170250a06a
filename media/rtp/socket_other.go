//go:build !unix

package rtp

import (
	"net"
	"net/netip"
	"syscall"
	"time"
)

func reusePort(_, _ string, _ syscall.RawConn) error { return nil }

func shareListener(*net.TCPListener) {}

// addressInUse treats any failure to connect from the wanted port so: connecting
// from another one is tried.
func addressInUse(error) bool { return true }

func readNow(c *net.UDPConn, b []byte) (int, netip.AddrPort, bool) {
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	n, from, err := c.ReadFromUDPAddrPort(b)
	return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), err == nil
}
