package device

import (
	"sync"
	"time"
)

const wheelSlots = 1024

// wheel wakes rows up. A row is in at most one slot, so the wheel's memory is
// the rows' own. A row due beyond the horizon of wheelSlots ticks is woken there
// and goes back in.
type wheel struct {
	base time.Time
	tick time.Duration

	mu    sync.Mutex
	now   int64 // last tick handed out
	slots [wheelSlots]*row
}

// hook is a row's place in the wheel, guarded by wheel.mu.
type hook struct {
	next, prev *row
	slot       int16 // index + 1; 0 is none
}

// put wakes the row at or up to one tick after at.
func (w *wheel) put(r *row, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(r)
	t := int64((at.Sub(w.base) + w.tick - 1) / w.tick)
	t = min(max(t, w.now+1), w.now+wheelSlots-1)
	i := int16(t % wheelSlots)
	head := w.slots[i]
	r.hook = hook{next: head, slot: i + 1}
	if head != nil {
		head.hook.prev = r
	}
	w.slots[i] = r
}

func (w *wheel) remove(r *row) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(r)
}

// advance appends the rows that are due by now to dst and takes them out.
func (w *wheel) advance(dst []*row, now time.Time) []*row {
	w.mu.Lock()
	defer w.mu.Unlock()
	target := int64(now.Sub(w.base) / w.tick)
	if target-w.now > wheelSlots {
		w.now = target - wheelSlots
	}
	for w.now < target {
		w.now++
		i := w.now % wheelSlots
		for r := w.slots[i]; r != nil; {
			next := r.hook.next
			r.hook = hook{}
			dst = append(dst, r)
			r = next
		}
		w.slots[i] = nil
	}
	return dst
}

func (w *wheel) unlink(r *row) {
	if r.hook.slot == 0 {
		return
	}
	if r.hook.prev != nil {
		r.hook.prev.hook.next = r.hook.next
	} else {
		w.slots[r.hook.slot-1] = r.hook.next
	}
	if r.hook.next != nil {
		r.hook.next.hook.prev = r.hook.prev
	}
	r.hook = hook{}
}
