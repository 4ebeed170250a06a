//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fengsui/test/bench/report"
)

const (
	tcpAlive   = 2 * time.Minute // of keepalives, before memory is read again
	tcpPerEach = 12 << 10        // bytes
	tcpBusy    = 4000            // connections whose keepalives are measured
	tcpRate    = 10_000          // keepalives a second
)

// tcp: connections that are idle, and keepalives beside Kamailio.
func tcp(ctx context.Context, b *bench) (*result, error) {
	p, notes, err := tcpIdle(ctx, b)
	if err != nil {
		return nil, err
	}
	rounds, version, more, err := tcpKeepalives(ctx, b)
	if err != nil {
		return nil, err
	}
	c := middle(rounds, tcpContest.ratio).value
	each := (p.worst() - p.EmptyServer.RSS) / deviceCount
	cell := func(r rate) string {
		return fmt.Sprintf("%.1f µs CPU, p99 %s, memory %s", r.Micros, millis(r.P99), megabytes(r.RSS))
	}
	return &result{
		rows: []report.Row{
			report.Bar("10,000 idle devices over TCP, registered and catalogued: resident memory each", fmt.Sprintf("%.1f KiB", float64(each)/1024), "< 12 KiB", each < tcpPerEach),
			report.Plain("— resident memory empty; when the last catalog was in; after two more minutes of keepalives; peak", fmt.Sprintf("%s; %s; %s; %s",
				megabytes(p.EmptyServer.RSS), megabytes(p.Complete.RSS), megabytes(p.Later.RSS), megabytes(p.Later.Peak))),
			report.Plain("— CPU while they only keep alive, 167 a second", fmt.Sprintf("%.3f core", p.IdleShare)),
			report.Bar(fmt.Sprintf("Keepalives over TCP, %d a second of %d connections: CPU, in Kamailio's", tcpRate, tcpBusy), fmt.Sprintf("%.2f", c.ratio()), "≤ 1", c.ratio() <= 1),
			report.Plain("— Fengsui", cell(c.ours)),
			report.Plain("— Kamailio "+version, cell(c.theirs)),
		},
		notes: append(append(notes, more...), "A connection and a source address for each device. Memory is measured once; each is (VmRSS − VmRSS of the empty server) ÷ 10,000 at the worse of two moments. The kernel's own memory for "+
			"connections is not in it. Kamailio (`test/bench/testdata/kamailio.cfg`, one TCP worker) takes turns with Fengsui on the same core. `sip.guard.allow` is emptied as for UDP."),
	}, nil
}

// tcpIdle is the memory of many cameras that only keep alive.
func tcpIdle(ctx context.Context, b *bench) (p population, notes []string, err error) {
	once := *b
	once.rounds = 1
	rounds, notes, err := repeat(ctx, &once, "10,000 TCP devices", resident, func(ctx context.Context) (population, span, error) {
		return tcpOnce(ctx, b)
	})
	if err != nil {
		return p, nil, err
	}
	return rounds[0].value, notes, nil
}

func tcpOnce(ctx context.Context, b *bench) (p population, sp span, err error) {
	s, err := startServer(ctx, b, guarded...)
	if err != nil {
		return p, sp, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if p.EmptyServer, err = processMemory(s.pid()); err != nil {
		return p, sp, err
	}
	start := time.Now()
	t, err := connectFleet(ctx, s.sip, deviceCount, checker{zone: b.zone})
	if err != nil {
		return p, sp, err
	}
	defer t.close()
	p.Registered = time.Since(start)
	stop := t.background(ctx)
	err = func() error {
		if err := s.waitComplete(ctx, deviceCount, catalogTime); err != nil {
			return err
		}
		p.Took = time.Since(start)
		if p.Complete, err = processMemory(s.pid()); err != nil {
			return err
		}
		if err := s.settle(ctx, catalogTime); err != nil {
			return err
		}
		p.Later, sp, err = s.idle(ctx, b.cores, tcpAlive)
		return err
	}()
	if err = errors.Join(err, stop(), t.wrong()); err != nil {
		return p, sp, err
	}
	p.IdleShare, p.Keepalives = sp.ServerShare(), t.kept
	return p, sp, s.allOnline(ctx, deviceCount)
}

// tcpContest is one round of both servers.
type tcpContest struct{ ours, theirs rate }

func (c tcpContest) ratio() float64 { return c.ours.Micros / c.theirs.Micros }

func (c tcpContest) String() string {
	return fmt.Sprintf("%.2f of Kamailio's CPU\n         fengsui %v\n        kamailio %v", c.ratio(), c.ours, c.theirs)
}

// tcpKeepalives compares both servers' CPU time at one rate.
func tcpKeepalives(ctx context.Context, b *bench) (rounds []round[tcpContest], version string, notes []string, err error) {
	s, err := startServer(ctx, b, guarded...)
	if err != nil {
		return nil, "", nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	k, err := startKamailio(ctx, b, "tcp", debianMalloc)
	if err != nil {
		return nil, "", nil, err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	ours, err := connectFleet(ctx, s.sip, tcpBusy, checker{zone: b.zone})
	if err != nil {
		return nil, "", nil, err
	}
	defer ours.close()
	stop := ours.background(ctx)
	err = errors.Join(s.waitComplete(ctx, tcpBusy, catalogTime), s.settle(ctx, catalogTime), stop())
	if err != nil {
		return nil, "", nil, err
	}
	theirs, err := connectFleet(ctx, k.sip, tcpBusy, checker{})
	if err != nil {
		return nil, "", nil, fmt.Errorf("kamailio: %w", err)
	}
	defer theirs.close()
	turns := 0
	rounds, notes, err = repeat(ctx, b, "keepalives over TCP beside Kamailio", share, func(ctx context.Context) (c tcpContest, sp span, err error) {
		turn := func(name string, t *tcpFleet, p *process, into *rate) func() error {
			return func() error {
				if _, err := t.keepAlive(ctx, tcpRate, rateWarm); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				r, one, err := t.measure(ctx, b, p, tcpRate, rateWindow)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				*into, sp = r, sp.worse(one)
				return nil
			}
		}
		turns++
		err = inTurn(turns%2 == 1, turn("fengsui", ours, s.process, &c.ours), turn("kamailio", theirs, k.process, &c.theirs))
		return c, sp, err
	})
	if err != nil {
		return nil, "", nil, err
	}
	for _, r := range rounds {
		if !r.value.ours.sustained() || !r.value.theirs.sustained() {
			notes = append(notes, fmt.Sprintf("A round in which %d a second were not sustained counts: %v.", tcpRate, r.value))
		}
	}
	return rounds, k.version, notes, nil
}
