//go:build !(linux && (amd64 || arm64))

package mmsg

import (
	"net"
	"net/netip"
)

// Batch is the memory of one read: here of a single datagram.
type Batch struct {
	buf  []byte
	n    int
	from netip.AddrPort
}

// NewBatch holds one datagram of at most size bytes; of a longer one the rest
// is lost.
func NewBatch(_, size int) *Batch { return &Batch{buf: make([]byte, size)} }

// Datagram is the datagram of the last read, valid until the next one.
func (b *Batch) Datagram(int) []byte { return b.buf[:b.n:len(b.buf)] }

// From is who sent it, IPv4 addresses unmapped.
func (b *Batch) From(int) netip.AddrPort { return unmapped(b.from) }

// Reader reads a socket.
type Reader struct{ c *net.UDPConn }

// NewReader reads c, which stays the caller's to close.
func NewReader(c *net.UDPConn) (*Reader, error) { return &Reader{c}, nil }

// Read fills b and gives take the number of datagrams in it, again and again
// until take returns false or reading fails.
func (r *Reader) Read(b *Batch, take func(n int) bool) (err error) {
	for {
		if b.n, b.from, err = r.c.ReadFromUDPAddrPort(b.buf); err != nil {
			return err
		}
		if !take(1) {
			return nil
		}
	}
}

// GrowReadBuffer asks for so many bytes of the socket's read buffer and returns
// how many there are, 0 if that cannot be told.
func GrowReadBuffer(c *net.UDPConn, bytes int) int {
	if c.SetReadBuffer(bytes) != nil {
		return 0
	}
	return bytes
}

// Queue sends answers to the sender of a datagram.
type Queue struct {
	c    *net.UDPConn
	to   []netip.AddrPort
	ends []int // of the answers in slab
	slab []byte
}

// NewQueue sends through c at most n datagrams of together at most size bytes
// at a time.
func NewQueue(c *net.UDPConn, n, size int) (*Queue, error) {
	return &Queue{c: c, to: make([]netip.AddrPort, 0, n), ends: make([]int, 0, n), slab: make([]byte, 0, size)}, nil
}

// Add copies an answer to the sender of b's datagram. It reports false, and
// does nothing, when there is no room: flush first. An answer larger than the
// whole queue never has room.
func (q *Queue) Add(b *Batch, _ int, answer []byte) bool {
	if len(q.to) == cap(q.to) || len(answer) > cap(q.slab)-len(q.slab) || len(answer) == 0 {
		return false
	}
	q.slab = append(q.slab, answer...)
	q.to, q.ends = append(q.to, b.from), append(q.ends, len(q.slab))
	return true
}

// Flush sends what is queued, in order, and empties the queue. It returns how
// many datagrams the system took, their bytes, and how many it refused; each
// of those is lost alone. The error is the last refusal.
func (q *Queue) Flush() (sent, bytes, refused int, err error) {
	begin := 0
	for i, end := range q.ends {
		n, e := q.c.WriteToUDPAddrPort(q.slab[begin:end], q.to[i])
		if begin = end; e != nil {
			refused, err = refused+1, e
			continue
		}
		sent, bytes = sent+1, bytes+n
	}
	q.to, q.ends, q.slab = q.to[:0], q.ends[:0], q.slab[:0]
	return sent, bytes, refused, err
}
