package records_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/records"
)

// device answers for a recorder: a part every 10 ms.
type device struct {
	*records.Records
	reg   *prometheus.Registry
	truth []manscdp.RecordItem
	size  int
	// lose says which parts do not arrive; nil: none.
	lose func(question, part int) bool
	// err is what a question meets; nil: it is taken.
	err error
	sn  int // added to the SN of answers

	mu    sync.Mutex
	asked []manscdp.RecordQuery
}

func open(d *device, cfg records.Config) *device {
	cfg.Zone = beijing
	d.reg = prometheus.NewRegistry()
	if d.size == 0 {
		d.size = 2
	}
	d.Records = records.New(cfg, d, zerolog.Nop(), d.reg)
	return d
}

func (d *device) AskRecords(_ context.Context, id gb28181.ID, q manscdp.RecordQuery) error {
	d.mu.Lock()
	d.asked = append(d.asked, q)
	n := len(d.asked)
	d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	from, _ := manscdp.ParseTime(q.StartTime, beijing)
	to, _ := manscdp.ParseTime(q.EndTime, beijing)
	go func() {
		for i, p := range parts(within(d.truth, records.Span{From: from, To: to}), d.size) {
			time.Sleep(10 * time.Millisecond)
			if d.lose != nil && d.lose(n, i) {
				continue
			}
			p.SN, p.DeviceID, p.Name = q.SN+d.sn, q.DeviceID, "大门"
			body, err := manscdp.AppendBody(nil, p, gb28181.Edition2022, "")
			if err != nil {
				panic(err)
			}
			m, err := manscdp.Decode(body)
			if err != nil {
				panic(err)
			}
			d.Response(id, m)
		}
	}()
	return nil
}

func (d *device) questions() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.asked)
}

func query(from, to int) records.Query {
	return records.Query{Device: recorder, Channel: channel, Span: span(from, to)}
}

func hour() (list []manscdp.RecordItem) {
	for i := range 60 {
		list = append(list, item(60*i, 60*i+60))
	}
	return list
}

func TestLostPartsAreAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(&device{truth: hour(), lose: func(question, part int) bool { return question == 1 && part%7 == 3 || question == 3 }}, records.Config{})
		res, err := d.Find(t.Context(), query(0, 3600))
		if err != nil || !res.Complete || len(res.Records) != 60 || res.Announced != 60 || res.Rounds != 3 || len(res.Ranges) != 1 {
			t.Fatalf("%+v, %v", res, err)
		}
		if n := d.questions(); n != 1+4+1 { // four gaps, of which one got no answer
			t.Errorf("%d questions", n)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if !slices.ContainsFunc(d.asked[1:5], func(q manscdp.RecordQuery) bool {
			return q.StartTime == "2024-05-01T00:06:00" && q.EndTime == "2024-05-01T00:08:00" && q.SN != d.asked[0].SN
		}) {
			t.Errorf("asked again: %+v", d.asked[1:5])
		}
	})
}

// On a far line each question takes its time: several are on the way together.
func TestGapsAreAskedForBesideEachOther(t *testing.T) {
	const far = 300 * time.Millisecond
	took := map[string]time.Duration{}
	for name, c := range map[string]struct {
		atOnce int
		drops  bool // a device that takes no question while it answers another
	}{"one by one": {1, false}, "four": {4, false}, "four at a device that takes one": {4, true}} {
		synctest.Test(t, func(t *testing.T) {
			d := open(&device{truth: hour()}, records.Config{AtOnce: c.atOnce})
			var mu sync.Mutex
			busy := time.Time{}
			d.lose = func(question, part int) bool {
				if question == 1 {
					return part%2 == 1
				}
				mu.Lock()
				lost := c.drops && time.Now().Before(busy)
				busy = time.Now().Add(far)
				mu.Unlock()
				time.Sleep(far)
				return lost
			}
			began := time.Now()
			res, err := d.Find(t.Context(), query(0, 3600))
			if err != nil || !res.Complete || len(res.Records) != 60 {
				t.Errorf("%s: %+v, %v", name, res, err)
			}
			took[name] = time.Since(began)
			time.Sleep(time.Minute) // what the device still sends
		})
	}
	const first = 5 * time.Second // the silence that ends the first answer
	one, four, drops := took["one by one"]-first, took["four"]-first, took["four at a device that takes one"]-first
	if four > one/2 || drops > 2*one {
		t.Errorf("after the first answer: %v, want four to take less than half of one by one, and not much more where they are lost", took)
	}
}

func TestADeviceThatStallsIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(&device{truth: hour()}, records.Config{Between: 5 * time.Second})
		d.lose = func(_, part int) bool {
			if part == 10 {
				time.Sleep(40 * time.Second)
			}
			return false
		}
		if res, err := d.Find(t.Context(), query(0, 3600)); err != nil || !res.Complete || len(res.Records) != 60 {
			t.Fatalf("%+v, %v", res, err)
		}
		time.Sleep(5 * time.Minute) // what still comes finds no search
	})
}

func TestWhatNeverComesIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(&device{truth: hour(), lose: func(question, part int) bool { return question > 1 || part > 9 }}, records.Config{Rounds: 3})
		res, err := d.Find(t.Context(), query(0, 3600))
		if err != nil || res.Complete || len(res.Records) != 20 || len(res.Missing) != 1 || res.Reason == "" {
			t.Fatalf("%+v, %v", res, err)
		}
		if m := res.Missing[0]; !m.From.Equal(at(1200)) || !m.To.Equal(at(3600)) {
			t.Errorf("missing %v", m)
		}
	})
}

func TestEqualQueriesAreOneSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(&device{truth: hour()}, records.Config{})
		var all sync.WaitGroup
		for i := range 5 {
			all.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if i == 0 { // the first to go away ends nothing for the others
					time.AfterFunc(50*time.Millisecond, cancel)
				}
				res, err := d.Find(ctx, query(0, 3600))
				if err != nil || res.Complete != (i > 0) || i == 0 && len(res.Missing) == 0 {
					t.Errorf("caller %d: %+v, %v", i, res, err)
				}
			})
		}
		all.Wait()
		if n := d.questions(); n != 1 {
			t.Errorf("%d questions", n)
		}
	})
}

func TestASearchEndsWithItsLastCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(&device{truth: hour(), lose: func(int, int) bool { return true }}, records.Config{})
		cause := errors.New("the caller has gone")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		if _, err := d.Find(ctx, query(0, 3600)); !errors.Is(err, cause) {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if n := d.questions(); n != 1 {
			t.Errorf("%d questions for nobody", n)
		}
	})
}

func TestADeviceThatGoesLeavesWhatHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(&device{truth: hour()}, records.Config{})
		time.AfterFunc(105*time.Millisecond, func() { d.Cancel(recorder, "no keepalive") })
		res, err := d.Find(t.Context(), query(0, 3600))
		if err != nil || res.Complete || len(res.Records) != 20 || !strings.Contains(res.Reason, "no keepalive") {
			t.Errorf("%+v, %v", res, err)
		}
		d.Cancel(recorder, "again")
		time.AfterFunc(5*time.Millisecond, func() { d.Cancel(recorder, "no keepalive") })
		if _, err := d.Find(t.Context(), query(0, 3600)); !errors.Is(err, gb28181.ErrOffline) {
			t.Error(err)
		}
		time.Sleep(time.Minute)
	})
}

func TestADeviceThatSendsNothingIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(&device{lose: func(int, int) bool { return true }}, records.Config{})
		began := time.Now()
		if _, err := d.Find(t.Context(), query(0, 31*86400)); !errors.Is(err, gb28181.ErrTimeout) || time.Since(began) > 40*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		d = open(&device{err: gb28181.ErrOffline}, records.Config{})
		if _, err := d.Find(t.Context(), query(0, 60)); !errors.Is(err, gb28181.ErrOffline) {
			t.Error(err)
		}
	})
}

func TestARefusalIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(&device{lose: func(int, int) bool { return true }}, records.Config{})
		time.AfterFunc(time.Second, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			m, _ := manscdp.Decode([]byte(fmt.Sprintf("<Response><CmdType>RecordInfo</CmdType><SN>%d</SN><DeviceID>%s</DeviceID><Result>ERROR</Result></Response>", d.asked[0].SN, channel)))
			d.Response(recorder, m)
		})
		if _, err := d.Find(t.Context(), query(0, 60)); !errors.Is(err, gb28181.ErrRefused) {
			t.Error(err)
		}
	})
}

// Signalling.md section 3.2: the SN of an answer may be another than asked.
func TestAnAnswerUnderAnotherSNIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(&device{truth: hour(), sn: 1 << 25}, records.Config{})
		if res, err := d.Find(t.Context(), query(0, 3600)); err != nil || !res.Complete || len(res.Records) != 60 {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

func TestRecordingsOfOneSearchAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(&device{truth: hour()}, records.Config{MaxRecords: 31})
		res, err := d.Find(t.Context(), query(0, 3600))
		if err != nil || res.Complete || len(res.Records) != 31 || !strings.Contains(res.Reason, "more than 31 recordings: ask for a shorter time") {
			t.Errorf("%+v, %v", res, err)
		}
		time.Sleep(time.Minute)
		families, _ := d.reg.Gather()
		counted := 0.0
		for _, f := range families {
			if f.GetName() == "fengsui_records_over_total" {
				counted = f.GetMetric()[0].GetCounter().GetValue()
			}
		}
		if counted != 1 {
			t.Errorf("counted %v times", counted)
		}
	})
}

func TestSearchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(&device{truth: hour()}, records.Config{MaxSearches: 3, MaxOfDevice: 2})
		var all sync.WaitGroup
		find := func(id gb28181.ID, to int) error {
			q := query(0, to)
			q.Device = id
			_, err := d.Find(t.Context(), q)
			return err
		}
		for i := range 2 {
			all.Go(func() {
				if err := find(recorder, 3600+i); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if err := find(recorder, 60); !errors.Is(err, records.ErrBusy) {
			t.Errorf("third of a device: %v", err)
		}
		all.Go(func() {
			if err := find("34020000001180000002", 60); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if err := find("34020000001180000003", 60); !errors.Is(err, records.ErrBusy) {
			t.Errorf("fourth in all: %v", err)
		}
		all.Wait()
		if err := find(recorder, 60); err != nil {
			t.Errorf("after them: %v", err)
		}
	})
}
