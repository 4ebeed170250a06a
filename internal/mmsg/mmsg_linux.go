//go:build linux && (amd64 || arm64)

package mmsg

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// header is struct mmsghdr of recvmmsg(2) on 64-bit machines.
type header struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

// skew parts the slots of a slab. At a distance of 64 KiB the beginnings of all
// datagrams of a batch would share the same few lines of the processor's cache.
const skew = 1<<10 + 64

// Batch is the memory of one recvmmsg. The kernel maps the pages of a slot when
// a datagram first reaches them, so large slots cost what is used of them.
type Batch struct {
	headers []header
	iovs    []unix.Iovec
	names   []unix.RawSockaddrInet6
	slab    []byte
	size    int

	zone   string // of the sender in zoneOf, for link-local addresses
	zoneOf uint32
}

// NewBatch holds n datagrams of at most size bytes; of longer ones the rest is
// lost.
func NewBatch(n, size int) *Batch {
	b := &Batch{
		headers: make([]header, n),
		iovs:    make([]unix.Iovec, n),
		names:   make([]unix.RawSockaddrInet6, n),
		slab:    make([]byte, n*(size+skew)),
		size:    size,
	}
	for i := range b.headers {
		b.iovs[i].Base = &b.slab[i*(size+skew)]
		b.iovs[i].SetLen(size)
		h := &b.headers[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Iov = &b.iovs[i]
		h.SetIovlen(1)
	}
	return b
}

// receive reads what is there, without waiting.
func (b *Batch) receive(fd uintptr) (int, unix.Errno) {
	for i := range b.headers { // what the kernel overwrote
		b.headers[i].hdr.Namelen = unix.SizeofSockaddrInet6
	}
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.headers[0])),
			uintptr(len(b.headers)), unix.MSG_DONTWAIT, 0, 0)
		if e != unix.EINTR {
			return int(n), e
		}
	}
}

// Datagram is the i-th datagram of the last read, valid until the next one.
func (b *Batch) Datagram(i int) []byte {
	return b.slab[i*(b.size+skew):][:b.headers[i].n:b.size]
}

// From is who sent the i-th datagram, IPv4 addresses unmapped.
func (b *Batch) From(i int) netip.AddrPort {
	n := &b.names[i]
	p := (*[2]byte)(unsafe.Pointer(&n.Port))
	port := uint16(p[0])<<8 | uint16(p[1])
	if n.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(n)).Addr), port)
	}
	a := netip.AddrFrom16(n.Addr)
	if n.Scope_id != 0 && !a.Is4In6() {
		a = a.WithZone(b.zoneName(n.Scope_id))
	}
	return unmapped(netip.AddrPortFrom(a, port))
}

// zoneName is the name of an interface, as package net has it.
func (b *Batch) zoneName(index uint32) string {
	if b.zoneOf != index {
		b.zone, b.zoneOf = strconv.FormatUint(uint64(index), 10), index
		if i, err := net.InterfaceByIndex(int(index)); err == nil {
			b.zone = i.Name
		}
	}
	return b.zone
}

// Reader reads a socket in batches.
type Reader struct{ raw syscall.RawConn }

// NewReader reads c, which stays the caller's to close.
func NewReader(c *net.UDPConn) (*Reader, error) {
	raw, err := c.SyscallConn()
	return &Reader{raw}, err
}

// Read fills b and gives take the number of datagrams in it, again and again
// until take returns false or reading fails. A batch that is not full has
// emptied the socket: Read then waits without asking once more, for what comes
// from then on wakes it.
func (r *Reader) Read(b *Batch, take func(n int) bool) error {
	var failed error
	err := r.raw.Read(func(fd uintptr) bool {
		for {
			n, e := b.receive(fd)
			switch {
			case e == unix.EAGAIN:
				return false
			case e != 0:
				failed = os.NewSyscallError("recvmmsg", e)
				return true
			case !take(n):
				return true
			case n < len(b.headers):
				return false
			}
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// GrowReadBuffer asks for so many bytes of the socket's read buffer, beyond the
// system's bound (net.core.rmem_max) where the process may, and returns how many
// there are.
func GrowReadBuffer(c *net.UDPConn, bytes int) (got int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, bytes)
		}
		got, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	})
	return got / 2 // the kernel counts its own bookkeeping
}

// Queue gathers answers to the senders of a batch and sends them with one call.
type Queue struct {
	raw     syscall.RawConn
	headers []header
	iovs    []unix.Iovec
	names   []unix.RawSockaddrInet6
	slab    []byte
	used    int // bytes of the slab
	queued  int // datagrams
	send    func(fd uintptr) bool

	// Of the flush under way.
	done  int
	bytes int
	errno unix.Errno
}

// NewQueue sends through c at most n datagrams of together at most size bytes
// at a time.
func NewQueue(c *net.UDPConn, n, size int) (*Queue, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	q := &Queue{
		raw: raw, headers: make([]header, n), iovs: make([]unix.Iovec, n),
		names: make([]unix.RawSockaddrInet6, n), slab: make([]byte, size),
	}
	for i := range q.headers {
		h := &q.headers[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&q.names[i]))
		h.Iov = &q.iovs[i]
		h.SetIovlen(1)
	}
	q.send = q.sendSome
	return q, nil
}

// Add copies an answer to the sender of b's i-th datagram. It reports false, and
// does nothing, when there is no room: flush first. An answer larger than the
// whole queue never has room.
func (q *Queue) Add(b *Batch, i int, answer []byte) bool {
	if q.queued == len(q.headers) || len(answer) > len(q.slab)-q.used || len(answer) == 0 {
		return false
	}
	mine := q.slab[q.used:][:len(answer)]
	copy(mine, answer)
	q.used += len(answer)
	q.iovs[q.queued].Base = &mine[0]
	q.iovs[q.queued].SetLen(len(answer))
	q.names[q.queued] = b.names[i]
	q.headers[q.queued].hdr.Namelen = unix.SizeofSockaddrInet6
	if b.names[i].Family == unix.AF_INET {
		q.headers[q.queued].hdr.Namelen = unix.SizeofSockaddrInet4
	}
	q.queued++
	return true
}

// Flush sends what is queued, in order, and empties the queue. It returns how
// many datagrams the kernel took, their bytes, and how many it refused; each
// of those is lost alone. The error is the last refusal, or that the socket is
// closed, upon which the rest is refused too.
func (q *Queue) Flush() (sent, bytes, refused int, err error) {
	if q.queued == 0 {
		return 0, 0, 0, nil
	}
	q.done, q.bytes = 0, 0
	for q.done < q.queued {
		q.errno = 0
		if e := q.raw.Write(q.send); e != nil {
			refused += q.queued - q.done
			err = e
			break
		}
		if q.errno != 0 {
			q.done++
			refused++
			err = os.NewSyscallError("sendmmsg", q.errno)
		}
	}
	sent, bytes = q.queued-refused, q.bytes
	q.queued, q.used = 0, 0
	return sent, bytes, refused, err
}

// sendSome is called with the socket's descriptor until it returns true.
func (q *Queue) sendSome(fd uintptr) bool {
	for q.done < q.queued {
		n, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&q.headers[q.done])),
			uintptr(q.queued-q.done), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case e == unix.EINTR:
		case e == unix.EAGAIN:
			return false
		case e != 0:
			q.errno = e
			return true
		default:
			for _, h := range q.headers[q.done:][:n] {
				q.bytes += int(h.n)
			}
			q.done += int(n)
		}
	}
	return true
}
