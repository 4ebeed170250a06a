package registrar

import (
	"hash/maphash"
	"net/netip"
	"time"

	"fengsui/sip/intake"
)

// challenges are those that nobody answered yet, oldest first, one for each
// peer. Each REGISTER takes a slot and gives it back, with its memory. Guarded by
// Attempts.mu.
type challenges struct {
	seed  maphash.Seed
	index map[uint64]int32 // place in slots, by keyed hash of the peer
	slots []challenge      // in two rings, whose heads are the first two
}

// The heads of the rings: what comes after one is the oldest of its ring.
const (
	opened = iota
	free
)

// challenge has its neighbours in its ring by their places in slots.
type challenge struct {
	before, after int32

	id        []byte
	at        time.Time
	stale     bool // it told the peer that its nonce was old
	remote    netip.AddrPort
	transport string
	userAgent []byte // at most maxAttemptText
}

func newChallenges() challenges {
	return challenges{
		seed: maphash.MakeSeed(), index: make(map[uint64]int32),
		slots: []challenge{opened: {before: opened, after: opened}, free: {before: free, after: free}},
	}
}

func (cs *challenges) key(p peer) uint64 {
	return maphash.String(cs.seed, p.id) ^ maphash.Comparable(cs.seed, p.ip)
}

// oldest is the one waiting longest, nil if there is none.
func (cs *challenges) oldest() *challenge {
	i := cs.slots[opened].after
	if i == opened {
		return nil
	}
	return &cs.slots[i]
}

// add has p wait, from its first challenge on. It reports false when there is no
// room.
func (cs *challenges) add(p peer, r *intake.Request, stale bool) bool {
	key := cs.key(p)
	if i, there := cs.index[key]; there {
		cs.slots[i].stale = stale
		return true
	}
	if len(cs.index) >= maxUnanswered {
		return false
	}
	i := cs.slots[free].before // the last one used is still in the processor's cache
	if i == free {
		i = int32(len(cs.slots))
		cs.slots = append(cs.slots, challenge{before: i, after: i})
	}
	cs.move(i, opened)
	cs.index[key] = i
	c := &cs.slots[i]
	c.at, c.stale, c.remote, c.transport = r.At, stale, r.Flow.Remote, r.Flow.Transport
	c.id = append(c.id[:0], p.id...)
	c.userAgent = append(c.userAgent[:0], r.UserAgent[:min(len(r.UserAgent), maxAttemptText)]...)
	return true
}

// remove ends the wait for p; stale is what its challenge said.
func (cs *challenges) remove(p peer) (stale bool) {
	key := cs.key(p)
	i, there := cs.index[key]
	if !there {
		return false
	}
	delete(cs.index, key)
	cs.move(i, free)
	return cs.slots[i].stale
}

// move takes a slot out of its ring and makes it the newest of another.
func (cs *challenges) move(i, head int32) {
	s := cs.slots
	s[s[i].before].after, s[s[i].after].before = s[i].after, s[i].before
	s[i].before, s[i].after = s[head].before, head
	s[s[i].before].after, s[head].before = i, i
}
