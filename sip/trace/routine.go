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

// exchange is a request and its answer, as one or two records of the ring's form.
// Of a plain answer there is only the head, with its status for a size: writing
// to memory that is in no cache costs more than making it anew when it is looked
// at. The memory is used again.
type exchange []byte

// append appends a record, whose head has time and flow already.
func (e exchange) append(head *[recordHead]byte, dir Direction, kept []byte, size int) exchange {
	encodeSize(head, dir, size, recordHead+len(kept))
	return append(append(slices.Grow(e, recordHead+len(kept)), head[:]...), kept...)
}

// row is one device's exchanges. Guarded by its shard's mu.
type row struct {
	device     []byte
	key        uint64
	counts     Routine
	last       [kinds][lastKept]exchange
	next       [kinds]int // where the next exchange of that kind goes
	weight     int        // bytes of the buffers
	newer, old *row       // neighbours in the order of use
	used       uint64     // shard.uses when it was made the newest
}

// shard is one part of the devices, with a part of the memory.
type shard struct {
	mu     sync.Mutex
	rows   map[uint64]*row // by keyed hash of the device; of two with one hash the later counts
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
	s, key := r.routine.of(device)
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.row(device, key)
	w.counts.Last = at
	ok := status >= 200 && status <= 299
	switch kind {
	case Register:
		w.counts.Registers++
		if !ok {
			w.counts.Refused++
		}
	case Keepalive:
		w.counts.Keepalives++
		if !ok {
			w.counts.Failed++
		}
	}
	e := &w.last[kind][w.next[kind]]
	w.next[kind] = (w.next[kind] + 1) % lastKept
	before := cap(*e)
	var head [recordHead]byte
	encodeHead(&head, at, In, f, 0, 0)
	*e = (*e)[:0].append(&head, In, request[:min(len(request), maxKept)], len(request))
	switch {
	case len(answer) == 0:
	case plain && len(request) <= maxKept && r.routine.remake != nil:
		*e = e.append(&head, Out, nil, status)
	default:
		*e = e.append(&head, Out, answer[:min(len(answer), maxKept)], len(answer))
	}
	grown := cap(*e) - before
	w.weight += grown
	s.weight += grown
	for s.weight > s.limit && s.oldest != w {
		s.forget(s.oldest)
	}
}

// lazy is how many uses of others a row may stay where it is in the order, so
// that not each use touches its neighbours too. The order is that exact.
const lazy = 64

// row returns the device's row as one of the newest. A new device takes over
// the oldest row with its buffers when the memory is used up.
func (s *shard) row(device []byte, key uint64) *row {
	s.uses++
	w := s.rows[key]
	switch {
	case w != nil && !bytes.Equal(w.device, device):
		w.reset(device, key)
		s.unlink(w)
	case w != nil && s.uses-w.used < lazy && w != s.oldest:
		return w
	case w != nil:
		s.unlink(w)
	case s.oldest != nil && (s.full || s.weight+rowWeight > s.limit):
		w = s.oldest
		delete(s.rows, w.key)
		w.reset(device, key)
		s.unlink(w)
		s.rows[key] = w
	default:
		w = &row{weight: rowWeight}
		s.weight += rowWeight
		w.reset(device, key)
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
func (w *row) reset(device []byte, key uint64) {
	w.device, w.key = append(w.device[:0], device...), key
	w.counts, w.next = Routine{}, [kinds]int{}
	for k := range w.last {
		for i := range w.last[k] {
			w.last[k][i] = w.last[k][i][:0]
		}
	}
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
	if w == nil || !bytes.Equal(w.device, name) {
		return Routine{}, false
	}
	return w.counts, true
}

// find calls fn with copies of the kept exchanges, of one device or, when it is
// empty, of all whose request holds the Call-ID.
func (rs *routines) find(device, callID string, fn func(Message)) {
	if device != "" {
		name := []byte(device[:min(len(device), maxDevice)])
		s, key := rs.of(name)
		s.mu.Lock()
		defer s.mu.Unlock()
		if w := s.rows[key]; w != nil && bytes.Equal(w.device, name) {
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
		for i := range w.last[k] {
			e := w.last[k][i]
			if callID != "" && !bytes.Contains(e, []byte(callID)) {
				continue
			}
			var request []byte
			for len(e) > 0 {
				n := binary.LittleEndian.Uint32(e)
				m := decodeHead(e)
				switch {
				case m.Dir == In:
					request = e[recordHead:n]
					m.Raw = bytes.Clone(request)
				case n == recordHead:
					m.Raw = remake(request, m.Flow, m.Size)
					m.Size = len(m.Raw)
				default:
					m.Raw = bytes.Clone(e[recordHead:n])
				}
				e = e[n:]
				fn(m)
			}
		}
	}
}
