//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
)

// equalShare of the reference's maximum is the load under which both servers'
// CPU time is compared.
const equalShare = 0.8

// contestant is one of two servers that take turns, each with the same devices
// behind a socket of its own.
type contestant struct {
	name    string
	process *process
	fleet   *fleet
	last    map[uint8]float64 // highest rate found so far, by kind of operation
	gather  bool              // the driver is never woken by an answer
}

// contest is one round of both.
type contest struct{ ours, theirs, oursEqual, theirsEqual rate }

func (c contest) ratio() float64 { return c.ours.PerSec / c.theirs.PerSec }

func (c contest) String() string {
	return fmt.Sprintf("ratio %.2f\n         fengsui %v\n        kamailio %v\n   equal fengsui %v\n        kamailio %v", c.ratio(), c.ours, c.theirs, c.oursEqual, c.theirsEqual)
}

// contest measures both by turns.
func (b *bench) contest(ctx context.Context, ours, theirs *contestant, kind uint8, oursFirst bool) (c contest, sp span, err error) {
	turn := func(who *contestant, into *rate, do func() (rate, error)) error {
		before, err := read(who.process.pid())
		if err != nil {
			return err
		}
		var failed error
		if *into, failed = do(); failed != nil {
			failed = fmt.Errorf("%s: %w", who.name, failed)
		}
		after, err := read(who.process.pid())
		if err != nil {
			return errors.Join(failed, err)
		}
		sp = sp.worse(between(before, after, b.cores))
		return failed
	}
	err = inTurn(oursFirst,
		func() error {
			return turn(ours, &c.ours, func() (rate, error) { return ours.maximum(ctx, b, kind) })
		},
		func() error {
			return turn(theirs, &c.theirs, func() (rate, error) { return theirs.maximum(ctx, b, kind) })
		})
	if err != nil {
		return c, sp, err
	}
	paced := work{kind: kind, rate: equalShare * c.theirs.PerSec}
	err = inTurn(oursFirst,
		func() error {
			return turn(ours, &c.oursEqual, func() (rate, error) { return ours.paced(ctx, b, paced) })
		},
		func() error {
			return turn(theirs, &c.theirsEqual, func() (rate, error) { return theirs.paced(ctx, b, paced) })
		})
	return c, sp, err
}

// inTurn does both, the first one first if so said.
func inTurn(firstFirst bool, first, second func() error) error {
	if !firstFirst {
		first, second = second, first
	}
	if err := first(); err != nil {
		return err
	}
	return second()
}

// maximum is the highest rate that the server sustains.
func (c *contestant) maximum(ctx context.Context, b *bench, kind uint8) (best rate, err error) {
	try := func(w work) (rate, error) {
		w.gather = c.gather
		r, _, err := c.fleet.measure(ctx, b, c.process, w)
		if r.Asked > 0 {
			b.detail("%s: %v asked %.0f/s: %v", c.name, r.sustained(), r.Asked, r)
		}
		return r, err
	}
	full, err := try(work{kind: kind, until: rateWarm})
	if err != nil {
		return best, err
	}
	guess := c.last[kind]
	if guess == 0 {
		guess = full.PerSec
	}
	c.last[kind], err = search(guess,
		func(perSec float64) (bool, error) {
			r, err := try(work{kind: kind, until: rateProbe, rate: perSec})
			return r.sustained(), err
		},
		func(perSec float64) (bool, error) {
			best, err = try(work{kind: kind, until: rateWindow, rate: perSec})
			return best.sustained(), err
		})
	if errors.Is(err, errNoRate) {
		err = &wrong{err} // which a busy machine may be the reason of
	}
	return best, err
}

// paced is a window of a given rate.
func (c *contestant) paced(ctx context.Context, b *bench, w work) (rate, error) {
	w.until, w.gather = rateWarm, c.gather
	if _, err := c.fleet.run(ctx, w); err != nil {
		return rate{}, err
	}
	w.until = rateWindow
	r, _, err := c.fleet.measure(ctx, b, c.process, w)
	return r, err
}
