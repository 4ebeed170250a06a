package spine_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/internal/sim"
)

// the2022 reports whether a device has the edition of 2022; if not, what is asked
// for is refused before anything is sent.
func (h *house) the2022(c sim.Config, method, path string, body any) bool {
	h.t.Helper()
	if c.Edition == gb28181.Edition2022 {
		return true
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(path, "/api/v1/devices/"), "/")
	told := func() (n int) {
		for _, word := range []string{"<CmdType>DeviceControl<", "Query</CmdType>", "<CmdType>PTZPosition<", "<CmdType>SDCardStatus<"} {
			n += h.sent(gb28181.ID(id), time.Time{}, word)
		}
		return n
	}
	before := told()
	h.refused(124006, method, path, body)
	if after := told(); after != before {
		h.t.Errorf("%s %s: %d messages were sent for what was refused", method, path, after-before)
	}
	return false
}

type outcome struct {
	Answered bool `json:"answered"`
	Due      bool `json:"due"`
}

// Conformance: server Control/DeviceControl/PTZCmd 2016 2022
// Conformance: simulator Control/DeviceControl/PTZCmd 2016 2022
// Conformance: server Query/CruiseTrackListQuery 2022
// Conformance: server Response/CruiseTrackListQuery 2022
// Conformance: simulator Query/CruiseTrackListQuery 2022
// Conformance: server Query/CruiseTrackQuery 2022
// Conformance: server Response/CruiseTrackQuery 2022
// Conformance: simulator Query/CruiseTrackQuery 2022
func TestACameraGoesRoundACruiseSweepsAScanAndSwitches(t *testing.T) {
	everyWay(t, func(t *testing.T, h *house, c sim.Config) {
		c.Quirks = []string{"strict"}
		s := h.run(c)
		d := s.Device(0)
		h.complete(d.ID, 1)
		url := channelURL(d)
		h.must("POST", url+"/presets", map[string]any{"preset": 1}, nil)
		h.must("POST", url+"/ptz", map[string]any{"pan": 1, "duration_ms": 300}, nil)
		eventually(t, "the camera is stopped", func() bool { cam := s.Camera(0, 0); return !cam.Moving && cam.Stops > 0 })
		h.must("POST", url+"/presets", map[string]any{"preset": 2}, nil)

		named := map[string]any{"preset": 2}
		if c.Edition == gb28181.Edition2022 {
			named["name"] = "夜间"
		}
		h.must("POST", url+"/cruises/3/points", map[string]any{"preset": 1}, nil)
		h.must("POST", url+"/cruises/3/points", named, nil)
		h.must("PATCH", url+"/cruises/3", map[string]any{"dwell_seconds": 1, "speed": 9}, nil)
		h.refused(174001, "PATCH", url+"/cruises/3", map[string]any{"speed": 4096})
		h.refused(174001, "POST", url+"/cruises/256/points", map[string]any{"preset": 1})
		if h.the2022(c, "GET", url+"/cruises", nil) {
			var list struct {
				Items []struct {
					Cruise int
					Name   string
				}
				Complete bool
			}
			if h.get(url+"/cruises", &list); len(list.Items) != 1 || list.Items[0].Cruise != 3 || list.Items[0].Name != "夜间" || !list.Complete {
				t.Errorf("cruises: %+v", list)
			}
		}
		if h.the2022(c, "GET", url+"/cruises/3", nil) {
			var one struct {
				Cruise int
				Name   string
				Points []struct {
					Preset, Speed int
					Dwell         int `json:"dwell_seconds"`
				}
				Complete bool
			}
			h.get(url+"/cruises/3", &one)
			if one.Cruise != 3 || one.Name != "夜间" || len(one.Points) != 2 || one.Points[1].Preset != 2 || one.Points[1].Dwell != 1 || one.Points[1].Speed != 9 || !one.Complete {
				t.Errorf("cruise: %+v", one)
			}
			h.refused(126003, "GET", url+"/cruises/9", nil)
		}

		// A cruise goes on although a movement before it is owed a stop; one with a
		// duration is stopped though nobody calls.
		h.must("POST", url+"/ptz", map[string]any{"pan": 0.1, "duration_ms": 200}, nil)
		h.must("POST", url+"/cruises/3/start", nil, nil)
		time.Sleep(700 * time.Millisecond)
		if cam := s.Camera(0, 0); cam.Cruising != 3 {
			t.Errorf("it does not cruise: %+v", cam)
		}
		first := s.Camera(0, 0).View
		eventually(t, "the next preset", func() bool { return s.Camera(0, 0).View != first })
		h.must("POST", url+"/cruises/3/stop", nil, nil)
		if cam := s.Camera(0, 0); cam.Cruising != -1 {
			t.Errorf("it goes on: %+v", cam)
		}
		h.must("POST", url+"/cruises/3/start", map[string]any{"duration_ms": 400}, nil)
		eventually(t, "the cruise is stopped", func() bool { return s.Camera(0, 0).Cruising == -1 })
		h.refused(174001, "POST", url+"/cruises/3/start", map[string]any{"duration_ms": 86_400_001})
		h.must("DELETE", url+"/cruises/3/points/1", nil, nil)
		h.must("DELETE", url+"/cruises/3", nil, nil)

		h.must("POST", url+"/presets/1/goto", nil, nil)
		h.must("POST", url+"/scan", map[string]any{"scan": 1, "do": "left_limit"}, nil)
		h.must("POST", url+"/presets/2/goto", nil, nil)
		h.must("POST", url+"/scan", map[string]any{"scan": 1, "do": "right_limit"}, nil)
		h.must("POST", url+"/scan", map[string]any{"scan": 1, "do": "speed", "speed": 20}, nil)
		h.must("POST", url+"/scan", map[string]any{"scan": 1, "do": "start", "duration_ms": 600}, nil)
		if cam := s.Camera(0, 0); cam.Scanning != 1 {
			t.Errorf("it does not sweep: %+v", cam)
		}
		eventually(t, "the scan is stopped", func() bool { return s.Camera(0, 0).Scanning == -1 })
		h.refused(174001, "POST", url+"/scan", map[string]any{"scan": 1, "do": "speed", "speed": -1})
		h.refused(104002, "POST", url+"/scan", map[string]any{"do": "dance"})

		h.must("POST", url+"/aux", map[string]any{"switch": 1, "on": true}, nil)
		if !s.Camera(0, 0).Switches[1] {
			t.Error("the wiper rests")
		}
		h.must("POST", url+"/aux", map[string]any{"switch": 1, "on": false}, nil)
		if s.Camera(0, 0).Switches[1] {
			t.Error("the wiper wipes")
		}
		h.refused(174001, "POST", url+"/aux", map[string]any{"switch": 256, "on": true})
	})
}

// Conformance: server Control/DeviceControl/HomePosition 2016 2022
// Conformance: simulator Control/DeviceControl/HomePosition 2016 2022
// Conformance: server Query/HomePositionQuery 2022
// Conformance: server Response/HomePositionQuery 2022
// Conformance: simulator Query/HomePositionQuery 2022
// Conformance: server Control/DeviceControl/PTZPreciseCtrl 2022
// Conformance: simulator Control/DeviceControl/PTZPreciseCtrl 2022
// Conformance: server Query/PTZPosition 2022
// Conformance: server Response/PTZPosition 2022
// Conformance: simulator Query/PTZPosition 2022
// Conformance: server Control/DeviceControl/FormatSDCard 2022
// Conformance: simulator Control/DeviceControl/FormatSDCard 2022
// Conformance: server Query/SDCardStatus 2022
// Conformance: server Response/SDCardStatus 2022
// Conformance: simulator Query/SDCardStatus 2022
// Conformance: server Query/MobilePosition 2016 2022
// Conformance: server Notify/MobilePosition 2016 2022
// Conformance: simulator Query/MobilePosition 2016 2022
// Conformance: simulator Notify/MobilePosition 2016 2022
// Conformance: server Query/Alarm 2016 2022
// Conformance: simulator Query/Alarm 2016 2022
func TestADeviceTellsWhereItLooksAndWhatItHas(t *testing.T) {
	everyWay(t, func(t *testing.T, h *house, c sim.Config) {
		c.Quirks = []string{"strict"}
		s := h.run(c)
		d := s.Device(0)
		h.complete(d.ID, 1)
		url := channelURL(d)
		device := "/api/v1/devices/" + string(d.ID)

		var o outcome
		h.must("POST", url+"/presets", map[string]any{"preset": 4}, nil)
		home := s.Camera(0, 0).View
		if h.must("PUT", url+"/home_position", map[string]any{"enabled": true, "reset_seconds": 0, "preset": 4}, &o); !o.Answered || !o.Due {
			t.Errorf("home position: %+v", o)
		}
		h.refused(174001, "PUT", url+"/home_position", map[string]any{"enabled": false, "preset": 4})
		h.refused(174001, "PUT", url+"/home_position", map[string]any{"enabled": true, "preset": 256})
		if h.the2022(c, "GET", url+"/home_position", nil) {
			var have struct {
				Enabled bool
				Reset   int `json:"reset_seconds"`
				Preset  int
			}
			if h.get(url+"/home_position", &have); !have.Enabled || have.Reset != 0 || have.Preset != 4 {
				t.Errorf("home position: %+v", have)
			}
		}
		h.must("POST", url+"/ptz", map[string]any{"pan": 1, "duration_ms": 200}, nil)
		eventually(t, "the camera is home again", func() bool { cam := s.Camera(0, 0); return cam.Stops > 0 && !cam.Moving && cam.View == home })
		h.must("PUT", url+"/home_position", map[string]any{"enabled": false}, nil)

		there := map[string]any{"pan": 123.45, "tilt": -15, "zoom": 3.5}
		if h.the2022(c, "PUT", url+"/ptz_position", there) {
			h.must("PUT", url+"/ptz_position", there, nil)
			h.refused(174001, "PUT", url+"/ptz_position", map[string]any{"pan": 361})
			h.refused(174001, "PUT", url+"/ptz_position", map[string]any{})
		}
		if h.the2022(c, "GET", url+"/ptz_position", nil) {
			var look struct {
				Pan, Tilt, Zoom float64
				Angle           float64 `json:"horizontal_angle"`
			}
			if h.get(url+"/ptz_position", &look); look.Pan != 123.45 || look.Tilt != -15 || look.Zoom != 3.5 || math.Abs(look.Angle-17.14) > 0.01 {
				t.Errorf("it looks to %+v", look)
			}
		}

		if h.the2022(c, "POST", device+"/sdcards/1/format", nil) {
			h.must("POST", device+"/sdcards/1/format", nil, &o)
			if o.Answered || o.Due {
				t.Errorf("format: %+v", o)
			}
		}
		if h.the2022(c, "GET", device+"/sdcards", nil) {
			var cards struct {
				Items []struct {
					Card, Progress int
					State          string
					Free           int `json:"free_mb"`
				}
			}
			state := func() string { h.get(device+"/sdcards", &cards); return cards.Items[0].State }
			if state() != "formatting" || len(cards.Items) != 2 || cards.Items[1].State != "ok" || cards.Items[0].Progress > 99 {
				t.Errorf("cards: %+v", cards)
			}
			free := cards.Items[1].Free
			eventually(t, "the card is formatted", func() bool { return state() == "ok" })
			if cards.Items[0].Free <= free {
				t.Errorf("cards: %+v", cards)
			}
		}

		var at struct {
			Items []struct{ Longitude, Latitude float64 }
		}
		if h.get(device+"/position", &at); len(at.Items) != 1 || at.Items[0].Longitude < 118 {
			t.Errorf("position: %+v", at)
		}
		var kept struct{ Total int }
		eventually(t, "the position is kept", func() bool { h.get("/api/v1/positions?device="+string(d.ID), &kept); return kept.Total == 1 })
		h.must("POST", device+"/alarm_query", map[string]any{"methods": []int{2, 5}, "since": time.Now().Add(-time.Hour)}, &o)
		if !o.Answered {
			t.Errorf("alarms: %+v", o)
		}
	})
}

// Conformance: server Control/DeviceControl/RecordCmd 2016 2022
// Conformance: simulator Control/DeviceControl/RecordCmd 2016 2022
// Conformance: server Control/DeviceControl/GuardCmd 2016 2022
// Conformance: simulator Control/DeviceControl/GuardCmd 2016 2022
// Conformance: server Control/DeviceControl/AlarmCmd 2016 2022
// Conformance: simulator Control/DeviceControl/AlarmCmd 2016 2022
// Conformance: server Control/DeviceControl/DragZoomIn 2016 2022
// Conformance: simulator Control/DeviceControl/DragZoomIn 2016 2022
// Conformance: server Control/DeviceControl/DragZoomOut 2016 2022
// Conformance: simulator Control/DeviceControl/DragZoomOut 2016 2022
// Conformance: server Control/DeviceControl/TargetTrack 2022
// Conformance: simulator Control/DeviceControl/TargetTrack 2022
// Conformance: server Control/DeviceControl/TeleBoot 2016 2022
// Conformance: simulator Control/DeviceControl/TeleBoot 2016 2022
// Conformance: server Query/DeviceStatus 2016 2022
// Conformance: server Response/DeviceStatus 2016 2022
// Conformance: simulator Query/DeviceStatus 2016 2022
// Conformance: server Response/DeviceControl 2016 2022
func TestADeviceIsCommandedByName(t *testing.T) {
	everyWay(t, func(t *testing.T, h *house, c sim.Config) {
		c.Quirks = []string{"strict"}
		s := h.run(c)
		d := s.Device(0)
		h.complete(d.ID, 1)
		device := "/api/v1/devices/" + string(d.ID)
		url, channel := device+"/commands", string(d.Channels[0])
		var o outcome
		condition := func() (v struct {
			Recording string
			Alarms    []struct{ State string }
		}) {
			h.get(device+"/condition", &v)
			return v
		}
		do := func(what map[string]any, due bool) {
			t.Helper()
			if h.must("POST", url, what, &o); o.Answered != due || o.Due != due {
				t.Errorf("%v: %+v", what, o)
			}
		}
		do(map[string]any{"command": "RecordCmd", "channel": channel, "on": true}, true)
		if v := condition(); v.Recording != "ON" {
			t.Errorf("it does not record: %+v", v)
		}
		do(map[string]any{"command": "RecordCmd", "channel": channel}, true)
		if v := condition(); v.Recording != "OFF" {
			t.Errorf("it records: %+v", v)
		}
		sub := map[string]any{"command": "RecordCmd", "channel": channel, "on": true, "stream": 1}
		if h.the2022(c, "POST", url, sub) {
			do(sub, true)
		}

		state := func(want string) {
			t.Helper()
			if v := condition(); len(v.Alarms) != 1 || v.Alarms[0].State != want {
				t.Errorf("guard: %+v, want %s", v, want)
			}
		}
		do(map[string]any{"command": "GuardCmd", "on": true}, true)
		state("ONDUTY")
		if err := s.Alarm(0, 0, 2); err != nil {
			t.Fatal(err)
		}
		state("ALARM")
		do(map[string]any{"command": "AlarmCmd", "methods": []int{2}}, true) // another
		state("ALARM")
		do(map[string]any{"command": "AlarmCmd", "methods": []int{5}, "types": []int{2}}, true)
		state("ONDUTY")
		do(map[string]any{"command": "GuardCmd"}, true)
		state("OFFDUTY")
		h.refused(174001, "POST", url, map[string]any{"command": "AlarmCmd", "methods": []int{8}})

		area := map[string]any{"window_width": 1000, "window_height": 500, "x": 750, "y": 250, "width": 250, "height": 125}
		before := s.Camera(0, 0).View
		do(map[string]any{"command": "DragZoomIn", "channel": channel, "area": area}, false)
		in := s.Camera(0, 0).View
		if in.Zoom != 4*before.Zoom || in.Pan <= before.Pan {
			t.Errorf("from %+v to %+v", before, in)
		}
		do(map[string]any{"command": "DragZoomOut", "channel": channel, "area": area}, false)
		if out := s.Camera(0, 0).View; out.Zoom != before.Zoom {
			t.Errorf("from %+v to %+v", in, out)
		}
		h.refused(174001, "POST", url, map[string]any{"command": "DragZoomIn", "channel": channel})

		track := map[string]any{"command": "TargetTrack", "channel": channel, "mode": "Manual", "area": area, "panorama": channel}
		if h.the2022(c, "POST", url, track) {
			do(track, false)
			if got := s.Camera(0, 0).Tracking; got != "Manual" {
				t.Errorf("it tracks %q", got)
			}
			h.refused(174001, "POST", url, map[string]any{"command": "TargetTrack", "channel": channel, "mode": "Manual"})
		}
		h.refused(104002, "POST", url, map[string]any{"command": "SelfDestruct"})
		h.refused(134001, "POST", url, map[string]any{"command": "RecordCmd", "channel": "34020000001320000777"})

		was := h.device(d.ID).RegisteredAt
		do(map[string]any{"command": "TeleBoot"}, false)
		eventually(t, "the device registers anew", func() bool { v := h.device(d.ID); return v.RegisteredAt != was && v.State == "online" })
	})
}

// Conformance: server Control/DeviceControl/IFameCmd 2016
// Conformance: simulator Control/DeviceControl/IFameCmd 2016
// Conformance: server Control/DeviceControl/IFrameCmd 2022
// Conformance: simulator Control/DeviceControl/IFrameCmd 2022
func TestAKeyPictureIsForced(t *testing.T) {
	everyWay(t, func(t *testing.T, h *house, c sim.Config) {
		c.Quirks = []string{"strict"}
		s := h.run(c)
		d := s.Device(0)
		h.complete(d.ID, 1)
		v := h.plays(d.ID, d.Channels[0], "")
		// The clip has one a second.
		eventually(t, "key pictures closer than a second", func() bool {
			h.must("POST", "/api/v1/devices/"+string(d.ID)+"/commands", map[string]any{"command": "IFameCmd", "channel": d.Channels[0]}, nil)
			var now struct {
				Stats struct {
					Interval int `json:"key_interval_ms"`
				}
			}
			h.get("/api/v1/streams/"+v.ID, &now)
			return now.Stats.Interval > 0 && now.Stats.Interval < 900
		})
	})
}
