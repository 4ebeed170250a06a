package spine_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/internal/sim"
)

type configView struct {
	Type     string         `json:"type"`
	Values   map[string]any `json:"values"`
	Answered bool           `json:"answered"`
}

// A device's configuration is read and set over HTTP in both editions, over UDP
// and TCP: it does what it was told, and what it has not is refused before
// anything is sent.
//
// Conformance: server Query/ConfigDownload 2016 2022
// Conformance: server Query/ConfigDownload/BasicParam 2016 2022
// Conformance: server Response/ConfigDownload/BasicParam 2016 2022
// Conformance: server Control/DeviceConfig/BasicParam 2016 2022
// Conformance: server Control/DeviceConfig/OSDConfig 2022
// Conformance: server Response/ConfigDownload/OSDConfig 2022
// Conformance: server Response/DeviceConfig 2016 2022
// Conformance: simulator Query/ConfigDownload 2016 2022
// Conformance: simulator Query/ConfigDownload/BasicParam 2016 2022
// Conformance: simulator Response/ConfigDownload/BasicParam 2016 2022
// Conformance: simulator Control/DeviceConfig/BasicParam 2016 2022
// Conformance: simulator Control/DeviceConfig/OSDConfig 2022
// Conformance: simulator Response/ConfigDownload/OSDConfig 2022
// Conformance: simulator Response/DeviceConfig 2016 2022
func TestDevicesAreConfigured(t *testing.T) {
	t.Parallel()
	h := open(t)
	for i, c := range []sim.Config{
		{Edition: gb28181.Edition2016, Transport: sim.UDP}, {Edition: gb28181.Edition2016, Transport: sim.TCP},
		{Edition: gb28181.Edition2022, Transport: sim.UDP}, {Edition: gb28181.Edition2022, Transport: sim.TCP},
	} {
		t.Run(c.Edition.String()+" "+c.Transport, func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			c.FirstID, c.Keepalive, c.Quirks = number(camera, 100+i), time.Hour, []string{"strict"}
			d := h.run(c).Device(0)
			base := "/api/v1/devices/" + string(d.ID) + "/config"

			var v configView
			h.get(base+"/BasicParam", &v)
			if v.Values["name"] != d.Name || v.Values["heart_beat_count"] != 3.0 {
				t.Errorf("BasicParam: %v", v)
			}
			h.must("PUT", base+"/basicparam", map[string]any{"values": map[string]any{"name": "南门", "heart_beat_interval": 5}}, &v)
			if !v.Answered || v.Type != "BasicParam" {
				t.Errorf("set: %+v", v)
			}
			h.get(base+"/BasicParam", &v)
			if v.Values["name"] != "南门" || v.Values["heart_beat_interval"] != 5.0 {
				t.Errorf("BasicParam after it was set: %v", v)
			}
			was := h.device(d.ID).KeepaliveAt
			within(t, patience, "a keepalive in the rhythm that was set", func() bool { return h.device(d.ID).KeepaliveAt != was })

			since := time.Now()
			if p := h.refused(174001, "PUT", base+"/BasicParam", map[string]any{"values": map[string]any{"heart_beat_interval": 0}}); !strings.Contains(p.Detail, "heart_beat_interval is 0: want 5 to 3600") {
				t.Errorf("%+v", p)
			}
			h.refused(184001, "GET", base+"/Nonsense", nil)
			osd := map[string]any{"length": 1920.0, "width": 1080.0, "time_x": 1.0, "time_y": 2.0, "lines": []any{map[string]any{"text": "大门", "x": 3.0, "y": 4.0}}}
			if c.Edition < gb28181.Edition2022 {
				h.refused(124006, "PUT", base+"/OSDConfig", map[string]any{"values": osd})
				h.refused(124006, "GET", base+"/OSDConfig", nil)
				if n := h.sent(d.ID, since, "Config</CmdType>") + h.sent(d.ID, since, "ConfigDownload"); n != 0 {
					t.Errorf("%d messages were sent for what was refused", n)
				}
				return
			}
			h.must("PUT", base+"/OSDConfig", map[string]any{"values": osd}, nil)
			h.get(base+"/OSDConfig", &v)
			want, _ := json.Marshal(osd["lines"])
			if got, _ := json.Marshal(v.Values["lines"]); !bytes.Equal(got, want) || v.Values["time_x"] != 1.0 {
				t.Errorf("OSDConfig after it was set: %v", v)
			}
			var all struct {
				Items   []configView `json:"items"`
				Missing []string     `json:"missing"`
			}
			h.get(base+"?types=BasicParam,VideoParamOpt,SVACEncodeConfig,SVACDecodeConfig,VideoParamAttribute,VideoRecordPlan,VideoAlarmRecord,PictureMask,FrameMirror,AlarmReport,OSDConfig,SnapShotConfig", &all)
			if len(all.Items) != 12 || len(all.Missing) != 0 {
				t.Errorf("all types: %+v", all)
			}
		})
	}
}

func configIsRead(h *house, _ *sim.Sim, d deviceView) {
	h.t.Helper()
	var v configView
	h.get("/api/v1/devices/"+d.ID+"/config/BasicParam", &v)
	if v.Values["heart_beat_count"] != 3.0 {
		h.t.Errorf("BasicParam: %v", v)
	}
	var all struct{ Items []configView }
	h.get("/api/v1/devices/"+d.ID+"/config?types=VideoParamOpt,SVACDecodeConfig,BasicParam", &all)
	if len(all.Items) != 3 {
		h.t.Errorf("three types: %v", all)
	}
}

// The password that a device tells goes nowhere.
func passwordIsDropped(h *house, s *sim.Sim, d deviceView) {
	h.t.Helper()
	configIsRead(h, s, d)
	var answer json.RawMessage
	h.get("/api/v1/devices/"+d.ID+"/config/BasicParam", &answer)
	told := h.trace(gb28181.ID(d.ID), time.Time{})
	var trace strings.Builder
	for _, m := range told {
		trace.WriteString(m.Text)
	}
	if !strings.Contains(trace.String(), "<Password>*") {
		h.t.Error("the device told no password")
	}
	untold(h.t.(*testing.T), "the API", string(answer), password)
	untold(h.t.(*testing.T), "the trace", trace.String(), password)
	untold(h.t.(*testing.T), "the log", h.log.tail(1<<20), password)
	files, err := filepath.Glob(filepath.Join(h.cfg.DataDir, "*"))
	if err != nil || len(files) == 0 {
		h.t.Fatalf("data folder: %v, %v", files, err)
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil {
			untold(h.t.(*testing.T), f, string(b), password)
		}
	}
}

// Configuration that makes a device register anew, without an answer, is set.
func configRejoins(h *house, _ *sim.Sim, d deviceView) {
	h.t.Helper()
	var v configView
	h.must("PUT", "/api/v1/devices/"+d.ID+"/config/BasicParam", map[string]any{"values": map[string]any{"heart_beat_count": 4}}, &v)
	if v.Answered {
		h.t.Error("an answer came")
	}
	h.becomes(gb28181.ID(d.ID), "online")
	h.get("/api/v1/devices/"+d.ID+"/config/BasicParam", &v)
	if v.Values["heart_beat_count"] != 4.0 {
		h.t.Errorf("BasicParam: %v", v)
	}
}
