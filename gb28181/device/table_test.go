package device_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fengsui/gb28181"
	"fengsui/gb28181/device"
	"fengsui/internal/telemetry"
	"fengsui/shadow"
	"fengsui/shadow/journal"
	"fengsui/sip/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const camera = gb28181.ID("34020000001320000001")

func udp(addr string) flow.Flow {
	return flow.Flow{Transport: flow.UDP, Local: netip.MustParseAddrPort("192.0.2.1:5060"), Remote: netip.MustParseAddrPort(addr)}
}

func tcp(addr string) flow.Flow {
	f := udp(addr)
	f.Transport = flow.TCP
	return f
}

var home = udp("192.0.2.20:5060")

// field is a network of devices: those listed as alive answer probes.
type field struct {
	mu    sync.Mutex
	alive map[flow.Flow]bool
	asked []question
	after func() // an answer
}

type question struct {
	id gb28181.ID
	f  flow.Flow
	at time.Time
}

func (w *field) Probe(ctx context.Context, id gb28181.ID, f flow.Flow) error {
	w.mu.Lock()
	w.asked = append(w.asked, question{id, f, time.Now()})
	answers, after := w.alive[f], w.after
	w.mu.Unlock()
	if answers {
		if after != nil {
			after()
		}
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (w *field) set(f flow.Flow, alive bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alive[f] = alive
}

func (w *field) questions() []question {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

// bench runs a table in virtual time.
type bench struct {
	*device.Table
	t       *testing.T
	start   time.Time
	field   *field
	journal *journal.Journal
	changes chan device.Change // all so far
}

func run(t *testing.T, cfg device.Config, saved []device.Saved, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{
			t: t, start: time.Now(), field: &field{alive: map[flow.Flow]bool{}},
			journal: journal.New(1000), changes: make(chan device.Change, 10000),
		}
		b.Table = device.New(cfg, b.field, b.journal, zerolog.Nop(), prometheus.NewRegistry())
		b.Watch(func(c device.Change) { b.changes <- c })
		b.Restore(saved)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Run(ctx) }()
		test(b)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
		online, offline, unknown := b.Counts()
		var counted [3]int
		for d := range b.All() {
			counted[d.Presence.State]++
		}
		if want := [3]int{unknown, online, offline}; counted != want {
			t.Errorf("counts %v, want those of the rows %v", want, counted)
		}
	})
}

func (b *bench) register(id gb28181.ID, f flow.Flow, call string) device.Bound {
	b.t.Helper()
	bound, err := b.Bind(device.Registration{
		ID: id, Flow: f, CallID: call, Expires: time.Hour, At: time.Now(), UserAgent: "IP Camera", Edition: gb28181.Edition2022,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return bound
}

func (b *bench) keepalive(id gb28181.ID, f flow.Flow) error {
	return b.Keepalive(id, f, true, time.Now())
}

// expect checks the state now, and the reason when one is given.
func (b *bench) expect(state shadow.State, reason string) {
	b.t.Helper()
	synctest.Wait()
	d, ok := b.Device(camera)
	if !ok || d.Presence.State != state || reason != "" && d.Presence.Reason != reason {
		b.t.Errorf("after %v: %v %q, want %v %q", time.Since(b.start), d.Presence.State, d.Presence.Reason, state, reason)
	}
}

// until sleeps to an offset from the start.
func (b *bench) until(offset time.Duration) {
	time.Sleep(time.Until(b.start.Add(offset)))
	synctest.Wait()
}

// told drains what the watcher was told so far, as "registered>online".
func (b *bench) told() []string {
	synctest.Wait()
	var out []string
	for {
		select {
		case c := <-b.changes:
			out = append(out, fmt.Sprintf("%v %v>%v", c.What, c.Before, c.Device.Presence.State))
		default:
			return out
		}
	}
}

func (b *bench) expectTold(want ...string) {
	b.t.Helper()
	if got := b.told(); !slices.Equal(got, want) {
		b.t.Errorf("after %v the watcher was told %q, want %q", time.Since(b.start), got, want)
	}
}

func TestSilentDeviceIsDoubtedProbedAndThenOffline(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		b.register(camera, home, "a")
		b.until(3 * time.Second)
		b.expect(shadow.Online, "registered 3 s ago")
		b.until(89 * time.Second)
		b.expect(shadow.Online, "")
		b.until(92 * time.Second)
		b.expect(shadow.Unknown, "no sign of life for 1m32s")
		b.until(110 * time.Second)
		b.expect(shadow.Unknown, "no sign of life for 1m50s, 2 probes unanswered")
		if _, err := b.Flow(camera); err != nil {
			t.Errorf("an unknown device is worth a try: %v", err)
		}
		asked := b.field.questions()
		if len(asked) != 2 || asked[0].f != home {
			t.Fatalf("probes %+v", asked)
		}
		if gap := asked[1].at.Sub(asked[0].at); gap < 5*time.Second || gap > 6*time.Second {
			t.Errorf("probes %v apart, want 5 s", gap)
		}
		b.until(189 * time.Second)
		b.expect(shadow.Unknown, "")
		b.until(192 * time.Second)
		b.expect(shadow.Offline, "no sign of life for 3m12s, 2 probes unanswered")
		if _, err := b.Flow(camera); !errors.Is(err, gb28181.ErrOffline) {
			t.Errorf("Flow = %v", err)
		}
		b.expectTold("registered unknown>online", "state online>unknown", "state unknown>offline")
		var types []string
		events, _ := b.journal.Since(0, 10)
		for _, e := range events {
			types = append(types, e.Type)
		}
		if !slices.Equal(types, []string{"device.online", "device.unknown", "device.offline"}) {
			t.Errorf("journal %q", types)
		}
		b.until(time.Hour)
		if n := len(b.field.questions()); n != 2 {
			t.Errorf("%d probes; an offline device is not asked", n)
		}
	})
}

func TestKeepalivesKeepADeviceOnlineWithoutProbes(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		b.register(camera, home, "a")
		for i := range 55 {
			b.until(time.Duration(i+1) * time.Minute)
			if err := b.keepalive(camera, home); err != nil {
				t.Fatal(err)
			}
		}
		b.expect(shadow.Online, "keepalive 0 s ago")
		if n := len(b.field.questions()); n != 0 {
			t.Errorf("%d probes", n)
		}
		b.expectTold("registered unknown>online")
	})
}

// Quirk: 9
func TestDeviceThatOnlyAnswersProbesStaysOnline(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		b.field.set(home, true)
		b.field.after = func() { // the DeviceStatus response follows the 200
			time.AfterFunc(time.Millisecond, func() { b.Heard(camera, shadow.ByMessage, home, time.Now()) })
		}
		b.register(camera, home, "a")
		b.until(50 * time.Minute)
		b.expect(shadow.Online, "")
		b.expectTold("registered unknown>online", "state online>unknown", "state unknown>online")
		b.field.set(home, false)
		b.until(50*time.Minute + 100*time.Second)
		b.expect(shadow.Unknown, "")
		b.until(50*time.Minute + 200*time.Second)
		b.expect(shadow.Offline, "")
		b.expectTold("state online>unknown", "state unknown>offline")
	})
}

func TestRegistrationExpiresDespiteKeepalives(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		b.register(camera, home, "a")
		for i := range 65 {
			b.until(time.Duration(i+1) * time.Minute)
			err := b.keepalive(camera, home)
			if late := i+1 > 60; late != errors.Is(err, device.ErrNotRegistered) {
				t.Fatalf("minute %d: %v", i+1, err)
			}
		}
		b.expect(shadow.Offline, "registration expired")
		b.expectTold("registered unknown>online", "state online>offline")
		if bound := b.register(camera, home, "a"); !bound.First || bound.Flap {
			t.Errorf("%+v", bound)
		}
	})
}

// Quirk: 7
func TestKeepaliveExtendsWhereConfigured(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		_, err := b.Bind(device.Registration{
			ID: camera, Flow: home, CallID: "a", Expires: 5 * time.Minute, At: time.Now(), KeepaliveExtends: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			b.until(time.Duration(i+1) * time.Minute)
			if err := b.keepalive(camera, home); err != nil {
				t.Fatal(err)
			}
		}
		b.expect(shadow.Online, "")
	})
}

func TestClosedConnectionIsDoubtedAtOnce(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		conn := tcp("192.0.2.20:40001")
		b.register(camera, conn, "a")
		b.ConnectionClosed(tcp("192.0.2.20:40002"))
		b.expect(shadow.Online, "")
		time.Sleep(time.Second)
		b.ConnectionClosed(conn)
		b.expect(shadow.Unknown, "its connection closed")
		b.until(10 * time.Second)
		if n := len(b.field.questions()); n != 2 {
			t.Errorf("%d probes", n)
		}
		next := tcp("192.0.2.20:40003")
		if err := b.keepalive(camera, next); err != nil { // reconnected, registration still good
			t.Fatal(err)
		}
		b.expect(shadow.Online, "keepalive 0 s ago")
		b.ConnectionClosed(conn) // late word of the old one
		b.expect(shadow.Online, "")
		if f, _ := b.Flow(camera); f != next {
			t.Errorf("bound to %v", f)
		}
		if on, _ := b.On(next); on != camera {
			t.Errorf("on the new connection is %q", on)
		}
		if on, ok := b.On(conn); ok {
			t.Errorf("on the old connection is %q still", on)
		}
		b.expectTold("registered unknown>online", "state online>unknown", "moved unknown>online")
	})
}

// The answer was read first, its connection's end is known first.
func TestAnAnswerOfAClosedConnectionIsNoLife(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		conn := tcp("192.0.2.20:40001")
		b.register(camera, conn, "a")
		asked := time.Now()
		time.Sleep(time.Second)
		b.field.set(conn, true)
		b.field.after = func() { // an answer to the probe
			time.Sleep(10 * time.Millisecond)
			b.ConnectionClosed(conn)
			b.field.set(conn, false)
		}
		b.Doubt(camera, shadow.ByRTP, "its RTP stopped", time.Now())
		time.Sleep(3 * time.Second)
		b.expect(shadow.Unknown, "its connection closed")
		b.Heard(camera, shadow.ByProbe, conn, asked) // a question of before
		b.expect(shadow.Unknown, "its connection closed")
	})
}

func TestDoubtIsClearedByAnAnswer(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		b.field.set(home, true)
		b.register(camera, home, "a")
		time.Sleep(10*time.Second + 500*time.Millisecond) // between two ticks
		b.Doubt(camera, shadow.ByRTP, "no RTP for 10 s", time.Now())
		b.expect(shadow.Unknown, "no RTP for 10 s")
		time.Sleep(2 * time.Second)
		b.expect(shadow.Online, "")
		b.Doubt("34020000001320000009", shadow.ByRTP, "", time.Now()) // no such device: nothing to doubt
	})
}

func TestHeardRestoresAndOnlyFromTheBoundAddress(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		b.register(camera, home, "a")
		b.until(200 * time.Second)
		b.expect(shadow.Offline, "")
		b.Heard(camera, shadow.ByNotify, udp("192.0.2.99:5060"), time.Now())
		b.expect(shadow.Offline, "")
		b.Heard(camera, shadow.ByNotify, home, time.Now())
		b.expect(shadow.Online, "NOTIFY 0 s ago")
		b.until(280 * time.Second)
		b.Heard(camera, shadow.ByRTP, flow.Flow{}, time.Now())
		b.until(300 * time.Second)
		b.expect(shadow.Online, "media 20 s ago")
	})
}

// Quirk: 6
func TestKeepaliveWithinTheRegistrationRestores(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		if err := b.keepalive(camera, home); !errors.Is(err, gb28181.ErrUnknownDevice) {
			t.Errorf("unknown ID: %v", err)
		}
		if err := b.Provision(camera, "gate"); err != nil {
			t.Fatal(err)
		}
		if err := b.keepalive(camera, home); !errors.Is(err, device.ErrNotRegistered) {
			t.Errorf("provisioned only: %v", err)
		}
		b.register(camera, home, "a")
		b.until(200 * time.Second)
		b.expect(shadow.Offline, "")
		b.told()
		if err := b.Keepalive(camera, home, false, time.Now()); err != nil {
			t.Fatal(err)
		}
		b.expect(shadow.Online, "keepalive with Status ERROR 0 s ago")
		b.expectTold("state offline>online")
	})
}

// Quirk: 5
func TestBindingFollowsAsConfigured(t *testing.T) {
	port, away := udp("192.0.2.20:6000"), udp("198.51.100.7:5060")
	for _, c := range []struct {
		rule           device.Follow
		device         device.Follow
		oldLives       bool
		newLives       bool
		atOnce, lately flow.Flow // bound after the keepalive from away, and 30 s later
	}{
		{rule: device.FollowPort, newLives: true, atOnce: port, lately: port},
		{rule: device.FollowAny, newLives: true, atOnce: away, lately: away},
		{rule: device.FollowProbe, newLives: true, atOnce: port, lately: away},
		{rule: device.FollowProbe, oldLives: true, newLives: true, atOnce: port, lately: port},
		{rule: device.FollowProbe, atOnce: port, lately: port},
		{rule: device.FollowAny, device: device.FollowPort, newLives: true, atOnce: port, lately: port},
	} {
		t.Run(fmt.Sprintf("%s%s old=%v new=%v", c.rule, c.device, c.oldLives, c.newLives), func(t *testing.T) {
			run(t, device.Config{Follow: c.rule}, nil, func(b *bench) {
				b.field.set(port, c.oldLives)
				b.field.set(away, c.newLives)
				if _, err := b.Bind(device.Registration{
					ID: camera, Flow: home, CallID: "a", Expires: time.Hour, At: time.Now(), Follow: c.device,
				}); err != nil {
					t.Fatal(err)
				}
				if err := b.keepalive(camera, port); err != nil {
					t.Fatalf("another port of the same IP: %v", err)
				}
				err := b.keepalive(camera, away)
				if want := c.atOnce != away; want != errors.Is(err, device.ErrElsewhere) {
					t.Errorf("another IP: %v", err)
				}
				if f, _ := b.Flow(camera); f != c.atOnce {
					t.Errorf("bound to %v, want %v", f, c.atOnce)
				}
				b.until(30 * time.Second)
				if f, _ := b.Flow(camera); f != c.lately {
					t.Errorf("later bound to %v, want %v", f, c.lately)
				}
				if d, _ := b.Device(camera); d.Remote != c.lately.Remote.String() {
					t.Errorf("remote %s", d.Remote)
				}
				if c.oldLives {
					for _, q := range b.field.questions() {
						if q.f == away {
							t.Error("an address that only claims to be the device was asked although the device answers")
						}
					}
				}
			})
		})
	}
}

func TestForgedKeepalivesDoNotMakeUsProbeTheWorld(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		b.register(camera, home, "a")
		b.field.set(home, true)
		for i := range 100 {
			_ = b.keepalive(camera, udp(fmt.Sprintf("198.51.100.%d:5060", i)))
			time.Sleep(50 * time.Millisecond)
		}
		b.until(10 * time.Second)
		if n := len(b.field.questions()); n > 2 {
			t.Errorf("%d probes in 10 s", n)
		}
		b.expect(shadow.Online, "")
	})
}

func TestUnregisterIsToldAfterTheFlapWindow(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		b.register(camera, home, "a")
		b.told()
		time.Sleep(time.Second)
		b.Unbind(camera, udp("198.51.100.7:5060"), time.Now()) // of a binding that is no more
		b.expect(shadow.Online, "")
		b.Unbind(camera, home, time.Now())
		b.expect(shadow.Offline, "unregistered")
		if _, err := b.Flow(camera); !errors.Is(err, gb28181.ErrOffline) {
			t.Errorf("Flow = %v", err)
		}
		if err := b.keepalive(camera, home); !errors.Is(err, device.ErrNotRegistered) {
			t.Errorf("Keepalive = %v", err)
		}
		b.expectTold()
		time.Sleep(5 * time.Second)
		b.expectTold("unregistered online>offline")
		if bound := b.register(camera, home, "b"); !bound.First || bound.Flap {
			t.Errorf("%+v", bound)
		}
	})
}

func TestReregisteringAtOnceIsAFlap(t *testing.T) { // section 2.9.3
	run(t, device.Config{}, nil, func(b *bench) {
		b.register(camera, home, "a")
		b.told()
		b.Unbind(camera, home, time.Now())
		if bound := b.register(camera, home, "a"); bound.First || !bound.Flap {
			t.Errorf("same Call-ID: %+v", bound)
		}
		time.Sleep(10 * time.Second)
		b.expectTold("refreshed online>online")
		b.Unbind(camera, home, time.Now())
		if bound := b.register(camera, home, "b"); !bound.First || !bound.Flap {
			t.Errorf("another Call-ID: %+v", bound)
		}
		time.Sleep(10 * time.Second)
		b.expectTold("registered online>online")
		b.expect(shadow.Online, "")
	})
}

func TestRefreshIsNotFirst(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		for i, c := range []struct {
			call  string
			first bool
		}{{"a", true}, {"a", false}, {"b", true}} {
			time.Sleep(time.Minute)
			if bound := b.register(camera, home, c.call); bound.First != c.first || bound.Flap {
				t.Errorf("registration %d: %+v", i, bound)
			}
		}
		b.expectTold("registered unknown>online", "refreshed online>online", "registered online>online")
	})
}

// What a silent device sends at last is no stranger's.
func TestRegistrationOutlastsSilence(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		if _, ok := b.Bound(camera); ok {
			t.Error("an unknown device is bound")
		}
		b.register(camera, home, "a")
		b.until(200 * time.Second)
		b.expect(shadow.Offline, "")
		if f, ok := b.Bound(camera); !ok || f != home {
			t.Errorf("bound to %v, %v", f, ok)
		}
		b.Heard(camera, shadow.ByMessage, home, time.Now())
		b.expect(shadow.Online, "")
		b.Unbind(camera, home, time.Now())
		if _, ok := b.Bound(camera); ok {
			t.Error("bound after it unregistered")
		}
	})
}

// Who comes back is surveyed and subscribed again, whatever shows that it is back.
func TestComingBackIsFirst(t *testing.T) {
	firsts := func(b *bench) (n int) {
		synctest.Wait()
		for {
			select {
			case c := <-b.changes:
				if c.First {
					n++
				}
			default:
				return n
			}
		}
	}
	var saved []device.Saved
	run(t, device.Config{}, nil, func(b *bench) {
		b.register(camera, home, "a")
		b.until(200 * time.Second)
		b.expect(shadow.Offline, "")
		if n := firsts(b); n != 1 {
			t.Errorf("first %d times by its registration", n)
		}
		if err := b.keepalive(camera, home); err != nil {
			t.Fatal(err)
		}
		if n := firsts(b); n != 1 {
			t.Errorf("first %d times by the keepalive after it was offline", n)
		}
		b.Doubt(camera, shadow.ByRTP, "its RTP stopped", time.Now())
		if err := b.keepalive(camera, home); err != nil {
			t.Fatal(err)
		}
		if n := firsts(b); n != 0 {
			t.Errorf("first %d times after mere doubt", n)
		}
		saved = slices.Collect(b.AllSaved())
	})
	for name, come := range map[string]func(b *bench){
		"keepalive":   func(b *bench) { _ = b.keepalive(camera, home) },
		"message":     func(b *bench) { b.Heard(camera, shadow.ByMessage, home, time.Now()) },
		"refresh":     func(b *bench) { b.register(camera, home, "a") },
		"probe":       func(b *bench) { b.field.set(home, true); b.until(170 * time.Second) },
		"two of them": func(b *bench) { b.register(camera, home, "a"); _ = b.keepalive(camera, home) },
	} {
		run(t, device.Config{}, saved, func(b *bench) {
			come(b)
			b.expect(shadow.Online, "")
			if n := firsts(b); n != 1 {
				t.Errorf("first %d times by %s after our restart", n, name)
			}
		})
	}
}

func TestRestartMakesNobodyOffline(t *testing.T) {
	var before []device.Saved
	run(t, device.Config{}, nil, func(b *bench) {
		for i := range 100 {
			b.register(id(i), udp(fmt.Sprintf("192.0.2.%d:5060", i+1)), "a")
		}
		b.register(id(100), home, "a")
		b.Unbind(id(100), home, time.Now())
		if err := b.Provision(id(101), "spare"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		for s := range b.AllSaved() {
			before = append(before, s)
		}
	})
	slices.SortFunc(before, func(a, b device.Saved) int { return strings.Compare(string(a.Device.ID), string(b.Device.ID)) })
	run(t, device.Config{}, before, func(b *bench) { // the virtual clock begins again: saved times lie in the future
		if d, _ := b.Device(id(101)); d.Presence.Reason != "never registered" || d.Name != "spare" {
			t.Errorf("provisioned: %+v", d)
		}
		if d, _ := b.Device(id(100)); d.Presence.State != shadow.Offline || d.Presence.Reason != "unregistered" {
			t.Errorf("unregistered: %+v", d.Presence)
		}
		d, _ := b.Device(id(0))
		if d.Presence.State != shadow.Unknown || d.Presence.Reason != "server restarted, not heard yet" {
			t.Errorf("online before: %+v", d.Presence)
		}
		b.field.set(udp("192.0.2.2:5060"), true)
		if err := b.keepalive(id(0), udp("192.0.2.1:5060")); err != nil {
			t.Fatal(err)
		}
		if d, _ := b.Device(id(0)); d.Presence.State != shadow.Online {
			t.Errorf("heard again: %+v", d.Presence)
		}
		b.until(170 * time.Second)
		if d, _ := b.Device(id(1)); d.Presence.State != shadow.Online || d.Presence.Evidence != shadow.ByProbe {
			t.Errorf("answers when asked: %+v", d.Presence)
		}
		b.until(50 * time.Minute)
		if _, offline, unknown := b.Counts(); offline != 2 || unknown != 99+0 {
			t.Errorf("%d offline, %d unknown before the registrations end", offline, unknown)
		}
		b.until(2 * time.Hour)
		if online, offline, unknown := b.Counts(); online != 0 || offline != 101 || unknown != 1 {
			t.Errorf("%d online, %d offline, %d unknown in the end", online, offline, unknown)
		}
	})
}

func TestRegistrationThatEndedWhileWeWereDownGetsTime(t *testing.T) {
	saved := device.Saved{
		Device: gb28181.Device{
			ID: camera, RegisteredAt: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), ExpiresAt: time.Date(1999, 1, 1, 1, 0, 0, 0, time.UTC),
			Presence: shadow.Presence{State: shadow.Online, Evidence: shadow.ByKeepalive, At: time.Date(1999, 1, 1, 0, 59, 0, 0, time.UTC)},
		},
		Flow: home, CallID: "a",
	}
	run(t, device.Config{}, []device.Saved{saved}, func(b *bench) {
		b.expect(shadow.Unknown, "server restarted, not heard yet")
		if err := b.keepalive(camera, home); !errors.Is(err, device.ErrNotRegistered) {
			t.Errorf("Keepalive = %v", err)
		}
		b.until(180 * time.Second)
		b.expect(shadow.Unknown, "")
		b.until(195 * time.Second)
		b.expect(shadow.Offline, "registration expired")
	})
}

func TestNobodyIsOfflineBeforeItWasAsked(t *testing.T) {
	const n = 1000
	run(t, device.Config{Probes: 10, ProbeTimeout: 4 * time.Second}, nil, func(b *bench) {
		for i := range n {
			b.register(id(i), udp(fmt.Sprintf("10.0.%d.%d:5060", i/250, i%250+1)), "a")
		}
		offline := map[gb28181.ID]bool{}
		asked := map[gb28181.ID]bool{}
		for range 30 {
			time.Sleep(time.Minute)
			synctest.Wait()
			for _, q := range b.field.questions() {
				asked[q.id] = true
			}
			for d := range b.All() {
				if d.Presence.State == shadow.Offline && !offline[d.ID] {
					offline[d.ID] = true
					if !asked[d.ID] {
						t.Fatalf("%s is offline and was never asked", d.ID)
					}
				}
			}
		}
		if len(offline) != n {
			t.Errorf("%d offline in the end", len(offline))
		}
	})
}

func TestUpdateChangesWordsOnly(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		b.register(camera, home, "a")
		b.told()
		for range 2 { // the second changes nothing and is not told
			if err := b.Update(camera, func(d *gb28181.Device) {
				d.Name, d.Model, d.ID, d.Remote = "gate", "DS-2CD", "1", "elsewhere"
				d.Presence.State = shadow.Offline
			}); err != nil {
				t.Fatal(err)
			}
		}
		d, _ := b.Device(camera)
		if d.Name != "gate" || d.Model != "DS-2CD" || d.ID != camera || d.Remote != home.Remote.String() || d.Presence.State != shadow.Online {
			t.Errorf("%+v", d)
		}
		b.expectTold("updated online>online")
		if err := b.Update("1", func(*gb28181.Device) {}); !errors.Is(err, gb28181.ErrUnknownDevice) {
			t.Errorf("Update = %v", err)
		}
	})
}

func TestRemoveForgets(t *testing.T) {
	run(t, device.Config{MaxDevices: 1}, nil, func(b *bench) {
		b.register(camera, home, "a")
		if _, err := b.Bind(device.Registration{ID: id(7), Flow: home, At: time.Now()}); !errors.Is(err, device.ErrFull) {
			t.Errorf("Bind = %v", err)
		}
		b.Remove(camera)
		if _, ok := b.Device(camera); ok {
			t.Error("still there")
		}
		b.expectTold("registered unknown>online", "removed online>online")
		b.register(id(7), home, "a")
	})
}

// Quirk: 8
func TestDeviceWithALongRhythmOfItsOwn(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		b.register(camera, home, "a")
		b.SetRhythm(camera, shadow.Rhythm{Interval: 5 * time.Minute, Missed: 2})
		b.until(7 * time.Minute)
		b.expect(shadow.Online, "")
		b.until(8 * time.Minute)
		b.expect(shadow.Unknown, "")
		b.until(11 * time.Minute)
		b.expect(shadow.Offline, "")
	})
}

func id(i int) gb28181.ID { return gb28181.ID(fmt.Sprintf("3402000000132%07d", i+1000)) }

func TestARegistrationsEventsCarryItsTrace(t *testing.T) {
	const brought = "4bf92f3577b34da6a3ce929d0e0e4736"
	run(t, device.Config{}, nil, func(b *bench) {
		b.register(camera, home, "a")
		b.until(4 * time.Minute)
		if _, err := b.Bind(device.Registration{ID: camera, Flow: home, CallID: "b", Expires: time.Hour, At: time.Now(), Trace: brought}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		events, _ := b.journal.Since(0, 10)
		if len(events) != 4 { // online, unknown, offline, online
			t.Fatalf("%d events: %+v", len(events), events)
		}
		made := telemetry.TraceOf("a").ID()
		for i, want := range []string{made, made, made, brought} {
			if events[i].Trace != want {
				t.Errorf("event %s has trace %q, want %q", events[i].Type, events[i].Trace, want)
			}
		}
	})
}

func TestChannelsOfAnAbsentDeviceAreNotOnline(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		b.register(camera, home, "a")
		if err := b.Update(camera, func(d *gb28181.Device) { d.Channels, d.OnlineChannels = 4, 3 }); err != nil {
			t.Fatal(err)
		}
		if d, _ := b.Device(camera); d.OnlineChannels != 3 {
			t.Errorf("%d channels online, want 3", d.OnlineChannels)
		}
		b.Unbind(camera, home, time.Now())
		if d, _ := b.Device(camera); d.OnlineChannels != 0 || d.Channels != 4 {
			t.Errorf("%d of %d channels online after it left, want 0 of 4", d.OnlineChannels, d.Channels)
		}
		b.register(camera, home, "b")
		if d, _ := b.Device(camera); d.OnlineChannels != 3 {
			t.Errorf("%d channels online after it came back, want 3", d.OnlineChannels)
		}
	})
}

func TestProvisioningWithoutANameKeepsTheDevicesOwn(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		b.register(camera, home, "a")
		if err := b.Update(camera, func(d *gb28181.Device) { d.Name = "Gate" }); err != nil {
			t.Fatal(err)
		}
		for given, want := range map[string]string{"": "Gate", "Door": "Door"} {
			if err := b.Provision(camera, given); err != nil {
				t.Fatal(err)
			}
			if d, _ := b.Device(camera); given != "" && d.Name != want || d.Name == "" {
				t.Errorf("provisioned as %q it is called %q", given, d.Name)
			}
		}
	})
}

// Thousands of devices fall silent together and one probe runs at a time.
func TestProbesBeyondTheQueueArePostponed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const devices = 8192 + 500
		reg := prometheus.NewRegistry()
		tb := device.New(device.Config{Probes: 1}, &field{alive: map[flow.Flow]bool{}}, nil, zerolog.Nop(), reg)
		for i := range devices {
			id := gb28181.ID(fmt.Sprintf("3402000000132%07d", i))
			if _, err := tb.Bind(device.Registration{ID: id, Flow: home, Expires: time.Hour, At: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- tb.Run(ctx) }()
		time.Sleep(2 * time.Minute)
		postponed := 0.0
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "fengsui_device_probes_total" && m.GetLabel()[0].GetValue() == "postponed" {
					postponed = m.GetCounter().GetValue()
				}
			}
		}
		if postponed == 0 {
			t.Error("none was counted as postponed")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
