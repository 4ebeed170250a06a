//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fengsui/internal/sim"
	"fengsui/test/bench/report"
)

const (
	deviceCount    = 10000
	deviceLifetime = 2 * time.Minute // of keepalives, before memory is read again
	catalogTime    = 5 * time.Minute // for all catalogs, and again for the rest of the surveys, at the default pace of questions
)

// population is the memory of a server full of devices.
type population struct {
	Took        time.Duration // until all were online and catalogued
	Registered  time.Duration // until all were registered
	Complete    memory        // then
	Later       memory        // after keepalives
	IdleShare   float64       // of one core, while devices only keep alive
	Keepalives  uint64
	EmptyServer memory
}

func (p population) String() string {
	return fmt.Sprintf("online and catalogued after %.1f s; RSS %s then, %s after %v of keepalives (%.3f core), peak %s",
		p.Took.Seconds(), megabytes(p.Complete.RSS), megabytes(p.Later.RSS), deviceLifetime, p.IdleShare, megabytes(p.Later.Peak))
}

func (p population) worst() int64 { return max(p.Complete.RSS, p.Later.RSS) }

// devices: many cameras that register, are surveyed and stay.
func devices(ctx context.Context, b *bench) (*result, error) {
	once := *b // five minutes, and memory hardly differs from round to round
	once.rounds = 1
	rounds, notes, err := repeat(ctx, &once, "10,000 devices", resident, func(ctx context.Context) (population, span, error) {
		return devicesOnce(ctx, &once)
	})
	if err != nil {
		return nil, err
	}
	p := middle(rounds, func(p population) float64 { return float64(p.worst()) }).value
	return &result{
		rows: []report.Row{
			report.Bar("10,000 devices registered, catalogued and online: resident memory", megabytes(p.worst()), "< 200 MB", p.worst() < 200e6),
			report.Plain("— when the last catalog was in, after two more minutes of keepalives, peak", fmt.Sprintf("%s, %s, %s", megabytes(p.Complete.RSS), megabytes(p.Later.RSS), megabytes(p.Later.Peak))),
			report.Plain("— before the first device; of this the program file", fmt.Sprintf("%s; %s", megabytes(p.EmptyServer.RSS), megabytes(p.EmptyServer.File))),
			report.Plain("— time until all are registered; online and catalogued at the default pace of 300 questions a second", fmt.Sprintf("%.1f s; %.1f s", p.Registered.Seconds(), p.Took.Seconds())),
			report.Plain("— CPU while they only keep alive, 167 a second", fmt.Sprintf("%.3f core", p.IdleShare)),
		},
		notes: append(notes, "VmRSS and VmHWM of the server. The devices come from the simulator over UDP, 1,000 first registrations a second; each is asked for its information, "+
			"status and catalog and subscribed to. At the end the device list of the API must show every one online with a complete catalog, and no keepalive may have been lost."),
	}, nil
}

func devicesOnce(ctx context.Context, b *bench) (p population, sp span, err error) {
	s, err := startServer(ctx, b)
	if err != nil {
		return p, sp, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if p.EmptyServer, err = processMemory(s.pid()); err != nil {
		return p, sp, err
	}
	start := time.Now()
	cameras, stop, err := startSim(ctx, s, sim.Config{Devices: deviceCount, Keepalive: time.Minute})
	if err != nil {
		return p, sp, err
	}
	stopped := false
	defer func() {
		if !stopped {
			err = errors.Join(err, stop())
		}
	}()
	registering, cancel := context.WithTimeout(ctx, time.Minute)
	err = cameras.WaitRegistered(registering, deviceCount)
	cancel()
	if err != nil {
		return p, sp, err
	}
	p.Registered = time.Since(start)
	if err := s.waitComplete(ctx, deviceCount, catalogTime); err != nil {
		return p, sp, err
	}
	p.Took = time.Since(start)
	if p.Complete, err = processMemory(s.pid()); err != nil {
		return p, sp, err
	}
	if err := s.settle(ctx, catalogTime); err != nil {
		return p, sp, err
	}
	keptBefore := cameras.Stats().Keepalives
	if p.Later, sp, err = s.idle(ctx, b.cores, deviceLifetime); err != nil {
		return p, sp, err
	}
	st := cameras.Stats()
	p.IdleShare, p.Keepalives = sp.ServerShare(), st.Keepalives-keptBefore
	whole := deviceLifetime.Seconds() / 60 * deviceCount
	if n := float64(p.Keepalives); n < 0.95*whole || n > 1.05*whole || st.KeepalivesLost != 0 || len(st.Errors) != 0 {
		return p, sp, wrongf("%.0f keepalives of %.0f were answered, %d lost, errors %v", n, whole, st.KeepalivesLost, st.Errors)
	}
	// Last, because lists of this size cost memory of their own.
	n, err := s.devicesComplete(ctx)
	if err != nil {
		return p, sp, err
	}
	if n != deviceCount {
		return p, sp, fmt.Errorf("the list shows %d of %d devices online with a complete catalog", n, deviceCount)
	}
	stopped = true
	return p, sp, stop()
}
