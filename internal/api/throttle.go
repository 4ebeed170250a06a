package api

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Bounds of the slowing of failed sign-ins.
const (
	freeFailures  = 4                // before any wait
	addrDelayMax  = 5 * time.Minute  //
	userDelayMax  = 10 * time.Second // short: a stranger must not be able to lock a user out
	forgetAfter   = 15 * time.Minute // since the last failure
	throttleBound = 8192             // addresses and users together
)

// throttle slows failed sign-ins, by address and by user name. A try counts as
// failed until it has succeeded, so that many at once do not slip through.
type throttle struct {
	evicted prometheus.Counter

	mu    sync.Mutex // guards seen
	seen  map[string]*failures
	bound int
}

type failures struct {
	n     int
	until time.Time // no further try before
	last  time.Time
}

func newThrottle(bound int, evicted prometheus.Counter) *throttle {
	return &throttle{evicted: evicted, seen: map[string]*failures{}, bound: bound}
}

// begin takes a try, or says how long to wait.
func (t *throttle) begin(addr netip.Addr, user string, now time.Time) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range []string{addrKey(addr), userKey(user)} {
		if f := t.seen[key]; f != nil {
			wait = max(wait, f.until.Sub(now))
		}
	}
	if wait > 0 { // and no entry is made: names from an address that waits would wash its own out
		return wait
	}
	byAddr, byUser := t.entry(addrKey(addr), now), t.entry(userKey(user), now)
	byAddr.fail(now, addrDelayMax)
	byUser.fail(now, userDelayMax)
	return 0
}

// succeeded forgets the failures of this user and address.
func (t *throttle) succeeded(addr netip.Addr, user string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.seen, addrKey(addr))
	delete(t.seen, userKey(user))
}

func (f *failures) fail(now time.Time, most time.Duration) {
	f.n++
	f.last = now
	if over := f.n - freeFailures; over > 0 {
		f.until = now.Add(min(time.Second<<min(over-1, 20), most))
	}
}

// entry returns the failures of a key, fresh ones if they are long past. Under mu.
func (t *throttle) entry(key string, now time.Time) *failures {
	if f := t.seen[key]; f != nil {
		if now.Sub(f.last) > forgetAfter {
			*f = failures{}
		}
		return f
	}
	if len(t.seen) >= t.bound {
		t.evict(now)
	}
	f := &failures{last: now}
	t.seen[key] = f
	return f
}

// evict drops the oldest of some, rather one that does not wait, so that a flood
// of names costs little and washes out neither the busiest nor the slowed.
func (t *throttle) evict(now time.Time) {
	oldest, looked := "", 0
	for key, f := range t.seen {
		if o := t.seen[oldest]; o == nil || o.until.After(now) && !f.until.After(now) ||
			o.until.After(now) == f.until.After(now) && f.last.Before(o.last) {
			oldest = key
		}
		if looked++; looked == 32 {
			break
		}
	}
	delete(t.seen, oldest)
	t.evicted.Inc()
}

// addrKey is the address, of IPv6 its /64: one customer has all of it.
func addrKey(a netip.Addr) string {
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return "a " + p.String()
		}
	}
	return "a " + a.String()
}

func userKey(name string) string {
	name = strings.ToLower(name)
	if len(name) > 64 {
		name = name[:64]
	}
	return "u " + name
}
