package stream

import (
	"container/heap"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is reported by Start after Run has ended.
var ErrClosed = errors.New("pacer is closed")

// maxLag is how late a stream may be before it gives up catching up: it then
// goes on from now, as an encoder that was stopped does.
const maxLag = time.Second

// Counts are totals over all streams since the start.
type Counts struct {
	Streaming int    // streams running now
	Packets   uint64 // RTP packets given to the system
	Bytes     uint64 // of these, with RTP headers
	Frames    uint64 // segments sent
	Lost      uint64 // packets left out to simulate loss
	Dropped   uint64 // segments left out because a TCP peer was slow
	Errors    uint64 // failed writes
}

// Pacer sends all streams from one goroutine.
type Pacer struct {
	wake    chan struct{}
	workers sync.WaitGroup // of TCP streams

	mu     sync.Mutex
	queue  queue
	closed bool

	// Used by Run alone.
	payload, packets []byte

	sent, bytes, frames, lost, dropped, failed atomic.Uint64
}

// New makes a pacer; it sends nothing before Run.
func New() *Pacer { return &Pacer{wake: make(chan struct{}, 1)} }

// Run paces the streams until ctx ends, then stops them all. It returns nil.
func (p *Pacer) Run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		s, wait := p.next(time.Now())
		if s != nil {
			p.requeue(s, s.send(p, time.Now()))
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-timer.C:
		}
	}
	p.mu.Lock()
	p.closed = true
	all := append(queue(nil), p.queue...)
	p.mu.Unlock()
	for _, s := range all {
		s.Stop()
	}
	p.workers.Wait()
	return nil
}

// Counts reads the totals.
func (p *Pacer) Counts() Counts {
	p.mu.Lock()
	n := len(p.queue)
	p.mu.Unlock()
	return Counts{
		Streaming: n, Packets: p.sent.Load(), Bytes: p.bytes.Load(), Frames: p.frames.Load(),
		Lost: p.lost.Load(), Dropped: p.dropped.Load(), Errors: p.failed.Load(),
	}
}

// next is the stream that is due, or how long to wait for one.
func (p *Pacer) next(now time.Time) (*Stream, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return nil, time.Hour
	}
	if wait := p.queue[0].due.Sub(now); wait > 0 {
		return nil, wait
	}
	return p.queue[0], 0
}

func (p *Pacer) add(s *Stream) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	heap.Push(&p.queue, s)
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return nil
}

func (p *Pacer) requeue(s *Stream, due time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.due = due
	if s.index >= 0 {
		heap.Fix(&p.queue, s.index)
	}
}

func (p *Pacer) remove(s *Stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.index >= 0 {
		heap.Remove(&p.queue, s.index)
	}
}

// queue is a heap by due time; guarded by Pacer.mu, as are index and due of
// the streams in it.
type queue []*Stream

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i]; q[i].index, q[j].index = i, j }
func (q *queue) Push(x any)        { s := x.(*Stream); s.index = len(*q); *q = append(*q, s) }
func (q *queue) Pop() any {
	old := *q
	s := old[len(old)-1]
	old[len(old)-1] = nil
	*q, s.index = old[:len(old)-1], -1
	return s
}
