package intake

import (
	"sync"
	"time"
)

const (
	chunkSize    = 64 << 10
	answerMillis = uint32(answerLife / time.Millisecond)
)

// texts holds the texts of answers one after another, as they were given: memory
// that is written in order is in the processor's cache in time. It has as many
// chunks as the answers of 32 s need, up to a bound; then the oldest give way.
type texts struct {
	mu     sync.Mutex
	chunks []chunk // the n-th chunk ever is at n modulo their number
	first  uint64  // number of the oldest chunk there is
	last   uint64  // number of the one written to
	used   int     // bytes of that
}

// chunk is a piece of memory; without any it is yet to be used.
type chunk struct {
	bytes []byte
	ended uint32 // time of its last text, as kept.at
}

func newTexts(size int) texts { return texts{chunks: make([]chunk, max(2, size/chunkSize))} }

// take takes over the newest texts of another, as far as there is room. Nobody
// may use either meanwhile.
func (t *texts) take(from *texts) {
	t.first, t.last, t.used = from.first, from.last, from.used
	if held := uint64(len(t.chunks)); t.last-t.first >= held {
		t.first = t.last - held + 1
	}
	for n := t.first; n <= t.last; n++ {
		*t.of(n) = *from.of(n)
	}
}

// add keeps a text of at most a chunk and returns where it is.
func (t *texts) add(text []byte, now uint32) (at uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.of(t.last)
	if c.bytes == nil || t.used+len(text) > chunkSize {
		c = t.next(now)
	}
	at = t.last*chunkSize + uint64(t.used)
	t.used += copy(c.bytes[t.used:], text)
	c.ended = now
	return at
}

// append appends the text that add put there, nothing when it has given way.
func (t *texts) append(dst []byte, at uint64, size int) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, begin := at/chunkSize, at%chunkSize
	if n < t.first {
		return dst
	}
	return append(dst, t.of(n).bytes[begin:begin+uint64(size)]...)
}

func (t *texts) of(n uint64) *chunk { return &t.chunks[n%uint64(len(t.chunks))] }

// next begins a chunk, in memory of one whose texts have expired if there is.
func (t *texts) next(now uint32) *chunk {
	if t.of(t.last).bytes != nil {
		t.last, t.used = t.last+1, 0
	}
	var memory []byte
	for t.first < t.last && (t.last-t.first == uint64(len(t.chunks)) || now-t.of(t.first).ended >= answerMillis) {
		old := t.of(t.first)
		memory, old.bytes = old.bytes, nil
		t.first++
	}
	if memory == nil {
		memory = make([]byte, chunkSize)
	}
	c := t.of(t.last)
	c.bytes = memory
	return c
}
