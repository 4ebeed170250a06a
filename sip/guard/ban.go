package guard

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"
	"time"
)

// Ban keeps one source away for a time.
type Ban struct {
	Source netip.Prefix // an IPv4 address or an IPv6 /64
	Reason string       // in plain words
	Since  time.Time
	Until  time.Time
}

// failing counts what went wrong of late.
type failing struct {
	count int
	last  int64 // ns of the Unix epoch
	until int64 // end of the pause
}

// record remembers how long the last ban of a source was.
type record struct {
	length time.Duration
	until  int64
}

type pair struct {
	source netip.Addr
	id     string
}

func (g *Guard) pair(from netip.Addr, id string) uint64 {
	return maphash.Comparable(g.seed, pair{Source(from), id})
}

// Paused reports whether the ID has to wait at that address before it is judged
// again: it gets no answer until then.
func (g *Guard) Paused(from netip.Addr, id string, now time.Time) (paused bool) {
	if contains(g.cfg.Allow, from.Unmap()) {
		return false
	}
	g.pairs.peek(g.pair(from, id), func(f *failing) { paused = now.UnixNano() < f.until })
	if paused {
		g.metrics.paused.Inc()
	}
	return paused
}

// Failed counts a refused registration of an ID under a nonce that its address
// was given: the sender hears us. The pause before it is judged again grows from
// the fourth on; when a source has too many, it is banned.
func (g *Guard) Failed(from netip.Addr, id string, now time.Time) {
	from = from.Unmap().WithZone("")
	if contains(g.cfg.Allow, from) {
		return
	}
	at := now.UnixNano()
	window := at - int64(failureWindow)
	g.pairs.with(g.pair(from, id), at, window, func(f *failing) {
		f.again(at)
		if over := f.count - freeFailures; over > 0 {
			f.until = at + int64(min(firstPause<<min(over-1, 10), longestPause))
		}
	})
	source := Source(from)
	most := g.cfg.Failures + 20*g.devices(source)
	g.count(g.sources, source, at, most, func() {
		g.Ban(from, fmt.Sprintf("%d refused registrations within %v", most, failureWindow), now)
	})
}

// Proved ends the pause of an ID that knew its password.
func (g *Guard) Proved(from netip.Addr, id string) {
	g.pairs.peek(g.pair(from, id), func(f *failing) { *f = failing{} })
}

// Wasted notes garbage. In a datagram it costs a stranger as much as ten
// messages; on a connection, where the sender is proven, too much of it bans an
// address without devices.
func (g *Guard) Wasted(from netip.Addr, proven bool, now time.Time) {
	from = from.Unmap().WithZone("")
	if g.Known(from) {
		return
	}
	at, source := now.UnixNano(), Source(from)
	g.strangers.with(g.key(source), at, at, func(b *bucket) {
		b.take(wasteCost, float64(g.cfg.Rate), float64(g.cfg.Burst), at)
	})
	if proven {
		g.count(g.waste, source, at, maxWaste, func() {
			g.Ban(from, fmt.Sprintf("%d messages that are no SIP within %v", maxWaste, failureWindow), now)
		})
	}
}

func (f *failing) again(at int64) {
	if at-f.last > int64(failureWindow) {
		*f = failing{}
	}
	f.count++
	f.last = at
}

// count adds one, and calls full when there are too many, after which it begins
// anew. The window begins with the first one.
func (g *Guard) count(t *table[failing], source netip.Addr, at int64, most int, full func()) {
	over := false
	t.with(g.key(source), at, at-int64(failureWindow), func(f *failing) {
		if at-f.last > int64(failureWindow) {
			*f = failing{last: at}
		}
		if f.count++; f.count > most {
			over, *f = true, failing{}
		}
	})
	if over {
		full()
	}
}

// Ban keeps the source of an address away for the configured time, twice as
// long as the last one if that was within a day. When there are too many bans,
// the one that ends first gives way.
func (g *Guard) Ban(from netip.Addr, reason string, now time.Time) {
	from = from.Unmap().WithZone("")
	if !from.IsValid() || contains(g.cfg.Allow, from) {
		return
	}
	source, length := Source(from), g.cfg.Ban
	at := now.UnixNano()
	g.past.with(g.key(source), at, at-int64(longestBan), func(r *record) {
		if r.length > 0 && at-r.until < int64(longestBan) {
			length = max(min(2*r.length, longestBan), length)
		}
		r.length, r.until = length, at+int64(length)
	})
	bits := 32
	if source.Is6() {
		bits = 64
	}
	b := Ban{Source: netip.PrefixFrom(source, bits), Reason: reason, Since: now, Until: now.Add(length)}
	g.bansMu.Lock()
	g.clear(now)
	if _, there := g.bans[source]; !there && len(g.bans) >= maxBans {
		var first netip.Addr
		for a, other := range g.bans {
			if !first.IsValid() || other.Until.Before(g.bans[first].Until) {
				first = a
			}
		}
		delete(g.bans, first)
		g.metrics.evicted.Inc()
	}
	g.bans[source] = b
	g.banned.Store(int64(len(g.bans)))
	g.bansMu.Unlock()
	g.metrics.bans.Inc()
	g.log.Warn().Stringer("source", b.Source).Time("until", b.Until).Str("reason", reason).Msg("source banned")
}

// Bans are those in force, the newest first.
func (g *Guard) Bans() []Ban {
	g.bansMu.Lock()
	g.clear(time.Now())
	out := make([]Ban, 0, len(g.bans))
	for _, b := range g.bans {
		out = append(out, b)
	}
	g.bansMu.Unlock()
	slices.SortFunc(out, func(a, b Ban) int {
		if c := b.Since.Compare(a.Since); c != 0 {
			return c
		}
		return a.Source.Addr().Compare(b.Source.Addr())
	})
	return out
}

// Unban ends the ban of the address's source and forgets that there was one. It
// reports whether there was.
func (g *Guard) Unban(from netip.Addr) bool {
	source := Source(from)
	g.past.peek(g.key(source), func(r *record) { *r = record{} })
	g.bansMu.Lock()
	defer g.bansMu.Unlock()
	g.clear(time.Now())
	_, there := g.bans[source]
	delete(g.bans, source)
	g.banned.Store(int64(len(g.bans)))
	return there
}

// clear drops the bans that are over; bansMu is held.
func (g *Guard) clear(now time.Time) {
	for a, b := range g.bans {
		if !now.Before(b.Until) {
			delete(g.bans, a)
		}
	}
	g.banned.Store(int64(len(g.bans)))
}

func (g *Guard) isBanned(source netip.Addr, now time.Time) bool {
	if g.banned.Load() == 0 {
		return false
	}
	g.bansMu.RLock()
	defer g.bansMu.RUnlock()
	b, there := g.bans[source]
	return there && now.Before(b.Until)
}
