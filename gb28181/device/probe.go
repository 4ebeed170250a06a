package device

import (
	"context"
	"sync"
	"time"

	"fengsui/gb28181"
	"fengsui/shadow"
	"fengsui/sip/flow"
)

const unanswered = "2 probes unanswered"

var noFlow flow.Flow

// probes runs probes on goroutines that live only while there is something to
// ask.
type probes struct {
	// Set by New, never changed after.
	ask     Prober
	limit   int
	timeout time.Duration

	running sync.WaitGroup

	mu      sync.Mutex
	workers int
	waiting []*row
}

// start probes the row, now or when a worker is free. It reports false when too
// many wait. Only Run calls it.
func (p *probes) start(ctx context.Context, t *Table, r *row) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.workers >= p.limit {
		if len(p.waiting) >= probeQueue {
			return false
		}
		p.waiting = append(p.waiting, r)
		return true
	}
	p.workers++
	p.running.Go(func() {
		for ; r != nil; r = p.take(ctx) {
			t.runProbe(ctx, r)
		}
	})
	return true
}

// take returns the next row to probe, or nil when the worker may go.
func (p *probes) take(ctx context.Context) *row {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 || ctx.Err() != nil {
		p.workers--
		p.waiting = nil
		return nil
	}
	r := p.waiting[0]
	p.waiting = p.waiting[1:]
	return r
}

func (p *probes) wait() { p.running.Wait() }

// probe asks once.
func (p *probes) probe(ctx context.Context, id gb28181.ID, f flow.Flow) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	return p.ask.Probe(ctx, id, f)
}

// runProbe asks the device at its address and, where another address spoke for
// it, that one when the first is silent.
func (t *Table) runProbe(ctx context.Context, r *row) {
	r.mu.Lock()
	w := r.care() // stays the row's while the probe is busy
	id, f, candidate, beats := r.dev.ID, r.flow, w.candidate, r.beats
	wanted := r.bound && !r.removed && (!w.probe.next.IsZero() || candidate != noFlow)
	w.probe.next, w.probe.last = time.Time{}, time.Now()
	asked := w.probe.last
	r.mu.Unlock()

	var lives, moves bool
	if wanted {
		lives = t.probes.probe(ctx, id, f) == nil
		if !lives && candidate != noFlow && ctx.Err() == nil {
			moves = t.probes.probe(ctx, id, candidate) == nil
		}
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	w.probe.busy = false
	if w.candidate == candidate {
		w.candidate = noFlow
	}
	if r.removed {
		return
	}
	defer t.rearm(r)
	before, first := r.dev.Presence.State, r.absent()
	switch {
	case !wanted || !r.bound || r.flow != f || !lives && !moves && ctx.Err() != nil:
		return // the question is moot
	case lives: // it did when it was asked: its connection may have ended since
		t.metrics.answered.Inc()
		t.alive(r, shadow.ByProbe, asked, "")
		if r.dev.Presence.State != before {
			t.emit(r, State, first, before)
		}
	case moves && r.beats == beats:
		t.metrics.answered.Inc()
		t.metrics.moved.Inc()
		t.bind(r, candidate)
		t.alive(r, shadow.ByProbe, time.Now(), "")
		t.emit(r, Moved, first, before)
	case r.beats == beats:
		t.metrics.silent.Inc()
		t.silent(r, asked)
	}
}

// silent takes note of a probe that was not answered.
func (t *Table) silent(r *row, asked time.Time) {
	if r.dev.Presence.State == shadow.Offline {
		return
	}
	probe := &r.care().probe
	if probe.tries++; probe.tries < probeTries {
		probe.next = later(asked.Add(probeGap), time.Now())
	}
	p := &r.dev.Presence
	switch {
	case p.State == shadow.Online: // it was asked quietly
		tries, next := probe.tries, probe.next
		t.doubt(r, shadow.Sign{Meaning: shadow.Doubt, By: shadow.BySilence, At: time.Now()})
		probe.tries, probe.next = tries, next
	case probe.tries == probeTries && p.Reason == "":
		p.Reason = unanswered
	case probe.tries == probeTries:
		p.Reason += ", " + unanswered
	}
}
