//go:build linux

package main

import (
	"context"
	"fmt"
	"math"
	"time"
)

// What "sustained" means.
const (
	rateWarm   = 2 * time.Second  // of load before each search
	rateProbe  = 2 * time.Second  // one step of a search
	rateWindow = 10 * time.Second // and what is reported
	rateLoss   = 0.001            // at most
	rateP99    = 50 * time.Millisecond
	rateShort  = 0.99 // of what was asked must have been offered
)

// rate is what a server did with one load.
type rate struct {
	Asked   float64 // operations a second; 0: as many as get answered
	Offered float64 // begun a second
	PerSec  float64 // well answered a second
	P99     time.Duration
	Loss    float64
	Late    uint64
	Micros  float64 // CPU of the server for each
	Server  float64 // share of its core
	Driver  float64 // share of the driver's
	RSS     int64   // shared pages once
}

func (r rate) String() string {
	return fmt.Sprintf("%.0f/s, %.1f µs CPU each, p99 %s, loss %.3f %%, server %.0f %% and driver %.0f %% of their cores, memory %s",
		r.PerSec, r.Micros, millis(r.P99), 100*r.Loss, 100*r.Server, 100*r.Driver, megabytes(r.RSS))
}

// sustained says whether the server took all that was asked, in time.
func (r rate) sustained() bool {
	return r.Loss <= rateLoss && r.P99 <= rateP99 && r.Offered >= rateShort*r.Asked
}

// measure runs work and says what it cost the process that answers.
func (f *fleet) measure(ctx context.Context, b *bench, p *process, w work) (r rate, sp span, err error) {
	w.timed = true
	wrong := f.faults.total()
	dropped, err := socketDrops(f.sock.port)
	if err != nil {
		return r, sp, err
	}
	before, err := read(p.pid())
	if err != nil {
		return r, sp, err
	}
	l, err := f.run(ctx, w)
	if err != nil {
		return r, sp, err
	}
	after, err := read(p.pid())
	if err != nil {
		return r, sp, err
	}
	sp = between(before, after, b.cores)
	now, err := socketDrops(f.sock.port)
	if err != nil {
		return r, sp, err
	}
	switch {
	case f.faults.total() != wrong:
		return r, sp, fmt.Errorf("wrong answers: %v", f.faults)
	case now != dropped:
		return r, sp, wrongf("the kernel dropped %d answers at the driver's socket", now-dropped)
	}
	ops := float64(l.Ops)
	r = rate{
		Asked: w.rate, Offered: float64(l.Begun) / l.Lasted.Seconds(), PerSec: ops / l.Lasted.Seconds(), P99: l.P99,
		Loss: float64(l.Lost) / math.Max(ops+float64(l.Lost), 1), Late: l.Late,
		Micros: float64(sp.Server.Microseconds()) / math.Max(ops, 1), Server: sp.ServerShare(), Driver: sp.DriverShare(),
	}
	r.RSS, err = sharedMemory(p.pid())
	return r, sp, err
}
