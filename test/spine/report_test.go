package spine_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"fengsui/internal/sim"
	"fengsui/sip/siptest"
)

type alarmView struct {
	ID           int64  `json:"id"`
	Device       string `json:"device"`
	Channel      string `json:"channel"`
	Name         string `json:"name"`
	Acknowledged bool   `json:"acknowledged"`
}

func (h *house) alarms() (list []alarmView) {
	var out struct {
		Items []alarmView `json:"items"`
	}
	h.get("/api/v1/alarms", &out)
	return out.Items
}

// An alarm comes by NOTIFY and by MESSAGE (signalling reference 3.7.1): it is one.
func TestAnAlarmIsSubscribedKeptToldAndAcknowledged(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.run(sim.Config{Channels: 2})
	h.complete(recorder, 2)
	path := "/api/v1/devices/" + string(recorder) + "/subscriptions/alarm"
	h.must("PUT", path, map[string]any{"enabled": true}, nil)
	var sub struct {
		State    string `json:"state"`
		Notifies int    `json:"notifies"`
	}
	eventually(t, "subscription to alarms", func() bool { h.get(path, &sub); return sub.State == "active" })
	if err := s.Alarm(0, 1, 2); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both reports of the alarm", func() bool { h.get(path, &sub); return sub.Notifies >= 2 })
	var list []alarmView
	eventually(t, "the alarm", func() bool { list = h.alarms(); return len(list) > 0 })
	want := alarmView{ID: list[0].ID, Device: string(recorder), Channel: string(s.Device(0).Channels[1]), Name: "motion"}
	if len(list) != 1 || list[0] != want {
		t.Errorf("%+v, want %+v", list, want)
	}
	if told := types(h.events(recorder)); !slices.Contains(told, "alarm.raised") {
		t.Errorf("events %v", told)
	}
	h.must("PATCH", "/api/v1/alarms/1", map[string]any{"acknowledged": true}, nil)
	if list = h.alarms(); !list[0].Acknowledged {
		t.Errorf("%+v", list)
	}
}

// A position without a channel, by a MESSAGE that nobody asked for (signalling
// reference 3.11 and 9 rows 42 and 43), and an alarm that wants an answer.
func TestReportsByMessageAreTakenAndAnAlarmIsAnswered(t *testing.T) {
	t.Parallel()
	h := open(t)
	d := h.camera(siptest.Config{ID: string(recorder), Server: netip.MustParseAddrPort(h.cfg.SIP.Listen)})
	register(d)
	m := d.Request("MESSAGE", `<Notify><CmdType>MobilePosition</CmdType><SN>7</SN><Time>2024-05-01T10:20:30</Time>`+
		`<Longitude>118.36</Longitude><Latitude>31.33</Latitude></Notify>`)
	d.Send(m.Bytes())
	eventually(t, "the position", func() bool {
		var out struct {
			Items []struct {
				Device    string  `json:"device"`
				Channel   string  `json:"channel"`
				Longitude float64 `json:"longitude"`
			} `json:"items"`
		}
		h.get("/api/v1/positions", &out)
		return len(out.Items) == 1 && out.Items[0].Longitude == 118.36 && out.Items[0].Channel == ""
	})
	d.Send(d.Request("MESSAGE", `<Notify><CmdType>Alarm</CmdType><SN>5</SN><DeviceID>34020000001340000001</DeviceID><AlarmPriority>1</AlarmPriority>`+
		`<AlarmMethod>2</AlarmMethod><AlarmTime>2024-05-01T10:20:30</AlarmTime></Notify>`).Bytes())
	const want = "<Response><CmdType>Alarm</CmdType><SN>5</SN><DeviceID>34020000001340000001</DeviceID><Result>OK</Result></Response>"
	for body := ""; !strings.Contains(body, want); { // questions come in between
		q := d.Expect("MESSAGE")
		d.Answer(q, 200, "OK", "")
		if body = string(q.Body); strings.Contains(body, "Alarm") && !strings.Contains(body, want) {
			t.Fatalf("answered %q", body)
		}
	}
}
