package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"fengsui/gb28181"
	"fengsui/gb28181/device"
	"fengsui/gb28181/quirk"
	"fengsui/internal/api"
	"fengsui/internal/store"
)

// The steps of a start. Those from users on run beside each other, but that the
// shadows wait for the credentials, which say how a device may move.
const (
	stepStore       = "store"       // open the database and bring it to this version
	stepUsers       = "users"       // the first administrator
	stepBans        = "bans"        // who is kept away
	stepCredentials = "credentials" // provisioned devices with their passwords
	stepShadows     = "shadows"     // every device's state, and its owner: the flow that it is reached by
	stepChannels    = "channels"    // catalogs
	stepTotal       = "total"       // from the first line of New until the sockets are read
)

var loading = []string{stepStore, stepUsers, stepBans, stepCredentials, stepShadows, stepChannels}

// batch is how many rows go from the database to their owner at a time.
const batch = 512

// start keeps the time of each step.
type start struct {
	begun time.Time
	gauge *prometheus.GaugeVec

	mu    sync.Mutex // guards done
	done  []api.Step // in the order in which they ended
	total bool       // all is done
}

func newStart(reg prometheus.Registerer) *start {
	s := &start{begun: time.Now(), gauge: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "fengsui_start_seconds", Help: "Time that each step of the last start took; total is from the beginning until devices were served.",
	}, []string{"step"})}
	reg.MustRegister(s.gauge)
	return s
}

// end notes a step that is done, after which so many things were there.
func (s *start) end(step string, since time.Time, items int) time.Duration {
	took := time.Since(since)
	s.gauge.WithLabelValues(step).Set(took.Seconds())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, api.Step{Name: step, Took: took, Items: items})
	s.total = s.total || step == stepTotal
	return took
}

// steps are those that are done.
func (s *start) steps() []api.Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]api.Step(nil), s.done...)
}

// left are the steps that are not done yet.
func (s *start) left() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total {
		return nil
	}
next:
	for _, name := range loading {
		for _, d := range s.done {
			if d.Name == name {
				continue next
			}
		}
		names = append(names, name)
	}
	return append(names, stepTotal)
}

// step runs one step, times it and tells of it. do returns how many things it
// loaded.
func (a *App) step(ctx context.Context, name string, do func(context.Context) (int, error)) error {
	since := time.Now()
	items, err := do(ctx)
	if err != nil {
		return fmt.Errorf("start: %s: %w", name, err)
	}
	took := a.start.end(name, since, items)
	a.log.Info().Str("step", name).Int("items", items).Dur("took", took).Msg("start")
	return nil
}

// load puts back what an earlier process kept, all at once. Devices come back
// unknown until they are heard or expire, with their channels.
func (a *App) load(ctx context.Context) error {
	credentials := make(chan struct{})
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return a.step(ctx, stepUsers, a.addFirstAdministrator) })
	all.Go(func() error { return a.step(ctx, stepBans, a.restoreBans) })
	all.Go(func() error {
		defer close(credentials)
		return a.step(ctx, stepCredentials, a.store.LoadDevices)
	})
	all.Go(func() error {
		<-credentials
		return a.step(ctx, stepShadows, a.restoreDevices)
	})
	all.Go(func() error { return a.step(ctx, stepChannels, a.restoreChannels) })
	if err := all.Wait(); err != nil {
		return err
	}
	for _, id := range a.catalog.Devices() {
		n, on := a.catalog.Counts(id)
		a.table.RestoreChannels(id, n, on)
	}
	return nil
}

// restoreDevices enters who was registered, then who is only provisioned. It
// returns how many devices there are.
func (a *App) restoreDevices(ctx context.Context) (int, error) {
	saved := make([]device.Saved, 0, batch)
	err := a.store.EachRegistration(ctx, func(r store.Registration) error {
		d := fromRecord(r)
		p, _ := a.store.Provisioned(r.ID)
		q, _ := a.traits.Learn(&d.Device)
		d.Follow, d.KeepTransport, d.KeepaliveExtends = followOf(&p, q), p.Transport != "", q.Has(quirk.KeepaliveExtends)
		if saved = append(saved, d); len(saved) == batch {
			a.table.Restore(saved)
			saved = saved[:0]
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	a.table.Restore(saved)
	for _, d := range a.store.Devices() {
		a.notes.learn(&d)
		if err := a.table.Provision(d.ID, d.Name); err != nil {
			return 0, err
		}
	}
	online, offline, unknown := a.table.Counts()
	return online + offline + unknown, nil
}

// restoreChannels returns how many items the catalogs have.
func (a *App) restoreChannels(ctx context.Context) (n int, err error) {
	channels := make([]gb28181.Channel, 0, batch)
	err = a.store.EachChannel(ctx, func(ch gb28181.Channel) error {
		n++
		if channels = append(channels, ch); len(channels) < batch {
			return nil
		}
		err := a.catalog.Restore(channels)
		channels = channels[:0]
		return err
	})
	if err != nil {
		return n, err
	}
	return n, a.catalog.Restore(channels)
}

// serving ends the start: everything is loaded and the sockets are read.
func (a *App) serving() {
	online, offline, unknown := a.table.Counts()
	devices := online + offline + unknown
	took := a.start.end(stepTotal, a.start.begun, devices)
	a.log.Info().Int("devices", devices).Dur("took", took).Msg("ready; devices of an earlier process are unknown until they are heard")
	close(a.ready)
}
