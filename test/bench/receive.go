//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"fengsui/internal/sim"
	"fengsui/internal/sim/clips"
	"fengsui/internal/sim/stream"
	"fengsui/media"
	"fengsui/test/bench/report"
)

const (
	streamCount   = 200
	streamBitrate = 1_000_000 // bit/s of MPEG-PS
	streamWindow  = 15 * time.Second
	streamSettle  = 2 * time.Second // after the last one has started
)

// reception is one window over all streams.
type reception struct {
	Share   float64 // of one core
	PerSec  float64 // packets
	Bitrate float64 // bit/s of all
	RSS     int64
}

func (r reception) String() string {
	return fmt.Sprintf("%.3f of a core for %.0f packets/s, %.0f Mbit/s, RSS %s", r.Share, r.PerSec, r.Bitrate/1e6, megabytes(r.RSS))
}

// receive: many streams, received and demultiplexed, with no viewer.
func receive(ctx context.Context, b *bench) (*result, error) {
	apart, notes, err := receiveApart(ctx, b)
	if err != nil {
		return nil, err
	}
	joined, more, err := receiveJoined(ctx, b)
	if err != nil {
		return nil, err
	}
	notes = append(notes, more...)
	a, j := apart.value, joined.value
	bare := "not measured"
	floor, more, err := receiveFloor(ctx, b)
	if err == nil {
		bare = fmt.Sprintf("%.3f core; ours is %.1f times that", floor.value.Share, a.Share/floor.value.Share)
	} else {
		more = []string{"The floor could not be measured: " + firstLine(err.Error())}
	}
	notes = append(notes, more...)
	return &result{
		rows: []report.Row{
			report.Bar("200 streams of 1 Mbit/s over UDP received and demultiplexed", fmt.Sprintf("%.3f core", a.Share), "< 0.25 core", a.Share < 0.25),
			report.Plain("— packets received a second, bitrate of all, RSS", fmt.Sprintf("%.0f, %.0f Mbit/s, %s", a.PerSec, a.Bitrate/1e6, megabytes(a.RSS))),
			report.Plain("— the same with the packets of a frame handed over in one piece (`UDP_GRO`)", fmt.Sprintf("%.3f core", j.Share)),
			report.Plain("— floor: a bare `recvmmsg` loop in Go that looks at nothing, same packets", bare),
		},
		notes: append(notes,
			fmt.Sprintf("CPU time of the server (utime + stime) over a window of %v, after all streams have started. In every window the server's statistics "+
				"must show no packet lost, no frame damaged, about 1 Mbit/s, 25 pictures and one key frame a second for each stream; what it received must be what was sent; "+
				"and the kernel must have dropped nothing at its socket.", streamWindow),
			"The figure that counts has every packet go through the kernel on its own, as packets of separate cameras mostly arrive. A network card or a sender that joins "+
				"packets of one camera (GRO) makes it cheaper: that is the row below it."),
	}, nil
}

// receiveApart measures with cameras whose packets arrive one by one.
func receiveApart(ctx context.Context, b *bench) (m round[reception], notes []string, err error) {
	s, err := startServer(ctx, b)
	if err != nil {
		return m, nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	f, err := openFleet(s.sip, streamCount, checker{zone: b.zone})
	if err != nil {
		return m, nil, err
	}
	defer f.close()
	program, err := newProgram()
	if err != nil {
		return m, nil, err
	}
	pacer := stream.New()
	pacing, stopPacing := context.WithCancel(ctx)
	defer stopPacing()
	paced := make(chan error, 1)
	go func() { paced <- pacer.Run(pacing) }()
	defer func() { stopPacing(); err = errors.Join(err, <-paced) }()
	f.answers.media = &mediaSource{pacer, program}
	if _, err := f.register(ctx, 2000); err != nil {
		return m, nil, err
	}
	stop := f.background(ctx)
	defer func() { err = errors.Join(err, stop()) }()
	return receiveRounds(ctx, b, s, "reception, packets apart", pacer.Counts, func(i int) string { return f.cameras[i].id })
}

// receiveJoined measures with the simulator, whose packets of one frame the
// kernel hands over in one piece.
func receiveJoined(ctx context.Context, b *bench) (m round[reception], notes []string, err error) {
	s, err := startServer(ctx, b)
	if err != nil {
		return m, nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	cameras, stop, err := startSim(ctx, s, sim.Config{Devices: streamCount, Bitrate: streamBitrate})
	if err != nil {
		return m, nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	sent := func() stream.Counts { return cameras.Stats().Media }
	return receiveRounds(ctx, b, s, "reception, packets joined", sent, func(i int) string { return string(cameras.Device(i).ID) })
}

func newProgram() (*stream.Program, error) {
	video, err := clips.Video(media.H264, media.Main)
	if err != nil {
		return nil, err
	}
	audio, err := clips.Audio(media.PCMA)
	if err != nil {
		return nil, err
	}
	return stream.NewProgram(video, audio, streamBitrate)
}

func receiveRounds(ctx context.Context, b *bench, s *server, what string, sent func() stream.Counts, id func(int) string) (m round[reception], notes []string, err error) {
	if err := s.waitComplete(ctx, streamCount, 2*time.Minute); err != nil {
		return m, nil, err
	}
	if err := s.settle(ctx, time.Minute); err != nil {
		return m, nil, err
	}
	rounds, notes, err := repeat(ctx, b, what, share, func(ctx context.Context) (reception, span, error) {
		return s.receiveOnce(ctx, b, sent, id)
	})
	if err != nil {
		return m, nil, err
	}
	return middle(rounds, func(r reception) float64 { return r.Share }), notes, nil
}

// receiveOnce starts all streams, measures one window, checks it and ends them.
func (s *server) receiveOnce(ctx context.Context, b *bench, sent func() stream.Counts, id func(int) string) (v reception, sp span, err error) {
	err = inParallel(ctx, streamCount, 8, func(ctx context.Context, i int) error {
		_, err := s.startStream(ctx, id(i))
		return err
	})
	if err != nil {
		return v, sp, err
	}
	if err := sleep(ctx, streamSettle); err != nil {
		return v, sp, err
	}
	dropsBefore, err := socketDrops(s.media.Port())
	if err != nil {
		return v, sp, err
	}
	first, err := s.streams(ctx)
	if err != nil {
		return v, sp, err
	}
	firstAt := time.Now()
	sentBefore := sent()
	before, err := read(s.pid())
	if err != nil {
		return v, sp, err
	}
	if err := sleep(ctx, streamWindow); err != nil {
		return v, sp, err
	}
	after, err := read(s.pid())
	if err != nil {
		return v, sp, err
	}
	sentAfter := sent()
	last, err := s.streams(ctx)
	if err != nil {
		return v, sp, err
	}
	lastAt := time.Now()
	dropsAfter, err := socketDrops(s.media.Port())
	if err != nil {
		return v, sp, err
	}
	mem, err := processMemory(s.pid())
	if err != nil {
		return v, sp, err
	}
	sp = between(before, after, b.cores)
	v = reception{Share: sp.ServerShare(), RSS: mem.RSS}
	packets, bytes, err := checkReception(first, last, lastAt.Sub(firstAt))
	v.PerSec = float64(sentAfter.Packets-sentBefore.Packets) / sp.Wall.Seconds()
	v.Bitrate = float64(bytes) * 8 / lastAt.Sub(firstAt).Seconds()
	got := float64(packets) / lastAt.Sub(firstAt).Seconds()
	switch {
	case err != nil:
	case dropsAfter != dropsBefore:
		err = wrongf("the kernel dropped %d packets at the server's socket", dropsAfter-dropsBefore)
	case got < 0.98*v.PerSec || got > 1.02*v.PerSec:
		err = wrongf("the server counts %.0f packets/s of %.0f that were sent", got, v.PerSec)
	case sentAfter.Errors != sentBefore.Errors:
		err = wrongf("%d packets could not be sent", sentAfter.Errors-sentBefore.Errors)
	}
	return v, sp, errors.Join(err, s.stopAll(ctx, len(last)))
}

// checkReception compares two lists of streams, taken wall apart, and returns
// what came in between.
func checkReception(first, last []liveStream, wall time.Duration) (packets, bytes uint64, err error) {
	if len(first) != streamCount || len(last) != streamCount {
		return 0, 0, wrongf("%d streams run at the start of the window and %d at its end, want %d", len(first), len(last), streamCount)
	}
	was := map[string]*liveStream{}
	for i := range first {
		was[first[i].ID] = &first[i]
	}
	for i := range last {
		b := &last[i]
		a := was[b.ID]
		switch {
		case a == nil || a.Stats == nil || b.Stats == nil:
			return 0, 0, wrongf("stream %s was not there all the time", b.ID)
		case b.Stats.Lost != 0 || b.Stats.Damaged != 0:
			return 0, 0, wrongf("stream %s lost %d packets, %d damaged frames", b.ID, b.Stats.Lost, b.Stats.Damaged)
		case b.Stats.FPS < 20 || b.Stats.FPS > 30:
			return 0, 0, wrongf("stream %s has %.1f pictures/s, want 25", b.ID, b.Stats.FPS)
		case b.Stats.KeyIntervalMS < 800 || b.Stats.KeyIntervalMS > 1200:
			return 0, 0, wrongf("stream %s has a key frame each %d ms, want each 1000", b.ID, b.Stats.KeyIntervalMS)
		}
		n := b.Stats.Bytes - a.Stats.Bytes
		if rate := float64(n) * 8 / wall.Seconds(); rate < 0.9e6 || rate > 1.2e6 {
			return 0, 0, wrongf("stream %s has %.0f bit/s, want about 1 Mbit/s", b.ID, rate)
		}
		packets += b.Stats.Packets - a.Stats.Packets
		bytes += n
	}
	return packets, bytes, nil
}

// receiveFloor measures the bare reader under the same packets.
func receiveFloor(ctx context.Context, b *bench) (m round[reception], notes []string, err error) {
	program, err := newProgram()
	if err != nil {
		return m, nil, err
	}
	rounds, notes, err := repeat(ctx, b, "reception, floor", share, func(ctx context.Context) (v reception, sp span, err error) {
		sink, err := startFloor(ctx, b, floorSink)
		if err != nil {
			return v, sp, err
		}
		defer func() { err = errors.Join(err, sink.stop()) }()
		pacer := stream.New()
		pacing, stop := context.WithCancel(ctx)
		paced := make(chan error, 1)
		go func() { paced <- pacer.Run(pacing) }()
		defer func() { stop(); err = errors.Join(err, <-paced) }()
		for i := range streamCount {
			conn, err := listenFrom(ctx, netip.AddrFrom4([4]byte{127, fleetNet, 0, byte(i)}))
			if err != nil {
				return v, sp, err
			}
			separate(conn)
			if _, err := pacer.Start(stream.Options{Program: program, SSRC: uint32(i + 1), PayloadType: 96, UDP: conn, Remote: sink.addr}); err != nil {
				return v, sp, err
			}
			if err := sleep(ctx, 5*time.Millisecond); err != nil { // spread, as starts are
				return v, sp, err
			}
		}
		if err := sleep(ctx, streamSettle); err != nil {
			return v, sp, err
		}
		sentBefore := pacer.Counts()
		before, err := read(sink.pid())
		if err != nil {
			return v, sp, err
		}
		if err := sleep(ctx, streamWindow); err != nil {
			return v, sp, err
		}
		after, err := read(sink.pid())
		if err != nil {
			return v, sp, err
		}
		sentAfter := pacer.Counts()
		sp = between(before, after, b.cores)
		mem, err := processMemory(sink.pid())
		if err != nil {
			return v, sp, err
		}
		drops, err := socketDrops(sink.addr.Port())
		if err != nil {
			return v, sp, err
		}
		if drops != 0 {
			return v, sp, wrongf("the kernel dropped %d packets at the floor's socket", drops)
		}
		v = reception{
			Share: sp.ServerShare(), RSS: mem.RSS,
			PerSec:  float64(sentAfter.Packets-sentBefore.Packets) / sp.Wall.Seconds(),
			Bitrate: float64(sentAfter.Bytes-sentBefore.Bytes) * 8 / sp.Wall.Seconds(),
		}
		return v, sp, nil
	})
	if err != nil {
		return m, nil, err
	}
	return middle(rounds, func(r reception) float64 { return r.Share }), notes, nil
}
