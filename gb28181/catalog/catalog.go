package catalog

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/gb28181/agenda"
)

// ErrFull is returned when no further device can be held.
var ErrFull = errors.New("catalog of devices is full")

// Catalog owns the channels of all devices. Its methods may be called from any
// goroutine.
type Catalog struct {
	// Set by New, never changed after.
	cfg  Config
	ask  Asker
	keep Keeper
	log  zerolog.Logger
	m    *metrics
	seed maphash.Seed // of the hashes of parts

	sn      atomic.Uint32
	jobs    atomic.Uint64 // IDs given out
	running atomic.Int64
	agenda  *agenda.Agenda[*entry]
	unkept  unkept

	mu       sync.RWMutex // guards devices and watchers
	devices  map[gb28181.ID]*entry
	watchers []func(gb28181.ID, Diff)
}

// entry is what is known of one device.
type entry struct {
	id gb28181.ID

	// order is held from a change to the end of telling it, so that it is told
	// in order. It is taken before mu.
	order sync.Mutex

	mu      sync.Mutex // guards all below
	rows    []row      // sorted by ID
	counted int32      // rows that are no tree nodes
	on      int32      // of these, On
	state   gb28181.Completeness
	zeros   uint8 // answers in a row that said the catalog is empty, 2 for more
	gone    bool
	again   bool // another job is to follow

	job   *job
	asked time.Time // when the newest job began
	last  ending
	sns   [4]int32 // of our last queries, newest first
}

// ending is what is kept of the job that ended last. Between jobs its start is
// asked and its result is state.
type ending struct {
	id      uint64 // 0: none has ended
	state   State
	attempt int
	took    time.Duration
	err     string
}

// Diff is what a change did to a device's channels.
type Diff struct {
	Added, Updated []gb28181.Channel
	Removed        []gb28181.ID

	// Afterwards:
	Channels int // items that are no tree nodes
	Online   int // of these, On
	State    gb28181.Completeness
}

// New builds a catalog that starts nothing. keep and reg may be nil.
func New(cfg Config, ask Asker, keep Keeper, log zerolog.Logger, reg prometheus.Registerer) *Catalog {
	cfg.setDefaults()
	c := &Catalog{
		cfg: cfg, ask: ask, keep: keep, log: log,
		seed:    maphash.MakeSeed(),
		agenda:  agenda.New[*entry](),
		devices: make(map[gb28181.ID]*entry),
		unkept:  unkept{wake: make(chan struct{}, 1), entries: make(map[*entry]struct{})},
	}
	// Answers to a former process are not taken for ours.
	c.sn.Store(rand.Uint32N(1 << 20))
	c.m = newMetrics(reg, func() float64 { return float64(c.running.Load()) })
	return c
}

// OnChange has fn called after each change and at the end of each job, in order
// per device, outside of locks that readers need. It must not block for long and
// not wait for a job. Call it before Run.
func (c *Catalog) OnChange(fn func(device gb28181.ID, d Diff)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchers = append(c.watchers, fn)
}

// Run sends the queries and keeps the times until ctx ends. Call it exactly once.
func (c *Catalog) Run(ctx context.Context) error {
	var rekeeping sync.WaitGroup
	rekeeping.Go(func() { c.rekeep(ctx) })
	c.agenda.Work(ctx, c.cfg.Workers, c.due)
	rekeeping.Wait()
	return nil
}

// Restore puts back channels that were kept, before Run. Channels of one device
// may come in several calls. [Catalog.Completeness] stays zero: it speaks of
// answers, and this process has asked nothing yet.
func (c *Catalog) Restore(channels []gb28181.Channel) error {
	for i := range channels {
		e, err := c.entry(channels[i].Device)
		if err != nil {
			return fmt.Errorf("restore channel %s: %w", channels[i].ID, err)
		}
		e.mu.Lock()
		r := pack(e.id, &channels[i])
		if at, found := e.find(r.id()); found {
			e.count(&e.rows[at], -1)
			e.rows[at] = r
		} else {
			e.rows = slices.Insert(e.rows, at, r)
			c.m.channels.Inc()
		}
		e.count(&r, +1)
		e.mu.Unlock()
	}
	return nil
}

// Forget drops a device and its channels, here and at the keeper.
func (c *Catalog) Forget(device gb28181.ID) {
	c.Cancel(device, "device was removed")
	c.mu.Lock()
	e := c.devices[device]
	delete(c.devices, device)
	c.mu.Unlock()
	if e == nil {
		return
	}
	e.order.Lock()
	defer e.order.Unlock()
	e.mu.Lock()
	e.gone = true
	var ids []gb28181.ID
	for i := range e.rows {
		ids = append(ids, e.rows[i].id())
	}
	c.m.channels.Sub(float64(len(e.rows)))
	if e.job != nil {
		e.job.queued = nil
	}
	e.rows, e.counted, e.on = nil, 0, 0
	e.state = gb28181.Completeness{}
	e.mu.Unlock()
	c.agenda.Drop(e)
	c.tell(e, Diff{Removed: ids})
}

// Channels are the device's items, in the order of their IDs.
func (c *Catalog) Channels(device gb28181.ID) []gb28181.Channel {
	e := c.lookup(device)
	if e == nil {
		return []gb28181.Channel{}
	}
	e.mu.Lock()
	rows := slices.Clone(e.rows)
	e.mu.Unlock()
	out := make([]gb28181.Channel, len(rows))
	for i := range rows {
		out[i] = c.shown(rows[i].channel(e.id))
	}
	return out
}

// shown is a channel as others see it.
func (c *Catalog) shown(ch gb28181.Channel) gb28181.Channel {
	ch.AnyType = c.cfg.AnyType != nil && c.cfg.AnyType(ch.Device)
	return ch
}

// Channel is one item of a device.
func (c *Catalog) Channel(device, id gb28181.ID) (gb28181.Channel, bool) {
	e := c.lookup(device)
	if e == nil {
		return gb28181.Channel{}, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	at, found := e.find(id)
	if !found {
		return gb28181.Channel{}, false
	}
	return c.shown(e.rows[at].channel(e.id)), true
}

// Completeness says how much of the device's catalog has arrived; while a job
// runs, how much of its answer.
func (c *Catalog) Completeness(device gb28181.ID) gb28181.Completeness {
	e := c.lookup(device)
	if e == nil {
		return gb28181.Completeness{}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state
}

// Counts are the device's items that are no tree nodes, and how many of them are On.
func (c *Catalog) Counts(device gb28181.ID) (channels, on int) {
	e := c.lookup(device)
	if e == nil {
		return 0, 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return int(e.counted), int(e.on)
}

// Devices are the IDs of all devices that have an entry, sorted.
func (c *Catalog) Devices() []gb28181.ID {
	c.mu.RLock()
	ids := make([]gb28181.ID, 0, len(c.devices))
	for id := range c.devices {
		ids = append(ids, id)
	}
	c.mu.RUnlock()
	slices.Sort(ids)
	return ids
}

func (c *Catalog) lookup(device gb28181.ID) *entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.devices[device]
}

func (c *Catalog) entry(device gb28181.ID) (*entry, error) {
	if e := c.lookup(device); e != nil {
		return e, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.devices[device]
	if e == nil {
		if len(c.devices) >= c.cfg.MaxDevices {
			c.m.dropped.WithLabelValues("devices").Inc()
			return nil, fmt.Errorf("%w: %d devices", ErrFull, len(c.devices))
		}
		e = &entry{id: gb28181.ID(strings.Clone(string(device)))}
		c.devices[e.id] = e
	}
	return e, nil
}

func (e *entry) find(id gb28181.ID) (int, bool) {
	return slices.BinarySearchFunc(e.rows, id, func(r row, id gb28181.ID) int {
		return strings.Compare(string(r.id()), string(id))
	})
}

// count keeps counted and on true when a row comes (+1) or goes (-1).
func (e *entry) count(r *row, by int32) {
	if treeNode(r.id()) {
		return
	}
	e.counted += by
	if r.on() {
		e.on += by
	}
}

// treeNode reports whether an item only gives the tree its shape: a region, or a
// platform part such as a system, group or organisation.
func treeNode(id gb28181.ID) bool {
	t := id.Type()
	return id.Region() || t >= 200 && t <= 299
}

// tell hands a change on. The caller holds e.order and not e.mu.
func (c *Catalog) tell(e *entry, d Diff) {
	if c.keep != nil {
		ok := true
		if len(d.Added) > 0 {
			ok = c.keep.SaveChannels(e.id, d.Added)
		}
		if len(d.Updated) > 0 {
			ok = c.keep.SaveChannels(e.id, d.Updated) && ok
		}
		if len(d.Removed) > 0 {
			ok = c.keep.DropChannels(e.id, d.Removed) && ok
		}
		if !ok {
			c.m.dropped.WithLabelValues("saves").Inc()
			c.unkept.add(e)
		}
	}
	c.mu.RLock()
	watchers := c.watchers
	c.mu.RUnlock()
	for _, fn := range watchers {
		fn(e.id, d)
	}
}
