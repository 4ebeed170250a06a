package guard_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/sip/guard"
)

var (
	camera   = netip.MustParseAddr("192.0.2.20")
	attacker = netip.MustParseAddr("198.51.100.66")
	nowhere  netip.Addr
)

const id = "34020000001320000001"

func newGuard(cfg guard.Config) (*guard.Guard, *prometheus.Registry) {
	reg := prometheus.NewRegistry()
	return guard.New(cfg, reg, zerolog.Nop()), reg
}

func admits(g *guard.Guard, from netip.Addr, at time.Time) bool {
	ok, _ := g.Admit(from, at)
	return ok
}

// admitted is how many of n messages sent at one moment are looked at.
func admitted(g *guard.Guard, from netip.Addr, n int, at time.Time) (in int) {
	for range n {
		if admits(g, from, at) {
			in++
		}
	}
	return in
}

func dropped(t *testing.T, reg *prometheus.Registry, reason string) (n float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "fengsui_guard_dropped_total" && m.GetLabel()[0].GetValue() == reason {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

func TestASourceHasABudgetThatFillsAgain(t *testing.T) {
	g, reg := newGuard(guard.Config{Rate: 10, Burst: 100})
	now := time.Now()
	if n := admitted(g, attacker, 1000, now); n != 100 {
		t.Errorf("%d of a burst looked at, want 100", n)
	}
	if n := admitted(g, attacker, 1000, now.Add(time.Second)); n != 10 {
		t.Errorf("%d a second later, want 10", n)
	}
	if n := admitted(g, camera, 100, now); n != 100 {
		t.Errorf("%d from another address, want all: it pays for nobody", n)
	}
	if n := dropped(t, reg, "source"); n != 1890 {
		t.Errorf("%v counted, want 1890", n)
	}
}

func TestAnIPv6SiteHasOneBudget(t *testing.T) {
	g, _ := newGuard(guard.Config{Rate: 10, Burst: 100})
	now, in := time.Now(), 0
	for i := range 1000 {
		if admits(g, netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2::%x", i)), now) {
			in++
		}
	}
	if in != 100 {
		t.Errorf("%d of one /64 looked at, want 100", in)
	}
}

func TestANetworkHasABudgetThatRegisteredSourcesDoNotShare(t *testing.T) {
	g, reg := newGuard(guard.Config{Rate: 10, Burst: 100})
	inside := netip.MustParseAddr("198.51.100.200")
	g.Moved(nowhere, inside)
	now, in := time.Now(), 0
	for i := range 100 {
		in += admitted(g, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 100, now)
	}
	if in != 400 {
		t.Errorf("%d of one /24 looked at, want 400", in)
	}
	if n := admitted(g, inside, 100, now); n != 100 {
		t.Errorf("%d of the registered one beside them, want all", n)
	}
	if dropped(t, reg, "network") == 0 {
		t.Error("not counted")
	}
}

// Five thousand cameras behind one NAT that nobody knows yet: each is
// challenged, registers, and sends its catalog; what is lost is repeated after
// half a second, one second and so on, as UDP devices do.
func TestThousandsOfCamerasBehindOneAddressAllRegister(t *testing.T) {
	g, _ := newGuard(guard.Config{})
	const cameras, perCamera = 5000, 12
	now := time.Now()
	type phone struct {
		sent int // messages taken
		next time.Time
		wait time.Duration
	}
	all := make([]phone, cameras)
	for i := range all {
		all[i].next, all[i].wait = now, 500*time.Millisecond
	}
	done, latest := 0, time.Duration(0)
	for tick := time.Duration(0); done < cameras && tick < time.Minute; tick += 50 * time.Millisecond {
		at := now.Add(tick)
		for i := range all {
			p := &all[i]
			if p.sent == perCamera || at.Before(p.next) {
				continue
			}
			if !admits(g, camera, at) {
				p.next, p.wait = at.Add(p.wait), min(2*p.wait, 4*time.Second)
				continue
			}
			p.wait = 500 * time.Millisecond
			if p.sent++; p.sent == 2 {
				g.Moved(nowhere, camera)
			}
			if p.sent == perCamera {
				done, latest = done+1, tick
			}
		}
	}
	if done != cameras || latest > 10*time.Second {
		t.Errorf("%d of %d registered, the last after %v", done, cameras, latest)
	}
}

func TestASourceIsKnownWhileDevicesAreRegisteredAndAMinuteLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := newGuard(guard.Config{})
		if g.Known(camera) {
			t.Error("known before anything registered")
		}
		g.Moved(nowhere, camera)
		g.Moved(nowhere, camera)
		g.Moved(camera, nowhere)
		time.Sleep(2 * time.Minute)
		g.Moved(attacker, nowhere) // of nothing: harmless
		if !g.Known(camera) {
			t.Error("forgotten with a device registered")
		}
		g.Moved(camera, nowhere)
		if !g.Known(camera) {
			t.Error("forgotten at once: its last BYE would be refused")
		}
		time.Sleep(2 * time.Minute)
		g.Moved(nowhere, attacker)
		if g.Known(camera) || !g.Known(attacker) {
			t.Error("not forgotten after a minute")
		}
		g.Moved(attacker, camera)
		if !g.Known(camera) {
			t.Error("not known where the device moved to")
		}
	})
}

func TestPausesGrowAndEndWithTheRightPassword(t *testing.T) {
	g, reg := newGuard(guard.Config{})
	now := time.Now()
	pause := func() (d time.Duration) {
		for g.Paused(attacker, id, now.Add(d)) {
			d += 500 * time.Millisecond
		}
		return d
	}
	var got []time.Duration
	for range 12 {
		g.Failed(attacker, id, now)
		d := pause()
		got = append(got, d.Round(time.Second))
		now = now.Add(d)
	}
	want := "[0s 0s 0s 1s 2s 4s 8s 16s 32s 1m0s 1m0s 1m0s]"
	if fmt.Sprint(got) != want {
		t.Errorf("pauses %v, want %v", got, want)
	}
	g.Failed(attacker, id, now)
	if g.Paused(camera, id, now) || g.Paused(attacker, "34020000001320000002", now) {
		t.Error("another address or ID has to wait too")
	}
	if g.Proved(attacker, id); g.Paused(attacker, id, now) {
		t.Error("still paused after the right password")
	}
	if dropped(t, reg, "paused") == 0 {
		t.Error("not counted")
	}
}

func TestTooManyRefusalsBanASourceForATimeThatDoubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, reg := newGuard(guard.Config{Failures: 50, Ban: time.Minute})
		fail := func() {
			for i := range 51 {
				g.Failed(attacker, fmt.Sprintf("3402000000132%07d", i), time.Now())
			}
		}
		fail()
		bans := g.Bans()
		if len(bans) != 1 || bans[0].Source.String() != "198.51.100.66/32" || bans[0].Reason != "50 refused registrations within 10m0s" || bans[0].Until.Sub(bans[0].Since) != time.Minute {
			t.Fatalf("bans %+v", bans)
		}
		if admits(g, attacker, time.Now()) || g.Connect(attacker, time.Now()) || !admits(g, camera, time.Now()) {
			t.Error("the ban hits the wrong one")
		}
		if dropped(t, reg, "banned") != 2 {
			t.Error("not counted")
		}
		time.Sleep(time.Minute)
		if !admits(g, attacker, time.Now()) || len(g.Bans()) != 0 {
			t.Error("the ban does not end")
		}
		fail()
		if b := g.Bans(); len(b) != 1 || b[0].Until.Sub(b[0].Since) != 2*time.Minute {
			t.Errorf("second ban %+v, want two minutes", b)
		}
		if !g.Unban(attacker) || g.Unban(attacker) || !admits(g, attacker, time.Now()) {
			t.Error("not unbanned")
		}
		fail()
		if b := g.Bans(); len(b) != 1 || b[0].Until.Sub(b[0].Since) != time.Minute {
			t.Errorf("after unbanning %+v, want one minute", b)
		}
	})
}

func TestASiteWithManyDevicesMayFailMoreOften(t *testing.T) {
	g, _ := newGuard(guard.Config{Failures: 50})
	for range 10 {
		g.Moved(nowhere, camera)
	}
	for i := range 250 {
		g.Failed(camera, fmt.Sprint(i), time.Now())
	}
	if len(g.Bans()) != 0 {
		t.Fatal("banned after 250 with ten devices")
	}
	if g.Failed(camera, "x", time.Now()); len(g.Bans()) != 1 {
		t.Error("never banned")
	}
}

// Anybody can send datagrams in another's name.
func TestGarbageInDatagramsCostsBudgetAndBansNobody(t *testing.T) {
	g, _ := newGuard(guard.Config{Rate: 10, Burst: 100})
	now := time.Now()
	n := 0
	for admits(g, attacker, now) {
		g.Wasted(attacker, false, now)
		n++
	}
	if n != 10 || len(g.Bans()) != 0 {
		t.Errorf("%d pieces looked at, want 10; bans %v", n, g.Bans())
	}
	for range 1000 {
		g.Wasted(camera, true, now)
	}
	if b := g.Bans(); len(b) != 1 || b[0].Source.Addr() != camera {
		t.Errorf("garbage on connections: bans %v", b)
	}
}

func TestListsGoBeforeEverything(t *testing.T) {
	g, reg := newGuard(guard.Config{
		Rate: 1, Burst: 1, Failures: 1,
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")},
		Deny:  []netip.Prefix{netip.MustParsePrefix("198.51.100.0/25"), netip.MustParsePrefix("192.0.2.99/32")},
	})
	now := time.Now()
	for range 100 {
		g.Failed(camera, id, now)
		g.Wasted(camera, true, now)
	}
	g.Ban(camera, "by hand", now)
	if !g.Known(camera) || admitted(g, camera, 1000, now) != 1000 || g.Paused(camera, id, now) || len(g.Bans()) != 0 {
		t.Error("what is allowed is limited")
	}
	if admits(g, attacker, now) || g.Connect(attacker, now) || admits(g, netip.MustParseAddr("::ffff:192.0.2.99"), now) {
		t.Error("what is denied is heard")
	}
	if dropped(t, reg, "denied") != 3 {
		t.Error("not counted")
	}
}

func TestScreenJudgesByIDAndUserAgent(t *testing.T) {
	deny, _ := newGuard(guard.Config{DenyIDs: []string{"3402", "99"}, DenyAgents: []string{"Friendly-Scanner", "sip[scan", "扫描"}})
	only, _ := newGuard(guard.Config{AllowIDs: []string{"3402"}, AllowAgents: []string{"IP Camera"}})
	none, _ := newGuard(guard.Config{})
	for _, c := range []struct {
		g         *guard.Guard
		id, agent string
		want      int
	}{
		{none, "", "", 0}, {none, id, "friendly-scanner", 0},
		{deny, id, "", 403}, {deny, "31010000001320000001", "", 0}, {deny, "990", "x", 403},
		{deny, "31010000001320000001", "the FRIENDLY-scanner 1.0", -1},
		{deny, "31010000001320000001", "friendly-scanne", 0}, {deny, "31010000001320000001", "friendly_scanner", 0},
		{deny, "31010000001320000001", "ssip[SCAN", -1}, {deny, "31010000001320000001", "SIP{scan", 0}, {deny, "31010000001320000001", "某扫描器", -1},
		{only, id, "Some ip camera/2", 0}, {only, id, "", -1}, {only, "31", "IP Camera", 403},
	} {
		if got := c.g.Screen([]byte(c.id), []byte(c.agent)); got != c.want {
			t.Errorf("Screen(%q, %q) = %d, want %d", c.id, c.agent, got, c.want)
		}
	}
}

func TestAnswersAreExpectedWhereWeWrote(t *testing.T) {
	g, _ := newGuard(guard.Config{})
	to, now := netip.AddrPortFrom(camera, 5060), time.Now()
	if g.Expects(to, now) {
		t.Error("before")
	}
	g.Wrote(to, now)
	if !g.Expects(to, now.Add(time.Minute)) || g.Expects(to, now.Add(time.Hour)) || g.Expects(netip.AddrPortFrom(camera, 5061), now) {
		t.Error("not for a while, or elsewhere")
	}
}

func TestForgedSourcesLeaveNothing(t *testing.T) {
	g, _ := newGuard(guard.Config{})
	g.Moved(nowhere, camera)
	run := func(from, to int) {
		now := time.Now()
		for i := from; i < to; i++ {
			a := netip.AddrFrom4([4]byte{byte(11 + i>>24), byte(i >> 16), byte(i >> 8), byte(i)})
			if admits(g, a, now) {
				g.Wrote(netip.AddrPortFrom(a, 5060), now)
				g.Failed(a, id, now)
				g.Wasted(a, i%2 == 0, now)
			}
		}
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	run(0, 1000)
	before := heap()
	run(1000, 300_000)
	if grown := heap() - before; grown > before/20 {
		t.Errorf("the heap grew by %d bytes from %d", grown, before)
	}
	if !g.Known(camera) || admitted(g, camera, 1000, time.Now()) != 1000 {
		t.Error("a registered source was pushed out")
	}
	if len(g.Bans()) != 0 {
		t.Error("forged sources were banned")
	}
}

func BenchmarkAdmit(b *testing.B) {
	for name, moved := range map[string]bool{"registered": true, "stranger": false} {
		b.Run(name, func(b *testing.B) {
			g, _ := newGuard(guard.Config{Rate: 1 << 30, Burst: 1 << 30, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}})
			if moved {
				g.Moved(nowhere, camera)
			}
			now := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				g.Admit(camera, now)
			}
		})
	}
}

// Anybody can send from as many addresses as there are: the tables stay as they
// are, and what was used last is still there.
func TestFullTablesForgetTheOldestAndCount(t *testing.T) {
	g, reg := newGuard(guard.Config{Rate: 1, Burst: 2, Failures: 1})
	now := time.Now()
	evicted := func() map[string]float64 {
		t.Helper()
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "fengsui_guard_evicted_total" {
					got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
				}
			}
		}
		return got
	}
	if got := evicted(); len(got) != 8 || got["bans"] != 0 {
		t.Fatalf("at first %v, want eight tables and nothing", got)
	}
	const sources = 150_000
	address := func(i int) netip.Addr {
		return netip.AddrFrom4([4]byte{byte(20 + i>>16), byte(i >> 8), byte(i), 1}) // a network each
	}
	for i := range sources {
		a := address(i)
		g.Admit(a, now)
		g.Failed(a, id, now)
		g.Wasted(a, true, now)
		g.Wrote(netip.AddrPortFrom(a, 5060), now)
	}
	for i := range 20_000 {
		g.Ban(address(i), "a test", now)
	}
	for table, n := range evicted() {
		if n == 0 {
			t.Errorf("%s: nothing counted", table)
		}
	}
	if n := len(g.Bans()); n != 10_000 {
		t.Errorf("%d bans, want 10,000", n)
	}
	last := address(sources - 1)
	if !g.Expects(netip.AddrPortFrom(last, 5060), now) {
		t.Error("where we wrote last is forgotten")
	}
	if g.Failed(last, id, now); len(g.Bans()) != 10_000 || admits(g, last, now) {
		t.Error("the failure of the last source is forgotten")
	}
}

func BenchmarkScreen(b *testing.B) {
	g, _ := newGuard(guard.Config{DenyAgents: []string{"friendly-scanner", "sipvicious", "sundayddr", "sip-scan", "pplsip"}})
	id, agent := []byte(id), []byte("Fengsui bench")
	b.ReportAllocs()
	for b.Loop() {
		g.Screen(id, agent)
	}
}
