//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"fengsui/test/bench/report"
)

// form is how much of everything.
type form struct {
	name       string
	devices    int
	keepalives int
	strangers  int
	storm      time.Duration // of strangers
	sources    int
	forging    time.Duration
	half       int
	giants     int
	mix        time.Duration
	queryRate  int // sip.query_rate: questions a second to new devices; 0 for its default

	// grown is the part by which resident memory may have grown when settle is
	// over, and spare what may come on top, in bytes.
	grown  float64
	spare  int64
	settle time.Duration
}

// The warm-up is a tenth of each load, but at least as many sources as the guard
// remembers: it fills the tables, rings and pools that have a fixed size, which
// are part of what is compared with.
const (
	warmUp      = 10
	warmSources = 70_000
)

// The runtime gives memory back to the system once a minute at most, which the
// short form does not wait for: it takes what a load of its size needs at once
// for growth that is none.
var (
	short = form{
		name: "short", devices: 5000, keepalives: 200_000, strangers: 40_000, storm: 2 * time.Second, sources: 100_000, forging: 3 * time.Second,
		half: 1000, giants: 50, mix: 10 * time.Second, queryRate: 2500, grown: 0.05, spare: 32 << 20, settle: 2 * time.Second,
	}
	long = form{
		name: "long", devices: 100_000, keepalives: 6_000_000, strangers: 300_000, storm: 8 * time.Second, sources: 1_000_000, forging: 40 * time.Second,
		half: 1000, giants: 500, mix: time.Hour, grown: 0.05, settle: 3 * time.Minute,
	}
)

const (
	newcomerCount = 50
	honestRate    = 500              // keepalives a second beside an attack, at least
	keepTime      = 60 * time.Second // between two of a device, at most
	quietTime     = 2 * time.Second  // without a question: there are no more
)

// pace is how many keepalives a second the devices send beside something else.
func (f *form) pace() float64 { return max(honestRate, float64(f.devices)/keepTime.Seconds()) }

// soak is one run against one server.
type soak struct {
	form
	*server
	garbage   *garbage
	honest    *fleet
	rogues    *fleet
	newcomers int // fleets of them so far
	before    int64
	rows      []report.Row
	out       io.Writer
	start     time.Time
}

func (s *soak) say(words string, args ...any) {
	fmt.Fprintf(s.out, "%6.1fs  %s\n", time.Since(s.start).Seconds(), fmt.Sprintf(words, args...))
}

// run runs all trials and returns what was seen, with the error of what was not
// as it must be.
func run(ctx context.Context, binary string, f form, torture string, out io.Writer) (rows []report.Row, err error) {
	s := &soak{form: f, out: out, start: time.Now()}
	if s.garbage, err = readGarbage(torture); err != nil {
		return nil, err
	}
	if s.server, err = startServer(ctx, binary, f.queryRate); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if s.honest, err = openFleet(s.sip, honestNet, 1, f.devices); err != nil {
		return nil, err
	}
	defer s.honest.close()
	if s.rogues, err = openFleet(s.sip, rogueNet, 900_001, rogueCount); err != nil {
		return nil, err
	}
	defer s.rogues.close()
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	return s.rows, s.trials(ctx)
}

// prepare registers the devices, lets the server ask them all it wants to know,
// and warms up.
func (s *soak) prepare(ctx context.Context) error {
	for _, f := range []*fleet{s.honest, s.rogues} {
		if err := f.run(ctx, work{kind: registering}); err != nil {
			return err
		}
	}
	s.say("%d devices registered", s.devices)
	if err := s.honest.run(ctx, work{kind: keeping, rate: s.pace(), quiet: quietTime}); err != nil {
		return err
	}
	s.say("no more questions")
	for _, load := range []func(context.Context, int) error{s.keepalives, s.strange, s.forge, s.declare, s.pollute} {
		if err := load(ctx, warmUp); err != nil {
			return fmt.Errorf("warm-up: %w", err)
		}
	}
	var err error
	if s.before, err = s.rest(ctx, 0); err != nil {
		return err
	}
	s.say("%s resident before", megabytes(s.before))
	return nil
}

func (s *soak) trials(ctx context.Context) error {
	half, err := openHalf(ctx, s.sip, s.half)
	if err != nil {
		return err
	}
	halfEnded := make(chan error, 1)
	go func() { halfEnded <- half.ended() }()
	var failed []error
	for _, t := range []struct {
		what string
		load func(context.Context, int) error
	}{
		{fmt.Sprintf("%d keepalives of %d devices", s.form.keepalives, s.devices), s.keepalives},
		{fmt.Sprintf("%d REGISTERs of strangers in %v", s.strangers, s.storm), s.strange},
		{fmt.Sprintf("%d forged sources", s.sources), s.forge},
		{fmt.Sprintf("%d bodies of 2 GiB declared over TCP and UDP each", s.form.giants), s.declare},
		{fmt.Sprintf("a mix of garbage for %v", s.mix), s.pollute},
		{fmt.Sprintf("%d half requests over TCP", s.half), func(context.Context, int) error { return <-halfEnded }},
	} {
		if err := s.trial(ctx, t.what, t.load); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", t.what, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}

// trial runs one load and compares the memory.
func (s *soak) trial(ctx context.Context, what string, load func(context.Context, int) error) error {
	answered, repeats := s.honest.Answered, s.honest.Repeats
	if err := load(ctx, 1); err != nil {
		s.rows = append(s.rows, report.Bar(what, err.Error(), "all honest devices answered", false))
		return err
	}
	most := s.before + int64(float64(s.before)*s.grown) + s.spare
	after, err := s.rest(ctx, most)
	if err != nil {
		return err
	}
	change := 100 * (float64(after)/float64(s.before) - 1)
	said := fmt.Sprintf("%s, %+.1f %%; honest devices: %d answered, none not, %d requests repeated", megabytes(after), change,
		s.honest.Answered-answered, s.honest.Repeats-repeats)
	s.say("%s: %s", what, said)
	s.rows = append(s.rows, report.Bar(what+": resident memory after", said, s.bound(), after <= most))
	if after > most {
		return fmt.Errorf("%s resident, before %s: want at most %s", megabytes(after), megabytes(s.before), megabytes(most))
	}
	return nil
}

// rest is the resident memory as soon as it is at most the limit, or else when
// the time to settle is over. The devices go on meanwhile.
func (s *soak) rest(ctx context.Context, most int64) (n int64, err error) {
	over := make(chan struct{})
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return s.honest.run(ctx, work{kind: keeping, rate: s.pace(), until: over}) })
	all.Go(func() error {
		defer close(over)
		n, err = s.settled(ctx, most, s.settle)
		return err
	})
	return n, all.Wait()
}

func (s *soak) bound() string {
	if s.spare > 0 {
		return fmt.Sprintf("within %.0f %% and %s", 100*s.grown, megabytes(s.spare))
	}
	return fmt.Sprintf("within %.0f %%", 100*s.grown)
}

// The loads; each is a part of the form's.

func (s *soak) keepalives(ctx context.Context, part int) error {
	if err := s.honest.run(ctx, work{kind: keeping, ops: s.form.keepalives / part}); err != nil {
		return err
	}
	return s.honest.fault()
}

func (s *soak) strange(ctx context.Context, part int) error {
	return s.beside(ctx, func(ctx context.Context) error {
		return strangers(s.strangers/part, s.storm/time.Duration(part)).run(ctx, s.sip)
	})
}

func (s *soak) forge(ctx context.Context, part int) error {
	n := min(s.sources, max(s.sources/part, warmSources))
	over := time.Duration(float64(s.forging) * float64(n) / float64(s.sources))
	return s.beside(ctx, func(ctx context.Context) error { return forged(n, over).run(ctx, s.sip) })
}

func (s *soak) declare(ctx context.Context, part int) error {
	return s.beside(ctx, func(ctx context.Context) error { return giants(ctx, s.sip, s.form.giants/part) })
}

func (s *soak) pollute(ctx context.Context, part int) error {
	length := s.mix
	if part > 1 {
		length = min(length/time.Duration(part), time.Minute)
	}
	return s.beside(ctx, func(ctx context.Context) error { return s.garbage.run(ctx, s.sip, s.rogues, length) })
}

// beside runs an attack while the devices keep alive and new ones register. All
// must be answered.
func (s *soak) beside(ctx context.Context, attack func(context.Context) error) error {
	fresh, err := openFleet(s.sip, newcomerNet, 800_001+s.newcomers*newcomerCount, newcomerCount)
	if err != nil {
		return err
	}
	defer fresh.close()
	s.newcomers++
	all, ctx := errgroup.WithContext(ctx)
	over := make(chan struct{})
	all.Go(func() error {
		defer close(over)
		return attack(ctx)
	})
	all.Go(func() error { return s.honest.run(ctx, work{kind: keeping, rate: s.pace(), until: over}) })
	all.Go(func() error { return fresh.run(ctx, work{kind: registering}) })
	return errors.Join(all.Wait(), s.honest.fault(), fresh.fault())
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/(1<<20)) }
