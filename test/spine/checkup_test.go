package spine_test

import (
	"strings"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/checkup"
	"fengsui/internal/app"
	"fengsui/internal/sim"
)

func (h *house) checkup(id gb28181.ID, act bool) *checkup.Report {
	h.t.Helper()
	r, err := app.AskCheckup(h.t.Context(), h.cfg, app.CheckupQuestion{Key: apiKey, Device: string(id), Act: act, Lang: "en"})
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// A device that does as the standard says passes, in both editions; a step that
// sends something has its messages, without secrets; nothing is set or turned
// unless that is asked for.
func TestTheConformanceTesterSaysWhatADeviceDoes(t *testing.T) {
	t.Parallel()
	h := open(t)
	for i, edition := range []gb28181.Edition{gb28181.Edition2016, gb28181.Edition2022} {
		t.Run(edition.String(), func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			s := h.run(sim.Config{FirstID: number(camera, 900+i), Edition: edition, Keepalive: time.Second, Quirks: []string{"config-password"}})
			d := s.Device(0)
			h.complete(d.ID, 1)
			eventually(t, "keepalive", func() bool { return h.device(d.ID).KeepaliveAt != "" })
			r := h.checkup(d.ID, edition == gb28181.Edition2022)
			names := map[string]checkup.Verdict{}
			for _, step := range r.Steps {
				names[step.Name] = step.Verdict
				if step.Verdict == checkup.Fail || step.Clause == "" || step.Title.ZH == "" || step.Detail.EN == "" || step.Detail.ZH == "" {
					t.Errorf("%+v", step)
				}
				if strings.HasPrefix(step.Name, "live.") || strings.HasPrefix(step.Name, "config.") || step.Name == "device_info" {
					if len(step.Messages) < 3 {
						t.Errorf("%s has %d messages", step.Name, len(step.Messages))
					}
				}
			}
			for _, name := range []string{"registration", "keepalive", "catalog", "device_info", "device_status", "clock", "records", "presets",
				"config.BasicParam", "live.udp", "live.tcp-passive", "subscription.catalog"} {
				if names[name] != checkup.Pass {
					t.Errorf("%s: %q", name, names[name])
				}
			}
			if _, newer := names["config.OSDConfig"]; newer != (edition == gb28181.Edition2022) {
				t.Errorf("asked for OSDConfig: %v", newer)
			}
			if turned := h.sent(d.ID, time.Time{}, "<PTZCmd>") > 0; turned != (edition == gb28181.Edition2022) {
				t.Errorf("a camera was turned: %v", turned)
			}
			if h.sent(d.ID, time.Time{}, "<CmdType>DeviceConfig") > 0 {
				t.Error("the configuration was set")
			}
			if r.Failed != 0 || r.Passed < 12 || r.Device != string(d.ID) || r.Edition != edition.String() {
				t.Errorf("%+v", r)
			}
			b, err := r.JSON()
			if err != nil {
				t.Fatal(err)
			}
			for lang, word := range map[string]string{"en": "| 1 | Registration | 9.1 | pass |", "zh": "| 1 | 注册 | 9.1 | 通过 |"} {
				md := r.Markdown(lang)
				if !strings.Contains(md, word) || !strings.Contains(md, "INVITE sip:") {
					t.Errorf("%s:\n%.600s", lang, md)
				}
				untold(t, "the report", md+r.Text(lang)+string(b), password)
			}
		})
	}
}

// What a device does wrong is found, with words that help.
func TestTheConformanceTesterFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.run(sim.Config{Quirks: []string{"no-keepalive", "busy"}})
	d := s.Device(0)
	h.complete(d.ID, 1)
	want := map[string]checkup.Verdict{"keepalive": checkup.Skipped, "live.udp": checkup.Fail, "live.tcp-passive": checkup.Fail, "registration": checkup.Pass}
	r := h.checkup(d.ID, false)
	for _, step := range r.Steps {
		if v, judged := want[step.Name]; judged && step.Verdict != v {
			t.Errorf("%s: %s, want %s: %s", step.Name, step.Verdict, v, step.Detail.EN)
		}
	}
	if r.Failed < 2 {
		t.Errorf("%d steps failed\n%s", r.Failed, r.Text("en"))
	}
	if _, err := app.AskCheckup(t.Context(), h.cfg, app.CheckupQuestion{Key: apiKey, Device: "34020000001320000099"}); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("of an unknown device: %v", err)
	}
	if _, err := app.AskCheckup(t.Context(), h.cfg, app.CheckupQuestion{Device: string(d.ID)}); err == nil || !strings.Contains(err.Error(), "API key") {
		t.Errorf("without a key: %v", err)
	}
}
