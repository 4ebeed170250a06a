package sip

import (
	"bytes"
	"hash/maphash"
	"strconv"
	"sync"
	"time"

	"fengsui/sip/intake"
)

// peeked is what the reader of a socket must know of a request before the
// library gets it: enough to keep order, not more.
type peeked struct {
	seq    uint64
	sender []byte // user part of From; points into the message
	via    []byte // top Via, whole
	callID []byte
	cseq   []byte
}

// peek reads the headers of a repaired request. It reports false for a
// response, and for ACK and CANCEL, which have no order to keep.
func peek(raw []byte) (p peeked, ok bool) {
	line, rest, found := bytes.Cut(raw, []byte("\r\n"))
	if !found || !bytes.HasSuffix(line, []byte(" SIP/2.0")) ||
		bytes.HasPrefix(line, []byte("ACK ")) || bytes.HasPrefix(line, []byte("CANCEL ")) {
		return peeked{}, false
	}
	for {
		line, rest, found = bytes.Cut(rest, []byte("\r\n"))
		if !found || len(line) == 0 {
			return p, ok
		}
		name, value, colon := bytes.Cut(line, []byte(":"))
		if !colon {
			continue
		}
		name, value = bytes.TrimSpace(name), bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte(intake.HeaderSeq)):
			seq, err := strconv.ParseUint(string(value), 10, 64)
			if err != nil {
				return peeked{}, false
			}
			p.seq, ok = seq, true
		case p.sender == nil && is(name, "From", 'f'):
			p.sender = userPart(value)
		case p.via == nil && is(name, "Via", 'v'):
			p.via = value
		case p.callID == nil && is(name, "Call-ID", 'i'):
			p.callID = value
		case p.cseq == nil && is(name, "CSeq", 0):
			p.cseq = value
		}
	}
}

func isResponse(raw []byte) bool { return bytes.HasPrefix(raw, []byte("SIP/2.0 ")) }

// userPart is the user of the first SIP URI in an address header, nil when
// there is none.
func userPart(value []byte) []byte {
	if i := bytes.IndexByte(value, '<'); i >= 0 {
		value = value[i+1:]
	}
	scheme, rest, found := bytes.Cut(value, []byte(":"))
	if !found || (!bytes.EqualFold(scheme, []byte("sip")) && !bytes.EqualFold(scheme, []byte("sips"))) {
		return nil
	}
	user, _, found := bytes.Cut(rest, []byte("@"))
	if !found || bytes.ContainsAny(user, ">;") {
		return nil
	}
	user, _, _ = bytes.Cut(user, []byte(":"))
	return user
}

func is(name []byte, long string, compact byte) bool {
	return len(name) == 1 && name[0]|0x20 == compact && compact != 0 || bytes.EqualFold(name, []byte(long))
}

// repeats recognises datagrams that the library will absorb as repeats, so
// that nobody waits for their handlers. It is a direct-mapped table: a
// collision forgets the older entry, which costs one wait.
type repeats struct {
	seed maphash.Seed

	mu    sync.Mutex // guards all below
	slots [4096]struct {
		key uint64
		at  time.Time
	}
}

func newRepeats() *repeats { return &repeats{seed: maphash.MakeSeed()} }

// seen reports whether the same request came from the source within the time
// its transaction lives, and notes it.
func (r *repeats) seen(p peeked, source string, now time.Time, within time.Duration) bool {
	var h maphash.Hash
	h.SetSeed(r.seed)
	for _, part := range [][]byte{p.via, p.callID, p.cseq} {
		h.Write(part)
		h.WriteByte(0)
	}
	h.WriteString(source)
	key := h.Sum64()
	r.mu.Lock()
	defer r.mu.Unlock()
	slot := &r.slots[key%uint64(len(r.slots))]
	if slot.key == key && now.Sub(slot.at) < within {
		return true
	}
	slot.key, slot.at = key, now
	return false
}
