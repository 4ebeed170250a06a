//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"fengsui/internal/sim"
	"fengsui/test/bench/report"
	"fengsui/test/flvread"
)

const firstFrameCameras = 60

// firstFrames are the times of one round.
type firstFrames struct {
	watch  spread // GET to the last byte of the first key frame's tag
	invite spread // INVITE to key frame, as the stages tell
}

func (f firstFrames) String() string {
	return fmt.Sprintf("GET to key frame %v, INVITE to key frame %v (median / p95 / max)", f.watch, f.invite)
}

// firstFrame: a viewer of a camera that nobody watches.
func firstFrame(ctx context.Context, b *bench) (res *result, err error) {
	s, err := startServer(ctx, b)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	cameras, stop, err := startSim(ctx, s, sim.Config{Devices: firstFrameCameras})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if err := s.waitComplete(ctx, firstFrameCameras, 2*time.Minute); err != nil {
		return nil, err
	}
	rounds, notes, err := repeat(ctx, b, "first frame", share, func(ctx context.Context) (v firstFrames, sp span, err error) {
		before, err := read(s.pid())
		if err != nil {
			return v, sp, err
		}
		var watch, invite []time.Duration
		for i := range firstFrameCameras {
			id := string(cameras.Device(i).ID)
			d, err := s.watchCold(ctx, id)
			if err != nil {
				return v, sp, fmt.Errorf("watch %s: %w", id, err)
			}
			watch = append(watch, d)
			if err := s.stopAll(ctx, 1); err != nil {
				return v, sp, err
			}
			st, err := s.startStream(ctx, id)
			if err != nil {
				return v, sp, err
			}
			d, ok := st.inviteToKey()
			if !ok || st.Codec != "H264" {
				return v, sp, fmt.Errorf("stream %s: codec %q, stages %v", st.ID, st.Codec, st.Stages)
			}
			invite = append(invite, d)
			if err := s.stopAll(ctx, 1); err != nil {
				return v, sp, err
			}
		}
		after, err := read(s.pid())
		return firstFrames{spreadOf(watch), spreadOf(invite)}, between(before, after, b.cores), err
	})
	if err != nil {
		return nil, err
	}
	m := middle(rounds, func(f firstFrames) float64 { return float64(f.watch.Median) })
	return &result{
		rows: []report.Row{
			report.Bar("INVITE to first key frame over HTTP-FLV, median", millis(m.value.watch.Median), "< 100 ms", m.value.watch.Median < 100*time.Millisecond),
			report.Plain("— 95th percentile, maximum", fmt.Sprintf("%s, %s", millis(m.value.watch.P95), millis(m.value.watch.Max))),
			report.Plain("— INVITE to key frame inside the server (`stages`): median, p95, max", m.value.invite.String()),
		},
		notes: append(notes, fmt.Sprintf("%d cameras (H.264, 25 pictures/s) that answer and send a key frame at once; each asked for once a round over a new HTTP connection "+
			"while nobody watches it. Timed from the request until the tag of the first key frame is wholly read, so login check, INVITE, 200, ACK, RTP, demuxing and FLV are inside.", firstFrameCameras)),
	}, nil
}

// watchCold times GET /live/… until a key frame is read, and leaves.
func (s *server) watchCold(ctx context.Context, id string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/live/"+id+"_"+id+".flv?token="+url.QueryEscape(s.token), nil)
	if err != nil {
		return 0, err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	start := time.Now()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return 0, fmt.Errorf("%s: %s", resp.Status, b)
	}
	flv, err := flvread.New(resp.Body)
	if err != nil {
		return 0, err
	}
	for {
		u, err := flv.NextUnit()
		if err != nil {
			return 0, err
		}
		took := time.Since(start)
		if u.Form != flvread.AVC {
			continue
		}
		if !u.Key || len(u.Units) == 0 || len(u.Params) < 2 {
			return 0, errors.New("the first picture is no key frame with its parameters")
		}
		return took, nil
	}
}

// stopAll ends every stream, which must be want.
func (s *server) stopAll(ctx context.Context, want int) error {
	list, err := s.streams(ctx)
	if err != nil {
		return err
	}
	if len(list) != want {
		return fmt.Errorf("%d streams run, want %d", len(list), want)
	}
	err = inParallel(ctx, len(list), 8, func(ctx context.Context, i int) error { return s.stopStream(ctx, list[i].ID) })
	if err != nil {
		return err
	}
	return until(ctx, 10*time.Second, 5*time.Millisecond, "the end of all streams", func() (bool, string, error) {
		list, err := s.streams(ctx)
		return len(list) == 0, fmt.Sprintf("%d are left", len(list)), err
	})
}
