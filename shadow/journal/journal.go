package journal

import (
	"context"
	"sync"
	"time"
)

// Event is one thing that happened. What Data holds must not change after the
// event was appended: every reader sees the same map.
type Event struct {
	ID      uint64 // set by Append; 0 of one that was only passed on
	At      time.Time
	Type    string // "device.online", "catalog.changed", "stream.started"
	Device  string // ID, "" when no device is concerned
	Channel string
	Trace   string // Call-ID or trace ID that leads to the messages
	Data    map[string]any
}

// watchQueue is how many events a watcher may be behind before it misses some.
const watchQueue = 256

// Journal is a ring of the newest events. IDs are consecutive and begin at the
// time of creation in microseconds, so that an ID of an earlier process is seen
// to be older than all we have, and any ID is exact in a JSON number. Its
// methods may be called from several goroutines and never wait for a watcher.
type Journal struct {
	mu       sync.Mutex
	ring     []Event // ring[id % len] for the IDs first..next-1
	first    uint64  // oldest kept; == next when empty
	next     uint64
	watchers map[chan Event]struct{}
	dropped  uint64
}

// New makes a journal that keeps the newest capacity events, at least one.
func New(capacity int) *Journal {
	start := uint64(time.Now().UnixMicro())
	return &Journal{
		ring:     make([]Event, max(capacity, 1)),
		first:    start,
		next:     start,
		watchers: make(map[chan Event]struct{}),
	}
}

// Append keeps the event under a new ID, which it returns, and hands it to the
// watchers. An At of zero becomes now.
func (j *Journal) Append(e Event) uint64 {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	e.ID = j.next
	j.next++
	j.ring[e.ID%uint64(len(j.ring))] = e
	if j.next-j.first > uint64(len(j.ring)) {
		j.first++
	}
	j.hand(e)
	return e.ID
}

// Pass hands an event to the watchers without an ID and keeps it nowhere: it is
// for what comes often and is soon outdated, which would drive out the rest.
func (j *Journal) Pass(e Event) {
	e.ID = 0
	j.mu.Lock()
	defer j.mu.Unlock()
	j.hand(e)
}

// hand gives an event to every watcher that has room. The caller holds mu.
func (j *Journal) hand(e Event) {
	for ch := range j.watchers {
		select {
		case ch <- e:
		default:
			j.dropped++
		}
	}
}

// Since returns up to limit events with IDs greater than id, oldest first; 0 is
// from the oldest kept. lost says that events between id and the first one
// returned are no longer here, or that id is none of ours.
func (j *Journal) Since(id uint64, limit int) (events []Event, lost bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	from := id + 1
	switch {
	case id == 0:
		from, lost = j.first, false
	case id >= j.next, from < j.first:
		from, lost = j.first, true
	}
	n := min(uint64(max(limit, 0)), j.next-from)
	events = make([]Event, 0, n)
	for i := range n {
		events = append(events, j.ring[(from+i)%uint64(len(j.ring))])
	}
	return events, lost
}

// Last is the ID of the newest event. Before the first one it is an ID after
// which [Journal.Since] returns all that follow.
func (j *Journal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next - 1
}

// Watch hands on every event from now until ctx ends, then closes the channel.
// A watcher that falls 256 behind misses events: it sees a gap in the IDs and
// can close it with [Journal.Since].
func (j *Journal) Watch(ctx context.Context) <-chan Event {
	ch := make(chan Event, watchQueue)
	j.mu.Lock()
	j.watchers[ch] = struct{}{}
	j.mu.Unlock()
	context.AfterFunc(ctx, func() {
		j.mu.Lock()
		delete(j.watchers, ch)
		j.mu.Unlock()
		close(ch) // no sender is left
	})
	return ch
}

// Dropped is how many events watchers missed, all together.
func (j *Journal) Dropped() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.dropped
}
