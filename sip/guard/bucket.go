package guard

import (
	"sync"
	"time"
)

// bucket is a token bucket. The zero one is full.
type bucket struct {
	level float64 // tokens, as of last
	last  int64   // ns of the Unix epoch; 0 never used
}

// take takes tokens if there is one; more than there are leaves a debt of at
// most a burst.
func (b *bucket) take(n, rate, burst float64, now int64) bool {
	if b.last == 0 {
		b.level, b.last = burst, now
	} else if now > b.last {
		b.level = min(burst, b.level+rate*float64(now-b.last)/float64(time.Second))
		b.last = now
	}
	if b.level < 1 {
		return false
	}
	b.level = max(b.level-n, -burst)
	return true
}

const ways = 8

// table is a set-associative table of fixed size. Keys are keyed hashes, so
// nobody can choose who shares a set; the entry used longest ago gives way.
type table[V any] struct {
	locks [256]sync.Mutex // of the sets with equal index modulo 256
	sets  [][ways]entry[V]
}

type entry[V any] struct {
	key  uint64 // 0 is none
	used int64  // ns of the Unix epoch
	v    V
}

// newTable makes room for size entries, a power of two.
func newTable[V any](size int) *table[V] {
	return &table[V]{sets: make([][ways]entry[V], max(1, size/ways))}
}

// with calls fn on the value of a key, a new one if there is none, under the
// lock of its set. It reports whether another entry had to give way that was
// used after the given time.
func (t *table[V]) with(key uint64, now, since int64, fn func(*V)) (evicted bool) {
	key = max(key, 1)
	i := key % uint64(len(t.sets))
	lock := &t.locks[i%uint64(len(t.locks))]
	lock.Lock()
	defer lock.Unlock()
	set, oldest := &t.sets[i], 0
	for j := range set {
		if set[j].key == key {
			set[j].used = now
			fn(&set[j].v)
			return false
		}
		if set[j].used < set[oldest].used {
			oldest = j
		}
	}
	e := &set[oldest]
	evicted = e.key != 0 && e.used > since
	*e = entry[V]{key: key, used: now}
	fn(&e.v)
	return evicted
}

// peek calls fn on the value of a key, if there is one.
func (t *table[V]) peek(key uint64, fn func(*V)) {
	key = max(key, 1)
	i := key % uint64(len(t.sets))
	lock := &t.locks[i%uint64(len(t.locks))]
	lock.Lock()
	defer lock.Unlock()
	for j := range t.sets[i] {
		if e := &t.sets[i][j]; e.key == key {
			fn(&e.v)
			return
		}
	}
}
