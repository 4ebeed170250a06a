package intake

import "slices"

const (
	smallBuffer = 4 << 10  // bytes of an unfinished message that anyone may have
	keptBuffer  = 64 << 10 // bytes of a buffer that is used again
	maxAnswers  = 64 << 10 // bytes of answers that wait for one another
)

// reading is what a connection needs while it has bytes to look at.
type reading struct {
	framer framer
	buf    []byte // what was read
	at     int    // up to here it is consumed
	silent bool   // the framer's grace has passed

	work     *work  // while messages are handled, and while sipgo has one
	answers  []byte // not sent yet
	answered int    // messages in them
}

func (c *Conn) newReading() *reading {
	r := c.in.readings.Get().(*reading)
	r.framer = framer{maxMessage: c.in.cfg.MaxMessageTCP, maxBody: c.in.cfg.MaxBody, gap: c.gap}
	return r
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
		r.work = in.works.Get().(*work)
	}
}

// give gives it back.
func (r *reading) give(in *Intake) {
	if r.work == nil {
		return
	}
	if cap(r.work.out) > keptBuffer {
		r.work.out = nil
	}
	in.works.Put(r.work)
	r.work = nil
}

// free gives back the reading.
func (r *reading) free(in *Intake) {
	r.give(in)
	if cap(r.buf) > keptBuffer {
		r.buf = nil
	}
	if cap(r.answers) > keptBuffer {
		r.answers = nil
	}
	*r = reading{buf: r.buf[:0], answers: r.answers[:0]}
	in.readings.Put(r)
}
