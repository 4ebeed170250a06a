package device

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/shadow"
	"fengsui/sip/flow"
)

var deaf = ProberFunc(func(context.Context, gb28181.ID, flow.Flow) error { return context.DeadlineExceeded })

func quietTable() *Table {
	return New(Config{}, deaf, nil, zerolog.Nop(), prometheus.NewRegistry())
}

func numbered(i int) Registration {
	return Registration{
		ID:   gb28181.ID(fmt.Sprintf("3402000000132%07d", i)),
		Flow: flow.Flow{Transport: flow.UDP, Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 5060)},
		// As long as what cameras write.
		Contact: fmt.Sprintf("sip:3402000000132%07d@10.0.0.1:5060", i), CallID: fmt.Sprintf("%032d@10.0.0.1", i),
		UserAgent: string(append([]byte(nil), "Embedded Net DVR/NVR/DVS"...)),
		Expires:   time.Hour, At: time.Now(),
	}
}

// A machine that slept, or a process that was stopped, says nothing about the
// devices: they get an interval to be heard before they are judged.
func TestDevicesGetTimeAfterWeWereHeldUp(t *testing.T) {
	tb := quietTable()
	reg := numbered(1)
	reg.Expires = 10 * time.Minute
	if _, err := tb.Bind(reg); err != nil {
		t.Fatal(err)
	}
	start := reg.At
	state := func() shadow.State { d, _ := tb.Device(reg.ID); return d.Presence.State }
	tb.swept = start
	for s := range 30 {
		tb.sweep(t.Context(), start.Add(time.Duration(s)*time.Second))
	}
	back := start.Add(2 * time.Hour)
	for s := range 59 {
		tb.sweep(t.Context(), back.Add(time.Duration(s)*time.Second))
		if got := state(); got != shadow.Online {
			t.Fatalf("%v %d s after we came back", got, s)
		}
	}
	// Registered long ago by our clock, yet within the time it was given.
	if err := tb.Keepalive(reg.ID, reg.Flow, true, back.Add(30*time.Second)); err != nil {
		t.Errorf("keepalive during the grace: %v", err)
	}
	for s := range 10 {
		tb.sweep(t.Context(), back.Add(time.Duration(59+s)*time.Second))
	}
	if got := state(); got != shadow.Offline {
		t.Errorf("%v although the registration expired and the grace is over", got)
	}
}

func TestWheelWakesEachRowOnceAndInTime(t *testing.T) {
	start := time.Now()
	w := &wheel{base: start, tick: time.Second}
	rng := rand.New(rand.NewPCG(1, 2))
	want := map[*row]time.Duration{}
	for range 500 {
		r := &row{}
		for range rng.IntN(3) + 1 { // moved about before it settles
			want[r] = time.Duration(rng.IntN(1_000_000)) * time.Millisecond
			w.put(r, start.Add(want[r]))
		}
		if rng.IntN(10) == 0 {
			w.remove(r)
			delete(want, r)
		}
	}
	for s := 0; s <= 1001; s += 1 + rng.IntN(3) {
		now := time.Duration(s) * time.Second
		for _, r := range w.advance(nil, start.Add(now)) {
			due, there := want[r]
			if !there {
				t.Fatal("woken twice, or removed")
			}
			if now < due || now-due > 4*time.Second {
				t.Errorf("due after %v, woken after %v", due, now)
			}
			delete(want, r)
		}
	}
	if len(want) != 0 {
		t.Errorf("%d rows never woken", len(want))
	}
}

func TestWheelWakesFarRowsEarlyAndOldRowsAtOnce(t *testing.T) {
	start := time.Now()
	w := &wheel{base: start, tick: time.Second}
	far, old := &row{}, &row{}
	w.put(far, start.Add(24*time.Hour))
	w.put(old, start.Add(-time.Hour))
	if got := w.advance(nil, start.Add(time.Second)); len(got) != 1 || got[0] != old {
		t.Fatalf("%d rows after a second", len(got))
	}
	if got := w.advance(nil, start.Add(wheelSlots*time.Second)); len(got) != 1 || got[0] != far {
		t.Fatalf("%d rows at the horizon", len(got))
	}
	w.put(far, start)
	if got := w.advance(nil, start.Add(48*time.Hour)); len(got) != 1 {
		t.Fatalf("%d rows after a long stop", len(got))
	}
}

func TestSlowWatcherIsToldTheOutcomeOfEveryDevice(t *testing.T) {
	tb := quietTable()
	release := make(chan struct{})
	type seen struct {
		changes int
		last    Change
	}
	devices := map[gb28181.ID]seen{}
	tb.Watch(func(c Change) {
		<-release
		s := devices[c.Device.ID]
		if s.changes > 0 && c.Before != s.last.Device.Presence.State {
			t.Errorf("%s: told %v before, then %v", c.Device.ID, s.last.Device.Presence.State, c.Before)
		}
		devices[c.Device.ID] = seen{s.changes + 1, c}
	})
	const n = watchQueue/2 + 500
	for i := range n {
		if _, err := tb.Bind(numbered(i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n { // beyond the queue from here on
		reg := numbered(i)
		tb.Doubt(reg.ID, shadow.ByConnection, "its connection closed", time.Now())
		if err := tb.Keepalive(reg.ID, reg.Flow, true, time.Now()); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			tb.Doubt(reg.ID, shadow.ByConnection, "again", time.Now())
		}
	}
	close(release)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tb.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if len(devices) != n {
		t.Fatalf("told of %d devices, want %d", len(devices), n)
	}
	for id, s := range devices {
		if d, _ := tb.Device(id); d.Presence.State != s.last.Device.Presence.State {
			t.Fatalf("%s: last told %v, is %v", id, s.last.Device.Presence.State, d.Presence.State)
		}
	}
}

func TestMergedChangeTellsOfBoth(t *testing.T) {
	change := func(w What, first bool, before, after shadow.State) Change {
		c := Change{What: w, First: first, Before: before}
		c.Device.Presence.State = after
		return c
	}
	for _, c := range []struct{ old, new, want Change }{
		{change(Registered, true, 0, 1), change(State, false, 1, 0), change(Registered, true, 0, 0)},
		{change(State, false, 1, 0), change(Updated, false, 0, 0), change(State, false, 1, 0)},
		{change(Registered, true, 0, 1), change(Unregistered, false, 1, 2), change(Unregistered, false, 0, 2)},
		{change(Unregistered, false, 1, 2), change(Registered, true, 2, 1), change(Registered, true, 1, 1)},
		{change(Registered, true, 0, 1), change(Removed, false, 1, 1), change(Removed, false, 0, 1)},
		{change(Removed, false, 1, 1), change(Registered, true, 0, 1), change(Registered, true, 1, 1)},
	} {
		if got := merge(c.old, c.new); got != c.want {
			t.Errorf("%v then %v: %v first=%v %v>%v", c.old.What, c.new.What, got.What, got.First, got.Before, got.Device.Presence.State)
		}
	}
}

func TestTenThousandDevicesCostLessThan4KiBEach(t *testing.T) {
	const n = 10_000
	tb := quietTable()
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before := heap()
	for i := range n {
		if _, err := tb.Bind(numbered(i)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tb.Run(ctx); err != nil { // the watchers take what was queued
		t.Fatal(err)
	}
	goroutines := runtime.NumGoroutine()
	cost := (heap() - before) / n
	t.Logf("%d bytes for each device", cost)
	if cost > 4096 {
		t.Errorf("%d bytes for each device", cost)
	}
	if goroutines > 50 {
		t.Errorf("%d goroutines", goroutines)
	}
	runtime.KeepAlive(tb)
}

func TestManyTongues(t *testing.T) {
	tb := quietTable()
	var mu sync.Mutex
	last := map[gb28181.ID]shadow.State{}
	tb.Watch(func(c Change) {
		mu.Lock()
		defer mu.Unlock()
		if before, told := last[c.Device.ID]; told && before != c.Before {
			t.Errorf("%s: told %v, then %v before a %v", c.Device.ID, before, c.Before, c.What)
		}
		last[c.Device.ID] = c.Device.Presence.State
		if c.What == Removed {
			delete(last, c.Device.ID)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- tb.Run(ctx) }()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 7))
			for range 3000 {
				reg := numbered(rng.IntN(20))
				if rng.IntN(2) == 0 {
					reg.Flow.Transport = flow.TCP
				}
				switch rng.IntN(9) {
				case 0, 1:
					_, _ = tb.Bind(reg)
				case 2:
					_ = tb.Keepalive(reg.ID, reg.Flow, true, time.Now())
				case 3:
					tb.Doubt(reg.ID, shadow.ByRTP, "no RTP", time.Now())
				case 4:
					tb.Heard(reg.ID, shadow.ByMessage, reg.Flow, time.Now())
				case 5:
					tb.ConnectionClosed(reg.Flow)
				case 6:
					_ = tb.Provision(reg.ID, "x")
				case 7:
					_ = tb.Update(reg.ID, func(d *gb28181.Device) { d.Channels++ })
				case 8:
					if rng.IntN(10) == 0 {
						tb.Remove(reg.ID)
					}
					for range tb.All() {
						break
					}
					_, _ = tb.Flow(reg.ID)
				}
			}
		})
	}
	wg.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var counted [3]int
	for d := range tb.All() {
		counted[d.Presence.State]++
		if last[d.ID] != d.Presence.State {
			t.Errorf("%s: last told %v, is %v", d.ID, last[d.ID], d.Presence.State)
		}
	}
	online, offline, unknown := tb.Counts()
	if want := [3]int{unknown, online, offline}; counted != want || int(tb.size.Load()) != len(last) {
		t.Errorf("counts %v and size %d, rows %v", want, tb.size.Load(), counted)
	}
	tb.conns.Range(func(f flow.Flow, ids []gb28181.ID) bool {
		for _, id := range ids {
			if got, err := tb.Flow(id); err == nil && got != f {
				t.Errorf("%s is listed at %v and bound to %v", id, f, got)
			}
		}
		return true
	})
}

func BenchmarkKeepalive(b *testing.B) {
	tb := quietTable()
	regs := make([]Registration, 10_000)
	for i := range regs {
		regs[i] = numbered(i)
		if _, err := tb.Bind(regs[i]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		r := &regs[i%len(regs)]
		i++
		if err := tb.Keepalive(r.ID, r.Flow, true, r.At); err != nil {
			b.Fatal(err)
		}
	}
}

// What a device in doubt needs is given back when it has been heard again.
func TestTroubleEndsWithTheDoubt(t *testing.T) {
	tb := quietTable()
	reg := numbered(1)
	if _, err := tb.Bind(reg); err != nil {
		t.Fatal(err)
	}
	r, _ := tb.rows.Load(reg.ID)
	if r.trouble != nil {
		t.Error("a device that has just registered is in trouble")
	}
	tb.Doubt(reg.ID, shadow.BySilence, "", reg.At)
	if r.trouble == nil {
		t.Fatal("a doubted device is not probed")
	}
	if err := tb.Keepalive(reg.ID, reg.Flow, true, reg.At.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	tb.swept = reg.At
	for s := range 60 {
		tb.sweep(t.Context(), reg.At.Add(time.Duration(s)*time.Second))
	}
	if d, _ := tb.Device(reg.ID); d.Presence.State != shadow.Online || r.trouble != nil {
		t.Errorf("%v after a keepalive, trouble %+v", d.Presence.State, r.trouble)
	}
}
