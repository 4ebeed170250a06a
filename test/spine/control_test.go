package spine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/internal/sim"
)

// everyWay runs a test over UDP and TCP in both editions, beside each other.
func everyWay(t *testing.T, do func(t *testing.T, h *house, c sim.Config)) {
	t.Parallel()
	for _, transport := range []string{sim.UDP, sim.TCP} {
		for _, edition := range []gb28181.Edition{gb28181.Edition2016, gb28181.Edition2022} {
			t.Run(transport+"-"+edition.String(), func(t *testing.T) {
				t.Parallel()
				do(t, open(t), sim.Config{Transport: transport, Edition: edition, Keepalive: time.Hour})
			})
		}
	}
}

// refused is a call that has to fail with a code.
func (h *house) refused(code int, method, path string, body any) *problem {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p, err := h.call(ctx, method, path, body, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	if p == nil || p.Code != code {
		h.t.Fatalf("%s %s %v: %+v, want code %d", method, path, body, p, code)
	}
	return p
}

// controls counts the DeviceControls that were sent.
func (h *house) controls(id gb28181.ID) (n int) {
	h.t.Helper()
	for _, m := range h.trace(id, time.Time{}) {
		if m.Dir == "out" && m.Status == 0 && strings.Contains(m.Text, "<CmdType>DeviceControl</CmdType>") {
			n++
		}
	}
	return n
}

func channelURL(d sim.Device) string {
	return fmt.Sprintf("/api/v1/devices/%s/channels/%s", d.ID, d.Channels[0])
}

// Conformance: server Control/DeviceControl/PTZCmd 2016 2022
// Conformance: simulator Control/DeviceControl/PTZCmd 2016 2022
func TestCameraMovesAndIsStoppedThoughTheCallerLeft(t *testing.T) {
	everyWay(t, func(t *testing.T, h *house, c sim.Config) {
		s := h.run(c)
		d := s.Device(0)
		h.complete(d.ID, 1)
		ctx, leave := context.WithTimeout(context.Background(), patience)
		var told struct {
			Moving bool `json:"moving"`
		}
		if p, err := h.call(ctx, "POST", channelURL(d)+"/ptz", map[string]any{"pan": 0.5, "duration_ms": 700}, &told); p != nil || err != nil || !told.Moving {
			t.Fatalf("%+v, %v, %+v", p, err, told)
		}
		leave()
		h.http.CloseIdleConnections()
		if cam := s.Camera(0, 0); cam.Moves != 1 || !cam.Moving {
			t.Errorf("it does not move: %+v", cam)
		}
		eventually(t, "the camera is stopped", func() bool { cam := s.Camera(0, 0); return !cam.Moving && cam.Stops > 0 })
		cam := s.Camera(0, 0)
		if cam.View.Pan < 10 {
			t.Errorf("it looks to %+v", cam.View)
		}
		time.Sleep(200 * time.Millisecond)
		if now := s.Camera(0, 0); now.View != cam.View {
			t.Errorf("it goes on to %+v", now.View)
		}
	})
}

func TestARunningMovementIsStoppedWhenTheServerEnds(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.run(sim.Config{Keepalive: time.Hour})
	d := s.Device(0)
	h.complete(d.ID, 1)
	h.must("POST", channelURL(d)+"/ptz", map[string]any{"tilt": -0.1}, nil)
	h.close()
	if cam := s.Camera(0, 0); cam.Moving || cam.Stops == 0 {
		t.Errorf("it goes on: %+v", cam)
	}
}

func TestARefusedControlIsNotSent(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.run(sim.Config{Edition: gb28181.Edition2016, Keepalive: time.Hour})
	d := s.Device(0)
	h.complete(d.ID, 1)
	url := channelURL(d)
	if p := h.refused(174001, "POST", url+"/ptz", map[string]any{"pan": 1.5}); !strings.Contains(p.Detail, "pan is 1.5: want -1 to 1") {
		t.Errorf("%+v", p)
	}
	h.refused(134001, "POST", "/api/v1/devices/"+string(d.ID)+"/channels/34020000001320000777/ptz", map[string]any{"pan": 1})
	h.refused(124002, "POST", "/api/v1/devices/34020000001320000777/channels/34020000001320000777/ptz", map[string]any{"pan": 1})
	if n := h.controls(d.ID); n != 0 {
		t.Errorf("%d controls were sent", n)
	}
}

func TestAControlToAnOfflineDeviceIsNotSent(t *testing.T) {
	t.Parallel()
	h := open(t)
	ctx, end := context.WithCancel(context.Background())
	s, err := sim.New(sim.Config{Server: h.cfg.SIP.Listen, Password: password, Keepalive: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	d := s.Device(0)
	h.becomes(d.ID, "online")
	h.complete(d.ID, 1)
	end() // it unregisters
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	h.becomes(d.ID, "offline")
	h.refused(126001, "POST", channelURL(d)+"/ptz", map[string]any{"pan": 1, "duration_ms": 100})
	time.Sleep(500 * time.Millisecond)
	if n := h.controls(d.ID); n != 0 {
		t.Errorf("%d controls were sent", n)
	}
}

// Conformance: server Query/PresetQuery 2016 2022
// Conformance: simulator Query/PresetQuery 2016 2022
// Conformance: server Response/PresetQuery 2016 2022
// Conformance: simulator Response/PresetQuery 2016 2022
func TestPresetIsKeptGoneToAndForgotten(t *testing.T) {
	everyWay(t, func(t *testing.T, h *house, c sim.Config) {
		s := h.run(c)
		d := s.Device(0)
		h.complete(d.ID, 1)
		url := channelURL(d) + "/presets"
		type list struct {
			Items []struct {
				Preset int    `json:"preset"`
				Name   string `json:"name"`
			} `json:"items"`
			Complete bool `json:"complete"`
		}
		var none list
		if h.get(url, &none); len(none.Items) != 0 || !none.Complete {
			t.Errorf("at first: %+v", none)
		}
		at := s.Camera(0, 0).View
		set := map[string]any{"preset": 7}
		if c.Edition == gb28181.Edition2022 {
			set["name"] = "门口"
		} else if p := h.refused(124006, "POST", url, map[string]any{"preset": 7, "name": "门口"}); !strings.Contains(p.Remedy, "?edition=2022") {
			t.Errorf("%+v", p)
		}
		h.refused(174001, "POST", url, map[string]any{"preset": 256})
		h.must("POST", url, set, nil)
		var one list
		if h.get(url, &one); len(one.Items) != 1 || one.Items[0].Preset != 7 || (c.Edition == gb28181.Edition2022 && one.Items[0].Name != "门口") {
			t.Errorf("after set: %+v", one)
		}
		h.must("POST", channelURL(d)+"/ptz", map[string]any{"pan": 1, "duration_ms": 300}, nil)
		eventually(t, "the camera is stopped", func() bool { cam := s.Camera(0, 0); return !cam.Moving && cam.View != at })
		h.must("POST", url+"/7/goto", nil, nil)
		if cam := s.Camera(0, 0); cam.View != at {
			t.Errorf("it looks to %+v, not %+v", cam.View, at)
		}
		h.must("DELETE", url+"/7", nil, nil)
		var gone list
		if h.get(url, &gone); len(gone.Items) != 0 {
			t.Errorf("after delete: %+v", gone)
		}
	})
}
