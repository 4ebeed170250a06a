package journal

import (
	"context"
	"sync"
	"time"
)

// Event is one thing that happened. What Data holds must not change after the
// event was appended: every reader sees the same map. Read from the file, its
// numbers are float64 and its times and durations text, as JSON has them.
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

// Journal is a ring of the newest events, and with a file many more. IDs grow
// by one within a process; those of a process begin at the time of its start in
// microseconds, so that an ID of an earlier process is older than all of this
// one, and any ID is exact in a JSON number. Its methods may be called from
// several goroutines and never wait for a watcher, nor, but for those that say
// so, for the disk.
type Journal struct {
	disk *disk // nil = only the ring; set by Open, never changed after

	mu       sync.Mutex
	ring     []Event // ring[id % len] for the IDs first..next-1
	first    uint64  // oldest in the ring; == next when empty
	next     uint64
	last     uint64 // newest given out, by an earlier process too if it ended well
	watchers map[chan Event]struct{}
	dropped  uint64
}

// New makes a journal without a file that keeps the newest capacity events, at
// least one.
func New(capacity int) *Journal { return at(capacity, uint64(time.Now().UnixMicro())) }

func at(capacity int, start uint64) *Journal {
	return &Journal{
		ring:     make([]Event, max(capacity, 1)),
		first:    start,
		next:     start,
		last:     start - 1,
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
	e.ID, j.last = j.next, j.next
	j.next++
	j.ring[e.ID%uint64(len(j.ring))] = e
	if j.next-j.first > uint64(len(j.ring)) {
		j.first++
	}
	j.hand(e)
	if j.disk != nil {
		j.disk.put(e)
	}
	return e.ID
}

// Pass hands an event to the watchers without an ID, and to the outboxes that
// want it, but keeps it in no time line: it is for what comes often and is soon
// outdated, which would drive out the rest.
func (j *Journal) Pass(e Event) {
	e.ID = 0
	if e.At.IsZero() {
		e.At = time.Now()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.hand(e)
	if j.disk != nil {
		j.disk.pass(e)
	}
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
// from the oldest kept. lost says that events between id and the last one
// returned are no longer here, or that id is none of ours. What the ring has no
// more is read from the file.
func (j *Journal) Since(id uint64, limit int) (events []Event, lost bool) {
	limit = max(limit, 0)
	j.mu.Lock()
	first, next, last := j.first, j.next, j.last
	if id >= next {
		id, lost = 0, true
	}
	if id == last || id+1 >= first && id != 0 {
		events = j.fromRing(max(id+1, first), limit)
		j.mu.Unlock()
		return events, lost
	}
	j.mu.Unlock()

	prev := id
	if j.disk != nil {
		var gap bool
		events, gap = j.disk.between(id, first, limit)
		lost = lost || gap
		if len(events) > 0 {
			prev = events[len(events)-1].ID
		}
	}
	if limit > 0 && len(events) == limit {
		return events, lost
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	rest := j.fromRing(max(prev+1, j.first), limit-len(events))
	switch {
	case prev == 0:
	case len(rest) > 0:
		lost = lost || !j.follows(prev, rest[0].ID)
	default:
		lost = lost || prev < j.last
	}
	return append(events, rest...), lost
}

// fromRing copies events from an ID that is in the ring, or the next one. The
// caller holds mu.
func (j *Journal) fromRing(from uint64, limit int) []Event {
	n := min(uint64(limit), j.next-from)
	events := make([]Event, 0, n)
	for i := range n {
		events = append(events, j.ring[(from+i)%uint64(len(j.ring))])
	}
	return events
}

// follows reports whether nothing was between two events.
func (j *Journal) follows(prev, id uint64) bool {
	return id == prev+1 || j.disk != nil && j.disk.joins(prev, id)
}

// Last is the ID of the newest event. Before the first one it is an ID after
// which [Journal.Since] returns all that follow.
func (j *Journal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
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
