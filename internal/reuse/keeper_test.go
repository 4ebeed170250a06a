package reuse_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fengsui/internal/reuse"
)

func TestLeastFollowsDevicesSessionsAndTheCollector(t *testing.T) {
	for _, c := range []struct {
		devices         int
		session, period time.Duration
		want            int
	}{
		{0, time.Minute, time.Second, 8},
		{100, 50 * time.Millisecond, 10 * time.Second, 8},
		{10_000, 50 * time.Millisecond, 10 * time.Second, 50},
		{100_000, 50 * time.Millisecond, 10 * time.Second, 500},
		{100_000, 50 * time.Millisecond, 500 * time.Millisecond, 10_000},
		{10_001, 32 * time.Second, 10 * time.Second, 32_004}, // rounded up
		{12_000, 10 * time.Second, 0, 1000},                  // no collection yet: two minutes
		{-1, time.Hour, time.Second, 8},
		{1 << 40, time.Hour, time.Millisecond, 1<<31 - 1},
	} {
		if got := (reuse.Load{Devices: c.devices, Session: c.session, Period: c.period}).Least(); got != c.want {
			t.Errorf("%d devices, %v, %v: least %d, want %d", c.devices, c.session, c.period, got, c.want)
		}
	}
}

func TestSizeNeverTakesMoreThanItsShare(t *testing.T) {
	for _, c := range []struct {
		least, bytes int
		share        int64
		want         int
	}{
		{8, 512, 1 << 20, 8},
		{5000, 512, 1 << 20, 2048},
		{8, 512 << 10, 1 << 20, 2}, // the share wins over the least of 8
		{8, 512, 0, 0},
		{8, 0, 100, 8},
	} {
		if got := reuse.Fit(c.least, c.bytes, c.share); got != c.want {
			t.Errorf("Fit(%d, %d, %d) = %d, want %d", c.least, c.bytes, c.share, got, c.want)
		}
	}
}

// table is resized and nothing else.
type table struct{ sizes []int }

func (s *table) Resize(n int)         { s.sizes = append(s.sizes, n) }
func (s *table) Free() int            { return 0 }
func (s *table) Counts() reuse.Counts { return reuse.Counts{} }

func keep(session time.Duration) (*reuse.Keeper, *table) {
	k, s := reuse.NewKeeper(1<<30), new(table)
	k.Keep(reuse.Spec{Name: "answers", Level: reuse.Requests, Bytes: 64, Share: 1.0 / 64, Session: session}, s)
	return k, s
}

func TestSizesFollowDevicesByFivePercent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := keep(10 * time.Second)
		tick := func(devices int) int {
			time.Sleep(time.Second)
			k.Tick(time.Now(), devices, reuse.GC{Period: 10 * time.Second})
			return s.sizes[len(s.sizes)-1]
		}
		for _, c := range []struct{ devices, want int }{
			{0, 8}, {1000, 1000}, {1049, 1000}, {1050, 1050}, {998, 1050}, {997, 997}, {3, 8},
		} {
			if got := tick(c.devices); got != c.want {
				t.Errorf("%d devices: size %d, want %d", c.devices, got, c.want)
			}
		}
	})
}

// Between changes of the devices a size follows what else the model is made of,
// where that is worth it.
func TestSizesFollowTheCollectorByAQuarter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := keep(10 * time.Second)
		for _, c := range []struct {
			period time.Duration
			want   int
		}{{10 * time.Second, 1000}, {9 * time.Second, 1000}, {5 * time.Second, 2000}, {6 * time.Second, 2000}, {10 * time.Second, 1000}} {
			k.Tick(time.Now(), 1000, reuse.GC{Period: c.period})
			if got := s.sizes[len(s.sizes)-1]; got != c.want {
				t.Errorf("a collection each %v: size %d, want %d", c.period, got, c.want)
			}
			time.Sleep(10 * time.Second)
		}
	})
}

func TestSizesStayNearTheNextCollection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := keep(10 * time.Second)
		start := time.Now()
		gc := reuse.GC{Last: start, Period: 10 * time.Second}
		at := func(passed time.Duration, devices int) int {
			time.Sleep(time.Until(start.Add(passed)))
			k.Tick(time.Now(), devices, gc)
			return s.sizes[len(s.sizes)-1]
		}
		for _, c := range []struct {
			passed  time.Duration
			devices int
			want    int
		}{
			{7 * time.Second, 1000, 1000},
			{8 * time.Second, 2000, 2000}, // 2 s before: not within
			{8*time.Second + 1, 3000, 2000},
			{10 * time.Second, 3000, 2000},
			{12*time.Second - 1, 3000, 2000},
			{12 * time.Second, 3000, 3000}, // overdue
		} {
			if got := at(c.passed, c.devices); got != c.want {
				t.Errorf("%v after a collection: size %d, want %d", c.passed, got, c.want)
			}
		}
		if n := k.State().Postponed; n != 3 {
			t.Errorf("postponed %d times, want 3", n)
		}
	})
}

func TestSizesStayWhileCollectionsFollowEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := keep(10 * time.Second)
		for i := range 300 {
			time.Sleep(time.Second)
			k.Tick(time.Now(), 1000*i, reuse.GC{Last: time.Now(), Period: time.Second})
		}
		if len(s.sizes) != 1 {
			t.Errorf("sizes = %v", s.sizes)
		}
		time.Sleep(5 * time.Second) // it is quiet now
		k.Tick(time.Now(), 1000, reuse.GC{Last: time.Now().Add(-5 * time.Second), Period: 2 * time.Second})
		if got := s.sizes[len(s.sizes)-1]; got != 5000 {
			t.Errorf("afterwards: size %d, want 5000", got)
		}
	})
}

func TestSessionIsTheTimeThatItemsAreOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := reuse.NewKeeper(1 << 30)
		p := newThings(k)
		const out = 4 * time.Second
		for range 150 { // fifty start each second, and last four
			for range 50 {
				x := p.Get()
				time.AfterFunc(out, func() { p.Put(x) })
			}
			time.Sleep(time.Second)
			k.Tick(time.Now(), 2000, reuse.GC{Period: 20 * time.Second})
		}
		r := k.State().Kept[0]
		if r.Session < 3*time.Second || r.Session > out {
			t.Errorf("session = %v, want %v", r.Session, out)
		}
		if r.Least < 300 || r.Least > 400 { // 2000 × 4 ÷ 20
			t.Errorf("least = %d, want 400", r.Least)
		}
		time.Sleep(out)
		if free := k.State().Kept[0].Free; free < 200 {
			t.Errorf("%d kept, want all that were out, 200 and more", free)
		}
	})
}

// A burst finds nothing the first time. The next one does, once the model knows
// how many devices there are and how long an item is out.
func TestMissesEndWhenTheModelHasGrown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := reuse.NewKeeper(1 << 20)
		p := newThings(k)
		missed := func() uint64 {
			before := p.Counts().Missed
			var out []*thing
			for range 60 {
				out = append(out, p.Get())
			}
			for range 3 {
				time.Sleep(time.Second)
				k.Tick(time.Now(), 500, reuse.GC{Period: 10 * time.Second})
			}
			for _, x := range out {
				p.Put(x)
			}
			time.Sleep(time.Minute)
			k.Tick(time.Now(), 500, reuse.GC{Period: 10 * time.Second})
			return p.Counts().Missed - before
		}
		first, second, third := missed(), missed(), missed()
		if first != 60 || second > 52 || third != 0 {
			t.Errorf("missed %d, then %d, then %d", first, second, third)
		}
		for _, r := range k.State().Kept {
			if int64(r.Size*r.Bytes) > r.Limit || r.Limit != 1<<20/64 {
				t.Errorf("%s: %d × %d bytes in a share of %d", r.Name, r.Size, r.Bytes, r.Limit)
			}
		}
	})
}

func TestPoolsAreMetrics(t *testing.T) {
	k := reuse.NewKeeper(1 << 20)
	reg := prometheus.NewRegistry()
	reg.MustRegister(k)
	p := newThings(k)
	p.Put(p.Get())
	p.Put(p.Get())
	k.Tick(time.Now(), 3, reuse.GC{Period: 4 * time.Second})
	want := map[string]float64{
		"fengsui_pool_taken_total": 2, "fengsui_pool_returned_total": 2, "fengsui_pool_missed_total": 1, "fengsui_pool_dropped_total": 0,
		"fengsui_pool_returned_twice_total": 0, "fengsui_pool_free": 1, "fengsui_pool_size": 8, "fengsui_pool_least": 8,
		"fengsui_pool_share_bytes": 16384, "fengsui_pool_session_seconds": 0, "fengsui_pool_hit_ratio": 0.5,
		"fengsui_pool_model_devices": 3, "fengsui_pool_model_gc_period_seconds": 4,
		"fengsui_pool_model_computed_total": 1, "fengsui_pool_model_postponed_total": 0,
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		m := f.GetMetric()[0]
		if got := m.GetGauge().GetValue() + m.GetCounter().GetValue(); got != want[f.GetName()] {
			t.Errorf("%s = %v, want %v", f.GetName(), got, want[f.GetName()])
		}
		delete(want, f.GetName())
	}
	if len(want) > 0 {
		t.Errorf("not there: %v", want)
	}
}
