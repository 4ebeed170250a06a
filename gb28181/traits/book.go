package traits

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"fengsui/gb28181"
	"fengsui/gb28181/quirk"
)

// Hands knows what a person decided for a device. It answers from memory.
type Hands interface {
	Hand(id gb28181.ID) quirk.Hand
}

// Book is what is known of all devices. Its methods may be called from any
// goroutine.
type Book struct {
	hands Hands
	rules atomic.Pointer[quirk.Rules]
	some  atomic.Int64 // devices in sets

	mu     sync.RWMutex // guards all below
	sets   map[gb28181.ID]quirk.Set
	counts map[quirk.Name]int

	said said

	devices *prometheus.GaugeVec
}

// New makes an empty book. reg may be nil.
func New(hands Hands, rules quirk.Rules, reg prometheus.Registerer) *Book {
	b := &Book{
		hands: hands, sets: map[gb28181.ID]quirk.Set{}, counts: map[quirk.Name]int{},
		devices: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "fengsui_quirks_devices", Help: "Devices that have this quirk, by rule or by hand.",
		}, []string{"quirk"}),
	}
	b.said.init()
	b.rules.Store(&rules)
	for _, w := range quirk.All() {
		b.devices.WithLabelValues(w.Word).Set(0)
	}
	if reg != nil {
		reg.MustRegister(b.devices, b.said.dropped)
	}
	return b
}

// Has reports whether the device has the quirk.
func (b *Book) Has(id gb28181.ID, n quirk.Name) bool { return b.Of(id).Has(n) }

// Of are the quirks of a device as it was last learnt.
func (b *Book) Of(id gb28181.ID) quirk.Set {
	if b.some.Load() == 0 {
		return 0
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.sets[id]
}

// Would are the quirks of facts that no device is known for yet: of one that
// registers for the first time.
func (b *Book) Would(f quirk.Facts) quirk.Set { return b.rules.Load().Set(f, b.hands.Hand(f.ID)) }

// Learn takes what is now known of a device and returns its quirks, and those it
// had before.
func (b *Book) Learn(d *gb28181.Device) (now, before quirk.Set) {
	now = b.Would(quirk.FactsOf(d))
	if now == 0 && b.some.Load() == 0 {
		return 0, 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	before = b.sets[d.ID]
	b.enter(d.ID, before, now)
	return now, before
}

// Forget drops all that is known of a device.
func (b *Book) Forget(id gb28181.ID) {
	b.said.forget(id)
	if b.some.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.enter(id, b.sets[id], 0)
}

// enter changes a set; mu is held.
func (b *Book) enter(id gb28181.ID, before, now quirk.Set) {
	if before == now {
		return
	}
	for _, n := range before.Names() {
		b.counts[n]--
		b.devices.WithLabelValues(n.String()).Set(float64(b.counts[n]))
	}
	for _, n := range now.Names() {
		b.counts[n]++
		b.devices.WithLabelValues(n.String()).Set(float64(b.counts[n]))
	}
	if now == 0 {
		delete(b.sets, id)
	} else {
		b.sets[id] = now
	}
	b.some.Store(int64(len(b.sets)))
}

// Use replaces the rules. What devices have by the old ones stays until each is
// learnt again.
func (b *Book) Use(rules quirk.Rules) { b.rules.Store(&rules) }

// Explain says which quirks a device has and why.
func (b *Book) Explain(d *gb28181.Device) []quirk.Applied {
	return b.rules.Load().Explain(quirk.FactsOf(d), b.hands.Hand(d.ID))
}
