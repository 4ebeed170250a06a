package guard

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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
	if contains(g.rules.Load().Allow, from.Unmap().WithZone("")) {
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
	rules := g.rules.Load()
	from = from.Unmap().WithZone("")
	if contains(rules.Allow, from) {
		return
	}
	at := now.UnixNano()
	window := at - int64(failureWindow)
	if g.pairs.with(g.pair(from, id), at, window, func(f *failing) {
		f.again(at)
		if over := f.count - freeFailures; over > 0 {
			f.until = at + int64(min(firstPause<<min(over-1, 10), longestPause))
		}
	}) {
		g.metrics.pairsEvicted.Inc()
	}
	source := Source(from)
	most := rules.Failures + 20*g.devices(source)
	g.count(g.sources, g.metrics.sourcesEvicted, source, at, most, func() {
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
	rules, at, source := g.rules.Load(), now.UnixNano(), Source(from)
	_ = g.strangers.with(g.key(source), at, at, func(b *bucket) { // Admit has just used it
		b.take(wasteCost, float64(rules.Rate), float64(rules.Burst), at)
	})
	if proven {
		g.count(g.waste, g.metrics.wasteEvicted, source, at, maxWaste, func() {
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
func (g *Guard) count(t *table[failing], evicted prometheus.Counter, source netip.Addr, at int64, most int, full func()) {
	over := false
	if t.with(g.key(source), at, at-int64(failureWindow), func(f *failing) {
		if at-f.last > int64(failureWindow) {
			*f = failing{last: at}
		}
		if f.count++; f.count > most {
			over, *f = true, failing{}
		}
	}) {
		evicted.Inc()
	}
	if over {
		full()
	}
}

// Ban keeps the source of an address away for the configured time, twice as
// long as the last one if that was within a day.
func (g *Guard) Ban(from netip.Addr, reason string, now time.Time) {
	rules := g.rules.Load()
	from = from.Unmap().WithZone("")
	if !from.IsValid() || contains(rules.Allow, from) {
		return
	}
	source, length := Source(from), rules.Ban
	at := now.UnixNano()
	if g.past.with(g.key(source), at, at-int64(longestBan), func(r *record) {
		if r.length > 0 && at-r.until < int64(longestBan) {
			length = max(min(2*r.length, longestBan), length)
		}
		r.length, r.until = length, at+int64(length)
	}) {
		g.metrics.pastEvicted.Inc()
	}
	b := Ban{Source: prefix(source), Reason: reason, Since: now, Until: now.Add(length)}
	g.bansMu.Lock()
	g.keep(b, now)
	g.bansMu.Unlock()
	g.changed()
	g.metrics.bans.Inc()
	g.log.Warn().Stringer("source", b.Source).Time("until", b.Until).Str("reason", reason).Msg("source banned")
}

// Restore puts back bans that an earlier process pronounced, those that are not
// over. An address that the settings allow stays free.
func (g *Guard) Restore(bans []Ban, now time.Time) {
	rules := g.rules.Load()
	g.bansMu.Lock()
	defer g.bansMu.Unlock()
	for _, b := range bans {
		source := Source(b.Source.Addr())
		if !source.IsValid() || !now.Before(b.Until) || b.Until.Sub(now) > longestBan || contains(rules.Allow, source) {
			continue
		}
		b.Source = prefix(source)
		g.keep(b, now)
		_ = g.past.with(g.key(source), now.UnixNano(), 0, func(r *record) { r.length, r.until = b.Until.Sub(b.Since), b.Until.UnixNano() })
	}
}

// BanChanges has one element when bans were pronounced or ended by hand since
// it was read, so that they can be kept.
func (g *Guard) BanChanges() <-chan struct{} { return g.banChanges }

func (g *Guard) changed() {
	select {
	case g.banChanges <- struct{}{}:
	default: // it is to be read already
	}
}

// prefix is all of a source.
func prefix(source netip.Addr) netip.Prefix {
	if source.Is6() {
		return netip.PrefixFrom(source, 64)
	}
	return netip.PrefixFrom(source, 32)
}

// keep enters a ban; bansMu is held. When there are too many, one gives way, of
// some that are looked at the one that ends first: looking at all would cost an
// attacker less than us.
func (g *Guard) keep(b Ban, now time.Time) {
	source := b.Source.Addr()
	if _, there := g.bans[source]; !there && len(g.bans) >= maxBans {
		var first netip.Addr
		looked := 0
		for a, other := range g.bans {
			if !first.IsValid() || other.Until.Before(g.bans[first].Until) {
				first = a
			}
			if looked++; looked == bansLooked {
				break
			}
		}
		if now.Before(g.bans[first].Until) {
			g.metrics.bansEvicted.Inc()
		}
		delete(g.bans, first)
	}
	g.bans[source] = b
	g.banned.Store(int64(len(g.bans)))
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
	if there {
		g.changed()
	}
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
