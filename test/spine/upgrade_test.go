package spine_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"fengsui/internal/sim"
)

// A device fetches the file, restarts, registers anew and tells how it went.
//
// Conformance: server Control/DeviceControl/DeviceUpgrade 2022
// Conformance: simulator Control/DeviceControl/DeviceUpgrade 2022
// Conformance: server Notify/DeviceUpgradeResult 2022
// Conformance: simulator Notify/DeviceUpgradeResult 2022
func TestADeviceIsUpgradedAcrossItsRegistration(t *testing.T) {
	everyWay(t, func(t *testing.T, h *house, c sim.Config) {
		files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2.bin" {
				http.NotFound(w, r)
				return
			}
			_, _ = w.Write(make([]byte, 1<<20))
		}))
		t.Cleanup(files.Close)
		c.Quirks = []string{"strict"}
		s := h.run(c)
		d := s.Device(0)
		h.complete(d.ID, 1)
		eventually(t, "what the device says of itself", func() bool { return h.device(d.ID).Manufacturer != "" })
		url := "/api/v1/devices/" + string(d.ID) + "/upgrades"
		body := map[string]any{"firmware": "V2.0.0", "url": files.URL + "/v2.bin?key=secret"}
		if !h.the2022(c, "POST", url, body) {
			return
		}
		type view struct {
			ID, State, Reason, Before, Runs, By, URL string
		}
		var u view
		ends := func(state string) {
			t.Helper()
			eventually(t, "upgrade "+state, func() bool { h.get(url+"/"+u.ID, &u); return u.State == state })
		}
		was := h.device(d.ID).RegisteredAt
		h.must("POST", url, body, &u)
		h.refused(174002, "POST", url, body)
		ends("done")
		if u.Before != "V1.0.0" || u.Runs != "V2.0.0" || u.By == "" || u.URL != files.URL+"/v2.bin" {
			t.Errorf("%+v", u)
		}
		if v := h.device(d.ID); v.RegisteredAt == was {
			t.Error("the device did not register anew")
		}
		var states []any
		for _, e := range h.events(d.ID) {
			if e.Type == "upgrade.changed" {
				states = append(states, e.Data["state"])
			}
		}
		if len(states) != 3 || states[1] != "rejoined" || states[2] != "done" {
			t.Errorf("events: %v", states)
		}
		var now struct{ Firmware string }
		eventually(t, "the new firmware", func() bool { h.get("/api/v1/devices/"+string(d.ID), &now); return now.Firmware == "V2.0.0" })

		body["url"] = files.URL + "/v3.bin"
		h.must("POST", url, body, &u)
		ends("failed")
		if u.Reason != "the download took too long" || u.Runs != "V2.0.0" {
			t.Errorf("%+v", u)
		}
		body["manufacturer"] = "ACME"
		h.refused(126003, "POST", url, body)
		h.refused(104002, "POST", url, map[string]any{"firmware": "V2", "url": "ftp://192.0.2.1/x"})
		var list struct{ Total int }
		if h.get(url, &list); list.Total != 2 {
			t.Errorf("%d upgrades", list.Total)
		}
		h.refused(174003, "GET", url+"/nothing", nil)
	})
}
