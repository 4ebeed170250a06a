package upgrade

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/gb28181/agenda"
	"fengsui/gb28181/manscdp"
	"fengsui/shadow/journal"
)

// Bounds.
const (
	maxRunning = 500
	maxKept    = 2000             // with those that ended: the oldest gives way
	patience   = 30 * time.Minute // between order and result (signalling.md section 3.14)
)

// Table holds the upgrades of all devices. Its methods may be called from any
// goroutine.
type Table struct {
	// Set by New, never changed after.
	dev     Devices
	order   Order
	journal Journal
	log     zerolog.Logger
	m       *metrics
	agenda  *agenda.Agenda[string] // when an upgrade is given up, by ID

	mu      sync.Mutex // guards all below
	all     []*Upgrade // in the order they began
	running map[gb28181.ID]*Upgrade
}

// New builds a table that starts nothing. reg may be nil.
func New(dev Devices, order Order, j Journal, log zerolog.Logger, reg prometheus.Registerer) *Table {
	t := &Table{dev: dev, order: order, journal: j, log: log, agenda: agenda.New[string](), running: map[gb28181.ID]*Upgrade{}}
	t.m = newMetrics(reg, t.count)
	return t
}

// Run gives up upgrades that take too long, until ctx ends. Call it exactly once.
func (t *Table) Run(ctx context.Context) error {
	for {
		id, ok := t.agenda.Next(ctx)
		if !ok {
			return nil
		}
		t.expire(id)
	}
}

// Start has a device install software, and returns when the device has accepted
// that. The errors are ErrRunning, ErrFull and those of the order; none of them
// leaves an upgrade behind.
func (t *Table) Start(ctx context.Context, device gb28181.ID, r Request) (Upgrade, error) {
	d, _ := t.dev.Device(device)
	now := time.Now()
	u := &Upgrade{ID: session(), Device: device, Request: r, State: Ordered, Progress: -1, Before: d.Firmware, StartedAt: now, ChangedAt: now}
	if err := t.enter(u); err != nil {
		return Upgrade{}, err
	}
	cmd := manscdp.DeviceUpgrade{Firmware: r.Firmware, FileURL: r.URL, Manufacturer: r.Manufacturer, SessionID: u.ID}
	if err := t.order(ctx, device, cmd, r.Edition); err != nil {
		t.remove(u)
		return Upgrade{}, err
	}
	t.change(u, func() bool {
		was := u.State
		if was == Ordered { // the result may have come before the answer
			u.State = Accepted
		}
		return u.State != was
	})
	got, _ := t.Upgrade(u.ID)
	return got, nil
}

func (t *Table) enter(u *Upgrade) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if other := t.running[u.Device]; other != nil {
		return fmt.Errorf("%w: %s, %s since %s", ErrRunning, other.ID, other.State, other.ChangedAt.Format(time.RFC3339))
	}
	if len(t.running) >= maxRunning {
		t.m.refused.Inc()
		return fmt.Errorf("%w: %d", ErrFull, len(t.running))
	}
	t.running[u.Device] = u
	t.keep(u)
	t.agenda.Set(u.ID, u.StartedAt.Add(patience))
	return nil
}

// keep adds an upgrade; mu is held.
func (t *Table) keep(u *Upgrade) {
	if len(t.all) >= maxKept {
		if i := slices.IndexFunc(t.all, func(u *Upgrade) bool { return u.State.Ended() }); i >= 0 {
			t.all = slices.Delete(t.all, i, i+1)
		}
	}
	t.all = append(t.all, u)
}

func (t *Table) remove(u *Upgrade) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = slices.DeleteFunc(t.all, func(other *Upgrade) bool { return other == u })
	if t.running[u.Device] == u {
		delete(t.running, u.Device)
	}
	t.agenda.Drop(u.ID)
}

// change applies what to an upgrade and tells of it, unless what reports that
// nothing changed.
func (t *Table) change(u *Upgrade, what func() bool) {
	t.mu.Lock()
	if !what() {
		t.mu.Unlock()
		return
	}
	u.ChangedAt = time.Now()
	if u.State.Ended() {
		if t.running[u.Device] == u {
			delete(t.running, u.Device)
		}
		t.agenda.Drop(u.ID)
		t.m.ended.WithLabelValues(string(u.State)).Inc()
	}
	told := *u
	t.mu.Unlock()
	t.journal.Append(journal.Event{At: told.ChangedAt, Type: "upgrade.changed", Device: string(told.Device), Data: map[string]any{
		"id": told.ID, "state": string(told.State), "reason": told.Reason, "firmware": told.Firmware, "runs": told.Runs, "progress": told.Progress,
	}})
	t.log.Info().Str("device", string(told.Device)).Str("upgrade", told.ID).Str("state", string(told.State)).Str("reason", told.Reason).Msg("upgrade")
}

// Registered notes that a device has registered anew.
func (t *Table) Registered(device gb28181.ID) {
	t.mu.Lock()
	u := t.running[device]
	t.mu.Unlock()
	if u == nil {
		return
	}
	t.change(u, func() bool {
		if u.State != Accepted {
			return false
		}
		u.State = Rejoined
		return true
	})
}

// Result takes Notify/DeviceUpgradeResult. One under an unknown session is that of
// the device's running upgrade, or else of one that an earlier process began.
func (t *Table) Result(device gb28181.ID, m *manscdp.Message) {
	r, err := m.AsDeviceUpgradeResult()
	if err != nil {
		t.log.Debug().Err(err).Str("device", string(device)).Msg("upgrade result cannot be read")
		return
	}
	u := t.find(device, r.SessionID)
	t.change(u, func() bool {
		switch {
		case r.Progress != nil:
			u.Progress = *r.Progress
			return !u.State.Ended()
		case u.State == Done || u.State == Failed:
			return false // told again
		}
		u.State, u.Runs, u.Progress = Done, r.Firmware, 100
		if !r.OK {
			u.State, u.Reason, u.Progress = Failed, failure(r.Reason), -1
		}
		return true
	})
}

// find is the upgrade that a device tells of, made when there is none.
func (t *Table) find(device gb28181.ID, session string) *Upgrade {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range t.all {
		if u.ID == session && u.Device == device {
			return u
		}
	}
	if u := t.running[device]; u != nil {
		return u
	}
	now := time.Now()
	u := &Upgrade{ID: session, Device: device, State: Rejoined, Progress: -1, StartedAt: now, ChangedAt: now}
	t.keep(u)
	return u
}

// expire ends an upgrade of which nothing was told in time, by what runs now.
func (t *Table) expire(id string) {
	t.mu.Lock()
	i := slices.IndexFunc(t.all, func(u *Upgrade) bool { return u.ID == id })
	if i < 0 {
		t.mu.Unlock()
		return
	}
	u := t.all[i]
	t.mu.Unlock()
	d, _ := t.dev.Device(u.Device)
	t.change(u, func() bool {
		if u.State.Ended() {
			return false
		}
		u.State, u.Runs = Expired, d.Firmware
		u.Reason = fmt.Sprintf("the device told no result within %v", patience)
		if u.Firmware == d.Firmware && u.Before != d.Firmware {
			u.State, u.Reason = Done, ""
		}
		return true
	})
}

// Upgrade returns one by its session ID.
func (t *Table) Upgrade(id string) (Upgrade, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range t.all {
		if u.ID == id {
			return *u, true
		}
	}
	return Upgrade{}, false
}

// Upgrades returns those of a device, the newest first.
func (t *Table) Upgrades(device gb28181.ID) (list []Upgrade) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range slices.Backward(t.all) {
		if u.Device == device {
			list = append(list, *u)
		}
	}
	return list
}

func (t *Table) count() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return float64(len(t.running))
}

// session is a new session ID.
func session() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

type metrics struct {
	ended   *prometheus.CounterVec
	refused prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, running func() float64) *metrics {
	m := &metrics{
		ended:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "fengsui_upgrade_ended_total", Help: "Upgrades of devices that ended, by how."}, []string{"state"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{Name: "fengsui_upgrade_refused_total", Help: "Upgrades that were refused because too many are under way."}),
	}
	for _, s := range []State{Done, Failed, Expired} {
		m.ended.WithLabelValues(string(s))
	}
	if reg != nil {
		reg.MustRegister(m.ended, m.refused, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "fengsui_upgrade_running", Help: "Upgrades of devices under way."}, running))
	}
	return m
}
