package device

import (
	"context"
	"sync"

	"fengsui/gb28181"
	"fengsui/shadow"
	"fengsui/sip/flow"
)

// What says what happened to a device. A change of state can come with any of
// them: compare Change.Before with the device's state.
type What uint8

// The changes, in rising order of weight.
const (
	Updated      What = iota // words only
	Refreshed                // registered again under the same Call-ID; not told each time when only the end moved, by less than 30 s
	Moved                    // bound to another address by a keepalive
	State                    // the state alone
	Unregistered             // by the device itself
	Registered
	Removed // from the table; Device is its last value
)

func (w What) String() string {
	return [...]string{"updated", "refreshed", "moved", "state", "unregistered", "registered", "removed"}[w]
}

// Change tells a watcher of one change.
type Change struct {
	Device gb28181.Device // as the change left it
	Flow   flow.Flow
	What   What
	First  bool         // see Bound; with Registered, and with State and Moved that bring the device back
	Before shadow.State // the state the watcher was last told
	Trace  string       // trace ID of its registration, "" without one
}

// watchQueue is how many changes a watcher may be behind one by one. Beyond it
// the changes of each device are merged into one.
const watchQueue = 8192

// spareChanges is the room for changes that a queue keeps when it is empty.
const spareChanges = 256

// queue carries changes to one watcher.
type queue struct {
	fn   func(Change)
	wake chan struct{} // holds one

	mu    sync.Mutex
	items []Change
	spare []Change              // empty: items when that is delivered
	late  map[gb28181.ID]Change // newer than all items
}

// push reports whether the change had to be merged into an older one or waits
// for its turn behind the queue.
func (q *queue) push(c Change) (merged bool) {
	q.mu.Lock()
	switch old, waits := q.late[c.Device.ID]; {
	case waits:
		q.late[c.Device.ID], merged = merge(old, c), true
	case len(q.items) >= watchQueue:
		if q.late == nil {
			q.late = make(map[gb28181.ID]Change)
		}
		q.late[c.Device.ID], merged = c, true
	default:
		q.items = append(q.items, c)
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return merged
}

// deliver calls fn until nothing is left.
func (q *queue) deliver() {
	for {
		q.mu.Lock()
		items, late := q.items, q.late
		q.items, q.spare, q.late = q.spare, nil, nil
		q.mu.Unlock()
		if len(items) == 0 && len(late) == 0 {
			return
		}
		for i := range items {
			q.fn(items[i])
		}
		for _, c := range late {
			q.fn(c)
		}
		if cap(items) <= spareChanges {
			clear(items)
			q.mu.Lock()
			q.spare = items[:0]
			q.mu.Unlock()
		}
	}
}

// run delivers until ctx ends, then what is still queued.
func (q *queue) run(ctx context.Context) {
	for {
		select {
		case <-q.wake:
			q.deliver()
		case <-ctx.Done():
			q.deliver()
			return
		}
	}
}

// merge is the one change that tells of both.
func merge(old, c Change) Change {
	c.Before = old.Before
	if c.What != Removed && c.What != Unregistered {
		c.First = c.First || old.First
		if old.What != Removed {
			c.What = max(c.What, old.What)
		}
	}
	return c
}
