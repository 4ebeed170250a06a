package store

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"fengsui/gb28181"
)

// Sizes of what is written in one transaction, and how a failing disk is retried.
const (
	batchRows = 1000
	retryMin  = time.Second
	retryMax  = 30 * time.Second
)

// queue holds the newest state of every row that waits to be written, by
// device, oldest device first. It is bounded in rows.
type queue struct {
	wake  chan struct{} // capacity 1: something waits
	limit int

	flushing sync.Mutex // held by the one that writes

	mu      sync.Mutex // guards all below
	pending map[gb28181.ID]*pending
	order   []gb28181.ID // keys of pending, oldest first
	rows    int
}

// pending is what waits for one device.
type pending struct {
	registration *Registration
	forget       bool                            // delete the registration; registration is nil
	clear        bool                            // delete all channels before those below
	channels     map[gb28181.ID]*gb28181.Channel // nil = delete
}

func (p *pending) rows() int {
	n := len(p.channels)
	if p.registration != nil || p.forget {
		n++
	}
	if p.clear {
		n++
	}
	return n
}

func newQueue(limit int) *queue {
	return &queue{wake: make(chan struct{}, 1), limit: limit, pending: map[gb28181.ID]*pending{}}
}

// put alters what waits for a device in n steps of at most one row each, and
// returns how many were taken. A step is told whether there is room for a
// further row; without it, it may only replace a row that waits, else reports false.
func (q *queue) put(device gb28181.ID, n int, step func(p *pending, i int, room bool) bool) (taken int) {
	q.mu.Lock()
	p := q.pending[device]
	if p == nil {
		p = &pending{}
	}
	before := p.rows()
	for taken < n && step(p, taken, q.rows-before+p.rows() < q.limit) {
		taken++
	}
	q.keep(device, p, before)
	q.mu.Unlock()
	if taken > 0 {
		q.rouse()
	}
	return taken
}

// register is the step that keeps a registration; nil deletes it.
func (p *pending) register(r *Registration, room bool) bool {
	if !room && p.registration == nil && !p.forget {
		return false
	}
	p.registration, p.forget = r, r == nil
	return true
}

// reset is the step that deletes all channels.
func (p *pending) reset(room bool) bool {
	if !room && !p.clear && len(p.channels) == 0 {
		return false
	}
	p.clear, p.channels = true, nil
	return true
}

// set is the step that keeps a channel; nil deletes it.
func (p *pending) set(id gb28181.ID, ch *gb28181.Channel, room bool) bool {
	if _, there := p.channels[id]; !there && !room {
		return false
	}
	if p.channels == nil {
		p.channels = map[gb28181.ID]*gb28181.Channel{}
	}
	p.channels[id] = ch
	return true
}

// keep stores p for the device and counts its rows. Under mu.
func (q *queue) keep(device gb28181.ID, p *pending, before int) {
	q.rows += p.rows() - before
	if p.rows() == 0 {
		return
	}
	if _, there := q.pending[device]; !there {
		q.pending[device] = p
		q.order = append(q.order, device)
	}
}

// take removes at most some max rows, oldest devices first.
func (q *queue) take(max int) map[gb28181.ID]*pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := map[gb28181.ID]*pending{}
	for n := 0; n < max && len(q.order) > 0; {
		device := q.order[0]
		p := q.pending[device]
		part := p.split(max - n)
		taken[device] = part
		n += part.rows()
		q.rows -= part.rows()
		if p.rows() == 0 {
			delete(q.pending, device)
			q.order = q.order[1:]
		}
	}
	return taken
}

// split moves at most some max rows out of p.
func (p *pending) split(max int) *pending {
	part := &pending{registration: p.registration, forget: p.forget, clear: p.clear}
	p.registration, p.forget, p.clear = nil, false, false
	if len(p.channels) <= max {
		part.channels, p.channels = p.channels, nil
		return part
	}
	part.channels = make(map[gb28181.ID]*gb28181.Channel, max)
	for id, ch := range p.channels {
		if len(part.channels) >= max {
			break
		}
		part.channels[id] = ch
		delete(p.channels, id)
	}
	return part
}

// putBack returns rows that could not be written; what came since is newer and wins.
func (q *queue) putBack(taken map[gb28181.ID]*pending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for device, old := range taken {
		p := q.pending[device]
		if p == nil {
			p = &pending{}
		}
		before := p.rows()
		if p.registration == nil && !p.forget {
			p.registration, p.forget = old.registration, old.forget
		}
		if !p.clear {
			for id, ch := range old.channels {
				if _, newer := p.channels[id]; !newer {
					p.set(id, ch, true)
				}
			}
			p.clear = old.clear
		}
		q.keep(device, p, before)
	}
}

// discard forgets what waits for a device and returns how many rows that were.
func (q *queue) discard(device gb28181.ID) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.pending[device]
	if p == nil {
		return 0
	}
	n := p.rows()
	q.rows -= n
	*p = pending{}
	return n
}

// rouse has run flush soon.
func (q *queue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.rows
}

// run calls flush some time after something was put, until ctx ends. A flush
// that fails is tried again after a growing, jittered pause.
func (q *queue) run(ctx context.Context, after time.Duration, flush func(context.Context) error) {
	pause := after
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		if err := flush(ctx); err == nil {
			pause = after
			continue
		}
		pause = min(max(2*pause, retryMin), retryMax)
		pause = pause/2 + rand.N(pause/2)
		q.rouse() // what is left wakes us
	}
}
