package guard

import (
	"net/netip"
	"time"
)

// Config holds the settings. A zero field takes its default.
type Config struct {
	// Rate is how many messages a second one source may send, default 1,000,
	// and Burst how many at once, default 10,000. A source is an IPv4 address
	// or an IPv6 /64. The network around it (IPv4 /24, IPv6 /48) may send four
	// times as much; a source with registered devices does not count there.
	Rate, Burst int
	// PerDevice is added to Rate for each device registered from a source, and
	// twenty times as much to Burst; default 5. Thousands of cameras behind one
	// address need no setting for themselves.
	PerDevice int
	// Failures is how many registrations of one source may be refused within
	// ten minutes, default 500 and twenty more for each device registered from
	// there. The next one bans the source.
	Failures int
	// Ban is how long a ban lasts, default 10 min; twice as long each time
	// within a day, up to a day.
	Ban time.Duration

	// Allow are networks that are neither limited nor banned, and from which
	// anything is taken as from a registered device. Deny are networks of which
	// nothing is heard; it goes first.
	Allow, Deny []netip.Prefix
	// AllowIDs, if any, are the beginnings of the only IDs that may speak;
	// DenyIDs those that are refused with 403.
	AllowIDs, DenyIDs []string
	// AllowAgents, if any, are the only User-Agents that are heard, by a part of
	// their text in any case; DenyAgents those that get no answer.
	AllowAgents, DenyAgents []string
}

const (
	prefixFactor   = 4
	devicesAtOnce  = 20 // times PerDevice, of burst
	wasteCost      = 9  // messages that a piece of garbage costs beside itself
	failureWindow  = 10 * time.Minute
	freeFailures   = 3 // of one ID at one source, before it has to pause
	firstPause     = time.Second
	longestPause   = time.Minute
	maxWaste       = 200 // pieces of garbage on connections within failureWindow
	longestBan     = 24 * time.Hour
	maxBans        = 10_000
	bansLooked     = 32
	lingering      = time.Minute // a source counts as registered after its last device left
	expectTime     = 5 * time.Minute
	maxAgent       = 256    // bytes of a User-Agent that are looked at
	strangers      = 65_536 // sources without a device that have a budget
	networks       = 16_384
	failingPairs   = 32_768 // of source and ID
	failingSources = 16_384
	expected       = 16_384 // addresses we wrote to lately
)

func (c Config) withDefaults() Config {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&c.Rate, 1000)
	set(&c.Burst, 10_000)
	set(&c.PerDevice, 5)
	set(&c.Failures, 500)
	if c.Ban <= 0 {
		c.Ban = 10 * time.Minute
	}
	return c
}
