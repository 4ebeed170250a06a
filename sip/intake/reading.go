package intake

import (
	"slices"

	"fengsui/internal/reuse"
)

const (
	smallBuffer = 4 << 10  // bytes of an unfinished message that anyone may have
	maxAnswers  = 64 << 10 // bytes of answers that wait for one another
)

// reading is what a connection needs while it has bytes to look at.
type reading struct {
	reuse.Mark

	framer framer
	buf    []byte `reuse:"own"` // what was read
	at     int    // up to here it is consumed
	silent bool   // the framer's grace has passed

	work     *work  // while messages are handled, and while sipgo has one
	answers  []byte `reuse:"own"` // not sent yet
	answered int    // messages in them
	full     bool   // the socket did not take all
}

func (c *Conn) newReading() *reading {
	r := c.in.readings.Get()
	r.framer = c.newFramer()
	return r
}

func (c *Conn) newFramer() framer {
	return framer{maxMessage: c.in.cfg.MaxMessageTCP, maxBody: c.in.cfg.MaxBody, gap: c.gap}
}

// rest is what is not consumed.
func (r *reading) rest() []byte { return r.buf[r.at:] }

// room is where to read more to, behind the rest.
func (r *reading) room() []byte {
	if r.at > 0 {
		r.buf = r.buf[:copy(r.buf, r.buf[r.at:])]
		r.at = 0
	}
	if len(r.buf) == cap(r.buf) {
		r.buf = slices.Grow(r.buf, max(cap(r.buf), smallBuffer))
	}
	return r.buf[len(r.buf):cap(r.buf)]
}

// take has the memory to handle messages with.
func (r *reading) take(in *Intake) {
	if r.work == nil {
		r.work = in.works.Get()
	}
}

// give gives it back.
func (r *reading) give(in *Intake) {
	if r.work == nil {
		return
	}
	in.works.Put(r.work)
	r.work = nil
}

// free gives back the reading.
func (r *reading) free(in *Intake) {
	r.give(in)
	in.readings.Put(r)
}
