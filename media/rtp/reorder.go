package rtp

import (
	"time"

	"fengsui/internal/reuse"
)

// Bounds of sequence numbers, in packets.
const (
	windowMax  = 64   // slots for packets that came early
	lateMax    = 1000 // further back the source has restarted
	aheadMax   = 3000 // further ahead the source has restarted
	lateInARow = 256  // that many late packets and nothing else: restarted
	historyLen = 1024 // remembered for telling a duplicate from a late one
)

// Reorder puts packets into sequence order. A packet in order passes at once and
// uncopied; one that came early waits, copied, until those before it came, the
// window is full, or the oldest waited for the delay. Not safe for concurrent use.
type Reorder struct {
	// Window is the most packets that wait, 0 to 64; 0 waits for none, for a
	// transport that keeps order. Delay is the longest a packet waits.
	Window int
	Delay  time.Duration

	// Counters of packets, except Restarts.
	Reordered, Late, Duplicate, Lost, Restarts uint64

	started bool
	next    uint16 // sequence expected
	gap     int    // packets given up before next, not yet told to the sink
	lateRun int
	held    int
	since   time.Time                    // arrival of the oldest held
	window  *window                      // taken when a packet is held for the first time
	windows *reuse.Pool[window, *window] // nil: it is made
	seen    [historyLen / 64]uint64

	probing bool // one packet far off was seen; the next decides
	probe   slot
}

// window is memory for the packets that are held.
type window struct {
	reuse.Mark

	slots [windowMax]slot
}

// slot is a held packet; its buffer is kept for the next one.
type slot struct {
	used bool
	h    Header
	buf  []byte `reuse:"own"`
	at   time.Time
}

// orderSink is the part of [Sink] that Reorder calls.
type orderSink interface {
	Packet(h Header, payload []byte, at time.Time)
	Gap(lost int)
	Restart()
}

// Push takes a packet as it came.
func (r *Reorder) Push(h Header, payload []byte, at time.Time, out orderSink) {
	if !r.started {
		r.started, r.next = true, h.Sequence
	}
	d := int(int16(h.Sequence - r.next))
	if d == 0 {
		r.lateRun, r.probing = 0, false
		r.deliver(h, payload, at, out)
		if r.held > 0 {
			r.drain(out)
			r.Expire(at, out)
		}
		return
	}
	switch {
	case d < -lateMax || d > aheadMax:
		r.far(h, payload, at, out)
		return
	case d < 0:
		r.probing = false
		if r.was(h.Sequence) {
			r.Duplicate++
		} else {
			r.Late++
		}
		if r.lateRun++; r.lateRun > lateInARow {
			r.restart(h.Sequence, out)
			r.deliver(h, payload, at, out)
		}
		return
	}
	r.probing, r.lateRun = false, 0
	if d >= r.Window {
		r.skipTo(h.Sequence-uint16(max(r.Window-1, 0)), out)
		if h.Sequence == r.next {
			r.deliver(h, payload, at, out)
			r.drain(out)
			return
		}
	}
	r.hold(h, payload, at)
	r.Expire(at, out)
}

// Expire gives up what the oldest held packet waits for, if it waited for the delay.
func (r *Reorder) Expire(now time.Time, out orderSink) {
	for r.held > 0 && now.Sub(r.since) >= r.Delay {
		r.giveUp(out)
	}
}

// Flush gives up everything that is waited for.
func (r *Reorder) Flush(out orderSink) {
	for r.held > 0 {
		r.giveUp(out)
	}
}

// Reset forgets the sequence: the next packet is the first.
func (r *Reorder) Reset() {
	for r.held > 0 {
		r.clear()
	}
	r.started, r.gap, r.lateRun, r.probing = false, 0, 0, false
	r.seen = [historyLen / 64]uint64{}
}

func (r *Reorder) deliver(h Header, payload []byte, at time.Time, out orderSink) {
	if r.gap > 0 {
		out.Gap(r.gap)
		r.gap = 0
	}
	bit := h.Sequence % historyLen
	r.seen[bit/64] |= 1 << (bit % 64)
	r.next = h.Sequence + 1
	out.Packet(h, payload, at)
}

func (r *Reorder) was(seq uint16) bool {
	bit := seq % historyLen
	return r.seen[bit/64]&(1<<(bit%64)) != 0
}

// miss passes over one sequence number that never came.
func (r *Reorder) miss() {
	bit := r.next % historyLen
	r.seen[bit/64] &^= 1 << (bit % 64)
	r.next++
	r.gap++
	r.Lost++
}

func (r *Reorder) hold(h Header, payload []byte, at time.Time) {
	switch {
	case r.window != nil:
	case r.windows != nil:
		r.window = r.windows.Get()
	default:
		r.window = new(window)
	}
	s := &r.window.slots[h.Sequence%windowMax]
	if s.used {
		r.Duplicate++
		return
	}
	if r.held == 0 {
		r.since = at
	}
	s.used, s.h, s.at = true, h, at
	s.buf = append(s.buf[:0], payload...)
	r.held++
	r.Reordered++
}

// drain delivers the held packets that are next.
func (r *Reorder) drain(out orderSink) {
	for r.held > 0 {
		s := &r.window.slots[r.next%windowMax]
		if !s.used {
			break
		}
		s.used = false
		r.held--
		r.deliver(s.h, s.buf, s.at, out)
	}
	if r.held > 0 {
		r.since = r.oldest()
	}
}

func (r *Reorder) oldest() time.Time {
	var t time.Time
	for i := range r.window.slots {
		if s := &r.window.slots[i]; s.used && (t.IsZero() || s.at.Before(t)) {
			t = s.at
		}
	}
	return t
}

// giveUp passes over what is missing before the first held packet. At least one
// is held.
func (r *Reorder) giveUp(out orderSink) {
	for !r.window.slots[r.next%windowMax].used {
		r.miss()
	}
	r.drain(out)
}

// skipTo moves the window on, delivering what it held on the way.
func (r *Reorder) skipTo(seq uint16, out orderSink) {
	for r.next != seq {
		if r.held > 0 && r.window.slots[r.next%windowMax].used {
			s := &r.window.slots[r.next%windowMax]
			s.used = false
			r.held--
			r.deliver(s.h, s.buf, s.at, out)
			continue
		}
		r.miss()
	}
	if r.held > 0 {
		r.drain(out)
	}
}

func (r *Reorder) clear() {
	for i := range r.window.slots {
		r.window.slots[i].used = false
	}
	r.held = 0
}

// release returns the window and forgets what is held.
func (r *Reorder) release() {
	if r.window != nil && r.windows != nil {
		r.windows.Put(r.window)
	}
	r.window, r.held = nil, 0
}

// clear lets go of buffers that are larger than packets are.
func (w *window) clear() {
	for i := range w.slots {
		s := &w.slots[i]
		s.used = false
		if cap(s.buf) > slotBytes {
			s.buf = nil
		}
	}
}

// far decides about a packet out of all bounds: a second one that follows it
// proves that the source restarted; alone it is noise.
func (r *Reorder) far(h Header, payload []byte, at time.Time, out orderSink) {
	if r.probing && h.Sequence == r.probe.h.Sequence+1 {
		first := r.probe
		r.restart(first.h.Sequence, out)
		r.deliver(first.h, first.buf, first.at, out)
		r.deliver(h, payload, at, out)
		return
	}
	r.Late++
	r.probing = true
	r.probe.h, r.probe.at = h, at
	r.probe.buf = append(r.probe.buf[:0], payload...)
}

func (r *Reorder) restart(seq uint16, out orderSink) {
	r.Flush(out)
	r.Restarts++
	r.lateRun, r.probing, r.gap = 0, false, 0
	r.seen = [historyLen / 64]uint64{}
	r.next = seq
	out.Restart()
}
