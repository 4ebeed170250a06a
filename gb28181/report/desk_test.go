package report_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/report"
	"fengsui/shadow/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const nvr, door = gb28181.ID("34020000001180000001"), gb28181.ID("34020000001340000001")

var beijing = time.FixedZone("UTC+8", 8*3600)

// world is all that a desk speaks to.
type world struct {
	*report.Desk
	mu        sync.Mutex
	full      bool
	alarms    []gb28181.Alarm
	positions []gb28181.Position
	kept      []journal.Event
	passed    []journal.Event
	confirmed []string
}

func (w *world) SaveAlarm(a gb28181.Alarm) (int64, bool) {
	w.alarms = append(w.alarms, a)
	return int64(len(w.alarms)), !w.full
}
func (w *world) SavePosition(p gb28181.Position) bool {
	w.positions = append(w.positions, p)
	return !w.full
}
func (w *world) Append(e journal.Event) uint64 { w.kept = append(w.kept, e); return 1 }
func (w *world) Pass(e journal.Event)          { w.passed = append(w.passed, e) }
func (w *world) Confirm(_ context.Context, id gb28181.ID, a manscdp.Answer) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := a.Node(gb28181.Edition2016)
	w.confirmed = append(w.confirmed, string(id)+" "+string(manscdp.Encode(n, "")))
	return err
}

func desk(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.Desk = report.New(func(gb28181.ID) *time.Location { return beijing }, w, w, w, zerolog.Nop(), prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		f(t, w)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func read(t *testing.T, body string) *manscdp.Message {
	t.Helper()
	m, err := manscdp.Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Signalling reference 3.7.1, with the time that a device of now would send.
func alarm(sn int, at string) string {
	return fmt.Sprintf(`<Notify><CmdType>Alarm</CmdType><SN>%d</SN><DeviceID>34020000001340000001</DeviceID><AlarmPriority>1</AlarmPriority>`+
		`<AlarmMethod>5</AlarmMethod><AlarmTime>%s</AlarmTime><AlarmDescription>越界</AlarmDescription>`+
		`<Info><AlarmType>6</AlarmType><AlarmTypeParam><EventType>1</EventType></AlarmTypeParam></Info></Notify>`, sn, at)
}

func TestAnAlarmIsKeptAndToldOnce(t *testing.T) {
	desk(t, func(t *testing.T, w *world) {
		at := time.Now().In(beijing).Truncate(time.Second)
		text := manscdp.FormatTime(at)
		w.Alarm(nvr, read(t, alarm(5, text)))
		w.Alarm(nvr, read(t, alarm(6, text))) // by NOTIFY too: another SN
		time.Sleep(59 * time.Second)
		w.Alarm(nvr, read(t, alarm(5, text))) // sent again
		w.Alarm("34020000001180000002", read(t, alarm(5, text)))
		if len(w.alarms) != 2 || len(w.kept) != 2 {
			t.Fatalf("kept %+v, told %+v", w.alarms, w.kept)
		}
		a := w.alarms[0]
		if a.Device != nvr || a.Channel != door || a.Priority != 1 || a.Method != 5 || a.Type != 6 || a.EventType != 1 ||
			a.Name != "intrusion" || a.Description != "越界" || !a.At.Equal(at) {
			t.Errorf("%+v", a)
		}
		e := w.kept[0]
		if e.Type != "alarm.raised" || e.Device != string(nvr) || e.Channel != string(door) || e.Data["id"] != int64(1) || e.Data["name"] != "intrusion" {
			t.Errorf("%+v", e)
		}
	})
}

func TestAnAlarmWithoutASensibleTimeIsOfNow(t *testing.T) {
	for _, text := range []string{"", "soon", "2099-01-01T00:00:00", "1970-01-01T00:00:00"} {
		desk(t, func(t *testing.T, w *world) {
			w.Alarm(nvr, read(t, alarm(1, text)))
			w.Alarm(nvr, read(t, alarm(1, text)))
			if len(w.alarms) != 1 || !w.alarms[0].At.Equal(w.alarms[0].ReceivedAt) {
				t.Errorf("%q: %+v", text, w.alarms)
			}
		})
	}
}

// Each MESSAGE is answered, a repeated one too: the first answer may be lost.
func TestAnAlarmByMessageIsConfirmed(t *testing.T) {
	desk(t, func(t *testing.T, w *world) {
		m := read(t, alarm(5, "2024-05-01T10:20:30"))
		w.Confirm2(nvr, m)
		w.Confirm2(nvr, m)
		w.Confirm2(nvr, read(t, "<Notify><CmdType>MobilePosition</CmdType><SN>1</SN></Notify>"))
		synctest.Wait()
		if len(w.confirmed) != 2 || !strings.Contains(w.confirmed[0], "<SN>5</SN>") || !strings.Contains(w.confirmed[0], "<Result>OK</Result>") ||
			!strings.HasPrefix(w.confirmed[0], string(nvr)) || !strings.Contains(w.confirmed[0], "<DeviceID>"+string(door)) {
			t.Errorf("%q", w.confirmed)
		}
	})
}

// Confirm2 is the desk's Confirm, which the world's own hides.
func (w *world) Confirm2(id gb28181.ID, m *manscdp.Message) { w.Desk.Confirm(id, m) }

// Signalling reference 3.11, both forms, and 9 row 43.
//
// Quirk: 43
func TestPositionsAreKeptAndToldOnceASecond(t *testing.T) {
	const flat = `<Notify><CmdType>MobilePosition</CmdType><SN>7</SN>%s<Time>2000-01-01T08:00:00</Time><Longitude>118.36</Longitude>` +
		`<Latitude>31.33</Latitude><Speed>36.5</Speed><Direction>90</Direction><Altitude>12</Altitude></Notify>`
	const list = `<Notify><CmdType>MobilePosition</CmdType><SN>8</SN><DeviceID>34020000001180000001</DeviceID><Time>2000-01-01T08:00:00</Time>` +
		`<SumNum>1</SumNum><DeviceList Num="1"><Item><DeviceID>34020000001380000001</DeviceID><CaptureTime>2024-05-01T10:20:29</CaptureTime>` +
		`<Longitude>118.37</Longitude><Latitude>31.33</Latitude></Item></DeviceList></Notify>`
	desk(t, func(t *testing.T, w *world) {
		time.Sleep(100 * time.Millisecond)
		w.Position(nvr, read(t, fmt.Sprintf(flat, "")))
		w.Position(nvr, read(t, fmt.Sprintf(flat, "<DeviceID>"+string(nvr)+"</DeviceID>")))
		w.Position(nvr, read(t, list))
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if len(w.positions) != 3 || w.positions[0].Channel != "" || w.positions[1].Channel != "" || w.positions[2].Channel != "34020000001380000001" {
			t.Errorf("%+v", w.positions)
		}
		if p := w.positions[0]; p.Longitude != 118.36 || p.Speed == nil || *p.Speed != 36.5 || p.At.Format(time.RFC3339) != "2000-01-01T08:00:00+08:00" {
			t.Errorf("%+v", p)
		}
		if len(w.passed) != 1 || w.passed[0].Type != "position.moved" || w.passed[0].Data["longitude"] != 118.37 || len(w.kept) != 0 {
			t.Errorf("told %+v", w.passed)
		}
	})
}

// An alarm by GPS tells a position too (signalling.md section 3.7.1).
func TestAnAlarmByGPSIsAPosition(t *testing.T) {
	desk(t, func(t *testing.T, w *world) {
		w.Alarm(nvr, read(t, `<Notify><CmdType>Alarm</CmdType><SN>1</SN><DeviceID>34020000001180000001</DeviceID><AlarmPriority>4</AlarmPriority>`+
			`<AlarmMethod>4</AlarmMethod><AlarmTime>2024-05-01T10:20:30</AlarmTime><Longitude>118.36</Longitude><Latitude>31.33</Latitude></Notify>`))
		if len(w.alarms) != 1 || len(w.positions) != 1 || w.positions[0].Latitude != 31.33 {
			t.Errorf("%+v, %+v", w.alarms, w.positions)
		}
	})
}
