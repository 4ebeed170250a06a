package sim

import (
	"container/heap"
	"context"
	"math"
	"sync"
	"time"
)

// instant is a time since the simulation was made.
type instant = time.Duration

// never is later than every instant.
const never instant = math.MaxInt64

// shard is one event loop. Its mutex guards its heap and everything that
// changes in its devices.
type shard struct {
	sim  *Sim
	wake chan struct{}

	mu   sync.Mutex
	heap timeHeap
}

// run wakes devices when their time has come, until ctx ends.
func (sh *shard) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		wait := sh.tick()
		if wait <= 0 {
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-sh.wake:
		case <-timer.C:
		}
	}
}

// tick runs what is due, at most some at once so that messages get their turn,
// and says how long nothing will be.
func (sh *shard) tick() time.Duration {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for range 32 {
		if len(sh.heap) == 0 {
			return time.Hour
		}
		now := sh.sim.now()
		d := sh.heap[0]
		if d.due > now {
			return min(d.due-now, time.Hour)
		}
		d.tick(now)
		d.due = d.next()
		heap.Fix(&sh.heap, int(d.heapAt))
	}
	return 0
}

// do runs f as part of the loop and sets the device's next time.
func (sh *shard) do(d *device, f func(now instant)) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	f(sh.sim.now())
	d.due = d.next()
	heap.Fix(&sh.heap, int(d.heapAt))
	if sh.heap[0] == d {
		select {
		case sh.wake <- struct{}{}:
		default:
		}
	}
}

// timeHeap is a heap of devices by due time.
type timeHeap []*device

func (h timeHeap) Len() int           { return len(h) }
func (h timeHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h timeHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapAt, h[j].heapAt = int32(i), int32(j)
}
func (h *timeHeap) Push(x any) { d := x.(*device); d.heapAt = int32(len(*h)); *h = append(*h, d) }
func (h *timeHeap) Pop() any {
	old := *h
	d := old[len(old)-1]
	*h = old[:len(old)-1]
	return d
}
