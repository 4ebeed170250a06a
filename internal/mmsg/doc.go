// Package mmsg reads UDP sockets and answers in batches: by recvmmsg and sendmmsg
// on Linux, one datagram at a time elsewhere. Nothing here starts a goroutine;
// a [Batch] and a [Queue] belong to one goroutine at a time.
package mmsg

import "net/netip"

// unmapped is the address as IPv4 where a dual-stack socket reports it mapped
// into IPv6.
func unmapped(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
