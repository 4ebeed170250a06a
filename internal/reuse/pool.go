package reuse

import (
	"sync"
	"sync/atomic"
	"time"
)

// Level is what kind of thing a pool holds.
type Level string

// The levels.
const (
	Messages Level = "message"
	Flows    Level = "flow"
	Requests Level = "request"
)

// Spec says what a pool or a table holds and how large it may be.
type Spec struct {
	Name  string // label of the metrics
	Level Level
	Bytes int     // the most one kept item holds
	Share float64 // of memory.limit, 0 to 1, for all that are kept
	// Session is how long an item is needed, if that is known; 0: it is measured.
	Session time.Duration
	// Floor is the least it keeps; less than [Floor] is that.
	Floor int
}

// Item is what a pool holds: a pointer to a struct that embeds [Mark].
type Item[T any] interface {
	*T
	mark() *Mark
}

// Pool keeps items that were returned for the next who takes one. The zero Pool
// is of no use; all methods may be called from any goroutine.
//
// It is divided, so that two processors need not wait for each other: each
// part has a lock, and who finds one locked tries the next.
type Pool[T any, P Item[T]] struct {
	// Set by NewPool.
	spec  Spec
	fresh func() P
	clean func(P)

	twice  atomic.Uint64
	poison poison[T]
	parts  [4]part[P]
}

// part is a stack of free items; mu guards all of it.
type part[P any] struct {
	mu    sync.Mutex
	free  []P
	limit int
	n     Counts

	_ [64]byte // keeps the parts' locks in different cache lines
}

// Counts are what a pool did since the start.
type Counts struct {
	Taken    uint64
	Returned uint64
	Missed   uint64 // of Taken: none was free, so it was made
	Dropped  uint64 // of Returned: there was no room, so it was left to the collector
	Twice    uint64 // returns that were refused: the item was not out
}

// Out is how many items are taken and not returned.
func (c Counts) Out() int { return int(c.Taken - c.Returned) }

// HitRate is the part of takes that found a free item, 0 to 1; 1 before the first.
func (c Counts) HitRate() float64 {
	if c.Taken == 0 {
		return 1
	}
	return 1 - float64(c.Missed)/float64(c.Taken)
}

// NewPool makes a pool of the smallest size, which k, if not nil, changes from
// then on. fresh makes an item when none is free. clean, if not nil, is given each
// item that is returned: it lets go of what must not be kept, such as memory
// beyond Spec.Bytes and pointers to what belongs to others.
func NewPool[T any, P Item[T]](k *Keeper, spec Spec, fresh func() P, clean func(P)) *Pool[T, P] {
	p := &Pool[T, P]{spec: spec, fresh: fresh, clean: clean}
	p.Resize(Floor)
	k.Keep(spec, p)
	return p
}

// Get takes an item, made if none is free. It is as it was returned, but for the
// fields tagged `reuse:"own"`, whose bytes are undefined.
func (p *Pool[T, P]) Get() P {
	item, ok := p.pop(false)
	if !ok {
		item, ok = p.pop(true)
	}
	if !ok {
		item = p.fresh()
		item.mark().begin()
		return item
	}
	p.poison.lift(p.spec.Name, (*T)(item))
	item.mark().begin()
	return item
}

// Put returns an item, which the caller must not use from then on. One that is not out is
// refused and counted; in race builds that panics.
func (p *Pool[T, P]) Put(item P) {
	if !item.mark().end() {
		p.twice.Add(1)
		returnedTwice(p.spec.Name)
		return
	}
	if p.clean != nil {
		p.clean(item)
	}
	p.poison.lay((*T)(item))
	if !p.push(item, false) && !p.push(item, true) {
		p.poison.drop((*T)(item))
	}
}

// pop takes a free item. It passes over locked parts unless it may wait, and
// then counts the take, whether there is one or not.
func (p *Pool[T, P]) pop(wait bool) (item P, ok bool) {
	for i := range p.parts {
		s := &p.parts[i]
		if wait {
			s.mu.Lock()
		} else if !s.mu.TryLock() {
			continue
		}
		last := len(s.free) - 1
		if last < 0 {
			if wait && i == len(p.parts)-1 {
				s.n.Taken++
				s.n.Missed++
			}
			s.mu.Unlock()
			continue
		}
		item, s.free[last] = s.free[last], nil
		s.free = s.free[:last]
		s.n.Taken++
		s.mu.Unlock()
		return item, true
	}
	return nil, false
}

// push keeps an item where there is room. It passes over locked parts unless it
// may wait, and then counts the return, whether there is room or not.
func (p *Pool[T, P]) push(item P, wait bool) bool {
	for i := range p.parts {
		s := &p.parts[i]
		if wait {
			s.mu.Lock()
		} else if !s.mu.TryLock() {
			continue
		}
		room := len(s.free) < s.limit
		switch {
		case room:
			s.free = append(s.free, item)
			s.n.Returned++
		case wait && i == len(p.parts)-1:
			s.n.Returned++
			s.n.Dropped++
		}
		s.mu.Unlock()
		if room {
			return true
		}
	}
	return false
}

// count adds what happened to items that are too large to be kept.
func (p *Pool[T, P]) count(c Counts) {
	s := &p.parts[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n.add(c)
}

// Resize sets how many free items are kept; those beyond are dropped.
func (p *Pool[T, P]) Resize(size int) {
	for i := range p.parts {
		s := &p.parts[i]
		limit := size / len(p.parts)
		if i < size%len(p.parts) {
			limit++
		}
		s.mu.Lock()
		if s.limit = limit; len(s.free) > limit {
			for _, item := range s.free[limit:] {
				p.poison.drop((*T)(item))
			}
			s.free = append(make([]P, 0, limit), s.free[:limit]...)
		}
		s.mu.Unlock()
	}
}

// Free is how many items are there to be taken.
func (p *Pool[T, P]) Free() int {
	n := 0
	for i := range p.parts {
		s := &p.parts[i]
		s.mu.Lock()
		n += len(s.free)
		s.mu.Unlock()
	}
	return n
}

// Counts are what the pool did since the start.
func (p *Pool[T, P]) Counts() Counts {
	c := Counts{Twice: p.twice.Load()}
	for i := range p.parts {
		s := &p.parts[i]
		s.mu.Lock()
		c.add(s.n)
		s.mu.Unlock()
	}
	return c
}

func (c *Counts) add(d Counts) {
	c.Taken += d.Taken
	c.Returned += d.Returned
	c.Missed += d.Missed
	c.Dropped += d.Dropped
}
