package intake

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"fengsui/sip/flow"
)

// answerLife is 64*T1, for which a request may be retransmitted (RFC 3261,
// 17.2.2: Timer J).
const answerLife = 32 * time.Second

const (
	maxAnswer = 4 << 10 // bytes of an answer that is kept
	textSpace = 512     // bytes of text for each entry, on average
)

// answers keeps the last answers, so that a retransmission gets the same bytes
// and has no second effect. It is a direct-mapped table: an entry gives way to
// a newer one of the same place.
//
// The key is the whole request with its source, for a retransmission repeats it
// byte for byte. Devices are known to use a branch, a CSeq and even a Call-ID
// again in a request that is another one (signalling reference, section 9 row
// 37).
type answers struct {
	seed  maphash.Seed
	base  time.Time
	table atomic.Pointer[table] // replaced while all places are locked
	locks [256]place
}

// table is replaced as a whole when its size changes.
type table struct {
	kept  []kept
	texts texts
}

// place locks the entries whose index modulo 256 is its own.
type place struct {
	mu    sync.Mutex
	put   uint64
	early uint64 // answers that gave way to a newer one while they were wanted
}

// kept is one answer, of which the text is kept only if its status does not say
// all: writing to memory that is in no cache costs more than making it anew. For
// the same reason it is small.
type kept struct {
	key    answerKey
	text   uint64 // of an answer that is not plain, where it is in texts
	at     uint32 // ms since base, modulo 2^32
	status uint16 // of a plain answer, 0 of any other
	size   uint16 // bytes of the text
}

// answerKey is a keyed hash of a request and its source: nobody outside can make
// two that are equal.
type answerKey uint64

func newAnswers(size int) *answers {
	a := &answers{seed: maphash.MakeSeed(), base: time.Now()}
	a.table.Store(newTable(size))
	return a
}

func newTable(size int) *table {
	size = max(size, len(answers{}.locks))
	return &table{make([]kept, size), newTexts(size * textSpace)}
}

// resize makes room for so many answers. Those that are wanted still are kept;
// where two now have one place, the newer is.
func (a *answers) resize(size int) {
	next := newTable(size)
	for i := range a.locks {
		a.locks[i].mu.Lock()
		defer a.locks[i].mu.Unlock()
	}
	now, last := a.time(time.Now()), a.table.Load()
	next.texts.take(&last.texts)
	for _, e := range last.kept {
		to := e.key.index(len(next.kept))
		if had := next.kept[to]; e.wanted(now) && (!had.wanted(now) || now-had.at > now-e.at) {
			next.kept[to] = e
		}
	}
	a.table.Store(next)
}

// counts are the answers that were kept, and of them those that gave way early.
func (a *answers) counts() (put, early uint64) {
	for i := range a.locks {
		p := &a.locks[i]
		p.mu.Lock()
		put += p.put
		early += p.early
		p.mu.Unlock()
	}
	return put, early
}

// index is the place of a key among so many.
func (k answerKey) index(size int) int {
	high, _ := bits.Mul64(uint64(k), uint64(size))
	return int(high)
}

// wanted reports whether an answer may be asked for again.
func (e *kept) wanted(now uint32) bool {
	return e.key != 0 && now-e.at < answerMillis
}

// lock locks the place of a key and returns the table with its index there.
func (a *answers) lock(k answerKey) (*table, int, *place) {
	for {
		t := a.table.Load()
		i := k.index(len(t.kept))
		p := &a.locks[i%len(a.locks)]
		p.mu.Lock()
		if a.table.Load() == t {
			return t, i, p
		}
		p.mu.Unlock() // resized meanwhile
	}
}

func (a *answers) key(raw []byte, f *flow.Flow) answerKey {
	addr := f.Remote.Addr().As16()
	port, listener := f.Remote.Port(), uint16(f.Listener)
	source := [20]byte{16: byte(port), 17: byte(port >> 8), 18: byte(listener), 19: byte(listener >> 8)}
	copy(source[:], addr[:])
	return answerKey(maphash.Bytes(a.seed, raw) ^ bits.RotateLeft64(maphash.Bytes(a.seed, source[:]), 31))
}

// append appends the answer given to that request less than 32 s ago, or tells
// the status of a plain one.
func (a *answers) append(dst []byte, k answerKey, now time.Time) (_ []byte, status int) {
	t, i, p := a.lock(k)
	defer p.mu.Unlock()
	e := &t.kept[i]
	if e.key != k || !e.wanted(a.time(now)) {
		return dst, 0
	}
	if e.status != 0 {
		return dst, int(e.status)
	}
	return t.texts.append(dst, e.text, int(e.size)), 0
}

// put keeps an answer; plain is its status when that says all.
func (a *answers) put(k answerKey, answer []byte, plain int, now time.Time) {
	if len(answer) > maxAnswer {
		return
	}
	t, i, p := a.lock(k)
	defer p.mu.Unlock()
	p.put++
	e := kept{key: k, at: a.time(now), status: uint16(plain), size: uint16(len(answer))}
	if old := &t.kept[i]; old.key != k && old.wanted(e.at) {
		p.early++
	}
	if plain == 0 {
		e.text = t.texts.add(answer, e.at)
	}
	t.kept[i] = e
}

func (a *answers) time(now time.Time) uint32 { return uint32(now.Sub(a.base) / time.Millisecond) }
