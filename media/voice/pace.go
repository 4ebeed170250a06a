package voice

import (
	"context"
	"time"
)

// Source gives sound frame by frame.
type Source interface {
	// Frame fills dst with the next 20 ms of G.711; false at the end.
	Frame(dst []byte) bool
}

// burst is how many frames may leave at once to make up for a delay: devices
// hold 200 to 500 ms.
const burst = 3

const frameTime = FrameMS * time.Millisecond

// Pace gives the frames of a source to send, one each 20 ms of the monotonic
// clock, so that there is no drift, until the source ends, send fails or ctx ends.
// After a delay of up to three frames it catches up; a longer one is skipped and
// told to late. sound is only valid during the call of send.
func Pace(ctx context.Context, s Source, send func(sound []byte) error, late func(time.Duration)) error {
	var frame [FrameLength]byte
	begin := time.Now()
	wait := time.NewTimer(0)
	defer wait.Stop()
	for n := 0; ; n++ {
		due := begin.Add(time.Duration(n) * frameTime)
		wait.Reset(time.Until(due))
		select {
		case <-wait.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if behind := time.Since(due); behind > burst*frameTime {
			begin = begin.Add(behind)
			late(behind)
		}
		if !s.Frame(frame[:]) {
			return nil
		}
		if err := send(frame[:]); err != nil {
			return err
		}
	}
}
