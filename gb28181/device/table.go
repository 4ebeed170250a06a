package device

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/puzpuzpuz/xsync/v4"
	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/internal/telemetry"
	"fengsui/shadow"
	"fengsui/shadow/journal"
	"fengsui/sip/flow"
)

// Table is the one owner of every device's lifetime. What it is told takes
// effect at once; what time decides, the goroutine in Run does. All methods may
// be called from several goroutines, and none waits for a device, a watcher or
// the journal.
type Table struct {
	// Set by New, never changed after.
	cfg     Config
	rhythm  shadow.Rhythm
	log     zerolog.Logger
	journal Journal
	metrics *metrics
	base    time.Time // Run's grace counts from here
	wheel   wheel
	probes  probes

	rows   *xsync.Map[gb28181.ID, *row]
	conns  *xsync.Map[flow.Flow, []gb28181.ID] // devices bound to a connection; values are never changed in place
	size   atomic.Int64
	counts [3]atomic.Int64 // by shadow.State
	grace  atomic.Int64    // ns after base before which silence and expiry are not judged

	watchMu  sync.Mutex
	watchers atomic.Pointer[[]*queue]

	// Owned by Run.
	swept time.Time
	due   []*row
}

// New makes an empty table. j may be nil; without p no device answers.
func New(cfg Config, p Prober, j Journal, log zerolog.Logger, reg prometheus.Registerer) *Table {
	cfg = cfg.withDefaults()
	t := &Table{
		cfg:     cfg,
		rhythm:  shadow.Rhythm{Interval: cfg.Interval, Missed: cfg.Missed},
		log:     log,
		journal: j,
		base:    time.Now(),
		rows:    xsync.NewMap[gb28181.ID, *row](),
		conns:   xsync.NewMap[flow.Flow, []gb28181.ID](),
	}
	t.wheel.base = t.base
	t.wheel.tick = min(max(cfg.Interval/60, 10*time.Millisecond), time.Second)
	if p == nil {
		p = ProberFunc(func(context.Context, gb28181.ID, flow.Flow) error { return gb28181.ErrTimeout })
	}
	t.probes = probes{ask: p, limit: cfg.Probes, timeout: cfg.ProbeTimeout}
	t.metrics = newMetrics(reg, t)
	t.watchers.Store(&[]*queue{})
	t.Watch(t.record)
	return t
}

// Run times the devices, probes those in doubt and calls the watchers until ctx
// ends. It returns when all of these have stopped and the watchers know all.
func (t *Table) Run(ctx context.Context) error {
	var delivering sync.WaitGroup
	defer delivering.Wait()
	tell, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop() // last: a probe's end may still tell
	t.watchMu.Lock()
	for _, q := range *t.watchers.Load() {
		delivering.Go(func() { q.run(tell) })
	}
	t.watchMu.Unlock()
	defer t.probes.wait()

	t.swept = time.Now()
	ticker := time.NewTicker(t.wheel.tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			t.sweep(ctx, time.Now())
		}
	}
}

// Watch has fn told of every change from now on, in order for each device and
// outside all locks. A slow fn delays nobody: see [Change]. Call it before Run.
func (t *Table) Watch(fn func(Change)) {
	t.watchMu.Lock()
	defer t.watchMu.Unlock()
	old := *t.watchers.Load()
	list := append(append(make([]*queue, 0, len(old)+1), old...), &queue{fn: fn, wake: make(chan struct{}, 1)})
	t.watchers.Store(&list)
}

// Bind takes a registration: the device is online and reached by its flow. It
// reports [ErrFull].
func (t *Table) Bind(reg Registration) (Bound, error) {
	r, _, err := t.lockOrMake(reg.ID)
	if err != nil {
		return Bound{}, err
	}
	defer r.mu.Unlock()
	p := &r.dev.Presence
	before, online := p.State, r.bound && p.State != shadow.Offline
	flap := !r.woes().flapUntil.IsZero()
	if flap {
		before, online, r.trouble.flapUntil = r.trouble.flapBefore, true, time.Time{}
	}
	b := Bound{First: !online || r.unheard || r.callID != reg.CallID, Flap: flap}

	same := r.flow == reg.Flow && r.dev.Contact == reg.Contact && r.granted == reg.Expires &&
		r.follow == reg.Follow && r.extends == reg.KeepaliveExtends && r.stays == reg.KeepTransport &&
		(reg.UserAgent == "" || r.dev.UserAgent == reg.UserAgent) &&
		(reg.Edition == gb28181.EditionUnknown || r.dev.Edition == reg.Edition)
	t.bind(r, reg.Flow)
	if b.First {
		if keep(&r.trace, reg.Trace); r.trace == "" && reg.CallID != "" {
			r.trace = telemetry.TraceOf(reg.CallID).ID()
		}
	}
	r.granted = reg.Expires
	keep(&r.callID, reg.CallID)
	r.follow, r.extends, r.stays = reg.Follow, reg.KeepaliveExtends, reg.KeepTransport
	r.reject()
	keep(&r.dev.Contact, reg.Contact)
	r.dev.RegisteredAt, r.dev.ExpiresAt = reg.At, reg.At.Add(reg.Expires)
	if reg.UserAgent != "" {
		keep(&r.dev.UserAgent, reg.UserAgent)
	}
	if reg.Edition != gb28181.EditionUnknown {
		r.dev.Edition = reg.Edition
	}
	// An order of receipt that the clock does not show must not undo the binding.
	t.alive(r, shadow.ByRegister, later(reg.At, p.At), "")
	what := Refreshed
	if b.First {
		what = Registered
	}
	if b.First || flap || !same || r.dev.Presence.State != before || r.dev.ExpiresAt.UnixMilli()-r.toldEnd >= refreshRest.Milliseconds() {
		t.emit(r, what, b.First, before)
	}
	t.rearm(r)
	return b, nil
}

// Unbind takes an authenticated unregistration. The device is offline at once;
// the watchers are told after three seconds, unless it registers again before.
// One from another IP than the bound one is of a binding that is no more and
// is passed over.
func (t *Table) Unbind(id gb28181.ID, f flow.Flow, at time.Time) {
	r := t.lock(id)
	if r == nil {
		return
	}
	defer r.mu.Unlock()
	if !r.bound || f.Remote.Addr() != r.flow.Remote.Addr() {
		return
	}
	before := r.dev.Presence.State
	t.step(r, shadow.Sign{Meaning: shadow.Death, By: shadow.ByUnregister, At: at, Reason: "unregistered"})
	if r.dev.Presence.Evidence != shadow.ByUnregister {
		return // older than its registration
	}
	t.unbound(r)
	w := r.care()
	if w.flapUntil.IsZero() {
		w.flapBefore = before
	}
	w.flapUntil = time.Now().Add(flapWindow)
	t.rearm(r)
}

// Keepalive takes a keepalive; ok is its Status. It is a sign of life from the
// bound address, or from another one where the device's rule lets the binding
// follow. Else nothing changes and it reports [gb28181.ErrUnknownDevice],
// [ErrNotRegistered] or [ErrElsewhere], upon which the device has to register.
func (t *Table) Keepalive(id gb28181.ID, f flow.Flow, ok bool, at time.Time) error {
	r := t.lock(id)
	if r == nil {
		return gb28181.ErrUnknownDevice
	}
	defer r.mu.Unlock()
	if !r.bound || at.After(r.expires()) && !at.Before(t.graceEnd()) {
		return ErrNotRegistered
	}
	before, first, what := r.dev.Presence.State, r.absent(), State
	if f != r.flow {
		if !t.mayMove(r, f, at) {
			return ErrElsewhere
		}
		t.bind(r, f)
		t.metrics.moved.Inc()
		what = Moved
	}
	r.dev.KeepaliveAt = at
	if r.extends {
		r.dev.ExpiresAt = later(r.dev.ExpiresAt, at.Add(r.granted))
	}
	reason := ""
	if !ok {
		reason = "keepalive with Status ERROR"
	}
	t.alive(r, shadow.ByKeepalive, at, reason)
	if what == Moved || r.dev.Presence.State != before {
		t.emit(r, what, first && r.dev.Presence.State == shadow.Online, before)
	}
	t.rearm(r)
	return nil
}

// Heard takes any other sign of life of a registered device. One that came from
// another address than the bound one proves nothing; the zero flow is for what
// has no address in signalling, such as RTP.
func (t *Table) Heard(id gb28181.ID, by shadow.Evidence, f flow.Flow, at time.Time) {
	r := t.lock(id)
	if r == nil {
		return
	}
	defer r.mu.Unlock()
	if !r.bound || !f.IsZero() && f != r.flow {
		return
	}
	before, first := r.dev.Presence.State, r.absent()
	t.alive(r, by, at, "")
	if r.dev.Presence.State != before {
		t.emit(r, State, first, before)
	}
	t.rearm(r)
}

// Doubt makes an online device unknown at once and has it probed, twice, 5 s
// apart. reason is in plain words: "no RTP for 10 s".
func (t *Table) Doubt(id gb28181.ID, by shadow.Evidence, reason string, at time.Time) {
	r := t.lock(id)
	if r == nil {
		return
	}
	defer r.mu.Unlock()
	t.doubt(r, shadow.Sign{Meaning: shadow.Doubt, By: by, At: at, Reason: reason})
	t.rearm(r)
}

// ConnectionClosed doubts the devices bound to a TCP or TLS connection.
func (t *Table) ConnectionClosed(f flow.Flow) {
	ids, _ := t.conns.Load(f)
	for _, id := range ids {
		r := t.lock(id)
		if r == nil {
			continue
		}
		if r.flow == f {
			t.doubt(r, shadow.Sign{
				Meaning: shadow.Doubt, By: shadow.ByConnection, At: time.Now(), Reason: "its connection closed",
			})
			t.rearm(r)
		}
		r.mu.Unlock()
	}
}

// Provision enters a device that may never have registered, or renames one; ""
// leaves the name it gave itself. It reports [ErrFull].
func (t *Table) Provision(id gb28181.ID, name string) error {
	r, made, err := t.lockOrMake(id)
	if err != nil {
		return err
	}
	defer r.mu.Unlock()
	if made || name != "" && r.dev.Name != name {
		if name != "" {
			r.dev.Name = name
		}
		t.emit(r, Updated, false, r.dev.Presence.State)
	}
	return nil
}

// Update changes what is known of a device: its words, edition, charset and
// counts. Presence, binding and ID are the table's and stay as they are. change
// is called under the device's lock and must not call the table.
func (t *Table) Update(id gb28181.ID, change func(*gb28181.Device)) error {
	r := t.lock(id)
	if r == nil {
		return fmt.Errorf("update %s: %w", id, gb28181.ErrUnknownDevice)
	}
	defer r.mu.Unlock()
	d := r.dev
	change(&d)
	d.ID, d.Kind, d.Presence = r.dev.ID, r.dev.Kind, r.dev.Presence
	d.Transport, d.Remote, d.Contact = r.dev.Transport, r.dev.Remote, r.dev.Contact
	d.RegisteredAt, d.ExpiresAt, d.KeepaliveAt = r.dev.RegisteredAt, r.dev.ExpiresAt, r.dev.KeepaliveAt
	if d != r.dev {
		r.dev = d
		t.emit(r, Updated, false, d.Presence.State)
	}
	return nil
}

// SetRhythm takes the heartbeat interval and count that a device reports of
// itself; a value out of bounds is replaced by the table's.
func (t *Table) SetRhythm(id gb28181.ID, rhythm shadow.Rhythm) {
	if r := t.lock(id); r != nil {
		r.rhythm = rhythm.Clamp(t.rhythm)
		t.rearm(r)
		r.mu.Unlock()
	}
}

// Behave takes how a device is to be bound, when that becomes known after it has
// registered; its next registration says it anew.
func (t *Table) Behave(id gb28181.ID, follow Follow, keepaliveExtends bool) {
	if r := t.lock(id); r != nil {
		r.follow, r.extends = follow, keepaliveExtends
		r.mu.Unlock()
	}
}

// Remove forgets a device.
func (t *Table) Remove(id gb28181.ID) {
	r := t.lock(id)
	if r == nil {
		return
	}
	defer r.mu.Unlock()
	before := r.dev.Presence.State
	t.unbound(r)
	r.removed = true
	t.wheel.remove(r)
	t.size.Add(-1)
	t.counts[before].Add(-1)
	if w := r.woes(); !w.flapUntil.IsZero() {
		before = w.flapBefore
	}
	t.emit(r, Removed, false, before)
	t.rows.Delete(id) // last: a new row of this ID tells after this one
}

// Device returns what is known of a device, its reason as of now.
func (t *Table) Device(id gb28181.ID) (gb28181.Device, bool) {
	r := t.lock(id)
	if r == nil {
		return gb28181.Device{}, false
	}
	defer r.mu.Unlock()
	return r.present(time.Now()), true
}

// All returns every device in no order, each as it is when its turn comes.
func (t *Table) All() iter.Seq[gb28181.Device] {
	return func(yield func(gb28181.Device) bool) {
		for id := range t.rows.All() {
			if d, ok := t.Device(id); ok && !yield(d) {
				return
			}
		}
	}
}

// Counts is how many devices are in each state.
func (t *Table) Counts() (online, offline, unknown int) {
	return int(t.counts[shadow.Online].Load()), int(t.counts[shadow.Offline].Load()), int(t.counts[shadow.Unknown].Load())
}

// Flow is where a registered device is reached. It reports
// [gb28181.ErrUnknownDevice] and, with the reason, [gb28181.ErrOffline]. A
// device in state unknown is worth a try.
func (t *Table) Flow(id gb28181.ID) (flow.Flow, error) {
	r := t.lock(id)
	if r == nil {
		return flow.Flow{}, fmt.Errorf("%w: %s", gb28181.ErrUnknownDevice, id)
	}
	defer r.mu.Unlock()
	if !r.bound || r.dev.Presence.State == shadow.Offline {
		return flow.Flow{}, fmt.Errorf("%w: %s", gb28181.ErrOffline, r.dev.Presence.Describe(r.heard, time.Now()))
	}
	return r.flow, nil
}

// Bound is the address of a device's registration while that lasts, also when
// the device has fallen silent: what comes from there is its own.
func (t *Table) Bound(id gb28181.ID) (flow.Flow, bool) {
	r := t.lock(id)
	if r == nil {
		return flow.Flow{}, false
	}
	defer r.mu.Unlock()
	return r.flow, r.bound
}

// lock returns the device's row, locked, or nil.
func (t *Table) lock(id gb28181.ID) *row {
	r, ok := t.rows.Load(id)
	if !ok {
		return nil
	}
	r.mu.Lock()
	if r.removed {
		r.mu.Unlock()
		return nil
	}
	return r
}

// lockOrMake returns the device's row, locked; one it made was never registered.
func (t *Table) lockOrMake(id gb28181.ID) (r *row, made bool, err error) {
	for {
		if r := t.lock(id); r != nil {
			return r, false, nil
		}
		if t.size.Add(1) > int64(t.cfg.MaxDevices) {
			t.size.Add(-1)
			t.metrics.full.Inc()
			return nil, false, fmt.Errorf("enter %s: %w (%d)", id, ErrFull, t.cfg.MaxDevices)
		}
		id = gb28181.ID(strings.Clone(string(id)))
		r := &row{dev: gb28181.Device{
			ID: id, Kind: gb28181.KindGB28181,
			Presence: shadow.Presence{Reason: neverRegistered, Since: time.Now()},
		}}
		r.mu.Lock()
		if _, loaded := t.rows.LoadOrStore(id, r); loaded {
			t.size.Add(-1)
			continue // another was faster
		}
		t.counts[shadow.Unknown].Add(1)
		return r, true, nil
	}
}

// step applies a sign and reports what the table has to do.
func (t *Table) step(r *row, s shadow.Sign) shadow.Action {
	before := r.dev.Presence.State
	next, action := shadow.Step(r.dev.Presence, s)
	r.dev.Presence = next
	if next.State != before {
		t.counts[before].Add(-1)
		t.counts[next.State].Add(1)
		t.metrics.transitions.WithLabelValues(next.State.String()).Inc()
	}
	return action
}

// alive applies a sign of life and ends all doubt.
func (t *Table) alive(r *row, by shadow.Evidence, at time.Time, reason string) {
	t.step(r, shadow.Sign{Meaning: shadow.Life, By: by, At: at, Reason: reason})
	if r.dev.Presence.State != shadow.Online {
		return // older than a final word
	}
	r.beats++
	r.heard = later(r.heard, at)
	r.unheard = false
	switch by {
	case shadow.ByProbe:
		r.answers = true
	case shadow.ByKeepalive: // a message proves nothing here: it may be the second half of an answer
		r.answers = false
	}
	if w := r.trouble; w != nil {
		w.probe = series{busy: w.probe.busy, last: w.probe.last}
	}
}

// doubt applies a sign of doubt, tells, and starts to probe.
func (t *Table) doubt(r *row, s shadow.Sign) {
	if !r.bound {
		return
	}
	before := r.dev.Presence.State
	if t.step(r, s) == shadow.Probe && r.woes().probe.next.IsZero() {
		p := &r.care().probe
		p.tries, p.next = 0, later(time.Now(), p.last.Add(probeGap))
	}
	if r.dev.Presence.State != before {
		t.emit(r, State, false, before)
	}
}

// unbound ends the registration; the row stays.
func (t *Table) unbound(r *row) {
	was := r.site()
	r.bound = false
	t.settle(r, was)
	t.unlinkConn(r)
	if w := r.trouble; w != nil {
		w.probe, w.candidate = series{busy: w.probe.busy}, noFlow
	}
}

// reject drops the address that spoke for the device from elsewhere.
func (r *row) reject() {
	if r.trouble != nil {
		r.trouble.candidate = noFlow
	}
}

// mayMove reports whether the binding follows to f, and else may have f probed.
func (t *Table) mayMove(r *row, f flow.Flow, at time.Time) bool {
	if r.stays && f.Transport != r.flow.Transport {
		return false
	}
	rule := r.follow
	if rule == "" {
		rule = t.cfg.Follow
	}
	if rule == FollowAny || f.Remote.Addr() == r.flow.Remote.Addr() {
		return true
	}
	if w := r.woes(); rule == FollowProbe && w.candidate.IsZero() && !at.Before(w.rested) {
		w = r.care()
		w.candidate, w.rested = f, at.Add(followRest)
		t.rearm(r)
	}
	return false
}

// keep copies a text that may share a request's memory, where it is another one.
func keep(to *string, s string) {
	if *to != s {
		*to = strings.Clone(s)
	}
}

// bind makes f the way to a device that is registered from now on.
func (t *Table) bind(r *row, f flow.Flow) {
	was := r.site()
	r.bound = true
	if r.flow == f && r.dev.Remote != "" {
		t.settle(r, was)
		t.linkConn(r)
		return
	}
	t.unlinkConn(r)
	r.flow = f
	r.dev.Transport, r.dev.Remote = f.Transport, f.Remote.String()
	t.settle(r, was)
	t.linkConn(r)
}

func (t *Table) linkConn(r *row) {
	if !r.flow.Stream() {
		return
	}
	id := r.dev.ID
	t.conns.Compute(r.flow, func(ids []gb28181.ID, _ bool) ([]gb28181.ID, xsync.ComputeOp) {
		for _, have := range ids {
			if have == id {
				return ids, xsync.CancelOp
			}
		}
		return append(ids[:len(ids):len(ids)], id), xsync.UpdateOp
	})
}

func (t *Table) unlinkConn(r *row) {
	if !r.flow.Stream() {
		return
	}
	id := r.dev.ID
	t.conns.Compute(r.flow, func(ids []gb28181.ID, _ bool) ([]gb28181.ID, xsync.ComputeOp) {
		var rest []gb28181.ID
		for _, have := range ids {
			if have != id {
				rest = append(rest, have)
			}
		}
		if len(rest) == 0 {
			return nil, xsync.DeleteOp
		}
		return rest, xsync.UpdateOp
	})
}

// emit queues a change for every watcher, under the row's lock so that the
// order of a device's changes is that of its states.
func (t *Table) emit(r *row, what What, first bool, before shadow.State) {
	r.toldEnd = r.dev.ExpiresAt.UnixMilli()
	c := Change{Device: r.present(time.Now()), Flow: r.flow, What: what, First: first, Before: before, Trace: r.trace}
	for _, q := range *t.watchers.Load() {
		if q.push(c) {
			t.metrics.merged.Inc()
		}
	}
}

// record is the watcher that keeps the log and the journal.
func (t *Table) record(c Change) {
	d, now := &c.Device, c.Device.Presence.State
	var kind string
	switch {
	case c.What == Removed:
		kind = "device.removed"
	case now != c.Before:
		kind = "device." + now.String()
	case c.What == Registered:
		kind = "device.registered"
	case c.What == Moved:
		kind = "device.moved"
	default:
		return
	}
	level := zerolog.DebugLevel
	if now != c.Before {
		level = zerolog.InfoLevel
	}
	t.log.WithLevel(level).Str("device", string(d.ID)).Str("trace", c.Trace).Str("event", kind).Str("reason", d.Presence.Reason).
		Stringer("flow", c.Flow).Msg("device changed")
	if t.journal == nil {
		return
	}
	t.journal.Append(journal.Event{
		At: time.Now(), Type: kind, Device: string(d.ID), Trace: c.Trace,
		Data: map[string]any{
			"state": now.String(), "before": c.Before.String(), "reason": d.Presence.Reason,
			"evidence": string(d.Presence.Evidence), "transport": d.Transport, "remote": d.Remote,
		},
	})
}
