package trace

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"sync"
	"time"
	"unsafe"

	"fengsui/sip/flow"
)

// Kind is the kind of an exchange that is counted instead of kept for good.
type Kind uint8

// The kinds.
const (
	Register Kind = iota
	Keepalive
	kinds
)

const (
	lastKept  = 3       // exchanges kept of each kind and device
	maxKept   = 4 << 10 // bytes kept of one request or answer
	shards    = 16
	rowWeight = int(unsafe.Sizeof(row{})) + 64 // bytes of a row without its messages, with its place in the map
	maxDevice = 64                             // bytes of a device name; a longer one is cut
)

// Routine counts the exchanges of one device since it was first heard, or since
// its row was last given away for want of room.
type Routine struct {
	Registers  uint64 // REGISTER requests
	Refused    uint64 // of these, answered other than 2xx; the usual 401 challenge is one
	Keepalives uint64
	Failed     uint64 // keepalives answered other than 2xx
	Last       time.Time
}

// exchange is a request and its answer: a status, a record of the ring's form, and
// another one of the answer. Of a plain answer there is only the status, 0 else:
// writing to memory that is in no cache costs more than making it anew when it is
// looked at. The memory is used again.
type exchange []byte

const statusSize = 2 // bytes of the status

// row is one device's exchanges, what an exchange touches first. Guarded by its
// shard's mu. The device is known by its hash alone: two of 100,000 have one hash
// in one of three billion servers.
type row struct {
	key                                    uint64
	used                                   uint64 // shard.uses when it was made the newest
	registers, refused, keepalives, failed uint64
	at                                     int64        // of the last, ns of the Unix epoch
	weight                                 int          // bytes, with the buffers
	next                                   [kinds]uint8 // where the next exchange of that kind goes
	last                                   [kinds][lastKept]exchange
	newer, old                             *row // neighbours in the order of use
}

// shard is one part of the devices, with a part of the memory.
type shard struct {
	mu     sync.Mutex
	rows   map[uint64]*row // by keyed hash of the device
	uses   uint64          // of rows
	newest *row
	oldest *row
	weight int // of all rows
	limit  int
	full   bool // a row was forgotten for want of memory: a new device takes over the oldest row from now on
}

type routines struct {
	seed   maphash.Seed
	remake func(request []byte, f flow.Flow, status int) []byte // nil: nothing is kept as plain
	shards [shards]shard
}

func (rs *routines) init(limit int) {
	rs.seed = maphash.MakeSeed()
	for i := range rs.shards {
		rs.shards[i].rows = make(map[uint64]*row)
		rs.shards[i].limit = limit / shards
	}
}

func (rs *routines) of(device []byte) (*shard, uint64) {
	key := maphash.Bytes(rs.seed, device)
	return &rs.shards[key%shards], key
}

// Remake sets what writes a plain answer anew, the very bytes that were sent. It
// is set before any exchange.
func (r *Ring) Remake(answer func(request []byte, f flow.Flow, status int) []byte) {
	if r != nil {
		r.routine.remake = answer
	}
}

// Exchange counts one REGISTER or keepalive and keeps it among the device's
// last three of that kind. Both messages are copied, at most 4 KiB of each; an
// empty answer means none was sent, a plain one is all in its request and status
// (see [Ring.Remake]). Of a peer that is watched both are among the
// messages too, whole (see [Ring.Watch]). When memory is short the device not heard
// for longest is forgotten, but never the one being added.
func (r *Ring) Exchange(at time.Time, kind Kind, device []byte, f flow.Flow, request, answer []byte, status int, plain bool) {
	if r == nil || kind >= kinds {
		return
	}
	device = device[:min(len(device), maxDevice)]
	r.whole(at, device, f, request, answer)
	if plain = plain && len(request) <= maxKept && r.routine.remake != nil; plain {
		answer = nil
	}
	var head [recordHead]byte
	encodeHead(&head, at, In, f, 0, 0)
	s, key := r.routine.of(device)
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.row(key)
	w.count(kind, status, at)
	e := &w.last[kind][w.next[kind]]
	w.next[kind] = (w.next[kind] + 1) % lastKept
	before := cap(*e)
	*e = e.keep(&head, request, answer, status, plain)
	grown := cap(*e) - before
	w.weight += grown
	s.weight += grown
	for s.weight > s.limit && s.oldest != w {
		s.forget(s.oldest)
	}
}

// keep is the exchange with this in the place of what it held. The head has time
// and flow already.
func (e exchange) keep(head *[recordHead]byte, request, answer []byte, status int, plain bool) exchange {
	kept := request[:min(len(request), maxKept)]
	encodeSize(head, In, len(request), recordHead+len(kept))
	e = slices.Grow(e[:0], statusSize+recordHead+len(kept)) // to the next size of memory: the next exchange may be a little longer
	if !plain {
		status = 0
	}
	e = append(e, byte(status), byte(status>>8))
	e = append(append(e, head[:]...), kept...)
	if len(answer) > 0 {
		kept = answer[:min(len(answer), maxKept)]
		encodeSize(head, Out, len(answer), recordHead+len(kept))
		e = append(append(slices.Grow(e, recordHead+len(kept)), head[:]...), kept...)
	}
	return e
}

// each calls fn with copies of the request and the answer, if there was one.
func (e exchange) each(remake func(request []byte, f flow.Flow, status int) []byte, fn func(Message)) {
	if len(e) == 0 {
		return
	}
	status, records := int(e[0])|int(e[1])<<8, e[statusSize:]
	for len(records) > 0 {
		n := binary.LittleEndian.Uint32(records)
		m, raw := decodeHead(records), records[recordHead:n]
		m.Raw = bytes.Clone(raw)
		fn(m)
		if records = records[n:]; status != 0 {
			m.Dir, m.Raw = Out, remake(raw, m.Flow, status)
			m.Size = len(m.Raw)
			fn(m)
		}
	}
}

func (w *row) count(kind Kind, status int, at time.Time) {
	w.at = at.UnixNano()
	refused := status < 200 || status > 299
	switch kind {
	case Register:
		w.registers++
		if refused {
			w.refused++
		}
	case Keepalive:
		w.keepalives++
		if refused {
			w.failed++
		}
	}
}

// lazy is how many uses of others a row may stay where it is in the order, so
// that not each use touches its neighbours too. The order is that exact.
const lazy = 64

// row returns the device's row as one of the newest. A new device takes over
// the oldest row with its buffers when the memory is used up.
func (s *shard) row(key uint64) *row {
	s.uses++
	w := s.rows[key]
	switch {
	case w != nil && s.uses-w.used < lazy && w != s.oldest:
		return w
	case w != nil:
		s.unlink(w)
	case s.oldest != nil && (s.full || s.weight+rowWeight > s.limit):
		w = s.oldest
		delete(s.rows, w.key)
		s.unlink(w)
		w.reset(key)
		s.rows[key] = w
	default:
		w = &row{weight: rowWeight, key: key}
		s.weight += rowWeight
		s.rows[key] = w
	}
	w.used = s.uses
	w.old = s.newest
	if w.old != nil {
		w.old.newer = w
	}
	s.newest = w
	if s.oldest == nil {
		s.oldest = w
	}
	return w
}

// reset gives the row to another device; the buffers stay.
func (w *row) reset(key uint64) {
	last := w.last
	for k := range last {
		for i := range last[k] {
			last[k][i] = last[k][i][:0]
		}
	}
	*w = row{key: key, weight: w.weight, last: last}
}

func (s *shard) unlink(w *row) {
	if w.newer != nil {
		w.newer.old = w.old
	} else {
		s.newest = w.old
	}
	if w.old != nil {
		w.old.newer = w.newer
	} else {
		s.oldest = w.newer
	}
	w.newer, w.old = nil, nil
}

func (s *shard) forget(w *row) {
	s.unlink(w)
	delete(s.rows, w.key)
	s.weight -= w.weight
	s.full = true
}

// Routine returns a device's counters; false when nothing is known of it.
func (r *Ring) Routine(device string) (Routine, bool) {
	if r == nil {
		return Routine{}, false
	}
	name := []byte(device[:min(len(device), maxDevice)])
	s, key := r.routine.of(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.rows[key]
	if w == nil {
		return Routine{}, false
	}
	return Routine{w.registers, w.refused, w.keepalives, w.failed, time.Unix(0, w.at)}, true
}

// find calls fn with copies of the kept exchanges, of one device or, when it is
// empty, of all whose request holds the Call-ID.
func (rs *routines) find(device, callID string, fn func(Message)) {
	if device != "" {
		name := []byte(device[:min(len(device), maxDevice)])
		s, key := rs.of(name)
		s.mu.Lock()
		defer s.mu.Unlock()
		if w := s.rows[key]; w != nil {
			w.each(callID, rs.remake, fn)
		}
		return
	}
	for i := range rs.shards {
		s := &rs.shards[i]
		s.mu.Lock()
		for w := s.newest; w != nil; w = w.old {
			w.each(callID, rs.remake, fn)
		}
		s.mu.Unlock()
	}
}

func (w *row) each(callID string, remake func([]byte, flow.Flow, int) []byte, fn func(Message)) {
	for k := range w.last {
		for _, e := range w.last[k] {
			if callID == "" || bytes.Contains(e, []byte(callID)) {
				e.each(remake, fn)
			}
		}
	}
}
