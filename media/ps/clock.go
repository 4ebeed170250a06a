package ps

import "fengsui/media"

const (
	maxForward  = 3 * media.ClockRate // a greater step forward is a jump
	maxBackward = 1 * media.ClockRate // a greater step back is a jump
	frame25     = media.ClockRate / 25
	alignWindow = 1 * media.ClockRate // tracks further apart have different time bases
)

// clock unwraps the time stamps of one track and joins them over jumps, so that
// what it returns goes on by about one frame where the source leaped.
type clock struct {
	started bool
	bits    uint
	raw     int64 // last, unwrapped
	offset  int64 // added to raw
	out     int64 // greatest returned
	nominal int64 // frame duration, the last plausible one
}

// next maps a raw time stamp of the given width. other, if started, is the clock
// of the track it should stay in step with.
func (c *clock) next(raw int64, bits uint, other *clock) (out int64, jumped bool) {
	if !c.started || c.bits != bits {
		c.begin(raw, bits, other)
		return c.out, false
	}
	shift := 64 - bits
	delta := (raw - c.raw) << shift >> shift // signed difference in the native width
	c.raw += delta
	if delta > maxForward || delta < -maxBackward {
		c.offset = c.out + c.nominal - c.raw
		c.align(other)
		jumped = true
	} else if delta > 0 && delta < media.ClockRate {
		c.nominal = delta
	}
	out = c.raw + c.offset
	c.out = max(c.out, out)
	return out, jumped
}

// begin starts the clock, or starts it over after a change of source.
func (c *clock) begin(raw int64, bits uint, other *clock) {
	if c.nominal == 0 {
		c.nominal = frame25
	}
	if other.started && other.bits == bits {
		shift := 64 - bits
		raw = other.raw + (raw-other.raw)<<shift>>shift
	}
	c.raw, c.bits = raw, bits
	switch {
	case c.started:
		c.offset = c.out + c.nominal - raw
	case other.started:
		c.offset = other.out - raw
		if shared := other.offset; other.bits == bits && abs(raw+shared-other.out) <= alignWindow {
			c.offset = shared
		}
	default:
		c.offset = 0
	}
	c.started = true
	c.out = max(c.out, raw+c.offset)
}

// align takes over the other clock's offset after a jump, if by that both agree
// and this one does not run back.
func (c *clock) align(other *clock) {
	if !other.started || other.bits != c.bits {
		return
	}
	if t := c.raw + other.offset; abs(t-other.out) <= alignWindow && t > c.out {
		c.offset = other.offset
	}
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

// A source sends B pictures without decoding times if its presentation times
// step back this often among this many pictures; a single step is a clock set.
const (
	reorderSteps  = 3
	reorderWithin = 50
	reorderDepth  = 4
)

// reorder finds decoding times for pictures that come with presentation times
// only. Without B pictures both are equal; with them decoding times are the
// presentation times in order, three pictures late.
type reorder struct {
	active  bool
	last    int64 // presentation time of the picture before
	since   int   // pictures since the last step back
	steps   int   // steps back, each within reorderWithin of the one before
	n       int
	pending [reorderDepth]int64 // sorted
}

func (r *reorder) next(pts int64) (dts int64) {
	r.since++
	if r.since > 5*reorderWithin {
		r.active = false
	}
	if r.since > reorderWithin {
		r.steps = 0
	}
	if r.n > 0 && pts < r.last {
		r.since = 0
		r.steps++
		r.active = r.active || r.steps >= reorderSteps
	}
	r.last = pts

	i := r.n
	for ; i > 0 && r.pending[i-1] > pts; i-- {
		r.pending[i] = r.pending[i-1]
	}
	r.pending[i] = pts
	r.n++
	dts = r.pending[0]
	if r.n == reorderDepth {
		copy(r.pending[:], r.pending[1:])
		r.n--
	}
	if !r.active {
		return pts
	}
	return dts
}
