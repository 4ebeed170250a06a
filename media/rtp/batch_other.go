//go:build !(linux && (amd64 || arm64))

package rtp

import (
	"net"
	"net/netip"

	"fengsui/internal/reuse"
)

// batch is the memory of one read: here a single datagram.
type batch struct {
	reuse.Mark

	dropped uint32 // not told here

	buf  []byte `reuse:"own"`
	n    int
	from netip.AddrPort
}

func newBatch(int) *batch { return &batch{buf: make([]byte, datagramMax)} }

func (b *batch) message(int) (data []byte, segment int, from netip.AddrPort) {
	return b.buf[:b.n], max(b.n, 1), b.from
}

type reader struct{ c *net.UDPConn }

func newReader(c *net.UDPConn) (*reader, error) { return &reader{c}, nil }

func (r *reader) read(get func() *batch, put func(*batch), take func(*batch, int)) error {
	b := get()
	defer put(b)
	n, from, err := r.c.ReadFromUDPAddrPort(b.buf)
	if err != nil {
		return err
	}
	b.n, b.from = n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	take(b, 1)
	return nil
}

func prepare(*net.UDPConn) {}
