package rtp

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	orphansMax    = 1024
	orphanGone    = 60 * time.Second       // silence after which an orphan is forgotten
	orphanBreak   = time.Second            // a pause this long ends a run of packets
	orphanRetry   = 100 * time.Millisecond // how often a session is looked for
	orphanInspect = time.Second            // how often the old are looked for
)

// Orphan is a sender of RTP on the shared port that no session expects.
type Orphan struct {
	SSRC   uint32
	Source netip.AddrPort
	Since  time.Time // begin of the run without a pause of a second
	Last   time.Time
	Count  uint64 // packets
}

type orphanKey struct {
	ssrc uint32
	from netip.AddrPort
}

type orphan struct {
	Orphan
	tried time.Time
}

// orphans remembers at most 1024 senders; beyond, new ones are counted only in
// the server's totals.
type orphans struct {
	mu      sync.Mutex
	m       map[orphanKey]*orphan
	checked time.Time
	missed  atomic.Uint64 // packets of senders that are not remembered
}

// look tells since when the sender sends without a session, zero if it is new,
// and whether to look for a session again.
func (o *orphans) look(k orphanKey, now time.Time) (since time.Time, again bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.m[k]
	if e == nil || now.Sub(e.Last) >= orphanBreak {
		return time.Time{}, true
	}
	if now.Sub(e.tried) < orphanRetry {
		return e.Since, false
	}
	e.tried = now
	return e.Since, true
}

func (o *orphans) add(k orphanKey, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.m[k]
	if e == nil {
		if len(o.m) >= orphansMax {
			o.missed.Add(1)
			return
		}
		e = &orphan{Orphan: Orphan{SSRC: k.ssrc, Source: k.from, Since: now}, tried: now}
		o.m[k] = e
	} else if now.Sub(e.Last) >= orphanBreak {
		e.Since = now
	}
	e.Last = now
	e.Count++
}

func (o *orphans) expire(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Sub(o.checked) < orphanInspect {
		return
	}
	o.checked = now
	for k, e := range o.m {
		if now.Sub(e.Last) >= orphanGone {
			delete(o.m, k)
		}
	}
}

func (o *orphans) list() []Orphan {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([]Orphan, 0, len(o.m))
	for _, e := range o.m {
		out = append(out, e.Orphan)
	}
	slices.SortFunc(out, func(a, b Orphan) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.SSRC, b.SSRC), a.Source.Compare(b.Source))
	})
	return out
}
