package intake

import "fengsui/internal/reuse"

// memory is what an intake uses again. Connections are not among it: sipgo may
// close one that has ended long ago. What a connection needs while it has bytes
// to look at is.
type memory struct {
	works    *reuse.Pool[work, *work]
	readings *reuse.Pool[reading, *reading]
}

// keptBuffer is how large a buffer may be that is used again, bytes.
const keptBuffer = 16 << 10

// The most that one free item holds, bytes.
const (
	workBytes    = 4*keptBuffer + 4<<10
	readingBytes = 2*keptBuffer + 512
)

func newMemory(k *reuse.Keeper) memory {
	return memory{
		works: reuse.NewPool(k, reuse.Spec{Name: "intake_work", Level: reuse.Messages, Bytes: workBytes, Share: 1.0 / 128},
			func() *work { return new(work) }, (*work).clear),
		readings: reuse.NewPool(k, reuse.Spec{Name: "intake_reading", Level: reuse.Flows, Bytes: readingBytes, Share: 1.0 / 128},
			func() *reading { return new(reading) }, (*reading).clear),
	}
}

// clear lets go of what grew large.
func (w *work) clear() {
	for _, b := range [...]*[]byte{&w.fixed, &w.answer, &w.stamps, &w.out} {
		if cap(*b) > keptBuffer {
			*b = nil
		}
	}
}

func (r *reading) clear() {
	r.framer, r.at, r.silent, r.answered, r.full = framer{}, 0, false, 0, false
	r.buf, r.answers = r.buf[:0], r.answers[:0]
	if cap(r.buf) > keptBuffer {
		r.buf = nil
	}
	if cap(r.answers) > keptBuffer {
		r.answers = nil
	}
}
