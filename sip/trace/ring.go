package trace

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"fengsui/sip/flow"
)

const (
	minRing    = 64 << 10
	readWindow = 256 << 10 // bytes copied out under one lock while a query scans
	// fixed part of a record: length of the whole, size on the wire, time, direction, transport, listener, two addresses
	recordHead = 4 + 4 + 8 + 1 + 1 + 2 + 2*(16+1+2)
)

// Ring holds recent messages in memory that never grows. Its methods may be
// called from several goroutines, and on a nil Ring, which holds nothing.
type Ring struct {
	keep    time.Duration
	routine routines
	watches watches

	mu    sync.Mutex
	arena []byte // records one after another, wrapping at the end
	// Positions in the endless stream of records, of which the arena holds
	// [first, next). Guarded by mu, as is the arena.
	first, next uint64
}

// NewRing returns a ring of the given size: three quarters for signalling, an
// eighth for REGISTER and keepalive exchanges, and the rest for what their rows
// cost beside their bytes. The least is 64 KiB. Messages older
// than keep are not shown; 0 keeps whatever fits.
func NewRing(bytes int, keep time.Duration) *Ring {
	bytes = max(bytes, minRing)
	arena, free := newArena(bytes - bytes/4)
	r := &Ring{keep: keep, arena: arena}
	if free != nil {
		// No arena is read or written but under mu, whose holder keeps r alive.
		runtime.AddCleanup(r, func(free func()) { free() }, free)
	}
	r.routine.init(bytes / 8)
	return r
}

// Add copies a message into the ring; the oldest ones make room. Of a message
// larger than a quarter of the ring only the beginning is kept.
func (r *Ring) Add(at time.Time, dir Direction, f flow.Flow, raw []byte) {
	if r == nil {
		return
	}
	kept := raw[:min(len(raw), len(r.arena)/4)]
	var head [recordHead]byte
	encodeHead(&head, at, dir, f, len(raw), recordHead+len(kept))
	need := uint64(recordHead + len(kept))

	r.mu.Lock()
	defer r.mu.Unlock()
	for r.next+need-r.first > uint64(len(r.arena)) {
		var n [4]byte
		r.copyOut(n[:], r.first)
		r.first += uint64(binary.LittleEndian.Uint32(n[:]))
	}
	r.copyIn(r.next, head[:])
	r.copyIn(r.next+recordHead, kept)
	r.next += need
}

func (r *Ring) copyIn(pos uint64, b []byte) {
	n := copy(r.arena[pos%uint64(len(r.arena)):], b)
	copy(r.arena, b[n:])
}

func (r *Ring) copyOut(b []byte, pos uint64) {
	n := copy(b, r.arena[pos%uint64(len(r.arena)):])
	copy(b[n:], r.arena)
}

// window copies up to a window of the stream from pos on, moved forward when
// that has been overwritten. The bytes begin with a record but may end within.
func (r *Ring) window(pos uint64, buf []byte) (at uint64, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pos = max(pos, r.first)
	b = buf[:min(uint64(len(buf)), r.next-pos)]
	r.copyOut(b, pos)
	return pos, b
}

// scan calls fn with each record there is, oldest first. The bytes belong to
// scan again when fn returns. Adding goes on meanwhile.
func (r *Ring) scan(fn func(m Message)) {
	buf := make([]byte, min(readWindow, len(r.arena)))
	r.mu.Lock()
	end := r.next // what is added during the scan is for the next one
	r.mu.Unlock()
	for pos := uint64(0); ; {
		at, b := r.window(pos, buf)
		pos = at
		for len(b) >= recordHead {
			n := int(binary.LittleEndian.Uint32(b))
			if n > len(b) {
				break
			}
			if pos >= end {
				return
			}
			m := decodeHead(b)
			m.Raw = b[recordHead:n]
			fn(m)
			pos += uint64(n)
			b = b[n:]
		}
		switch {
		case pos >= end:
			return
		case pos == at: // one record is larger than the window
			buf = make([]byte, len(r.arena))
		}
	}
}

var transports = [...]string{"", flow.UDP, flow.TCP, flow.TLS}

func encodeHead(b *[recordHead]byte, at time.Time, dir Direction, f flow.Flow, size, whole int) {
	le := binary.LittleEndian
	le.PutUint64(b[8:], uint64(at.UnixNano()))
	encodeSize(b, dir, size, whole)
	for i, t := range transports {
		if t == f.Transport {
			b[17] = byte(i)
		}
	}
	le.PutUint16(b[18:], uint16(f.Listener))
	encodeAddr(b[20:39], f.Local)
	encodeAddr(b[39:58], f.Remote)
}

// encodeSize sets what the heads of a request and its answer differ in.
func encodeSize(b *[recordHead]byte, dir Direction, size, whole int) {
	le := binary.LittleEndian
	le.PutUint32(b[0:], uint32(whole))
	le.PutUint32(b[4:], uint32(size))
	b[16] = 0
	if dir == Out {
		b[16] = 1
	}
}

func decodeHead(b []byte) Message {
	le := binary.LittleEndian
	return Message{
		Size: int(le.Uint32(b[4:])),
		At:   time.Unix(0, int64(le.Uint64(b[8:]))),
		Dir:  b[16] == 1,
		Flow: flow.Flow{
			Transport: transports[b[17]],
			Listener:  int(le.Uint16(b[18:])),
			Local:     decodeAddr(b[20:39]),
			Remote:    decodeAddr(b[39:58]),
		},
	}
}

// encodeAddr writes an address in 19 bytes: 16 of address, its family, port.
// An IPv6 zone is lost.
func encodeAddr(b []byte, ap netip.AddrPort) {
	a := ap.Addr()
	if !a.IsValid() {
		b[16] = 0
		return
	}
	b16 := a.As16()
	copy(b, b16[:])
	b[16] = 6
	if a.Is4() {
		b[16] = 4
	}
	binary.LittleEndian.PutUint16(b[17:], ap.Port())
}

func decodeAddr(b []byte) netip.AddrPort {
	if b[16] == 0 {
		return netip.AddrPort{}
	}
	a := netip.AddrFrom16([16]byte(b[:16]))
	if b[16] == 4 {
		a = a.Unmap()
	}
	return netip.AddrPortFrom(a, binary.LittleEndian.Uint16(b[17:]))
}
