package intake

import (
	"sync/atomic"
	"time"
)

const (
	stormAfter  = 400 * time.Millisecond // of full batches on end: a burst is over by then
	stormAgain  = 20 * time.Millisecond  // of full batches on end, while a storm lasts
	stormStep   = 100 * time.Millisecond
	stormLevels = 6
)

// storm knows whether messages come faster than they are handled, so that those
// of registered devices go first. What tells is that each read of a UDP socket
// finds a full batch: costs nothing to see, and holds whatever a message costs and
// whoever else needs the processor.
//
// A storm has a level. Of n strangers' datagrams one in 2^level is looked at, the
// others are dropped unread: only that is so much cheaper than an answer that the
// registered ones are read before the socket's buffer overflows. Each further
// stretch of full batches raises the level, each stormStep lowers it, so that
// strangers have what is left over.
type storm struct {
	until atomic.Int64 // ns of the Unix epoch at which it is over; one stormStep for each level
	seen  atomic.Uint64
}

// stretch is how long a socket has had full batches. Its reader owns it.
type stretch struct{ since time.Time }

// read notes a batch of a socket.
func (s *storm) read(of *stretch, full bool, now time.Time) {
	switch {
	case !full:
		of.since = time.Time{}
		return
	case of.since.IsZero():
		of.since = now
		return
	}
	patience := stormAfter
	if s.over(now) > 0 {
		patience = stormAgain
	}
	if now.Sub(of.since) < patience {
		return
	}
	of.since = now
	for { // another socket may be at it
		until := s.until.Load()
		next := min(max(until, now.UnixNano())+int64(stormStep), now.UnixNano()+int64(stormLevels*stormStep))
		if s.until.CompareAndSwap(until, next) {
			return
		}
	}
}

// over is the level of the storm, 0 for none.
func (s *storm) over(now time.Time) int {
	left := s.until.Load() - now.UnixNano()
	if left <= 0 {
		return 0
	}
	return int((left + int64(stormStep) - 1) / int64(stormStep))
}

// Busy reports whether messages come in faster than they are handled, as over.
func (in *Intake) Busy() bool { return in.storm.over(time.Now()) > 0 }

// spares reports whether this stranger's datagram is one that is looked at.
func (s *storm) spares(now time.Time) bool {
	level := s.over(now)
	return level == 0 || s.seen.Add(1)&(1<<level-1) == 0
}

// crowded reports whether the sender has to wait for those who are registered.
func (in *Intake) crowded(w *work, now time.Time) bool { return !w.known && in.storm.over(now) > 0 }
