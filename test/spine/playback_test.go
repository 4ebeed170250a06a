package spine_test

import (
	"context"
	"math"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/internal/sim"
)

type playbackView struct {
	streamView
	Recording struct {
		Duration, Position, Scale, Pace float64
		Paused                          bool
		By                              string
	} `json:"recording"`
}

// recording starts a playback of the last hour's first seconds.
func (h *house) recording(id gb28181.ID, length time.Duration) (s playbackView, p *problem) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	p, err := h.call(ctx, "POST", "/api/v1/streams", map[string]any{"device": id, "channel": id, "kind": "playback", "start": start, "end": start.Add(length)}, &s)
	if err != nil {
		h.t.Fatal(err)
	}
	return s, p
}

func (h *house) steer(s playbackView, change map[string]any) (now playbackView) {
	h.t.Helper()
	h.must("PATCH", "/api/v1/streams/"+s.ID, change, &now)
	return now
}

func (h *house) position(s playbackView) float64 {
	h.t.Helper()
	var now playbackView
	h.get("/api/v1/streams/"+s.ID, &now)
	return now.Recording.Position
}

func (h *house) gone(s playbackView) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p, err := h.call(ctx, "GET", "/api/v1/streams/"+s.ID, nil, nil)
	return err == nil && p != nil && p.Code == 144001
}

func TestARecordingIsPausedSoughtAndSpedUp(t *testing.T) {
	t.Parallel()
	h := open(t)
	d := h.run(sim.Config{Edition: gb28181.Edition2022}).Device(0)
	s, p := h.recording(d.ID, 10*time.Minute)
	if p != nil {
		t.Fatalf("%d %s", p.Code, p.Detail)
	}
	v := h.watch(s.streamView)
	defer v.close()
	if s.Recording.Duration != 600 || s.Recording.Scale != 1 {
		t.Errorf("recording %+v", s.Recording)
	}
	within(t, patience, "it plays", func() bool { return h.position(s) > 1 })

	if now := h.steer(s, map[string]any{"paused": true}); !now.Recording.Paused {
		t.Error("not paused")
	}
	time.Sleep(500 * time.Millisecond) // what was on the way
	at := h.position(s)
	time.Sleep(2 * time.Second)
	if now := h.position(s); now != at {
		t.Errorf("paused at %v, then at %v", at, now)
	}
	h.steer(s, map[string]any{"paused": false})
	within(t, patience, "it goes on", func() bool { return h.position(s) > at+0.5 })

	h.steer(s, map[string]any{"position": 300})
	within(t, patience, "it plays from there", func() bool { now := h.position(s); return now > 300.5 && now < 340 })

	h.steer(s, map[string]any{"scale": 4})
	time.Sleep(time.Second)
	at, began := h.position(s), time.Now()
	time.Sleep(3 * time.Second)
	if speed := (h.position(s) - at) / time.Since(began).Seconds(); math.Abs(speed-4) > 0.8 {
		t.Errorf("it runs %.2f times as fast, want 4", speed)
	}

	h.steer(s, map[string]any{"scale": -1})
	time.Sleep(2 * time.Second)
	at = h.position(s)
	within(t, patience, "it runs backwards", func() bool { return h.position(s) < at-1 })
	h.stop(s.streamView)
}

func TestADeviceThatIgnoresTheSpeedShowsWhereItIs(t *testing.T) {
	t.Parallel()
	h := open(t)
	d := h.run(sim.Config{Quirks: []string{"ignore-scale"}}).Device(0)
	s, p := h.recording(d.ID, 10*time.Minute)
	if p != nil {
		t.Fatalf("%d %s", p.Code, p.Detail)
	}
	v := h.watch(s.streamView)
	defer v.close()
	within(t, patience, "it plays", func() bool { return h.position(s) > 2.5 })
	if now := h.steer(s, map[string]any{"scale": 8}); now.Recording.Scale != 8 {
		t.Errorf("%+v", now.Recording)
	}
	time.Sleep(4 * time.Second)
	var now playbackView
	h.get("/api/v1/streams/"+s.ID, &now)
	if now.Recording.Pace != 1 || now.Recording.Position > 20 {
		t.Errorf("%+v, want pace 1", now.Recording)
	}
	h.stop(s.streamView)
}

func TestARecordingEndsByWordOrBySilence(t *testing.T) {
	t.Parallel()
	for name, quirks := range map[string][]string{"by MediaStatus": nil, "by silence": {"no-media-status"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, func(c *configs.Config) { c.Play.Silence = 4 * time.Second })
			d := h.run(sim.Config{Quirks: quirks}).Device(0)
			s, p := h.recording(d.ID, 3*time.Second)
			if p != nil {
				t.Fatalf("%d %s", p.Code, p.Detail)
			}
			within(t, patience, "its end", func() bool { return h.gone(s) })
			within(t, patience, "nothing leased", func() bool { return h.leases() == leases{} })
		})
	}
}

func TestADeviceWithoutASlotNamesWhoHasIt(t *testing.T) {
	t.Parallel()
	h := open(t)
	d := h.run(sim.Config{MaxStreams: 1}).Device(0)
	s, p := h.recording(d.ID, 10*time.Minute)
	if p != nil {
		t.Fatalf("%d %s", p.Code, p.Detail)
	}
	if _, p := h.recording(d.ID, 10*time.Minute); p == nil || p.Code != 146007 {
		t.Errorf("second playback: %+v, want 146007", p)
	}
	h.stop(s.streamView)
	if _, p = h.recording(d.ID, 10*time.Minute); p != nil {
		t.Errorf("after the first ended: %d %s", p.Code, p.Detail)
	}
}
