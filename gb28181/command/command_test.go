package command_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fengsui/gb28181"
	"fengsui/gb28181/command"
	"fengsui/gb28181/manscdp"
	"fengsui/shadow"
	"fengsui/sip"
	"fengsui/sip/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const camera = gb28181.ID("34020000001320000001")

var (
	way   = flow.Flow{Transport: flow.UDP, Remote: netip.MustParseAddrPort("192.0.2.20:5060")}
	taken = &sip.Response{Status: 200, Reason: "OK"}
)

// bench is a commander, its devices and the wire.
type bench struct {
	*command.Commander
	// receive plays the devices: it gets each request and answers it.
	receive func(b *bench, id gb28181.ID, method string, m *manscdp.Message) (*sip.Response, error)

	mu      sync.Mutex
	devices map[gb28181.ID]*gb28181.Device
	heard   int
	heardAt time.Time
	sent    []string // "CmdType" or the method without a body, of all devices
	at      []time.Time
	bodies  [][]byte
}

func (b *bench) Do(ctx context.Context, p sip.Peer, o sip.Outgoing) (*sip.Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var m *manscdp.Message
	what := o.Method
	if len(o.Body) > 0 {
		var err error
		if m, err = manscdp.Decode(o.Body); err != nil {
			return nil, err
		}
		what = m.CmdType
	}
	b.mu.Lock()
	b.sent, b.at, b.bodies = append(b.sent, what), append(b.at, time.Now()), append(b.bodies, o.Body)
	b.mu.Unlock()
	type result struct {
		res *sip.Response
		err error
	}
	done := make(chan result, 1)
	go func() {
		res, err := b.receive(b, gb28181.ID(p.User), o.Method, m)
		done <- result{res, err}
	}()
	select {
	case r := <-done:
		return r.res, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (b *bench) Device(id gb28181.ID) (gb28181.Device, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d, ok := b.devices[id]
	if !ok {
		return gb28181.Device{}, false
	}
	return *d, true
}

func (b *bench) Flow(id gb28181.ID) (flow.Flow, error) {
	d, ok := b.Device(id)
	switch {
	case !ok:
		return flow.Flow{}, gb28181.ErrUnknownDevice
	case d.Presence.State == shadow.Offline:
		return flow.Flow{}, gb28181.ErrOffline
	}
	return way, nil
}

func (b *bench) Heard(_ gb28181.ID, _ shadow.Evidence, _ flow.Flow, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard++
	b.heardAt = at
}

func (b *bench) Update(id gb28181.ID, change func(*gb28181.Device)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	d, ok := b.devices[id]
	if !ok {
		return gb28181.ErrUnknownDevice
	}
	change(d)
	return nil
}

func (b *bench) offline(id gb28181.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.devices[id].Presence.State = shadow.Offline
}

func (b *bench) asked(what string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sent {
		if s == what {
			n++
		}
	}
	return n
}

// answer sends what the device says of itself, d later than the 200.
func (b *bench) answer(id gb28181.ID, m *manscdp.Message, sn int, d time.Duration) {
	var body []byte
	switch m.CmdType {
	case manscdp.CmdDeviceInfo:
		body = manscdp.DeviceInfo{SN: sn, DeviceID: id, Name: "大门", OK: true, Manufacturer: "ACME", Model: "C1", Firmware: "V1"}.Append(nil, manscdp.UTF8)
	case manscdp.CmdDeviceStatus:
		body = manscdp.DeviceStatus{SN: sn, DeviceID: id, OK: true, Online: true, Works: true}.Append(nil, "")
	default:
		body = manscdp.ResultBody(m.CmdType, sn, id, false, "")
	}
	answer, err := manscdp.Decode(body)
	if err != nil {
		panic(err)
	}
	time.Sleep(d)
	b.Response(id, answer)
}

// good is a device that answers everything 100 ms after its 200.
func good(b *bench, id gb28181.ID, _ string, m *manscdp.Message) (*sip.Response, error) {
	if m != nil {
		go b.answer(id, m, m.SN, 100*time.Millisecond)
	}
	return taken, nil
}

func script(t *testing.T, cfg command.Config, f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{receive: good, devices: map[gb28181.ID]*gb28181.Device{camera: {ID: camera}}}
		b.Commander = command.New(cfg, b, b, zerolog.Nop(), prometheus.NewRegistry())
		f(t, b)
		time.Sleep(time.Minute) // late answers
	})
}

// rest lets d pass and what is then due happen.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bench) run(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// The connection may have ended between the answer and its reader.
func TestADeviceIsKnownToHaveLivedWhenItWasAsked(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		answer := b.receive
		b.receive = func(b *bench, id gb28181.ID, method string, m *manscdp.Message) (*sip.Response, error) {
			time.Sleep(2 * time.Second)
			return answer(b, id, method, m)
		}
		asked := time.Now()
		if _, err := b.Query(t.Context(), camera, manscdp.CmdDeviceInfo, string(camera)); err != nil {
			t.Fatal(err)
		}
		if !b.heardAt.Equal(asked) {
			t.Errorf("heard %v after it was asked", b.heardAt.Sub(asked))
		}
	})
}

func TestQueryGetsTheAnswerUnderItsSN(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		m, err := b.Query(t.Context(), camera, manscdp.CmdDeviceInfo, string(camera))
		if err != nil || m.CmdType != manscdp.CmdDeviceInfo || b.heard != 1 {
			t.Fatalf("%+v, %v, heard %d", m, err, b.heard)
		}
		if d, _ := b.Device(camera); d.Charset != manscdp.UTF8 {
			t.Errorf("charset %q", d.Charset)
		}
		_, _ = b.Query(t.Context(), camera, manscdp.CmdDeviceStatus, string(camera))
		if body := string(b.bodies[1]); !strings.HasPrefix(body, `<?xml version="1.0" encoding="UTF-8"?>`) { // user-pain 18
			t.Errorf("reply not in the peer's charset: %s", body)
		}
	})
}

func TestQueriesOfOneDeviceAreKeptApart(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		var waiting []*manscdp.Message
		b.receive = func(b *bench, id gb28181.ID, _ string, m *manscdp.Message) (*sip.Response, error) {
			b.mu.Lock()
			waiting = append(waiting, m)
			b.mu.Unlock()
			return taken, nil
		}
		sns := make([]int, 5)
		var wg sync.WaitGroup
		for i := range sns {
			wg.Go(func() {
				if m, err := b.Query(t.Context(), camera, manscdp.CmdDeviceInfo, string(camera)); err == nil {
					sns[i] = m.SN
				}
			})
		}
		synctest.Wait()
		for i := len(waiting) - 1; i >= 0; i-- { // answered in reverse
			b.answer(camera, waiting[i], waiting[i].SN, 0)
		}
		wg.Wait()
		seen := map[int]bool{}
		for _, sn := range sns {
			seen[sn] = true
		}
		if len(seen) != 5 || seen[0] {
			t.Errorf("answers %v", sns)
		}
	})
}

func TestWrongSNIsTakenOnlyWhenOneQuestionIsOpen(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) { // signalling.md 3.2
		b.receive = func(b *bench, id gb28181.ID, _ string, m *manscdp.Message) (*sip.Response, error) {
			go b.answer(id, m, 0, time.Second)
			return taken, nil
		}
		if _, err := b.Query(t.Context(), camera, manscdp.CmdDeviceInfo, string(camera)); err != nil {
			t.Error(err)
		}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if _, err := b.Query(t.Context(), camera, manscdp.CmdDeviceInfo, string(camera)); !errors.Is(err, gb28181.ErrTimeout) {
					t.Errorf("ambiguous answer: %v", err)
				}
			})
		}
		wg.Wait()
		stray, _ := manscdp.Decode(manscdp.ResultBody("RecordInfo", 1, camera, true, ""))
		if b.Response(camera, stray) {
			t.Error("an answer to nothing was matched")
		}
	})
}

func TestAnswerBeforeThe200Counts(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		b.receive = func(b *bench, id gb28181.ID, _ string, m *manscdp.Message) (*sip.Response, error) {
			go b.answer(id, m, m.SN, time.Second)
			time.Sleep(32 * time.Second) // the 200 is lost
			return nil, sip.ErrTimeout
		}
		start := time.Now()
		if _, err := b.Query(t.Context(), camera, manscdp.CmdDeviceInfo, string(camera)); err != nil || time.Since(start) > 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestQueryNamesWhatWentWrong(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		ask := func(ctx context.Context, id gb28181.ID, cmd string) error {
			_, err := b.Query(ctx, id, cmd, string(id))
			return err
		}
		if err := ask(t.Context(), "34020000001320000099", "DeviceInfo"); !errors.Is(err, gb28181.ErrUnknownDevice) {
			t.Error(err)
		}
		if err := ask(t.Context(), camera, "PresetQuery"); !errors.Is(err, gb28181.ErrRefused) { // Result ERROR
			t.Error(err)
		}
		b.receive = func(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error) { return taken, nil }
		start := time.Now()
		if err := ask(t.Context(), camera, "DeviceInfo"); !errors.Is(err, gb28181.ErrTimeout) || time.Since(start) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := ask(ctx, camera, "DeviceInfo"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		b.receive = func(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error) {
			return &sip.Response{Status: 403, Reason: "Forbidden"}, nil
		}
		if err := ask(t.Context(), camera, "DeviceInfo"); !errors.Is(err, gb28181.ErrRefused) || !strings.Contains(err.Error(), "403 Forbidden") {
			t.Error(err)
		}
		b.receive = func(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error) { return nil, sip.ErrTimeout }
		if err := ask(t.Context(), camera, "DeviceInfo"); !errors.Is(err, gb28181.ErrTimeout) {
			t.Error(err)
		}
		b.offline(camera)
		if err := ask(t.Context(), camera, "DeviceInfo"); !errors.Is(err, gb28181.ErrOffline) {
			t.Error(err)
		}
	})
}

func TestAnyAnswerToAProbeIsLife(t *testing.T) {
	silent := func(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error) {
		time.Sleep(32 * time.Second)
		return nil, sip.ErrTimeout
	}
	for _, c := range []struct {
		what    string
		receive func(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error)
		lives   bool
		sent    string
	}{
		{"200", good, true, "DeviceStatus"},
		{"a refusal", func(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error) {
			return &sip.Response{Status: 486}, nil
		}, true, "DeviceStatus"},
		{"OPTIONS only", func(b *bench, id gb28181.ID, method string, m *manscdp.Message) (*sip.Response, error) {
			if method == "OPTIONS" {
				return taken, nil
			}
			return silent(b, id, method, m)
		}, true, "DeviceStatus OPTIONS"},
		{"the Response without a 200", func(b *bench, id gb28181.ID, method string, m *manscdp.Message) (*sip.Response, error) {
			if m != nil {
				go b.answer(id, m, m.SN, time.Second)
			}
			return silent(b, id, method, m)
		}, true, "DeviceStatus"},
		{"silence", silent, false, "DeviceStatus OPTIONS"},
		{"a closed connection", func(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error) {
			return nil, sip.ErrUnreachable
		}, false, "DeviceStatus"},
	} {
		t.Run(c.what, func(t *testing.T) {
			script(t, command.Config{}, func(t *testing.T, b *bench) {
				b.receive = c.receive
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
				defer cancel()
				start := time.Now()
				err := b.Probe(ctx, camera, way)
				if (err == nil) != c.lives || strings.Join(b.sent, " ") != c.sent || time.Since(start) > 4*time.Second {
					t.Errorf("%v after %v, sent %v", err, time.Since(start), b.sent)
				}
			})
		})
	}
}

func TestCatalogQueryIsTakenWithThe200(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		if err := b.Ask(t.Context(), camera, "34020000001320000009", 77); err != nil {
			t.Fatal(err)
		}
		if m, _ := manscdp.Decode(b.bodies[0]); m.SN != 77 || m.DeviceID != "34020000001320000009" || m.CmdType != "Catalog" {
			t.Errorf("%+v", m)
		}
		b.receive = func(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error) {
			return &sip.Response{Status: 500}, nil
		}
		if err := b.Ask(t.Context(), camera, string(camera), 78); !errors.Is(err, gb28181.ErrRefused) {
			t.Error(err)
		}
	})
}

// Conformance: server Query/DeviceInfo 2016 2022
// Conformance: server Query/DeviceStatus 2016 2022
// Conformance: server Response/DeviceInfo 2016 2022
// Conformance: server Response/DeviceStatus 2016 2022
func TestSurveyAsksInOrderAndLearns(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		for _, name := range []string{"catalog", "subscribe"} {
			b.First(name, func(_ context.Context, id gb28181.ID) error {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.sent = append(b.sent, name)
				return nil
			})
		}
		b.run(t)
		b.Survey(camera)
		rest(10 * time.Second)
		if got := strings.Join(b.sent, " "); got != "catalog subscribe DeviceInfo DeviceStatus" {
			t.Error(got)
		}
		d, _ := b.Device(camera)
		if d.Name != "大门" || d.Manufacturer != "ACME" || d.Model != "C1" || d.Firmware != "V1" || b.Surveying(camera) {
			t.Errorf("%+v", d)
		}
		b.devices[camera].Name = "北门" // given here
		b.Survey(camera)
		rest(10 * time.Second)
		if d, _ := b.Device(camera); d.Name != "北门" {
			t.Errorf("a given name was overwritten: %q", d.Name)
		}
	})
}

func TestUnansweredQuestionDoesNotHoldUpTheOthers(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		b.First("catalog", func(context.Context, gb28181.ID) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.sent, b.at = append(b.sent, "catalog"), append(b.at, time.Now())
			return nil
		})
		b.receive = func(b *bench, id gb28181.ID, method string, m *manscdp.Message) (*sip.Response, error) {
			if m.CmdType == manscdp.CmdDeviceInfo { // a device that takes it and never answers
				return taken, nil
			}
			return good(b, id, method, m)
		}
		b.run(t)
		b.Survey(camera)
		rest(3 * time.Second)
		if b.asked("catalog") != 1 || b.asked(manscdp.CmdDeviceStatus) != 0 {
			t.Errorf("asked %d times for the catalog while DeviceInfo is open", b.asked("catalog"))
		}
		rest(3 * time.Minute)
		if got := strings.Join(b.sent, " "); got != "catalog DeviceInfo DeviceStatus DeviceInfo DeviceInfo DeviceInfo" {
			t.Error(got)
		}
		if b.Surveying(camera) {
			t.Error("never ends")
		}
	})
}

func TestDeviceThatGoesOfflineLeavesTheSurvey(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		b.receive = func(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error) { return nil, sip.ErrTimeout }
		b.run(t)
		b.Survey(camera)
		rest(2 * time.Second)
		b.offline(camera)
		n := len(b.sent)
		rest(time.Minute)
		if len(b.sent) != n || b.Surveying(camera) {
			t.Errorf("%d questions more", len(b.sent)-n)
		}
		b.devices[camera].Presence.State = shadow.Online
		b.Survey(camera)
		b.Forget(camera)
		rest(time.Minute)
		if len(b.sent) != n {
			t.Errorf("%d questions after Forget", len(b.sent)-n)
		}
	})
}

func TestQuestionsOfAllDevicesKeepThePace(t *testing.T) {
	const devices = 600
	script(t, command.Config{Rate: 100, MaxSurveys: devices}, func(t *testing.T, b *bench) {
		for i := range devices {
			id := gb28181.ID(fmt.Sprintf("3402000000132%07d", i+1))
			b.devices[id] = &gb28181.Device{ID: id}
		}
		b.run(t)
		for id := range b.devices {
			b.Survey(id)
		}
		if b.Survey("34020000001320009999") {
			t.Error("a survey over the bound")
		}
		rest(time.Minute)
		if n := b.asked("DeviceInfo") + b.asked("DeviceStatus"); n != 2*devices {
			t.Fatalf("%d questions", n)
		}
		for i := 111; i < len(b.at); i++ { // 100 a second and a burst of 10
			if d := b.at[i].Sub(b.at[i-111]); d < time.Second-10*time.Millisecond {
				t.Fatalf("questions %d to %d within %v", i-110, i+1, d)
			}
		}
		if took := b.at[len(b.at)-1].Sub(b.at[0]); took > 14*time.Second {
			t.Errorf("1200 questions took %v", took)
		}
	})
}

func TestQuestionsBeyondTheBoundAreRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{devices: map[gb28181.ID]*gb28181.Device{camera: {ID: camera}}}
		b.receive = func(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error) { return taken, nil } // and no answer follows
		reg := prometheus.NewRegistry()
		b.Commander = command.New(command.Config{MaxOpen: 2}, b, b, zerolog.Nop(), reg)
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if _, err := b.Query(t.Context(), camera, manscdp.CmdDeviceInfo, string(camera)); !errors.Is(err, gb28181.ErrTimeout) {
					t.Errorf("a question within the bound: %v", err)
				}
			})
		}
		synctest.Wait()
		if _, err := b.Query(t.Context(), camera, manscdp.CmdDeviceInfo, string(camera)); !errors.Is(err, command.ErrBusy) {
			t.Errorf("the third: %v, want ErrBusy", err)
		}
		all.Wait()
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		busy := 0.0
		for _, f := range families {
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if f.GetName() == "fengsui_command_questions_total" && l.GetValue() == "busy" {
						busy += m.GetCounter().GetValue()
					}
				}
			}
		}
		if busy != 1 {
			t.Errorf("%v counted as busy, want 1", busy)
		}
	})
}

// Surveys of devices that registered must not keep others from it.
func TestQuestionsWaitWhileTheServerIsBusy(t *testing.T) {
	var busy atomic.Bool
	busy.Store(true)
	script(t, command.Config{Rate: 100, Busy: busy.Load}, func(t *testing.T, b *bench) {
		b.run(t)
		b.Survey(camera)
		rest(5 * time.Second)
		if n := len(b.sent); n != 0 {
			t.Fatalf("%d questions while it is busy", n)
		}
		busy.Store(false)
		rest(2 * time.Second)
		if b.asked("DeviceInfo") != 1 || b.asked("DeviceStatus") != 1 {
			t.Fatalf("asked %q when it is busy no more", b.sent)
		}
		busy.Store(true) // for ever
		b.Survey(camera)
		rest(time.Minute)
		if b.asked("DeviceInfo") != 2 {
			t.Errorf("asked %q within a minute of being busy", b.sent)
		}
	})
}
