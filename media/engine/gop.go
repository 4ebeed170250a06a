package engine

import (
	"time"

	"fengsui/media"
)

// Bounds of the group of pictures that is kept for newcomers.
const (
	gopTime   = 4 * media.ClockRate
	gopBytes  = 8 << 20
	gopFrames = 300
)

// gop keeps the frames since the last key frame. A group that outgrows its
// bounds keeps only the key frame: a newcomer sees that picture and goes on with
// the next group.
type gop struct {
	frames   []*media.Frame
	bytes    int
	overflow bool
}

func (g *gop) add(f *media.Frame) {
	switch {
	case f.Key && f.Track.Codec.Video():
		g.reset()
	case len(g.frames) == 0 || g.overflow:
		return
	}
	g.frames = append(g.frames, f)
	g.bytes += f.Size()
	if len(g.frames) > 1 && (len(g.frames) > gopFrames || g.bytes > gopBytes || f.DTS-g.frames[0].DTS > gopTime) {
		clear(g.frames[1:])
		g.frames, g.overflow = g.frames[:1], true
	}
}

func (g *gop) reset() {
	clear(g.frames)
	g.frames, g.bytes, g.overflow = g.frames[:0], 0, false
}

// snapshot is what a newcomer gets, and whether it has to wait for the next key
// frame after it.
func (g *gop) snapshot() (frames []*media.Frame, wait bool) {
	return append([]*media.Frame(nil), g.frames...), len(g.frames) == 0 || g.overflow
}

// depth bounds a reader's queue.
type depth struct {
	time   time.Duration
	bytes  int
	frames int
}

// A viewer wants what is now, a recorder all of it: disks stand still for seconds.
var (
	viewerDepth   = depth{2 * time.Second, 4 << 20, 512}
	recorderDepth = depth{30 * time.Second, 16 << 20, 8192}
)

const (
	overflowsMax  = 3
	overflowsOver = time.Minute // overflows further apart are forgiven
)
