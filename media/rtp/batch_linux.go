//go:build linux && (amd64 || arm64)

package rtp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"fengsui/internal/reuse"
)

const controlSize = 64 // holds UDP_GRO and SO_RXQ_OVFL

// batch is the memory of one recvmmsg: per message a buffer that holds a run of
// datagrams of one sender as UDP_GRO joins them.
type batch struct {
	reuse.Mark

	dropped uint32 // by the kernel since the socket opened, as last told

	hdrs    []mmsghdr
	iovs    []unix.Iovec
	names   []unix.RawSockaddrInet6
	control []byte
	slab    []byte `reuse:"own"`
}

// mmsghdr is struct mmsghdr of recvmmsg(2) on 64-bit machines.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

func newBatch(n int) *batch {
	b := &batch{
		hdrs:    make([]mmsghdr, n),
		iovs:    make([]unix.Iovec, n),
		names:   make([]unix.RawSockaddrInet6, n),
		control: make([]byte, n*controlSize),
		slab:    make([]byte, n*datagramMax),
	}
	for i := range b.hdrs {
		b.iovs[i].Base = &b.slab[i*datagramMax]
		b.iovs[i].SetLen(datagramMax)
		h := &b.hdrs[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Iov = &b.iovs[i]
		h.SetIovlen(1)
		h.Control = &b.control[i*controlSize]
		b.rearm(i)
	}
	return b
}

// rearm resets what the kernel overwrote.
func (b *batch) rearm(i int) {
	h := &b.hdrs[i].hdr
	h.Namelen = uint32(unsafe.Sizeof(b.names[i]))
	h.SetControllen(controlSize)
}

// receive reads what is there, without waiting.
func (b *batch) receive(fd uintptr) (int, unix.Errno) {
	for {
		n, _, e := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.hdrs[0])),
			uintptr(len(b.hdrs)), unix.MSG_DONTWAIT, 0, 0)
		if e != unix.EINTR {
			return int(n), e
		}
	}
}

// message is the i-th message: its bytes, the size of each datagram in it but
// the last, and the sender.
func (b *batch) message(i int) (data []byte, segment int, from netip.AddrPort) {
	h := &b.hdrs[i]
	data = b.slab[i*datagramMax:][:h.n]
	segment = max(len(data), 1)
	n := &b.names[i]
	port := uint16((*[2]byte)(unsafe.Pointer(&n.Port))[0])<<8 | uint16((*[2]byte)(unsafe.Pointer(&n.Port))[1])
	if n.Family == unix.AF_INET {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(n))
		from = netip.AddrPortFrom(netip.AddrFrom4(four.Addr), port)
	} else {
		from = netip.AddrPortFrom(netip.AddrFrom16(n.Addr).Unmap(), port)
	}
	c := b.control[i*controlSize:][:min(h.hdr.Controllen, controlSize)]
	for len(c) >= unix.SizeofCmsghdr {
		size := int(binary.NativeEndian.Uint64(c))
		level, kind := int32(binary.NativeEndian.Uint32(c[8:])), int32(binary.NativeEndian.Uint32(c[12:]))
		if size < unix.SizeofCmsghdr+4 || size > len(c) {
			break
		}
		v := binary.NativeEndian.Uint32(c[unix.SizeofCmsghdr:])
		switch {
		case level == unix.SOL_UDP && kind == unix.UDP_GRO && v > 0:
			segment = int(v)
		case level == unix.SOL_SOCKET && kind == unix.SO_RXQ_OVFL:
			b.dropped = v
		}
		c = c[min((size+7)&^7, len(c)):]
	}
	return data, segment, from
}

// reader reads a socket in batches.
type reader struct{ raw syscall.RawConn }

func newReader(c *net.UDPConn) (*reader, error) {
	raw, err := c.SyscallConn()
	return &reader{raw}, err
}

// read hands batches to take until an error. A batch that is not full has
// emptied the socket; then it waits, without asking once more: what comes from
// then on wakes it.
func (r *reader) read(get func() *batch, put func(*batch), take func(*batch, int)) error {
	var failed error
	err := r.raw.Read(func(fd uintptr) bool {
		b := get()
		defer put(b)
		for {
			n, e := b.receive(fd)
			if e == unix.EAGAIN {
				return false
			}
			if e != 0 {
				failed = e
				return true
			}
			take(b, n)
			for i := range n {
				b.rearm(i)
			}
			if n < len(b.hdrs) {
				return false
			}
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// prepare asks for joined datagrams and for the count of lost ones, where the
// kernel has them.
func prepare(c *net.UDPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1)
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	})
}
