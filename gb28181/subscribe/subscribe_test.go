package subscribe_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
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
	"fengsui/gb28181/subscribe"
	"fengsui/shadow"
	"fengsui/sip"
	"fengsui/sip/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const nvr = gb28181.ID("34020000001180000001")

var way = flow.Flow{Transport: flow.UDP, Remote: netip.MustParseAddrPort("192.0.2.20:5060")}

// request is one SUBSCRIBE as a device sees it.
type request struct {
	at      time.Time
	dialog  string // Call-ID
	event   string
	expires time.Duration
	body    *manscdp.Message
}

func (r request) String() string {
	event, _, _ := strings.Cut(r.event, "=")
	return fmt.Sprintf("%s %s %v", r.dialog, event, r.expires)
}

// bench is a table with devices that answer by script.
type bench struct {
	*subscribe.Subscriptions
	edition gb28181.Edition

	mu      sync.Mutex
	offline bool
	heard   int
	sent    []request
	dialogs int
	handed  []string
	// answer plays the devices; nil grants what is asked for.
	answer func(n int, r request) (time.Duration, *sip.Response, error)
}

func (b *bench) Device(id gb28181.ID) (gb28181.Device, bool) {
	return gb28181.Device{ID: id, Edition: b.edition}, true
}

func (b *bench) Flow(id gb28181.ID) (flow.Flow, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.offline:
		return flow.Flow{}, gb28181.ErrOffline
	case !strings.HasPrefix(string(id), "340200000011"):
		return flow.Flow{}, gb28181.ErrUnknownDevice
	}
	return way, nil
}

func (b *bench) Heard(gb28181.ID, shadow.Evidence, flow.Flow, time.Time) { b.heard++ }

func (b *bench) Dialog(event string) subscribe.Dialog { return &dialog{b: b, event: event} }

type dialog struct {
	b     *bench
	event string
	mu    sync.Mutex
	id    string
}

func (d *dialog) CallID() string { d.mu.Lock(); defer d.mu.Unlock(); return d.id }
func (d *dialog) Reset()         { d.mu.Lock(); defer d.mu.Unlock(); d.id = "" }

func (d *dialog) Subscribe(ctx context.Context, p sip.Peer, expires time.Duration, contentType string, body []byte) (time.Duration, *sip.Response, error) {
	if err := ctx.Err(); err != nil {
		return 0, nil, err
	}
	m, err := manscdp.Decode(body)
	if err != nil || m.Root != manscdp.Query || m.SN == 0 || m.DeviceID != p.User {
		return 0, nil, fmt.Errorf("bad body %q: %w", body, err)
	}
	b := d.b
	b.mu.Lock()
	if d.id == "" {
		b.dialogs++
		d.id = fmt.Sprintf("call-%d", b.dialogs)
	}
	r := request{at: time.Now(), dialog: d.id, event: d.event, expires: expires, body: m}
	b.sent = append(b.sent, r)
	n, answer := len(b.sent), b.answer
	b.mu.Unlock()
	if answer == nil {
		return expires, &sip.Response{Status: 200}, nil
	}
	granted, res, err := answer(n, r)
	return granted, res, err
}

func reject(status int) (time.Duration, *sip.Response, error) {
	return 0, &sip.Response{Status: status}, fmt.Errorf("SUBSCRIBE: %w", &sip.Rejected{Status: status})
}

func script(t *testing.T, cfg subscribe.Config, f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{}
		b.Subscriptions = subscribe.New(cfg, b, b, zerolog.Nop(), prometheus.NewRegistry())
		b.Hand(subscribe.Catalog, func(id gb28181.ID, m *manscdp.Message) { b.handed = append(b.handed, string(id)+" "+m.CmdType) })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Run(ctx) }()
		f(t, b)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// rest lets d pass and what is then due happen.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bench) log() string {
	var out []string
	for _, r := range b.sent {
		out = append(out, r.String())
	}
	return strings.Join(out, "; ")
}

func (b *bench) status(t *testing.T) subscribe.Status {
	t.Helper()
	st, ok := b.Subscription(nvr, subscribe.Catalog)
	if !ok {
		t.Fatal("no subscription")
	}
	return st
}

func (b *bench) renew(t *testing.T) {
	t.Helper()
	if err := b.Renew(nvr); err != nil {
		t.Fatal(err)
	}
}

func notify(callID, state, body string) *sip.Request {
	return &sip.Request{Method: "NOTIFY", FromUser: string(nvr), CallID: callID, SubscriptionState: state,
		Body: []byte(body), Flow: way, At: time.Now()}
}

const changed = `<Notify><CmdType>Catalog</CmdType><SN>9</SN><DeviceID>34020000001180000001</DeviceID><SumNum>1</SumNum><DeviceList Num="1">
<Item><DeviceID>34020000001320000001</DeviceID><Event>OFF</Event></Item></DeviceList></Notify>` // signalling.md 5.4

// Signalling reference 5.2, rows "Default Expires" and "Refresh".
func TestGrantedTimeIsHonouredAndRefreshedInTheDialog(t *testing.T) {
	script(t, subscribe.Config{}, func(t *testing.T, b *bench) {
		b.answer = func(int, request) (time.Duration, *sip.Response, error) {
			return 600 * time.Second, &sip.Response{Status: 200}, nil
		}
		b.renew(t)
		rest(time.Second)
		st := b.status(t)
		if left := time.Until(st.ExpiresAt); st.State != subscribe.Active || !st.Enabled || left < 590*time.Second || left > 600*time.Second {
			t.Errorf("%+v", st)
		}
		rest(time.Hour)
		for i := 1; i < len(b.sent); i++ {
			if gap := b.sent[i].at.Sub(b.sent[i-1].at); gap < 450*time.Second || gap > 480*time.Second {
				t.Errorf("refreshed after %v of 600 s", gap)
			}
			if b.sent[i].dialog != "call-1" || b.sent[i].expires != time.Hour {
				t.Errorf("%v", b.sent[i])
			}
		}
		if len(b.sent) < 7 || !strings.HasPrefix(b.sent[0].event, "Catalog;id=") {
			t.Errorf("%d requests: %v", len(b.sent), b.sent)
		}
	})
}

// Signalling reference 5.2, row "Failure".
func TestFailuresAreRepairedAsTheStandardSays(t *testing.T) {
	for _, c := range []struct {
		what   string
		answer func(n int, r request) (time.Duration, *sip.Response, error)
		after  time.Duration
		want   string
		state  subscribe.State
	}{
		{"481 to a refresh begins a fresh dialog", func(n int, r request) (time.Duration, *sip.Response, error) {
			if n == 2 {
				return reject(481)
			}
			return r.expires, nil, nil
		}, time.Hour, "call-1 Catalog;id 1h0m0s; call-1 Catalog;id 1h0m0s; call-2 Catalog;id 1h0m0s", subscribe.Active},
		{"489 tries the other Event", func(n int, r request) (time.Duration, *sip.Response, error) {
			if r.event != "presence" {
				return reject(489)
			}
			return r.expires, nil, nil
		}, time.Minute, "call-1 Catalog;id 1h0m0s; call-2 presence 1h0m0s", subscribe.Active},
		{"489 twice is final", func(int, request) (time.Duration, *sip.Response, error) { return reject(489) },
			59 * time.Minute, "call-1 Catalog;id 1h0m0s; call-2 presence 1h0m0s", subscribe.Refused},
		{"405 rests an hour", func(int, request) (time.Duration, *sip.Response, error) { return reject(405) },
			59 * time.Minute, "call-1 Catalog;id 1h0m0s", subscribe.Refused},
		{"405 is tried again then", func(int, request) (time.Duration, *sip.Response, error) { return reject(405) },
			70 * time.Minute, "call-1 Catalog;id 1h0m0s; call-2 Catalog;id 1h0m0s", subscribe.Refused},
		{"501 rests an hour", func(int, request) (time.Duration, *sip.Response, error) { return reject(501) },
			59 * time.Minute, "call-1 Catalog;id 1h0m0s", subscribe.Refused},
		{"a Result of ERROR in the 200 is a refusal", func(_ int, r request) (time.Duration, *sip.Response, error) {
			return r.expires, &sip.Response{Status: 200, Body: manscdp.ResultBody("Catalog", 1, nvr, false, "")}, nil
		}, 59 * time.Minute, "call-1 Catalog;id 1h0m0s", subscribe.Refused},
		{"a Result of OK in the 200 is none", func(_ int, r request) (time.Duration, *sip.Response, error) {
			return r.expires, &sip.Response{Status: 200, Body: manscdp.ResultBody("Catalog", 1, nvr, true, "")}, nil
		}, time.Minute, "call-1 Catalog;id 1h0m0s", subscribe.Active},
		{"silence is tried again", func(n int, r request) (time.Duration, *sip.Response, error) {
			if n < 3 {
				time.Sleep(32 * time.Second)
				return 0, nil, sip.ErrTimeout
			}
			return r.expires, nil, nil
		}, 90 * time.Second, "call-1 Catalog;id 1h0m0s; call-2 Catalog;id 1h0m0s; call-3 Catalog;id 1h0m0s", subscribe.Active},
	} {
		t.Run(c.what, func(t *testing.T) {
			script(t, subscribe.Config{}, func(t *testing.T, b *bench) {
				b.answer = c.answer
				b.renew(t)
				rest(c.after)
				if got := b.log(); got != c.want || b.status(t).State != c.state {
					t.Errorf("%s\nsent %s\nwant %s\n%+v", c.what, got, c.want, b.status(t))
				}
				b.answer = nil
				rest(time.Minute)
			})
		})
	}
}

func TestBackoffGrowsAndForbiddenEndsAsRefused(t *testing.T) {
	script(t, subscribe.Config{}, func(t *testing.T, b *bench) {
		b.answer = func(int, request) (time.Duration, *sip.Response, error) { return reject(408) }
		b.renew(t)
		rest(10 * time.Minute)
		if n := len(b.sent); n < 12 || n > 30 || b.status(t).State != subscribe.Pending {
			t.Errorf("%d requests in ten minutes, %+v", n, b.status(t))
		}
		b.sent = nil
		b.answer = func(int, request) (time.Duration, *sip.Response, error) { return reject(403) }
		b.renew(t)
		rest(30 * time.Minute)
		if n := len(b.sent); n != 6 || b.status(t).State != subscribe.Refused {
			t.Errorf("%d requests, %+v", n, b.status(t))
		}
	})
}

func TestFailedRefreshKeepsTheDialogWhileItLasts(t *testing.T) {
	script(t, subscribe.Config{Expires: 10 * time.Minute}, func(t *testing.T, b *bench) {
		b.answer = func(n int, r request) (time.Duration, *sip.Response, error) {
			if n == 2 || n == 3 {
				return 0, nil, sip.ErrTimeout
			}
			return r.expires, nil, nil
		}
		b.renew(t)
		rest(9 * time.Minute)
		if len(b.sent) != 4 || b.sent[3].dialog != "call-1" || b.status(t).State != subscribe.Active {
			t.Errorf("%s, %+v", b.log(), b.status(t))
		}
	})
}

func TestPeerOf2011IsSubscribedByPresence(t *testing.T) {
	script(t, subscribe.Config{}, func(t *testing.T, b *bench) {
		b.edition = gb28181.Edition2011
		b.renew(t)
		rest(time.Second)
		if b.sent[0].event != "presence" {
			t.Errorf("%v", b.sent[0])
		}
	})
}

// Signalling reference 5.1 and section 9 row 42.
//
// Quirk: 42
func TestNotifyIsMatchedByDialogThenByDevice(t *testing.T) {
	script(t, subscribe.Config{}, func(t *testing.T, b *bench) {
		b.renew(t)
		rest(time.Second)
		stranger := notify("x", "", changed)
		stranger.Flow.Remote = netip.MustParseAddrPort("203.0.113.9:5060")
		foreign := notify("call-1", "active", changed) // From is another ID, the dialog is ours
		foreign.FromUser = "34020000001320000009"
		moved := notify("fresh", "", changed)
		moved.Flow.Remote = netip.MustParseAddrPort("192.0.2.20:40000")
		for _, c := range []struct {
			what   string
			r      *sip.Request
			status int
			handed bool
		}{
			{"in the dialog", notify("call-1", "active;expires=590", changed), 200, true},
			{"with a fresh Call-ID", moved, 200, true},
			{"from another ID in our dialog", foreign, 200, true},
			{"with its CmdType in capitals", notify("call-1", "active", strings.ReplaceAll(changed, "Catalog", "CATALOG")), 200, true},
			{"from a stranger", stranger, 481, false},
			{"without a body", notify("call-1", "active", ""), 200, false},
			{"of a kind that nobody wants", notify("call-1", "", strings.ReplaceAll(changed, "Catalog", "Alarm")), 200, false},
			{"that is no XML", notify("call-1", "", "hello"), 400, false},
		} {
			b.handed = nil
			res, after := b.Notify(c.r)
			if after != nil {
				after()
			}
			if res.Status != c.status || (len(b.handed) == 1) != c.handed {
				t.Errorf("%s: %d, handed %v", c.what, res.Status, b.handed)
			}
			if c.handed && !strings.EqualFold(b.handed[0], string(nvr)+" Catalog") {
				t.Errorf("%s: handed %v", c.what, b.handed)
			}
		}
		if st := b.status(t); st.Notifies != 5 || st.LastNotifyAt.IsZero() {
			t.Errorf("%+v", st)
		}
	})
}

func TestSubscriptionEndedByTheDeviceIsMadeAgainAfterAPause(t *testing.T) {
	for state, want := range map[string]struct {
		earliest, latest time.Duration
	}{
		"terminated":                {5 * time.Second, 10 * time.Second},
		"Terminated;reason=timeout": {5 * time.Second, 10 * time.Second},
		"terminated; reason=probation;retry-after=90": {90 * time.Second, 90 * time.Second},
		"terminated;reason=rejected":                  {time.Hour, 66 * time.Minute},
	} {
		script(t, subscribe.Config{Expires: 24 * time.Hour}, func(t *testing.T, b *bench) {
			b.renew(t)
			rest(time.Second)
			start := time.Now()
			if res, after := b.Notify(notify("call-1", state, "")); res.Status != 200 || after != nil {
				t.Errorf("%+v", res)
			}
			rest(2 * time.Hour)
			if len(b.sent) != 2 || b.sent[1].dialog != "call-2" {
				t.Fatalf("%s: %s", state, b.log())
			}
			if gap := b.sent[1].at.Sub(start); gap < want.earliest || gap > want.latest {
				t.Errorf("%s: again after %v", state, gap)
			}
		})
	}
}

func TestRegistrationBeginsAFreshDialog(t *testing.T) {
	script(t, subscribe.Config{}, func(t *testing.T, b *bench) {
		b.renew(t)
		rest(time.Second)
		b.renew(t) // the device restarted
		rest(time.Second)
		if got := b.log(); got != "call-1 Catalog;id 1h0m0s; call-2 Catalog;id 1h0m0s" || b.sent[0].event == b.sent[1].event {
			t.Error(b.sent)
		}
		if res, _ := b.Notify(notify("call-1", "active", changed)); res.Status != 200 {
			t.Error("a NOTIFY of the old dialog was refused")
		}
	})
}

func TestRegistrationWhileARequestIsOpenWins(t *testing.T) {
	script(t, subscribe.Config{}, func(t *testing.T, b *bench) {
		b.answer = func(n int, r request) (time.Duration, *sip.Response, error) {
			if n == 1 {
				time.Sleep(10 * time.Second)
			}
			return r.expires, nil, nil
		}
		b.renew(t)
		rest(time.Second)
		b.renew(t)
		rest(time.Minute)
		if got := b.log(); got != "call-1 Catalog;id 1h0m0s; call-2 Catalog;id 1h0m0s" || b.status(t).State != subscribe.Active {
			t.Error(got, b.status(t))
		}
	})
}

func TestDeviceThatIsGoneIsForgotten(t *testing.T) {
	script(t, subscribe.Config{}, func(t *testing.T, b *bench) {
		b.renew(t)
		rest(time.Second)
		b.Forget(nvr)
		rest(2 * time.Hour)
		if _, ok := b.Subscription(nvr, subscribe.Catalog); ok || len(b.sent) != 1 {
			t.Errorf("still there: %s", b.log())
		}
		b.offline = true
		b.renew(t)
		rest(2 * time.Hour)
		if len(b.sent) != 1 || b.status(t).State != subscribe.Pending {
			t.Errorf("asked while offline: %s", b.log())
		}
	})
}

func TestOperatorsChoiceOutlivesTheDevicesAbsence(t *testing.T) {
	script(t, subscribe.Config{}, func(t *testing.T, b *bench) {
		b.renew(t)
		rest(time.Second)
		if err := b.Unsubscribe(nvr, subscribe.Catalog); err != nil {
			t.Fatal(err)
		}
		rest(time.Second)
		if st := b.status(t); st.Enabled || st.State != subscribe.Off || !st.ExpiresAt.IsZero() {
			t.Errorf("%+v", st)
		}
		b.Forget(nvr)
		b.renew(t)
		rest(time.Hour)
		if got := b.log(); got != "call-1 Catalog;id 1h0m0s; call-1 Catalog;id 0s" {
			t.Error(got)
		}
		if err := b.Subscribe(nvr, subscribe.Catalog, subscribe.Terms{Expires: 10 * time.Minute}); err != nil {
			t.Fatal(err)
		}
		rest(time.Second)
		if st := b.status(t); st.State != subscribe.Active || st.Expires != 10*time.Minute {
			t.Errorf("%+v", st)
		}
		b.Remove(nvr)
		if _, ok := b.Subscription(nvr, subscribe.Catalog); ok {
			t.Error("removed and still there")
		}
		if err := b.Subscribe(nvr, "weather", subscribe.Terms{}); err == nil {
			t.Error("a kind that is none was taken")
		}
	})
}

func TestSwitchingOffWhileARequestIsOpenCancelsIt(t *testing.T) {
	script(t, subscribe.Config{}, func(t *testing.T, b *bench) {
		b.answer = func(n int, r request) (time.Duration, *sip.Response, error) {
			if n == 1 {
				time.Sleep(10 * time.Second)
			}
			return r.expires, nil, nil
		}
		b.renew(t)
		rest(time.Second)
		_ = b.Unsubscribe(nvr, subscribe.Catalog)
		rest(time.Minute)
		if got := b.log(); got != "call-1 Catalog;id 1h0m0s; call-1 Catalog;id 0s" || b.status(t).Enabled {
			t.Error(got, b.status(t))
		}
	})
}

// Signalling reference 5.1: each kind has its Event and its body, and a device is
// asked only for what its edition has.
func TestEachKindHasItsEventAndBody(t *testing.T) {
	for _, c := range []struct {
		kind     subscribe.Kind
		edition  gb28181.Edition
		event    string
		other    string // after 489
		cmd      string
		interval string
		lacking  gb28181.Edition
	}{
		{subscribe.Catalog, gb28181.Edition2016, "Catalog;id", "presence", "Catalog", "", 0},
		{subscribe.Alarm, gb28181.Edition2011, "presence", "Alarm", "Alarm", "", 0},
		{subscribe.Position, gb28181.Edition2016, "presence", "MobilePosition", "MobilePosition", "7", gb28181.Edition2011A},
		{subscribe.PTZ, gb28181.Edition2022, "presence", "PTZPosition", "PTZPosition", "", gb28181.Edition2016},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			script(t, subscribe.Config{}, func(t *testing.T, b *bench) {
				if c.lacking != 0 {
					b.edition = c.lacking
					var lacks *subscribe.EditionError
					if err := b.Subscribe(nvr, c.kind, subscribe.Terms{}); !errors.As(err, &lacks) || lacks.Since != c.edition {
						t.Errorf("edition %s: %v", c.lacking, err)
					}
					rest(time.Minute)
					if len(b.sent) != 0 {
						t.Errorf("sent %s", b.log())
					}
				}
				b.edition = c.edition
				b.answer = func(n int, r request) (time.Duration, *sip.Response, error) {
					if n == 1 {
						return reject(489)
					}
					return r.expires, nil, nil
				}
				if err := b.Subscribe(nvr, c.kind, subscribe.Terms{Interval: 7 * time.Second}); err != nil {
					t.Fatal(err)
				}
				rest(time.Minute)
				if len(b.sent) != 2 {
					t.Fatalf("sent %s", b.log())
				}
				for i, want := range []string{c.event, c.other} {
					r := b.sent[i]
					if event, _, _ := strings.Cut(r.event, "="); event != want || r.body.CmdType != c.cmd || r.body.Node.Value("Interval") != c.interval {
						t.Errorf("request %d: Event %s, %s, Interval %q", i, r.event, r.body.CmdType, r.body.Node.Value("Interval"))
					}
				}
				if st, _ := b.Subscription(nvr, c.kind); st.State != subscribe.Active || !st.Enabled {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestDevicesAreSubscribedToWhatIsConfiguredAndChosen(t *testing.T) {
	script(t, subscribe.Config{On: []subscribe.Kind{subscribe.Alarm, subscribe.PTZ}}, func(t *testing.T, b *bench) {
		b.edition = gb28181.Edition2016 // has no PTZPosition
		if err := b.Subscribe(nvr, subscribe.Position, subscribe.Terms{}); err != nil {
			t.Fatal(err)
		}
		rest(time.Second)
		b.sent = nil
		b.Forget(nvr) // it is away
		b.renew(t)
		rest(time.Second)
		cmds := map[string]bool{}
		for _, r := range b.sent {
			cmds[r.body.CmdType] = true
		}
		if len(b.sent) != 2 || !cmds["Alarm"] || !cmds["MobilePosition"] {
			t.Errorf("made again: %v", cmds)
		}
		if _, ok := b.Subscription(nvr, subscribe.PTZ); ok {
			t.Error("what the edition has not was tried")
		}
	})
}

// Signalling reference 9 row 42 and 3.7.1: reports come unasked, and as MESSAGE.
//
// Quirk: 42
func TestReportsThatNobodyAskedForAreTaken(t *testing.T) {
	script(t, subscribe.Config{}, func(t *testing.T, b *bench) {
		var got []string
		b.Hand(subscribe.Alarm, func(id gb28181.ID, m *manscdp.Message) { got = append(got, m.CmdType) })
		r := notify("fresh", "", strings.ReplaceAll(changed, "Catalog", "Alarm"))
		r.Event = ""
		res, after := b.Notify(r)
		if res.Status != 200 || after == nil {
			t.Fatalf("%+v", res)
		}
		after()
		m, err := manscdp.Decode(r.Body)
		if err != nil || !b.Message(nvr, m) {
			t.Fatal("a MESSAGE was left", err)
		}
		st, ok := b.Subscription(nvr, subscribe.Alarm)
		if len(got) != 2 || !ok || st.Enabled || st.State != subscribe.Off || st.Notifies != 2 || st.LastNotifyAt.IsZero() {
			t.Errorf("%v, %+v", got, st)
		}
		rest(2 * time.Hour)
		if len(b.sent) != 0 {
			t.Errorf("sent %s", b.log())
		}
		m.CmdType = "Weather"
		if b.Message(nvr, m) {
			t.Error("a kind that is none was taken")
		}
	})
}

func TestTableIsBounded(t *testing.T) {
	script(t, subscribe.Config{MaxRows: 1}, func(t *testing.T, b *bench) {
		b.renew(t)
		if err := b.Renew("34020000001180000002"); err == nil {
			t.Error("a second row fits in one")
		}
	})
}
