package device

import (
	"sync"
	"time"

	"fengsui/gb28181"
	"fengsui/shadow"
	"fengsui/sip/flow"
)

// neverRegistered is the reason of a device that was only provisioned.
const neverRegistered = "never registered"

// row is one device. Lock order: row.mu, then the locks of the wheel, the
// connections, the probes or a watcher's queue; never two rows.
type row struct {
	hook // guarded by wheel.mu

	// All below is guarded by mu.
	mu      sync.Mutex
	removed bool
	dev     gb28181.Device // Presence.Reason without the age, see present

	bound   bool      // registered
	flow    flow.Flow // of the last registration or move
	callID  string
	trace   string // ID, of the registration
	granted time.Duration
	toldEnd int64 // ExpiresAt as the watchers know it, Unix ms
	follow  Follow
	extends bool
	stays   bool          // on its transport
	answers bool          // says nothing by itself but answers probes: asked before it is doubted
	unheard bool          // restored and not heard since: only expiry ends it
	beats   uint32        // signs of life, to see one that crossed a probe
	rhythm  shadow.Rhythm // zero: the table's

	heard time.Time // newest sign of life
	wake  time.Time // when the wheel wakes the row; zero is never

	trouble *trouble // nil for nearly all: see row.care and row.calm
}

// trouble is what only a device needs that is in doubt, on the move, going or
// not heard since our restart.
type trouble struct {
	since time.Time // silence counts from here if heard is older: our restart

	probe     series
	candidate flow.Flow // spoke for the device from elsewhere; to be probed
	rested    time.Time // no new candidate before

	flapUntil  time.Time    // unregistered, and the watchers are told then; zero is told
	flapBefore shadow.State // what they know
}

// none stands for the trouble of a row that has none. It is only read.
var none trouble

// woes is the row's trouble, to read.
func (r *row) woes() *trouble {
	if r.trouble == nil {
		return &none
	}
	return r.trouble
}

// care is the row's trouble, to change.
func (r *row) care() *trouble {
	if r.trouble == nil {
		r.trouble = new(trouble)
	}
	return r.trouble
}

// calm lets go of trouble that says nothing any more.
func (r *row) calm(now time.Time) {
	if w := r.woes(); !w.probe.active() && w.candidate.IsZero() && w.flapUntil.IsZero() &&
		!w.since.After(r.heard) && !now.Before(w.rested) && !now.Before(w.probe.last.Add(probeGap)) {
		r.trouble = nil
	}
}

// series is the probing of one device.
type series struct {
	busy  bool      // queued or running
	tries uint8     // probes that went unanswered
	next  time.Time // when to ask; zero is not at all
	last  time.Time // when it was asked last
}

// active reports whether the device is being asked or was asked in vain since
// it was last heard.
func (s *series) active() bool { return s.busy || s.tries > 0 || !s.next.IsZero() }

// absent reports whether the next sign of life is the first one since the
// device went offline or since our restart: what depends on it begins anew.
func (r *row) absent() bool { return r.unheard || r.dev.Presence.State == shadow.Offline }

// present is the device with its reason as of now.
func (r *row) present(now time.Time) gb28181.Device {
	d := r.dev
	d.Presence.Reason = d.Presence.Describe(r.heard, now)
	if d.Presence.State != shadow.Online {
		d.OnlineChannels = 0 // a channel is online by its own word and its device's presence
	}
	return d
}

// expires is when the registration is over, its grace included.
func (r *row) expires() time.Time { return r.dev.ExpiresAt.Add(expiryGrace) }

// quietSince is when the present silence began to count.
func (r *row) quietSince() time.Time { return later(r.heard, r.woes().since) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// soonest collects the earliest of several times; the zero value is never.
type soonest struct{ time.Time }

func (s *soonest) at(t time.Time) {
	if s.IsZero() || t.Before(s.Time) {
		s.Time = t
	}
}
