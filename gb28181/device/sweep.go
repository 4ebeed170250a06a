package device

import (
	"context"
	"time"

	"fengsui/shadow"
)

// rearm has the wheel wake the row when time has its next say. A row that is
// woken earlier than that is left where it is: a keepalive does not touch the
// wheel.
func (t *Table) rearm(r *row) {
	due := t.next(r)
	if r.removed || due.IsZero() || !r.wake.IsZero() && !due.Before(r.wake) {
		return
	}
	r.wake = due
	t.wheel.put(r, due)
}

// next is when [Table.judge] may find something to do; zero is never.
func (t *Table) next(r *row) time.Time {
	var due soonest
	w := r.woes()
	if !w.flapUntil.IsZero() {
		due.at(w.flapUntil)
	}
	if !r.bound {
		return due.Time
	}
	grace := t.graceEnd()
	due.at(later(t.end(r), grace))
	rhythm := t.rhythmOf(r)
	switch state := r.dev.Presence.State; {
	case state == shadow.Online && !w.probe.active():
		due.at(later(r.quietSince().Add(rhythm.DoubtAfter()), grace))
	case state == shadow.Unknown && !r.unheard:
		dead := later(r.quietSince().Add(rhythm.DeadAfter()), grace)
		if t.unasked(r) {
			dead = later(dead, time.Now().Add(t.wheel.tick))
		}
		due.at(dead)
	}
	if !w.probe.busy {
		if !w.probe.next.IsZero() {
			due.at(w.probe.next)
		}
		if !w.candidate.IsZero() {
			due.at(time.Now())
		}
	}
	return due.Time
}

// sweep judges the rows that are due. Only Run calls it.
func (t *Table) sweep(ctx context.Context, now time.Time) {
	// The monotonic clock stands still while a machine sleeps, the wall clock
	// does not; a step of the wall clock costs no more than the grace.
	late := max(now.Sub(t.swept), now.Round(0).Sub(t.swept.Round(0))) - t.wheel.tick
	t.swept = now
	if late > t.cfg.Interval {
		t.grace.Store(int64(now.Add(t.cfg.Interval).Sub(t.base)))
		t.metrics.late.Inc()
		t.log.Warn().Dur("late", late).Dur("grace", t.cfg.Interval).Msg("server was held up; devices are given time before they are judged")
	}
	t.due = t.wheel.advance(t.due[:0], now)
	for i, r := range t.due {
		t.due[i] = nil
		r.mu.Lock()
		r.wake = time.Time{}
		if !r.removed {
			t.judge(ctx, r, now)
			r.calm(now)
			t.rearm(r)
		}
		r.mu.Unlock()
	}
	if cap(t.due) > 4096 && len(t.due) < 1024 {
		t.due = nil
	}
}

// judge applies what time alone decides.
func (t *Table) judge(ctx context.Context, r *row, now time.Time) {
	if until := r.woes().flapUntil; !until.IsZero() && !now.Before(until) {
		r.trouble.flapUntil = time.Time{}
		t.emit(r, Unregistered, false, r.trouble.flapBefore)
	}
	if !r.bound {
		return
	}
	grace := t.graceEnd()
	if !now.Before(later(t.end(r), grace)) {
		t.die(r, shadow.Sign{Meaning: shadow.Death, By: shadow.ByExpiry, At: now, Reason: "registration expired"})
		t.unbound(r)
		return
	}
	rhythm, silent := t.rhythmOf(r), now.Sub(r.quietSince())
	switch state := r.dev.Presence.State; {
	case now.Before(grace):
	case state == shadow.Online && !r.woes().probe.active() && silent >= rhythm.DoubtAfter():
		if r.answers {
			r.care().probe.next = now
		} else {
			t.doubt(r, shadow.Sign{Meaning: shadow.Doubt, By: shadow.BySilence, At: now})
		}
	case state == shadow.Unknown && !r.unheard && silent >= rhythm.DeadAfter() && !t.unasked(r):
		reason := ""
		if r.woes().probe.tries >= probeTries {
			reason = unanswered
		}
		t.die(r, shadow.Sign{Meaning: shadow.Death, By: shadow.BySilence, At: now, Reason: reason})
		if w := r.trouble; w != nil {
			w.probe = series{busy: w.probe.busy, last: w.probe.last}
		}
	}
	w := r.trouble
	if w == nil || w.probe.busy {
		return
	}
	if !w.candidate.IsZero() || !w.probe.next.IsZero() && !now.Before(w.probe.next) {
		if w.probe.busy = t.probes.start(ctx, t, r); !w.probe.busy {
			t.metrics.postponed.Inc()
			w.candidate = noFlow
			if !w.probe.next.IsZero() {
				w.probe.next = now.Add(time.Second)
			}
		}
	}
}

// die applies a sign of death and tells of it.
func (t *Table) die(r *row, s shadow.Sign) {
	before := r.dev.Presence.State
	t.step(r, s)
	if r.dev.Presence.State != before {
		t.emit(r, State, false, before)
	}
}

// unasked reports whether the device waits for its first probe because our own
// queue is long: it is not judged for our lateness.
func (t *Table) unasked(r *row) bool {
	p := &r.woes().probe
	return p.busy && p.tries == 0
}

// end is when the registration is over. One that ran out while the server was
// down gets the time in which a living device comes back by itself.
func (t *Table) end(r *row) time.Time {
	end := r.expires()
	if r.unheard {
		end = later(end, r.woes().since.Add(t.rhythmOf(r).DeadAfter()))
	}
	return end
}

func (t *Table) rhythmOf(r *row) shadow.Rhythm {
	if r.rhythm.Interval > 0 {
		return r.rhythm
	}
	return t.rhythm
}

// graceEnd is until when silence and expiry are not judged.
func (t *Table) graceEnd() time.Time { return t.base.Add(time.Duration(t.grace.Load())) }
