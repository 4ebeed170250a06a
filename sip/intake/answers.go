package intake

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"time"

	"fengsui/sip/flow"
)

// answerLife is 64*T1, for which a request may be retransmitted (RFC 3261,
// 17.2.2: Timer J).
const answerLife = 32 * time.Second

const maxAnswer = 4 << 10 // bytes of an answer that is kept

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
	locks [256]sync.Mutex // of the entries with equal index modulo 256
	table []kept
	texts [][]byte // by the same index
}

// kept is one answer, of which the text is kept only if its status does not say
// all: writing to memory that is in no cache costs more than making it anew. For
// the same reason it is small.
type kept struct {
	key    answerKey
	at     uint32 // ms since base, modulo 2^32
	status uint16 // of a plain answer, 0 of any other
}

// answerKey is a keyed hash of a request and its source: nobody outside can make
// two that are equal.
type answerKey uint64

func newAnswers(size int) *answers {
	size = max(256, 1<<bits.Len(uint(size-1)))
	return &answers{seed: maphash.MakeSeed(), base: time.Now(), table: make([]kept, size), texts: make([][]byte, size)}
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
	i := uint64(k) & uint64(len(a.table)-1)
	lock := &a.locks[i%uint64(len(a.locks))]
	lock.Lock()
	defer lock.Unlock()
	e := &a.table[i]
	if e.key != k || a.time(now)-e.at >= uint32(answerLife/time.Millisecond) {
		return dst, 0
	}
	if e.status != 0 {
		return dst, int(e.status)
	}
	return append(dst, a.texts[i]...), 0
}

// put keeps an answer; plain is its status when that says all.
func (a *answers) put(k answerKey, answer []byte, plain int, now time.Time) {
	if len(answer) > maxAnswer {
		return
	}
	i := uint64(k) & uint64(len(a.table)-1)
	lock := &a.locks[i%uint64(len(a.locks))]
	lock.Lock()
	defer lock.Unlock()
	a.table[i] = kept{k, a.time(now), uint16(plain)}
	if plain == 0 {
		a.texts[i] = append(a.texts[i][:0], answer...)
	}
}

func (a *answers) time(now time.Time) uint32 { return uint32(now.Sub(a.base) / time.Millisecond) }
