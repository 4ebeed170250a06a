package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fengsui/gb28181"
)

func TestAlarmsAreListedAcknowledgedAndExported(t *testing.T) {
	h := build(t)
	h.online(cam)
	now := time.Now().Truncate(time.Millisecond)
	for i := range 1200 { // more than an export reads at a time
		id, _ := h.store.SaveAlarm(gb28181.Alarm{Device: cam, Priority: 1 + i%4, Method: 5, Type: 2, Name: "motion", At: now, ReceivedAt: now,
			Description: `=HYPERLINK("http://evil")`})
		if id != int64(i+1) {
			t.Fatalf("alarm %d got %d", i, id)
		}
	}
	if err := h.store.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var list struct {
		Items []struct {
			ID           int64
			Device, Name string
			Acknowledged bool
		}
		Total int
	}
	h.do(h.admin, "GET", "/api/v1/alarms?device="+string(cam)+"&priority=1&method=5&page_size=2&page=2", nil).want(200).into(&list)
	if list.Total != 300 || len(list.Items) != 2 || list.Items[0].ID != 1189 || list.Items[0].Name != "motion" {
		t.Errorf("%+v", list)
	}
	var a struct {
		Acknowledged   bool
		AcknowledgedBy string `json:"acknowledged_by"`
	}
	h.do(h.admin, "PATCH", "/api/v1/alarms/7", `{"acknowledged":true}`).want(200).into(&a)
	if !a.Acknowledged || a.AcknowledgedBy != "admin" {
		t.Errorf("%+v", a)
	}
	h.do(h.admin, "GET", "/api/v1/alarms?open=true", nil).want(200).into(&list)
	if list.Total != 1199 {
		t.Errorf("%d are open", list.Total)
	}
	h.do(h.admin, "PATCH", "/api/v1/alarms/7", `{"acknowledged":false}`).want(200).into(&a)
	if a.Acknowledged {
		t.Errorf("%+v", a)
	}
	h.do(h.admin, "PATCH", "/api/v1/alarms/9999", `{"acknowledged":true}`).problem(404, 154003)
	h.do(h.admin, "GET", "/api/v1/alarms?since=yesterday", nil).problem(422, 104002)

	lines := strings.Split(strings.TrimSpace(string(h.do(h.admin, "GET", "/api/v1/alarms?format=csv", nil).want(200).body)), "\n")
	if len(lines) != 1201 || !strings.HasPrefix(lines[0], "id,device,") || !strings.HasPrefix(lines[1], "1200,") || !strings.Contains(lines[1], `"'=HYPERLINK(`) {
		t.Errorf("%d lines: %s", len(lines), lines[:2])
	}
	h.do(h.admin, "GET", "/api/v1/alarms?format=csv&since=yesterday", nil).problem(422, 104002)
	h.do("", "GET", "/api/v1/alarms?format=csv", nil).want(401)
}

// Section 9 row 43: what is of a small device as a whole is of its channels too.
//
// Quirk: 43
func TestPositionsOfADeviceAreThoseOfItsChannels(t *testing.T) {
	h := build(t)
	h.online(cam)
	now := time.Now()
	h.store.SavePosition(gb28181.Position{Device: cam, At: now, ReceivedAt: now, Longitude: -118.36, Latitude: 31.33})
	if err := h.store.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for channels, want := range map[int]int{1: 1, 101: 0} {
		if err := h.table.Update(cam, func(d *gb28181.Device) { d.Channels = channels }); err != nil {
			t.Fatal(err)
		}
		var list struct{ Total int }
		h.do(h.admin, "GET", fmt.Sprintf("/api/v1/positions?device=%s&channel=34020000001310000001", cam), nil).want(200).into(&list)
		if list.Total != want {
			t.Errorf("of %d channels: %d positions, want %d", channels, list.Total, want)
		}
	}
	csv := string(h.do(h.admin, "GET", "/api/v1/positions?format=csv&device="+string(cam), nil).want(200).body)
	if !strings.Contains(csv, ",-118.36,31.33,,,,\n") {
		t.Error(csv)
	}
}
