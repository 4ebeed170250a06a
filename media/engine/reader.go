package engine

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"fengsui/media"
)

// reader is one viewer's end of a stream. mu guards all but dropped; it is taken
// after the receiver's.
type reader struct {
	r       *Receiver
	depth   depth
	wake    chan struct{} // holds one
	dropped atomic.Uint64

	mu        sync.Mutex
	backlog   []*media.Frame // the group of pictures at the start
	queue     []*media.Frame // from head on
	head      int
	bytes     int
	skip      bool // frames are lost up to the next key frame
	overflows int
	overflow  time.Time // the last one
	ended     bool
	err       error // why, nil: the stream ended
}

func newReader(r *Receiver, d depth) *reader {
	return &reader{r: r, depth: d, wake: make(chan struct{}, 1)}
}

// Tracks implements [media.Reader].
func (rd *reader) Tracks() []*media.Track { return rd.r.Tracks() }

// Dropped implements [media.Reader].
func (rd *reader) Dropped() uint64 { return rd.dropped.Load() }

// Next implements [media.Reader]. It reports [ErrSlow] to a reader that lost
// frames three times within a minute each.
func (rd *reader) Next(ctx context.Context) (*media.Frame, error) {
	for {
		f, end, err := rd.pop()
		switch {
		case f != nil:
			return f, nil
		case end && err != nil:
			return nil, err
		case end:
			return nil, io.EOF
		}
		select {
		case <-rd.wake:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Close implements [media.Reader].
func (rd *reader) Close() {
	rd.r.detach(rd)
	rd.finish(nil)
}

func (rd *reader) pop() (f *media.Frame, ended bool, err error) {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	switch {
	case len(rd.backlog) > 0:
		f = rd.backlog[0]
		rd.backlog = rd.backlog[1:]
	case rd.head < len(rd.queue):
		f = rd.queue[rd.head]
		rd.queue[rd.head] = nil
		rd.bytes -= f.Size()
		if rd.head++; rd.head == len(rd.queue) {
			rd.queue, rd.head = rd.queue[:0], 0
		}
	default:
		return nil, rd.ended, rd.err
	}
	return f, false, nil
}

// push queues a frame, or loses the queue and what follows up to the next key
// frame. It reports false when the reader is too slow to go on.
func (rd *reader) push(f *media.Frame, hasVideo bool) bool {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if key := f.Key && f.Track.Codec.Video(); key {
		rd.skip = false
	} else if rd.skip && hasVideo {
		rd.lose(1)
		return true
	}
	size := f.Size()
	if n := len(rd.queue) - rd.head; n > 0 && (n >= rd.depth.frames || rd.bytes+size > rd.depth.bytes ||
		f.Arrived.Sub(rd.queue[rd.head].Arrived) > rd.depth.time) {
		if f.Arrived.Sub(rd.overflow) > overflowsOver {
			rd.overflows = 0
		}
		rd.overflows++
		rd.overflow = f.Arrived
		rd.lose(n)
		clear(rd.queue)
		rd.queue, rd.head, rd.bytes = rd.queue[:0], 0, 0
		if rd.overflows >= overflowsMax {
			rd.lose(1)
			return false
		}
		if hasVideo && !f.Key {
			rd.skip = true
			rd.lose(1)
			return true
		}
	}
	if rd.head > 0 && len(rd.queue) == cap(rd.queue) {
		n := copy(rd.queue, rd.queue[rd.head:])
		clear(rd.queue[n:])
		rd.queue, rd.head = rd.queue[:n], 0
	}
	rd.queue = append(rd.queue, f)
	rd.bytes += size
	rd.signal()
	return true
}

// lose counts lost frames; those before the first key frame are not lost, the
// reader came too early for them.
func (rd *reader) lose(n int) {
	if rd.overflows > 0 {
		rd.dropped.Add(uint64(n))
	}
}

// finish ends the reader; what is queued can still be read unless err is set.
func (rd *reader) finish(err error) {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if !rd.ended {
		rd.ended, rd.err = true, err
	}
	rd.signal()
}

func (rd *reader) signal() {
	select {
	case rd.wake <- struct{}{}:
	default:
	}
}
