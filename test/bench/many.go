//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"fengsui/test/bench/report"
)

const (
	manyCount    = 100_000
	manyRate     = 5000 // registrations a second
	manyTime     = time.Minute
	manyKept     = time.Minute      // of keepalives after the last catalog, before memory is read again
	manyCatalogs = 20 * time.Minute // at most
	manyPerEach  = 4 << 10          // bytes
	manyStart    = 5 * time.Second
)

// multitude is what was seen of very many devices.
type multitude struct {
	Count      int
	Empty      memory
	Registered time.Duration // until the last one had its 200
	Online     time.Duration // until the API counted all online
	Again      int           // tries after the first one of each
	Then       memory
	Catalogued time.Duration
	Complete   memory
	Later      memory
	IdleShare  float64 // of one core, keepalives only
	Kept       counts  // keepalives
	Ready      time.Duration
	Restarted  memory
	Back       time.Duration // until all were online again
	Steps      []startStep
}

func (m multitude) perDevice() int64 {
	return (max(m.Complete.RSS, m.Later.RSS) - m.Empty.RSS) / int64(m.Count)
}

func (m multitude) String() string {
	return fmt.Sprintf("registered in %.1f s, online in %.1f s, catalogued in %.0f s, %d B each, ready again in %.2f s",
		m.Registered.Seconds(), m.Online.Seconds(), m.Catalogued.Seconds(), m.perDevice(), m.Ready.Seconds())
}

// many: as many devices as one process is for, and a start that finds them in
// its store.
func many(ctx context.Context, b *bench) (*result, error) {
	once := *b
	once.rounds = 1
	rounds, notes, err := repeat(ctx, &once, "very many devices", resident, func(ctx context.Context) (multitude, span, error) {
		return manyOnce(ctx, b)
	})
	if err != nil {
		return nil, err
	}
	m := rounds[0].value
	kib := func(n int64) string { return fmt.Sprintf("%.2f KiB", float64(n)/1024) }
	var steps []string
	for _, s := range m.Steps {
		steps = append(steps, fmt.Sprintf("%s %.0f ms (%d)", s.Step, s.TookMS, s.Items))
	}
	return &result{
		rows: []report.Row{
			report.Bar("100,000 devices over UDP: time until the API counts all online", fmt.Sprintf("%.1f s", m.Online.Seconds()), "< 60 s, none lost", m.Online < manyTime),
			report.Plain(fmt.Sprintf("— until the last one had its 200, at most %d a second and 512 under way; tries repeated", manyRate), fmt.Sprintf("%.1f s; %d", m.Registered.Seconds(), m.Again)),
			report.Bar("— resident memory each, registered, catalogued and kept alive", kib(m.perDevice()), "< 4 KiB", m.perDevice() < manyPerEach),
			report.Plain("— resident memory empty; all online; when the last catalog was in; a minute later; peak", fmt.Sprintf("%s; %s; %s; %s; %s",
				megabytes(m.Empty.RSS), megabytes(m.Then.RSS), megabytes(m.Complete.RSS), megabytes(m.Later.RSS), megabytes(m.Later.Peak))),
			report.Plain("— time until all are catalogued at the default pace of questions", fmt.Sprintf("%.0f s", m.Catalogued.Seconds())),
			report.Plain("— CPU at 1,667 keepalives a second, the last questions under way", fmt.Sprintf("%.3f core", m.IdleShare)),
			report.Plain("— keepalives answered meanwhile; without an answer in time", fmt.Sprintf("%d; %d", m.Kept.Ops, m.Kept.Lost)),
			report.Bar("Start with 100,000 devices in the store: from its exec to 200 of /readyz", fmt.Sprintf("%.2f s", m.Ready.Seconds()), "< 5 s", m.Ready < manyStart),
			report.Plain("— steps, some beside each other (items loaded)", strings.Join(steps, ", ")),
			report.Plain(fmt.Sprintf("— resident memory then; until all are online again at %d keepalives a second", manyRate), fmt.Sprintf("%s; %.1f s", megabytes(m.Restarted.RSS), m.Back.Seconds())),
		},
		notes: append(notes,
			"Measured once. The load generator has 100,000 IDs at 100,000 addresses of 127.0.0.0/8; each registers by Digest, answers the first questions (information, status, catalog of one channel, "+
				"subscription) and keeps alive once a minute. Memory each is (VmRSS − VmRSS of the empty server) ÷ 100,000, at the worse of two moments; it holds the trace ring, the catalogs and what waits to be asked. "+
				"The server is then ended by SIGTERM and started again on the same folder, ports and core; all 100,000 must be in the API's count as soon as it is ready. `sip.guard.allow` is emptied, "+
				"as it names 127.0.0.0/8 by default; nothing else differs from the defaults."),
	}, nil
}

func manyOnce(ctx context.Context, b *bench) (m multitude, sp span, err error) {
	m.Count = b.many
	s, err := startServer(ctx, b, guarded...)
	if err != nil {
		return m, sp, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	f, err := openFleet(s.sip, m.Count, checker{zone: b.zone})
	if err != nil {
		return m, sp, err
	}
	defer f.close()
	if err := m.register(ctx, s, f); err != nil {
		return m, sp, err
	}
	if sp, err = m.stay(ctx, b, s, f); err != nil {
		return m, sp, err
	}
	err = m.startAgain(ctx, b, s, f)
	return m, sp, err
}

// register brings all devices to the server.
func (m *multitude) register(ctx context.Context, s *server, f *fleet) (err error) {
	if m.Empty, err = processMemory(s.pid()); err != nil {
		return err
	}
	start := time.Now()
	if m.Again, err = f.register(ctx, manyRate); err != nil {
		return err
	}
	m.Registered = time.Since(start)
	if err = s.waitOnline(ctx, f, float64(m.Count)/60, manyTime); err != nil {
		return err
	}
	m.Online = time.Since(start)
	m.Then, err = processMemory(s.pid())
	return err
}

// stay keeps them alive while the server asks its questions.
func (m *multitude) stay(ctx context.Context, b *bench, s *server, f *fleet) (sp span, err error) {
	start, before := time.Now(), f.counts
	stop := f.background(ctx)
	err = func() error {
		if err := s.waitComplete(ctx, m.Count, manyCatalogs); err != nil {
			return err
		}
		m.Catalogued = m.Online + time.Since(start)
		if m.Complete, err = processMemory(s.pid()); err != nil {
			return err
		}
		m.Later, sp, err = s.idle(ctx, b.cores, manyKept)
		m.IdleShare = sp.ServerShare()
		return err
	}()
	if err = errors.Join(err, stop()); err != nil {
		return sp, err
	}
	m.Kept = f.counts.minus(before)
	if len(f.faults) > 0 {
		return sp, fmt.Errorf("wrong answers: %v", f.faults)
	}
	return sp, s.allOnline(ctx, m.Count)
}

// startAgain ends the server and starts it with what it has stored.
func (m *multitude) startAgain(ctx context.Context, b *bench, s *server, f *fleet) error {
	if err := s.restart(ctx, b); err != nil {
		return err
	}
	m.Ready = s.readyAfter
	start := time.Now()
	now, err := s.system(ctx)
	if err != nil {
		return err
	}
	m.Steps = now.Start
	if n := now.Counts.Devices.Total; n != m.Count {
		return fmt.Errorf("the server is ready with %d of %d devices", n, m.Count)
	}
	if m.Restarted, err = processMemory(s.pid()); err != nil {
		return err
	}
	if err := s.waitOnline(ctx, f, manyRate, 2*time.Minute); err != nil {
		return err
	}
	m.Back = time.Since(start)
	return nil
}
