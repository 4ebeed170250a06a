package guard

import (
	"hash/maphash"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/puzpuzpuz/xsync/v4"
	"github.com/rs/zerolog"
)

// Guard is shared by all sockets. Its methods may be called from several
// goroutines and never wait.
type Guard struct {
	rules atomic.Pointer[rules] // replaced whole by Set

	// Set by New, never changed after.
	log     zerolog.Logger
	metrics *metrics
	seed    maphash.Seed

	known     *xsync.Map[netip.Addr, *site] // sources with registered devices
	strangers *table[bucket]
	networks  *table[bucket]
	pairs     *table[failing] // of source and ID
	sources   *table[failing]
	waste     *table[failing]
	expected  *table[int64] // when we wrote there, ns of the Unix epoch

	leaving leaving

	banned atomic.Int64 // len(bans)
	bansMu sync.RWMutex // guards all below
	bans   map[netip.Addr]Ban
	past   *table[record]

	banChanges chan struct{} // has one when bans changed since it was read
}

// rules are the settings with defaults, and what is made of them. They never
// change.
type rules struct {
	Config
	denied, allowed words // User-Agents
}

// site is a source from which devices are registered.
type site struct {
	mu      sync.Mutex
	devices int
	gone    time.Time // when the last one left
	removed bool      // from the map: look there again
	bucket  bucket
}

// New makes a guard with empty tables, of about 6 MB.
func New(cfg Config, reg prometheus.Registerer, log zerolog.Logger) *Guard {
	g := &Guard{
		log: log, seed: maphash.MakeSeed(),
		known:     xsync.NewMap[netip.Addr, *site](),
		strangers: newTable[bucket](strangers), networks: newTable[bucket](networks),
		pairs: newTable[failing](failingPairs), sources: newTable[failing](failingSources),
		waste: newTable[failing](failingSources), expected: newTable[int64](expected),
		bans: make(map[netip.Addr]Ban), past: newTable[record](failingSources),
		banChanges: make(chan struct{}, 1),
	}
	g.Set(cfg)
	g.metrics = newMetrics(reg, g)
	return g
}

// Set replaces the settings while the guard is in use. Messages under way are
// judged by the old ones or the new; what was counted stays counted, and bans
// stay as long as they were pronounced for.
func (g *Guard) Set(cfg Config) {
	g.rules.Store(&rules{Config: cfg.withDefaults(), denied: newWords(cfg.DenyAgents), allowed: newWords(cfg.AllowAgents)})
}

// Source is what has one budget: an IPv4 address, or the /64 of an IPv6 one.
func Source(a netip.Addr) netip.Addr { return cut(a, 32, 64) }

// network is what has one budget for all its sources.
func network(a netip.Addr) netip.Addr { return cut(a, 24, 48) }

func cut(a netip.Addr, bits4, bits6 int) netip.Addr {
	a = a.Unmap().WithZone("")
	bits := bits6
	if a.Is4() {
		if bits = bits4; bits == 32 {
			return a
		}
	}
	p, err := a.Prefix(bits)
	if err != nil { // the zero address
		return a
	}
	return p.Addr()
}

// Admit reports whether a message from the address is to be looked at, for which
// it takes one from the budget, and then what [Guard.Known] says.
func (g *Guard) Admit(from netip.Addr, now time.Time) (ok, known bool) {
	rules := g.rules.Load()
	from = from.Unmap().WithZone("")
	if contains(rules.Deny, from) {
		g.metrics.denied.Inc()
		return false, false
	}
	if contains(rules.Allow, from) {
		return true, true
	}
	source := Source(from)
	if g.isBanned(source, now) {
		g.metrics.banned.Inc()
		return false, false
	}
	at := now.UnixNano()
	s, known := g.known.Load(source)
	switch {
	case !known:
		return g.stranger(rules, source, at), false
	case !s.take(rules, at):
		g.metrics.overSource.Inc()
		return false, true
	}
	return true, true
}

// stranger takes from the budgets of a source without devices and its network.
func (g *Guard) stranger(rules *rules, source netip.Addr, at int64) bool {
	var ok bool
	rate, burst := float64(rules.Rate), float64(rules.Burst)
	second := at - int64(time.Second)
	if g.strangers.with(g.key(source), at, second, func(b *bucket) { ok = b.take(1, rate, burst, at) }) {
		g.metrics.strangersEvicted.Inc()
	}
	if !ok {
		g.metrics.overSource.Inc()
		return false
	}
	if g.networks.with(g.key(network(source)), at, second, func(b *bucket) {
		ok = b.take(1, prefixFactor*rate, prefixFactor*burst, at)
	}) {
		g.metrics.networksEvicted.Inc()
	}
	if !ok {
		g.metrics.overNetwork.Inc()
	}
	return ok
}

func (s *site) take(rules *rules, at int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	more := float64(s.devices * rules.PerDevice)
	return s.bucket.take(1, float64(rules.Rate)+more, float64(rules.Burst)+devicesAtOnce*more, at)
}

// Connect reports whether the address may open a connection.
func (g *Guard) Connect(from netip.Addr, now time.Time) bool {
	rules := g.rules.Load()
	from = from.Unmap().WithZone("")
	switch {
	case contains(rules.Deny, from):
		g.metrics.denied.Inc()
	case !contains(rules.Allow, from) && g.isBanned(Source(from), now):
		g.metrics.banned.Inc()
	default:
		return true
	}
	return false
}

// Known reports whether devices are registered from the source of the address,
// or were a minute ago, or it is allowed everything.
func (g *Guard) Known(from netip.Addr) bool {
	from = from.Unmap().WithZone("")
	if contains(g.rules.Load().Allow, from) {
		return true
	}
	_, ok := g.known.Load(Source(from))
	return ok
}

// Screen judges who a message says it is. Status 0 lets it pass, 403 refuses
// it, and -1 leaves it without an answer.
func (g *Guard) Screen(id, agent []byte) (status int) {
	rules := g.rules.Load()
	agent = agent[:min(len(agent), maxAgent)]
	if rules.denied.in(agent) || len(rules.AllowAgents) > 0 && !rules.allowed.in(agent) {
		g.metrics.agent.Inc()
		return -1
	}
	if len(rules.DenyIDs) > 0 || len(rules.AllowIDs) > 0 {
		text := string(id)
		if startsWith(rules.DenyIDs, text) || len(rules.AllowIDs) > 0 && !startsWith(rules.AllowIDs, text) {
			g.metrics.id.Inc()
			return 403
		}
	}
	return 0
}

// Refused counts a message of a stranger that was answered or dropped instead
// of being handled.
func (g *Guard) Refused() { g.metrics.stranger.Inc() }

// Wrote notes that we sent a request there, so that the answer is expected.
func (g *Guard) Wrote(to netip.AddrPort, now time.Time) {
	at := now.UnixNano()
	if g.expected.with(g.keyOf(to), at, at-int64(expectTime), func(v *int64) { *v = at }) {
		g.metrics.expectedEvicted.Inc()
	}
}

// Expects reports whether an answer from the address may be one to a request
// of ours.
func (g *Guard) Expects(from netip.AddrPort, now time.Time) (ok bool) {
	g.expected.peek(g.keyOf(from), func(v *int64) { ok = now.UnixNano()-*v < int64(expectTime) })
	return ok
}

func (g *Guard) keyOf(a netip.AddrPort) uint64 {
	return maphash.Comparable(g.seed, netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()))
}

func (g *Guard) key(a netip.Addr) uint64 { return maphash.Comparable(g.seed, a) }

func contains(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func startsWith(list []string, text string) bool {
	for _, part := range list {
		if strings.HasPrefix(text, part) {
			return true
		}
	}
	return false
}
