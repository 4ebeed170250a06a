//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"fengsui/sip/digest"
	"fengsui/test/bench/report"
)

const (
	rateWarm   = 2 * time.Second
	rateWindow = 10 * time.Second
	rateLoss   = 0.001 // at most
)

// rate is one window at the server's maximum.
type rate struct {
	PerSec float64 // operations
	Micros float64 // CPU of the server for each
	Server float64 // share of its core
	Driver float64 // share of the driver's
	Loss   float64
	Late   uint64
	RSS    int64
}

func (r rate) String() string {
	return fmt.Sprintf("%.0f/s, %.1f µs each, loss %.3f %%, server %.0f %% and driver %.0f %% of their cores, RSS %s",
		r.PerSec, r.Micros, 100*r.Loss, 100*r.Server, 100*r.Driver, megabytes(r.RSS))
}

// rates: REGISTER and keepalive at the server's maximum.
func rates(ctx context.Context, b *bench) (*result, error) {
	m, notes, err := ratesOfServer(ctx, b)
	if err != nil {
		return nil, err
	}
	bare := "not measured"
	echo, more, err := rateOfFloor(ctx, b)
	if err == nil {
		bare = fmt.Sprintf("%.0f/s, %.1f µs CPU; a keepalive costs %.1f times, a pair %.1f times two of these",
			echo.PerSec, echo.Micros, m.keepalives.Micros/echo.Micros, m.pairs.Micros/2/echo.Micros)
	} else {
		more = []string{"The floor could not be measured: " + firstLine(err.Error())}
	}
	notes = append(notes, more...)
	first, more, err := firstRegistrations(ctx, b)
	if err != nil {
		return nil, err
	}
	notes = append(notes, more...)
	cell := func(r rate) string {
		return fmt.Sprintf("%.0f/s, %.1f µs CPU, loss %.3f %%, RSS %s", r.PerSec, r.Micros, 100*r.Loss, megabytes(r.RSS))
	}
	return &result{
		rows: []report.Row{
			report.Plain("REGISTER pairs (401, then 200 by Digest) of 10,000 registered devices", cell(m.pairs)),
			report.Plain("— first registrations of 10,000 devices, while their questions are asked", cell(first)),
			report.Plain("Keepalives of 10,000 devices", cell(m.keepalives)),
			report.Plain("— the same at 5,000 a second", cell(m.paced)),
			report.Plain("— floor: an echo by `recvmmsg` and `sendmmsg` in Go, same datagrams", bare),
		},
		notes: append(notes, fmt.Sprintf("10,000 devices from 10,000 addresses of 127.0.0.0/8, at most %d operations under way, windows of %v after %v of the same load. Every answer is checked: "+
			"status, Call-ID, CSeq, tags, realm, a new nonce in every 401, Expires and the right time in Date of every 200; one wrong answer fails the run. An operation without "+
			"its answer after %v is lost. At most %.1f %% may be. CPU is utime + stime of the server. "+
			"First registrations last less than a second: what is written behind them is not in their CPU time.", windowSize, rateWindow, rateWarm, answerTime, 100*rateLoss)),
	}, nil
}

type serverRates struct{ pairs, keepalives, paced rate }

func ratesOfServer(ctx context.Context, b *bench) (m serverRates, notes []string, err error) {
	s, err := startServer(ctx, b)
	if err != nil {
		return m, nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	f, err := openFleet(s.sip, deviceCount, b.zone)
	if err != nil {
		return m, nil, err
	}
	defer f.close()
	if err := f.register(ctx); err != nil {
		return m, nil, err
	}
	stop := f.background(ctx)
	err = errors.Join(s.waitComplete(ctx, deviceCount, catalogTime), s.settle(ctx, time.Minute), stop())
	if err != nil {
		return m, nil, err
	}
	if f.answers.Unanswered > 0 {
		return m, nil, fmt.Errorf("%d answers of devices were never acknowledged", f.answers.Unanswered)
	}
	for _, load := range []struct {
		what   string
		into   *rate
		demand demand
		work   work
	}{
		{"keepalives at 5,000/s", &m.paced, share, work{kind: opKeepalive, rate: 5000}},
		{"keepalives", &m.keepalives, maximum, work{kind: opKeepalive}},
		{"REGISTER pairs", &m.pairs, maximum, work{kind: opRegister}},
	} {
		rounds, more, err := repeat(ctx, b, load.what, load.demand, func(ctx context.Context) (rate, span, error) {
			w := load.work
			w.until = rateWarm
			if _, err := f.run(ctx, w); err != nil {
				return rate{}, span{}, err
			}
			w.until = rateWindow
			return f.measure(ctx, b, s.process, w)
		})
		if err != nil {
			return m, nil, err
		}
		notes = append(notes, more...)
		*load.into = middle(rounds, func(r rate) float64 { return r.Micros }).value
		if load.into.Loss > rateLoss {
			notes = append(notes, fmt.Sprintf("%s: loss is %.2f %%, more than the %.1f %% allowed.", load.what, 100*load.into.Loss, 100*rateLoss))
		}
	}
	now, err := s.system(ctx)
	if err == nil && now.Counts.Devices.Online != deviceCount {
		err = fmt.Errorf("%d of %d devices are online at the end", now.Counts.Devices.Online, deviceCount)
	}
	return m, notes, err
}

// firstRegistrations measures devices that the server has never seen, each round
// with a new server.
func firstRegistrations(ctx context.Context, b *bench) (r rate, notes []string, err error) {
	rounds, notes, err := repeat(ctx, b, "first registrations", maximum, func(ctx context.Context) (r rate, sp span, err error) {
		s, err := startServer(ctx, b)
		if err != nil {
			return r, sp, err
		}
		defer func() { err = errors.Join(err, s.close()) }()
		f, err := openFleet(s.sip, deviceCount, b.zone)
		if err != nil {
			return r, sp, err
		}
		defer f.close()
		return f.measure(ctx, b, s.process, work{kind: opRegister, ops: deviceCount})
	})
	if err != nil {
		return r, nil, err
	}
	return middle(rounds, func(r rate) float64 { return r.Micros }).value, notes, nil
}

// measure runs work and says what it cost the process that answers.
func (f *fleet) measure(ctx context.Context, b *bench, p *process, w work) (r rate, sp span, err error) {
	wrong := f.faults.total()
	before, err := read(p.pid())
	if err != nil {
		return r, sp, err
	}
	c, err := f.run(ctx, w)
	if err != nil {
		return r, sp, err
	}
	after, err := read(p.pid())
	if err != nil {
		return r, sp, err
	}
	mem, err := processMemory(p.pid())
	if err != nil {
		return r, sp, err
	}
	if f.faults.total() != wrong {
		return r, sp, fmt.Errorf("wrong answers: %v", f.faults)
	}
	sp = between(before, after, b.cores)
	ops := float64(c.Ops)
	r = rate{
		PerSec: ops / sp.Wall.Seconds(), Micros: float64(sp.Server.Microseconds()) / math.Max(ops, 1),
		Server: sp.ServerShare(), Driver: sp.DriverShare(), Loss: float64(c.Lost) / math.Max(ops+float64(c.Lost), 1), Late: c.Late, RSS: mem.RSS,
	}
	return r, sp, nil
}

func rateOfFloor(ctx context.Context, b *bench) (r rate, notes []string, err error) {
	p, err := startFloor(ctx, b, floorEcho)
	if err != nil {
		return r, nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	f, err := openFleet(p.addr, deviceCount, b.zone)
	if err != nil {
		return r, nil, err
	}
	defer f.close()
	f.echo = true
	rounds, notes, err := repeat(ctx, b, "echo floor", maximum, func(ctx context.Context) (rate, span, error) {
		if _, err := f.run(ctx, work{kind: opKeepalive, until: rateWarm}); err != nil {
			return rate{}, span{}, err
		}
		r, sp, err := f.measure(ctx, b, p.process, work{kind: opKeepalive, until: rateWindow})
		return r, sp, err
	})
	if err != nil {
		return r, nil, err
	}
	return middle(rounds, func(r rate) float64 { return r.Micros }).value, notes, nil
}

// The driver's own arithmetic must agree with the server's library; bench checks
// it once before it loads anything.
func selfCheck() error {
	c := newCamera(7, fleetNet, 5060, "UDP")
	value := c.appendAuthorization(nil, []byte("a nonce"), registerHA2())
	parsed, err := digest.Parse(value)
	if err != nil {
		return fmt.Errorf("own credentials: %w", err)
	}
	if !parsed.Verify("REGISTER", devicePass) {
		return fmt.Errorf("own credentials %q are wrong", value)
	}
	return nil
}
