package agenda

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Agenda holds at most one deadline for each key. Its methods may be called from
// any goroutine; one goroutine calls [Agenda.Next].
type Agenda[K comparable] struct {
	base time.Time // deadlines count from here; set once

	mu    sync.Mutex // guards all below
	items map[K]*item[K]
	heap  items[K]
	seq   uint32
	wake  chan struct{} // has a value when the earliest deadline became earlier
}

type item[K comparable] struct {
	key K
	at  time.Duration // after Agenda.base
	seq uint32        // among equal times the one set first comes first; it wraps
	pos int32
}

// New makes an empty agenda.
func New[K comparable]() *Agenda[K] {
	return &Agenda[K]{base: time.Now(), items: make(map[K]*item[K]), wake: make(chan struct{}, 1)}
}

// Set makes k due at that time, in place of an earlier Set.
func (a *Agenda[K]) Set(k K, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seq++
	after := at.Sub(a.base)
	if it, ok := a.items[k]; ok {
		it.at, it.seq = after, a.seq
		heap.Fix(&a.heap, int(it.pos))
	} else {
		it = &item[K]{key: k, at: after, seq: a.seq}
		a.items[k] = it
		heap.Push(&a.heap, it)
	}
	if a.heap[0].key == k {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}

// Drop takes k off.
func (a *Agenda[K]) Drop(k K) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if it, ok := a.items[k]; ok {
		heap.Remove(&a.heap, int(it.pos))
		delete(a.items, k)
	}
}

// Has reports whether k has a deadline.
func (a *Agenda[K]) Has(k K) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.items[k]
	return ok
}

// Len is how many deadlines there are.
func (a *Agenda[K]) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.heap)
}

// Next blocks until a key is due, takes it off and returns it. It returns false
// when ctx ends.
func (a *Agenda[K]) Next(ctx context.Context) (K, bool) {
	var timer *time.Timer
	var fire <-chan time.Time
	for {
		if ctx.Err() != nil {
			var none K
			return none, false
		}
		k, wait, ok := a.pop()
		if ok {
			return k, true
		}
		if wait > 0 {
			if timer == nil {
				timer = time.NewTimer(wait)
				defer timer.Stop()
			} else {
				timer.Reset(wait)
			}
			fire = timer.C
		} else {
			fire = nil
		}
		select {
		case <-ctx.Done():
		case <-a.wake:
		case <-fire:
		}
	}
}

// Work calls do for each key that comes due, on at most workers goroutines,
// until ctx ends and the last of them has returned. It stands in for Next.
func (a *Agenda[K]) Work(ctx context.Context, workers int, do func(ctx context.Context, k K)) {
	var working sync.WaitGroup
	defer working.Wait()
	free := make(chan struct{}, workers)
	for {
		k, ok := a.Next(ctx)
		if !ok {
			return
		}
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return
		}
		working.Go(func() {
			defer func() { <-free }()
			do(ctx, k)
		})
	}
}

// pop takes off the earliest key if it is due; otherwise wait is how long until
// then, 0 when there is none.
func (a *Agenda[K]) pop() (k K, wait time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.heap) == 0 {
		return k, 0, false
	}
	first := a.heap[0]
	if now := time.Since(a.base); first.at > now {
		return k, first.at - now, false
	}
	heap.Pop(&a.heap)
	delete(a.items, first.key)
	return first.key, 0, true
}

// items is a heap by time.
type items[K comparable] []*item[K]

func (h items[K]) Len() int { return len(h) }
func (h items[K]) Less(i, j int) bool {
	if h[i].at == h[j].at {
		return int32(h[i].seq-h[j].seq) < 0
	}
	return h[i].at < h[j].at
}
func (h items[K]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = int32(i), int32(j)
}
func (h *items[K]) Push(x any) {
	it := x.(*item[K])
	it.pos = int32(len(*h))
	*h = append(*h, it)
}
func (h *items[K]) Pop() any {
	old := *h
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return it
}

// Backoff is the pause before attempt n+1 when attempt n (from 1) has failed:
// 1-2 s for the first three, then doubling from 4 s to 60 s; half of it is jitter.
func Backoff(n int) time.Duration {
	d := 2 * time.Second
	if n > 3 {
		d = min(2*time.Second<<min(n-3, 10), time.Minute)
	}
	return Jitter(d)
}

// Jitter is between half of d and d.
func Jitter(d time.Duration) time.Duration {
	if d < 2 {
		return d
	}
	return d/2 + rand.N(d/2)
}
