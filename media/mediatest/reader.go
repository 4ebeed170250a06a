package mediatest

import (
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"fengsui/media"
)

// Reader is a stream with one viewer. What is pushed waits without bound.
type Reader struct {
	tracks []*media.Track
	closed atomic.Bool

	mu     sync.Mutex // guards what follows
	frames []*media.Frame
	ended  bool
	more   chan struct{} // closed and renewed when something was pushed
}

// NewReader makes a reader that begins with frames.
func NewReader(tracks []*media.Track, frames ...*media.Frame) *Reader {
	return &Reader{tracks: tracks, frames: slices.Clone(frames), more: make(chan struct{})}
}

// Push adds frames.
func (r *Reader) Push(frames ...*media.Frame) {
	r.change(func() { r.frames = append(r.frames, frames...) })
}

// End ends the stream behind what was pushed.
func (r *Reader) End() { r.change(func() { r.ended = true }) }

func (r *Reader) change(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
	close(r.more)
	r.more = make(chan struct{})
}

// Tracks returns the tracks given to NewReader.
func (r *Reader) Tracks() []*media.Track { return r.tracks }

// Next returns the next frame.
func (r *Reader) Next(ctx context.Context) (*media.Frame, error) {
	for {
		r.mu.Lock()
		more := r.more
		if len(r.frames) > 0 {
			f := r.frames[0]
			r.frames = r.frames[1:]
			r.mu.Unlock()
			return f, nil
		}
		ended := r.ended
		r.mu.Unlock()
		if ended {
			return nil, io.EOF
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Dropped is 0.
func (r *Reader) Dropped() uint64 { return 0 }

// Close notes that the viewer went.
func (r *Reader) Close() { r.closed.Store(true) }

// Closed reports whether the viewer went.
func (r *Reader) Closed() bool { return r.closed.Load() }

// Opener opens streams by a function.
type Opener func(ctx context.Context, key media.Key) (media.Reader, error)

// Open calls the function.
func (o Opener) Open(ctx context.Context, key media.Key) (media.Reader, error) { return o(ctx, key) }
