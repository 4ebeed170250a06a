package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/agenda"
	"fengsui/gb28181/manscdp"
	"fengsui/shadow"
)

// step is one thing a survey does.
type step struct {
	name  string
	paced bool // it sends a question
	do    func(ctx context.Context, id gb28181.ID) error
}

// survey is what is left to do for one device. It is guarded by Commander.mu.
type survey struct {
	todo []todo
	busy bool
}

type todo struct {
	step    int
	attempt int
	at      time.Time
}

// ownSteps of a survey come last: DeviceInfo and DeviceStatus.
const ownSteps = 2

// First adds a step to every survey, after those added before and ahead of
// DeviceInfo and DeviceStatus, for whose answers a survey waits: a device that
// gives none shall not be without channels meanwhile. The step paces itself: see
// [Commander.Pace]. Call it before Run.
func (c *Commander) First(name string, do func(ctx context.Context, id gb28181.ID) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps = slices.Insert(c.steps, len(c.steps)-ownSteps, step{name: name, do: do})
}

// Survey has the device asked for what the server needs to know, from the
// beginning if that is under way already. It reports false when too many wait.
func (c *Commander) Survey(id gb28181.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.surveys) >= c.cfg.MaxSurveys && c.surveys[id] == nil {
		c.m.dropped.Inc()
		return false
	}
	s := &survey{}
	at := time.Now().Add(agenda.Jitter(time.Second))
	for i := range c.steps {
		s.todo = append(s.todo, todo{step: i, at: at})
	}
	c.surveys[id] = s
	c.agenda.Set(id, at)
	return true
}

// Forget ends the survey of a device that is gone.
func (c *Commander) Forget(id gb28181.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.surveys, id)
	c.agenda.Drop(id)
}

// Surveying reports whether the device waits to be surveyed or is.
func (c *Commander) Surveying(id gb28181.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.surveys[id] != nil
}

// Run surveys devices and stops cameras until ctx ends. Call it exactly once.
func (c *Commander) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	workers.Go(func() { c.moves.agenda.Work(ctx, stopWorkers, c.stopDue) })
	free := make(chan struct{}, c.cfg.Workers)
	for {
		id, ok := c.agenda.Next(ctx)
		if !ok {
			return nil
		}
		s, next, ok := c.take(id)
		if !ok {
			continue
		}
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		if c.steps[next.step].paced {
			if err := c.Pace(ctx); err != nil { // ctx ended
				<-free
				continue
			}
		}
		workers.Go(func() {
			defer func() { <-free }()
			err := c.steps[next.step].do(ctx, id)
			c.done(ctx, id, s, next, err)
		})
	}
}

// take removes the earliest step from the device's survey.
func (c *Commander) take(id gb28181.ID) (*survey, todo, bool) {
	d, known := c.dev.Device(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.surveys[id]
	if s == nil || s.busy || len(s.todo) == 0 {
		return nil, todo{}, false
	}
	if !known || d.Presence.State == shadow.Offline {
		delete(c.surveys, id)
		return nil, todo{}, false
	}
	i := s.earliest()
	next := s.todo[i]
	s.todo = append(s.todo[:i], s.todo[i+1:]...)
	s.busy = true
	return s, next, true
}

// done notes how a step went. A question without an answer is asked again after
// those that have not been asked yet.
func (c *Commander) done(ctx context.Context, id gb28181.ID, s *survey, t todo, err error) {
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.surveys[id] != s {
		return // begun anew, or forgotten
	}
	s.busy = false
	t.attempt++
	switch {
	case errors.Is(err, gb28181.ErrOffline), errors.Is(err, gb28181.ErrUnknownDevice):
		delete(c.surveys, id)
		return
	case err == nil, errors.Is(err, gb28181.ErrRefused), t.attempt >= c.cfg.Attempts:
	default:
		t.at = time.Now().Add(agenda.Backoff(t.attempt))
		s.todo = append(s.todo, t)
	}
	if err != nil {
		c.log.Debug().Err(err).Str("device", string(id)).Str("step", c.steps[t.step].name).Int("attempt", t.attempt).Msg("survey step failed")
	}
	if len(s.todo) == 0 {
		delete(c.surveys, id)
		return
	}
	// A little later, so that devices take turns.
	c.agenda.Set(id, later(s.todo[s.earliest()].at, time.Now().Add(agenda.Jitter(200*time.Millisecond))))
}

func (s *survey) earliest() int {
	first := 0
	for i := range s.todo {
		if s.todo[i].at.Before(s.todo[first].at) {
			first = i
		}
	}
	return first
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// askInfo learns what the device says it is. A name that was given to it here stays.
func (c *Commander) askInfo(ctx context.Context, id gb28181.ID) error {
	m, err := c.query(ctx, id, manscdp.CmdDeviceInfo, string(id))
	if err != nil {
		return err
	}
	info, err := m.AsDeviceInfo()
	if err != nil {
		return fmt.Errorf("%w: %w", gb28181.ErrRefused, err)
	}
	return c.dev.Update(id, func(d *gb28181.Device) {
		if d.Name == "" {
			d.Name = info.Name
		}
		for _, f := range [...]struct {
			to   *string
			from string
		}{{&d.Manufacturer, info.Manufacturer}, {&d.Model, info.Model}, {&d.Firmware, info.Firmware}} {
			if f.from != "" {
				*f.to = f.from
			}
		}
	})
}

// askStatus asks for the device's condition: its answer is a sign of life, and
// what it says of itself goes to the log.
func (c *Commander) askStatus(ctx context.Context, id gb28181.ID) error {
	m, err := c.query(ctx, id, manscdp.CmdDeviceStatus, string(id))
	if err != nil {
		return err
	}
	if st, err := m.AsDeviceStatus(); err == nil && (!st.Works || !st.Online) {
		c.log.Info().Str("device", string(id)).Bool("online", st.Online).Str("reason", st.Reason).Msg("device reports a fault")
	}
	return nil
}
