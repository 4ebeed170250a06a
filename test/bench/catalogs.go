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
	catalogDevices  = 1000
	catalogChannels = 1000            // of each
	catalogsTime    = 5 * time.Minute // until the last one is whole
	catalogMost     = 1 << 30         // bytes resident, at the peak
	catalogEach     = 300             // bytes of a channel in memory
)

// library is what a server full of channels looks like.
type library struct {
	Empty, Peak, Rest memory
	HeapEmpty, Heap   float64       // bytes alive after a collection
	Registered        time.Duration // until the last device had its 200
	Complete          time.Duration // until the last channel was in
	Parts             uint64
}

func (l library) each() float64 {
	return (l.Heap - l.HeapEmpty) / (catalogDevices * catalogChannels)
}

func (l library) String() string {
	return fmt.Sprintf("complete after %.1f s, peak %s, at rest %s, %.0f B a channel", l.Complete.Seconds(), megabytes(l.Peak.Peak), megabytes(l.Rest.RSS), l.each())
}

// catalogs: many recorders that answer a catalog query at the same time.
func catalogs(ctx context.Context, b *bench) (*result, error) {
	once := *b
	once.rounds = 1
	rounds, notes, err := repeat(ctx, &once, "large catalogs", resident, func(ctx context.Context) (library, span, error) {
		return catalogsOnce(ctx, &once)
	})
	if err != nil {
		return nil, err
	}
	l := rounds[0].value
	return &result{
		rows: []report.Row{
			report.Bar("1,000 devices answer a catalog of 1,000 channels each at once: resident memory at the peak", megabytes(l.Peak.Peak), "complete, < 1 GiB", l.Peak.Peak < catalogMost),
			report.Bar("— memory of a channel: heap alive after a collection, above that of the empty server", fmt.Sprintf("%.0f B", l.each()), "< 300 B", l.each() < catalogEach),
			report.Plain("— time until the last device is registered; until the last of 1,000,000 channels is in", fmt.Sprintf("%.1f s; %.1f s", l.Registered.Seconds(), l.Complete.Seconds())),
			report.Plain("— resident memory empty; when complete; a minute later", fmt.Sprintf("%s; %s; %s", megabytes(l.Empty.RSS), megabytes(l.Peak.RSS), megabytes(l.Rest.RSS))),
		},
		notes: append(notes, "The devices come from the simulator over UDP, 1,000 registrations a second, and are asked at the default pace of 300 questions a second; each answers in 500 messages of two channels, "+
			"one every 20 ms, so that all answer at the same time. A message that is lost is repeated by its device as RFC 3261 has it. At the end the API must count every channel of every device."),
	}, nil
}

func catalogsOnce(ctx context.Context, b *bench) (l library, sp span, err error) {
	s, err := startServer(ctx, b, guarded...)
	if err != nil {
		return l, sp, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if l.Empty, err = processMemory(s.pid()); err != nil {
		return l, sp, err
	}
	if l.HeapEmpty, err = s.heap(ctx); err != nil {
		return l, sp, err
	}
	start := time.Now()
	recorders, stop, err := startSim(ctx, s, sim.Config{Devices: catalogDevices, Channels: catalogChannels, Keepalive: time.Minute})
	if err != nil {
		return l, sp, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	registering, cancel := context.WithTimeout(ctx, time.Minute)
	err = recorders.WaitRegistered(registering, catalogDevices)
	cancel()
	if err != nil {
		return l, sp, err
	}
	l.Registered = time.Since(start)
	if err := s.waitChannels(ctx, catalogDevices, catalogDevices*catalogChannels, catalogsTime); err != nil {
		return l, sp, err
	}
	l.Complete = time.Since(start)
	if l.Peak, err = processMemory(s.pid()); err != nil {
		return l, sp, err
	}
	if l.Rest, sp, err = s.idle(ctx, b.cores, time.Minute); err != nil {
		return l, sp, err
	}
	l.Heap, err = s.heap(ctx)
	return l, sp, err
}
