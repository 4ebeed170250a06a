package engine

import (
	"time"

	"fengsui/media"
)

const (
	lineStart    = media.ClockRate     // of the first frame, so that sound a little older is not negative
	jumpForward  = 3 * media.ClockRate // more is a discontinuity
	jumpBack     = 1 * media.ClockRate
	apartMax     = 1 * media.ClockRate // tracks further apart have different bases
	stepDefault  = media.ClockRate / 25
	ctsMax       = 5 * media.ClockRate
	bumpsMax     = 100 // within bumpsTime: the source's times are worth nothing
	bumpsTime    = 10 * time.Second
	sortDepth    = 4
	sortWithin   = 50
	sortEvidence = 2 // steps back that show B pictures without decoding times
)

// timeline makes the times of a stream's frames fit for viewers: they begin at
// one second, decoding times rise, and go on by one frame where the source
// leaps. Both tracks keep in step over a leap.
type timeline struct {
	Jumps, Bumps uint64 // leaps joined, decoding times that had to be moved on

	video, audio line
}

// line is the time line of one track.
type line struct {
	started bool
	in      int64 // last time of the source
	offset  int64 // from in to out
	out     int64 // last given
	step    int64 // last plausible distance of two frames

	bumps    int
	bumpedAt time.Time // begin of the window in which bumps are counted
	arrival  bool      // times come from the arrival
	anchor   time.Time
	anchored int64

	backs   int // steps back, each within sortWithin pictures of the one before
	since   int // pictures since the last
	sorting bool
	window  [sortDepth]int64 // presentation times, sorted
	waiting int
	lastPTS int64
}

// fix rewrites PTS and DTS of a frame that is not published yet.
func (t *timeline) fix(f *media.Frame) {
	l, other := &t.audio, &t.video
	if f.Track.Codec.Video() {
		l, other = other, l
	}
	in, cts := f.DTS, f.PTS-f.DTS
	if cts < 0 || cts > ctsMax {
		cts = 0
	}
	switch {
	case l.arrival:
		in, cts = l.anchored+int64(f.Arrived.Sub(l.anchor)/time.Microsecond)*9/100, 0
	case l.started:
		if d := in - l.in; d > jumpForward || d < -jumpBack {
			t.Jumps++
			l.waiting, l.backs = 0, 0
			l.rebase(in, other)
		} else if d > 0 && d < media.ClockRate {
			l.step = d
		}
		l.in = in
	default:
		l.begin(in, other)
	}
	out := in
	if !l.arrival {
		out += l.offset
		if l == &t.video && cts == 0 {
			pts := out
			out = l.sort(pts)
			cts = max(pts-out, 0)
		}
	}
	pts := out + cts
	if l.out != 0 && out <= l.out {
		out = l.out + 1
		t.Bumps++
		l.bump(f.Arrived)
	}
	l.out = out
	f.DTS, f.PTS = out, max(pts, out)
}

func (l *line) begin(in int64, other *line) {
	l.started, l.in, l.step = true, in, stepDefault
	switch {
	case !other.started:
		l.offset = lineStart - in
	case near(in+other.offset, other.out):
		l.offset = other.offset
	default:
		l.offset = other.out - in
	}
}

// rebase makes the frame follow the last one, or keeps it in step with the
// other track if that has leaped the same way before.
func (l *line) rebase(in int64, other *line) {
	if t := in + other.offset; other.started && !other.arrival && near(t, other.out) && t > l.out {
		l.offset = other.offset
		return
	}
	l.offset = l.out + l.step - in
}

// bump counts times that do not rise; too many, and the arrival takes over.
func (l *line) bump(at time.Time) {
	if l.arrival || l.sorting {
		return
	}
	if l.bumps == 0 || at.Sub(l.bumpedAt) > bumpsTime {
		l.bumps, l.bumpedAt = 0, at
	}
	if l.bumps++; l.bumps > bumpsMax {
		l.arrival, l.anchor, l.anchored = true, at, l.out
	}
}

// sort finds the decoding time of a picture that has a presentation time only.
// Without B pictures both are equal; with them decoding times are the
// presentation times in order, some pictures late.
func (l *line) sort(pts int64) int64 {
	if l.since++; l.since > sortWithin {
		l.backs = 0
	}
	if l.waiting > 0 && pts < l.lastPTS {
		l.since = 0
		if l.backs++; l.backs >= sortEvidence {
			l.sorting = true
		}
	}
	l.lastPTS = pts
	i := l.waiting
	for ; i > 0 && l.window[i-1] > pts; i-- {
		l.window[i] = l.window[i-1]
	}
	l.window[i] = pts
	l.waiting++
	dts := l.window[0]
	if l.waiting == sortDepth {
		copy(l.window[:], l.window[1:])
		l.waiting--
	}
	if !l.sorting {
		return pts
	}
	return dts
}

func near(a, b int64) bool { return a-b <= apartMax && b-a <= apartMax }
