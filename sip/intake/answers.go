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
	seeds [2]maphash.Seed
	locks [256]sync.Mutex // of the entries with equal index modulo 256
	table []kept
}

type kept struct {
	key    answerKey
	at     time.Time
	answer []byte
}

type answerKey [2]uint64

func newAnswers(size int) *answers {
	size = max(256, 1<<bits.Len(uint(size-1)))
	return &answers{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, table: make([]kept, size)}
}

func (a *answers) key(raw []byte, f *flow.Flow) answerKey {
	var k answerKey
	addr := f.Remote.Addr().As16()
	port, listener := f.Remote.Port(), uint16(f.Listener)
	extra := [20]byte{16: byte(port), 17: byte(port >> 8), 18: byte(listener), 19: byte(listener >> 8)}
	copy(extra[:], addr[:])
	for i, seed := range a.seeds {
		k[i] = maphash.Bytes(seed, raw) ^ bits.RotateLeft64(maphash.Bytes(seed, extra[:]), 31)
	}
	return k
}

// append appends the answer given to that request less than 32 s ago.
func (a *answers) append(dst []byte, k answerKey, now time.Time) ([]byte, bool) {
	i := k[0] & uint64(len(a.table)-1)
	lock := &a.locks[i%uint64(len(a.locks))]
	lock.Lock()
	defer lock.Unlock()
	e := &a.table[i]
	if e.key != k || len(e.answer) == 0 || now.Sub(e.at) >= answerLife {
		return dst, false
	}
	return append(dst, e.answer...), true
}

func (a *answers) put(k answerKey, answer []byte, now time.Time) {
	if len(answer) > maxAnswer {
		return
	}
	i := k[0] & uint64(len(a.table)-1)
	lock := &a.locks[i%uint64(len(a.locks))]
	lock.Lock()
	defer lock.Unlock()
	e := &a.table[i]
	e.key, e.at = k, now
	e.answer = append(e.answer[:0], answer...)
}
