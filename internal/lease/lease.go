package lease

import (
	"sync/atomic"
	"time"
)

// Holder is what holds something open. Its methods may be called from any
// goroutine, also after its lease was released.
type Holder interface {
	// Living reports whether its owner lives at now. It must not block.
	Living(now time.Time) bool
	// Reclaim closes it, because its owner is gone; the lease is released as on
	// any other end. It may be called again.
	Reclaim()
	Held() Facts
}

// Facts are what a holder says of itself.
type Facts struct {
	Owner  string    // "device:<id>", "stream:<key>"; "" while nobody has claimed it
	Local  string    // address
	Remote string    // address; "" before anybody is known
	Used   time.Time // last activity; zero where there was none
}

// Lease is one thing held open, embedded in its holder. The zero value is of
// no book: to release it does nothing.
type Lease struct {
	// Set by Open.
	book   *Book
	holder Holder
	opened int64 // UnixNano
	kind   Kind
	shard  uint8

	// Guarded by the shard's mu; orphaned is read without it.
	open       bool
	reclaiming bool
	orphaned   atomic.Int64 // UnixNano since when; 0: its owner lives
	prev, next *Lease
}

// Release takes the lease out of its book. It may be called again.
func (l *Lease) Release() {
	b := l.book
	if b == nil {
		return
	}
	s := &b.shards[l.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	if !l.open {
		return
	}
	l.open = false
	s.unlink(l)
	b.metrics.open[l.kind].Dec()
	if l.orphaned.Swap(0) != 0 {
		b.metrics.orphaned.Dec()
	}
	if l.reclaiming {
		b.metrics.reclaimed[l.kind].Inc()
	}
}

// set marks the lease as orphaned since at, 0 as living, and reports whether
// that is a change of one that is open.
func (l *Lease) set(at int64) bool {
	s := &l.book.shards[l.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	was := l.orphaned.Load()
	if !l.open || (was == 0) == (at == 0) {
		return false
	}
	l.orphaned.Store(at)
	if at == 0 {
		l.book.metrics.orphaned.Dec()
	} else {
		l.book.metrics.orphaned.Inc()
	}
	return true
}

// end notes that the lease is being reclaimed; false when it was released.
func (l *Lease) end() bool {
	s := &l.book.shards[l.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	l.reclaiming = l.open
	return l.open
}

func (l *Lease) isOpen() bool {
	s := &l.book.shards[l.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.open
}
