//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"fengsui/internal/sim"
)

// registerTime is for all cameras to be registered, on the slowest machine.
const registerTime = 5 * time.Minute

// startSim starts simulated devices in this process. stop ends them and waits.
func startSim(ctx context.Context, s *server, cfg sim.Config) (_ *sim.Sim, stop func() error, err error) {
	cfg.Server, cfg.Password = s.sip.String(), devicePass
	m, err := sim.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	run, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- m.Run(run) }()
	return m, func() error {
		cancel()
		return <-done
	}, nil
}

// waitComplete waits until n devices are online and the catalog of each has
// brought its channel.
func (s *server) waitComplete(ctx context.Context, n int, d time.Duration) error {
	return s.waitChannels(ctx, n, n, d)
}

// waitChannels waits until n devices are online and their catalogs have brought
// so many channels together.
func (s *server) waitChannels(ctx context.Context, n, channels int, d time.Duration) error {
	return until(ctx, d, time.Second, fmt.Sprintf("%d devices online with %d channels", n, channels), func() (bool, string, error) {
		now, err := s.system(ctx)
		if err != nil {
			return false, "", err
		}
		c := now.Counts
		return c.Devices.Online == n && c.Channels == channels, fmt.Sprintf("%d online, %d offline, %d unknown, %d channels",
			c.Devices.Online, c.Devices.Offline, c.Devices.Unknown, c.Channels), nil
	})
}

// settle waits until the questions after first registrations are over: no
// question of the server for a while.
func (s *server) settle(ctx context.Context, d time.Duration) error {
	return until(ctx, d, time.Second, "the end of the surveys", func() (bool, string, error) {
		n, err := s.metric(ctx, "fengsui_command_surveys")
		return n == 0, fmt.Sprintf("%.0f devices are being surveyed", n), err
	})
}

func inParallel(ctx context.Context, n, limit int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(limit)
	for i := range n {
		g.Go(func() error { return do(ctx, i) })
	}
	return g.Wait()
}

// waitOnline waits until all devices of a fleet are online, perSec keepalives a
// second going on.
func (s *server) waitOnline(ctx context.Context, f *fleet, perSec float64, d time.Duration) error {
	stop, n := f.keepAlive(ctx, perSec), len(f.cameras)
	return errors.Join(until(ctx, d, 100*time.Millisecond, fmt.Sprintf("%d devices online", n), func() (bool, string, error) {
		now, err := s.system(ctx)
		return now.Counts.Devices.Online == n, fmt.Sprintf("%d are", now.Counts.Devices.Online), err
	}), stop())
}

// register registers all cameras, at most perSec a second, while those that are
// keep alive. Those that got no answer, or were asked to come back later, try
// again, as cameras do; again is how often that was.
func (f *fleet) register(ctx context.Context, perSec float64) (again int, err error) {
	all, start := len(f.cameras), time.Now()
	for missing := all; missing > 0; {
		if _, err := f.run(ctx, work{kind: opRegister, ops: uint64(missing), rate: perSec, fresh: true, keep: float64(all) / 60}); err != nil {
			return again, err
		}
		missing = f.missing()
		if again += missing; missing > 0 && time.Since(start) > registerTime {
			return again, fmt.Errorf("%d cameras are not registered after %v and %d more tries", missing, registerTime, again)
		}
	}
	if len(f.faults) > 0 {
		return again, fmt.Errorf("wrong answers: %v", f.faults)
	}
	return again, nil
}

// missing counts the cameras that are not registered.
func (f *fleet) missing() (n int) {
	for i := range f.cameras {
		if !f.cameras[i].registered {
			n++
		}
	}
	return n
}

// background runs a fleet at the pace of keepalives until stop.
func (f *fleet) background(ctx context.Context) (stop func() error) {
	return f.keepAlive(ctx, float64(len(f.cameras))/60)
}

// keepAlive sends perSec keepalives a second until stop.
func (f *fleet) keepAlive(ctx context.Context, perSec float64) (stop func() error) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan error, 1)
	go func() {
		_, err := f.run(ctx, work{kind: opKeepalive, rate: perSec})
		done <- err
	}()
	return func() error {
		cancel(errEnough)
		if err := <-done; !errors.Is(err, errEnough) {
			return err
		}
		return nil
	}
}

var errEnough = errors.New("enough")

// idle leaves the server to its devices for d, and reads its memory then and
// the CPU of that time.
func (s *server) idle(ctx context.Context, c cores, d time.Duration) (m memory, sp span, err error) {
	before, err := read(s.pid())
	if err != nil {
		return m, sp, err
	}
	if err := sleep(ctx, d); err != nil {
		return m, sp, err
	}
	after, err := read(s.pid())
	if err != nil {
		return m, sp, err
	}
	m, err = processMemory(s.pid())
	return m, between(before, after, c), err
}
