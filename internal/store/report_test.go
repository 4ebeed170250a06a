package store_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/internal/store"
)

func TestReportsAreKeptListedAndPruned(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	begin := time.UnixMilli(1_790_000_000_000)
	lon, lat := 118.36, 31.33
	for i := range 2500 { // more than one batch
		at := begin.Add(time.Duration(i) * time.Second)
		s.SaveAlarm(gb28181.Alarm{Device: cam, Channel: "34020000001340000001", Priority: 1 + i%4, Method: 5, Type: 2, Name: "motion",
			At: at, ReceivedAt: at, Description: "移动", Longitude: &lon, Latitude: &lat})
		s.SavePosition(gb28181.Position{Device: cam, At: at, ReceivedAt: at, Longitude: lon, Latitude: lat, Speed: &lon})
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := store.ReportFilter{Device: cam, Priority: 1, Method: 5, Since: begin.Add(1000 * time.Second), Until: begin.Add(2000 * time.Second), Limit: 2, Offset: 1}
	list, err := s.Alarms(t.Context(), f)
	if err != nil || len(list) != 2 || list[0].ID != 1993 || list[1].ID != 1989 {
		t.Fatalf("%+v, %v", list, err)
	}
	at := begin.Add(1992 * time.Second)
	want := gb28181.Alarm{ID: 1993, Device: cam, Channel: "34020000001340000001", Priority: 1, Method: 5, Type: 2, Name: "motion",
		At: at, ReceivedAt: at, Description: "移动", Longitude: &lon, Latitude: &lat}
	if !reflect.DeepEqual(list[0], want) {
		t.Errorf("%+v\nwant %+v", list[0], want)
	}
	if n, err := s.CountAlarms(t.Context(), f); n != 250 || err != nil {
		t.Errorf("%d match, %v", n, err)
	}
	for _, c := range []struct {
		f    store.ReportFilter
		want int
	}{{store.ReportFilter{Channel: "x"}, 0}, {store.ReportFilter{Channel: "x", Whole: true}, 2500}, {store.ReportFilter{Before: 11}, 10}} {
		if n, err := s.CountPositions(t.Context(), c.f); n != c.want || err != nil {
			t.Errorf("%+v: %d positions, %v", c.f, n, err)
		}
	}
	// By age alarms, by number positions.
	n, err := s.Prune(t.Context(), begin.Add(2500*time.Second), store.Retention{Keep: 100 * time.Second, Rows: 2000}, store.Retention{Keep: time.Hour, Rows: 10})
	if n != 2400+2490 || err != nil {
		t.Errorf("%d deleted, %v", n, err)
	}
	s = reopen(t, s, cfg)
	if id, kept := s.SaveAlarm(gb28181.Alarm{Device: cam, ReceivedAt: begin}); id != 2501 || !kept {
		t.Errorf("the next alarm is %d", id)
	}
}

func TestAnAlarmIsAcknowledgedEvenBeforeItIsWritten(t *testing.T) {
	s := open(t, config(t))
	id, _ := s.SaveAlarm(gb28181.Alarm{Device: cam, ReceivedAt: time.UnixMilli(1_790_000_000_000)})
	at := time.UnixMilli(1_790_000_001_000)
	a, err := s.Acknowledge(t.Context(), id, "admin", at)
	if err != nil || a.ID != id || a.AcknowledgedBy != "admin" || !a.AcknowledgedAt.Equal(at) {
		t.Errorf("%+v, %v", a, err)
	}
	if n, _ := s.CountAlarms(t.Context(), store.ReportFilter{Open: true}); n != 0 {
		t.Errorf("%d open", n)
	}
	if _, err := s.Acknowledge(t.Context(), id+1, "admin", at); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown alarm: %v", err)
	}
}
