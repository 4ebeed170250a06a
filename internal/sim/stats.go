package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fengsui/internal/sim/stream"
)

// maxReasons bounds the kinds of errors that are told apart; others are
// counted as "other".
const maxReasons = 64

// Stats are what happened since the start.
type Stats struct {
	Devices    int
	Registered int // now
	Failed     int // devices whose last registration failed
	Streaming  int // streams running now

	Registrations  uint64 // REGISTERs answered 200, refreshes too
	Keepalives     uint64 // answered 200
	KeepalivesLost uint64 // refused or not answered
	Queries        uint64 // and controls that were taken
	CatalogParts   uint64 // taken by the server
	Subscriptions  uint64
	Notifies       uint64 // taken by the server
	Invites        uint64
	Rejected       uint64 // INVITEs refused
	Started        uint64 // streams that were started
	Byes           uint64 // from the server
	Retransmitted  uint64 // our requests sent again
	Unreadable     uint64 // messages that are no SIP

	Media  stream.Counts
	Errors []Error // most frequent first
}

// Error is one kind of failure.
type Error struct {
	Reason string // "register: 403 Forbidden"
	Count  int
	Device string // the first that had it
	At     time.Time
}

// counters are behind Stats; they need no lock but mu for errors.
type counters struct {
	registrations, keepalives, keepalivesLost, queries, catalogParts, subscriptions, notifies,
	invites, rejected, started, byes, retransmitted, unreadable atomic.Uint64

	failed atomic.Int64

	mu         sync.Mutex
	registered int
	changed    chan struct{} // closed and replaced when registered changes
	errors     []Error
}

func (c *counters) register(delta int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.registered += delta
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *counters) watch() (registered int, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.registered, c.changed
}

func (c *counters) fail(device, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.errors) >= maxReasons-1 && !slices.ContainsFunc(c.errors, func(e Error) bool { return e.Reason == reason }) {
		reason = "other"
	}
	for i := range c.errors {
		if c.errors[i].Reason == reason {
			c.errors[i].Count++
			return
		}
	}
	c.errors = append(c.errors, Error{Reason: reason, Count: 1, Device: device, At: time.Now()})
}

// Stats reads the counters.
func (s *Sim) Stats() Stats {
	c := &s.counters
	st := Stats{
		Devices: s.cfg.Devices, Failed: int(c.failed.Load()),
		Registrations: c.registrations.Load(), Keepalives: c.keepalives.Load(), KeepalivesLost: c.keepalivesLost.Load(),
		Queries: c.queries.Load(), CatalogParts: c.catalogParts.Load(), Subscriptions: c.subscriptions.Load(),
		Notifies: c.notifies.Load(), Invites: c.invites.Load(), Rejected: c.rejected.Load(), Started: c.started.Load(),
		Byes: c.byes.Load(), Retransmitted: c.retransmitted.Load(), Unreadable: c.unreadable.Load(),
		Media: s.pacer.Counts(),
	}
	st.Streaming = st.Media.Streaming
	c.mu.Lock()
	st.Registered = c.registered
	st.Errors = slices.Clone(c.errors)
	c.mu.Unlock()
	slices.SortStableFunc(st.Errors, func(a, b Error) int { return b.Count - a.Count })
	return st
}

// String is a summary of several lines.
func (st Stats) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "devices      %d, registered %d, failed %d\n", st.Devices, st.Registered, st.Failed)
	fmt.Fprintf(&b, "registered   %d times, keepalives %d answered, %d lost\n", st.Registrations, st.Keepalives, st.KeepalivesLost)
	fmt.Fprintf(&b, "asked        %d queries and controls, %d subscriptions; told %d catalog parts, %d notifications\n",
		st.Queries, st.Subscriptions, st.CatalogParts, st.Notifies)
	fmt.Fprintf(&b, "invited      %d times, %d refused, %d streams started, %d running\n", st.Invites, st.Rejected, st.Started, st.Streaming)
	fmt.Fprintf(&b, "sent         %d packets, %.1f MB, %d lost on purpose, %d frames dropped\n",
		st.Media.Packets, float64(st.Media.Bytes)/1e6, st.Media.Lost, st.Media.Dropped)
	for _, e := range st.Errors {
		fmt.Fprintf(&b, "error        %d times %s, first %s at %s\n", e.Count, e.Reason, e.Device, e.At.Format(time.TimeOnly))
	}
	return b.String()
}

type expectation struct {
	what  string
	least uint64
}

func parseExpect(list []string, devices int) ([]expectation, error) {
	var out []expectation
	for _, e := range list {
		name, count, counted := strings.Cut(e, "=")
		x := expectation{what: name, least: 1}
		if name == "registered" {
			x.least = uint64(devices)
		}
		if _, ok := (Stats{}).happened(name); !ok {
			return nil, fmt.Errorf("cannot expect %q: want registered, keepalive, catalog, subscribe, invite or stream", name)
		}
		if counted {
			n, err := strconv.ParseUint(count, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("expect %q: want a number after =", e)
			}
			x.least = n
		}
		out = append(out, x)
	}
	return out, nil
}

func (st Stats) happened(what string) (uint64, bool) {
	switch what {
	case "registered":
		return st.Registrations, true
	case "keepalive":
		return st.Keepalives, true
	case "catalog":
		return st.CatalogParts, true
	case "subscribe":
		return st.Subscriptions, true
	case "invite":
		return st.Invites, true
	case "stream":
		return st.Started, true
	}
	return 0, false
}

// Unmet tells, in words, which of Config.Expect did not happen; nil when all did.
func (s *Sim) Unmet() []string {
	st := s.Stats()
	var out []string
	for _, x := range s.expect {
		n, _ := st.happened(x.what)
		if x.what == "registered" {
			n = s.everRegistered.Load()
		}
		if n < x.least {
			out = append(out, fmt.Sprintf("expected %s at least %d times, happened %d times", x.what, x.least, n))
		}
	}
	return out
}
