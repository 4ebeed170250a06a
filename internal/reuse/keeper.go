package reuse

import (
	"sync"
	"time"
)

// When sizes are computed.
const (
	calm    = 2 * time.Second  // not so near to the next collection
	refresh = 10 * time.Second // for sessions and the collector's period, which change without devices
	percent = 5                // change of the number of devices
	jitter  = 4                // a refresh that changes a size by less than one part of these leaves it
)

// A mean is over about this many sessions.
const sessionsKept = 100_000

// MostShare is what all pools and tables of a server together may keep of
// memory.limit.
const MostShare = 1.0 / 8

// Sized is a pool or a table.
type Sized interface {
	Resize(size int)
	Free() int
	Counts() Counts
}

// Keeper sets the sizes of all pools and tables of a server. It has no goroutine:
// [Keeper.Tick] is called about once a second.
//
// Sizes are computed when the number of devices has changed by 5 % since. Every
// 10 s they are for the other inputs of the model, which is seen only where it
// changes a size by a quarter. Both are never within 2 s of the
// expected next collection: what a change drops would not be collected in peace, and what it
// makes would be scanned at once. While collections follow each other in less
// than 2 s no moment is calm, and sizes stay as they are; that is counted.
//
// A nil Keeper keeps nothing: pools stay at the smallest size.
type Keeper struct {
	limit int64 // memory.limit, bytes

	mu        sync.Mutex // guards all below
	kept      []*kept
	devices   int // of the last computation
	period    time.Duration
	ticked    time.Time
	computed  time.Time
	computes  uint64
	postponed uint64
}

// kept is one pool or table; the keeper's mu guards it.
type kept struct {
	spec  Spec
	sized Sized
	size  int
	least int

	taken    uint64  // at the last tick
	held     float64 // item seconds
	sessions float64
}

// NewKeeper makes a keeper for a server that may use so many bytes of memory.
func NewKeeper(limit int64) *Keeper { return &Keeper{limit: limit} }

// Keep adds what has a size, which is set at once.
func (k *Keeper) Keep(spec Spec, s Sized) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	e := &kept{spec: spec, sized: s}
	k.kept = append(k.kept, e)
	k.fit(e, true)
}

// Tick observes what is out and computes sizes when that is due and the time is
// right. It is given the number of devices and what is known of the collector.
func (k *Keeper) Tick(now time.Time, devices int, gc GC) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.ticked.IsZero() {
		for _, e := range k.kept {
			e.observe(now.Sub(k.ticked))
		}
	}
	k.ticked = now
	change := max(devices-k.devices, k.devices-devices)
	moved := change > 0 && change*100 >= k.devices*percent
	if !moved && now.Sub(k.computed) < refresh {
		return
	}
	if next := gc.Next(); !next.IsZero() && next.Sub(now).Abs() < calm {
		k.postponed++
		return
	}
	k.devices, k.period, k.computed = devices, gc.Period, now
	k.computes++
	for _, e := range k.kept {
		k.fit(e, moved)
	}
}

// fit sets the size of one, to the item if that is asked for; mu is held.
func (k *Keeper) fit(e *kept, exactly bool) {
	e.least = max(Load{Devices: k.devices, Session: e.session(), Period: k.period}.Least(), e.spec.Floor)
	size := Fit(e.least, e.spec.Bytes, k.share(e))
	if change := max(size-e.size, e.size-size); change == 0 || !exactly && change*jitter < e.size {
		return
	}
	e.size = size
	e.sized.Resize(size)
}

// share is how many bytes one may keep.
func (k *Keeper) share(e *kept) int64 { return int64(e.spec.Share * float64(k.limit)) }

// observe adds the time since the last tick to the sessions.
func (e *kept) observe(passed time.Duration) {
	c := e.sized.Counts()
	e.held += float64(max(c.Out(), 0)) * passed.Seconds()
	e.sessions += float64(c.Taken - e.taken)
	e.taken = c.Taken
	if e.sessions > 2*sessionsKept {
		e.held /= 2
		e.sessions /= 2
	}
}

// session is how long an item is out, on average: by Little's law, without a
// clock for each.
func (e *kept) session() time.Duration {
	if e.spec.Session > 0 {
		return e.spec.Session
	}
	if e.sessions == 0 {
		return 0
	}
	return time.Duration(e.held / e.sessions * float64(time.Second))
}

// State is the model, its inputs, and what it made of them.
type State struct {
	Limit     int64         // memory.limit, bytes
	Devices   int           // when sizes were computed last
	Period    time.Duration // of the collector then; 0: not known yet
	At        time.Time     // when that was; zero: never
	Computed  uint64        // how often sizes were computed
	Postponed uint64        // how often that had to wait for a collection
	Kept      []Row         // in the order they were made
}

// Row is one pool or table.
type Row struct {
	Spec

	Size    int           // items it keeps at the most
	Least   int           // what the model asks for
	Free    int           // items there now
	Limit   int64         // bytes, its share of memory.limit
	Session time.Duration // mean
	Counts  Counts
}

// State is how things are now.
func (k *Keeper) State() State {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := State{
		Limit: k.limit, Devices: k.devices, Period: k.period, At: k.computed, Computed: k.computes, Postponed: k.postponed,
		Kept: make([]Row, 0, len(k.kept)),
	}
	for _, e := range k.kept {
		s.Kept = append(s.Kept, Row{
			Spec: e.spec, Size: e.size, Least: e.least, Free: e.sized.Free(), Limit: k.share(e), Session: e.session(), Counts: e.sized.Counts(),
		})
	}
	return s
}
