package play_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fengsui/gb28181"
	"fengsui/gb28181/gbsdp"
	"fengsui/gb28181/play"
	"fengsui/internal/telemetry"
	"fengsui/media"
	"fengsui/media/engine"
	"fengsui/media/mediatest"
	"fengsui/media/ps"
	"fengsui/shadow"
	"fengsui/shadow/journal"
	"fengsui/sip"
	"fengsui/sip/flow"
)

const (
	platform = gb28181.ID("34020000002000000001")
	camera   = gb28181.ID("34020000001320000001")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStartGoesThroughItsStagesToTheKeyFrame(t *testing.T) {
	h := newHouse(t)
	trace := telemetry.NewTrace()
	s, err := h.play.Start(telemetry.NewContext(t.Context(), trace), play.Request{Device: camera, Channel: camera})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, st := range s.Stages {
		names = append(names, st.Name)
		if st.Failed || st.Detail == "" || st.Trace != trace.ID() {
			t.Errorf("stage %+v", st)
		}
	}
	if got, want := strings.Join(names, " "), "device receiver offer answer first_packet key_frame"; got != want {
		t.Errorf("stages %q, want %q", got, want)
	}
	if s.State != play.Playing || len(s.Tracks) == 0 || s.Tracks[0].Codec != media.H264 {
		t.Errorf("session %+v", s)
	}
	if want := string(camera) + ":" + s.SSRC + "," + string(platform) + ":0"; h.device.lastSubject() != want {
		t.Errorf("Subject %q, want %q", h.device.lastSubject(), want)
	}
}

// Quirk: 34
func TestOneInviteHoweverManyAsk(t *testing.T) {
	h := newHouse(t)
	h.device.answerDelay = 50 * time.Millisecond
	var wg sync.WaitGroup
	ids := make(chan string, 50)
	for range 50 {
		wg.Go(func() {
			s, err := h.play.Start(t.Context(), play.Request{Device: camera, Channel: camera})
			if err != nil {
				t.Error(err)
			}
			ids <- s.ID
		})
	}
	wg.Wait()
	close(ids)
	first := <-ids
	for id := range ids {
		if id != first {
			t.Errorf("session %s beside %s", id, first)
		}
	}
	if n := h.device.invites.Load(); n != 1 {
		t.Errorf("%d INVITEs, want 1", n)
	}
}

func TestAViewerOpensTheStreamByItsAddress(t *testing.T) {
	h := newHouse(t)
	r, err := h.play.Open(t.Context(), media.LiveKey(string(camera), string(camera), media.Main))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := r.Next(t.Context())
	if err != nil || !f.Key {
		t.Fatalf("first frame %+v, %v; want the cached key frame", f, err)
	}
	for _, address := range []media.Key{"live/1", "live/x_y_z", "nonsense"} {
		if _, err := h.play.Open(t.Context(), address); err == nil {
			t.Errorf("%s was opened", address)
		}
	}
}

func TestStreamEndsWithAByeWhenNobodyWatches(t *testing.T) {
	h := newHouse(t)
	r, err := h.play.Open(t.Context(), media.LiveKey(string(camera), string(camera), media.Main))
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	h.eventually("a BYE and nothing leased", func() bool { return h.device.byes.Load() == 1 && h.idle() })
	if !h.journalled("stream.ended") {
		t.Error("no event says that it ended")
	}
}

func TestStreamEndsWithoutAByeWhenTheDeviceHangsUp(t *testing.T) {
	h := newHouse(t)
	if _, err := h.play.Start(t.Context(), play.Request{Device: camera, Channel: camera}); err != nil {
		t.Fatal(err)
	}
	h.device.hangUp()
	h.eventually("nothing leased", h.idle)
	if n := h.device.byes.Load(); n != 0 {
		t.Errorf("%d BYEs for a dialog that the device ended", n)
	}
}

func TestStopEndsAndTheNextStartInvitesAnew(t *testing.T) {
	h := newHouse(t)
	for n := range 3 {
		s, err := h.play.Start(t.Context(), play.Request{Device: camera, Channel: camera})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.play.Stop(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
		if got := h.device.invites.Load(); got != int64(n+1) || !h.idle() {
			t.Fatalf("%d INVITEs after %d starts, leases %+v", got, n+1, h.engine.Counts())
		}
		if err := h.play.Stop(t.Context(), s.ID); !errors.Is(err, play.ErrNoSession) {
			t.Fatalf("second Stop = %v", err)
		}
	}
}

func TestAStartIsGivenUpWhenEveryCallerHasGone(t *testing.T) {
	h := newHouse(t)
	h.device.answerDelay = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := h.play.Start(ctx, play.Request{Device: camera, Channel: camera}); !errors.Is(err, context.Canceled) {
				t.Errorf("Start = %v", err)
			}
		})
	}
	h.eventually("an INVITE", func() bool { return h.device.invites.Load() == 1 })
	key := play.Request{Device: camera, Channel: camera, Profile: media.Main}.Key()
	if !h.play.Has(key) {
		t.Error("no session while the INVITE waits: its receiver would be taken for a leak")
	}
	cancel()
	wg.Wait()
	h.eventually("the INVITE given up and nothing leased", func() bool { return h.device.cancelled.Load() == 1 && h.idle() && !h.play.Has(key) })
}

func TestUDPWithoutAPacketIsTriedOverTCPOnce(t *testing.T) {
	h := newHouseWith(t, 500*time.Millisecond)
	h.device.silentOver = "udp"
	s, err := h.play.Start(t.Context(), play.Request{Device: camera, Channel: camera})
	if err != nil {
		t.Fatal(err)
	}
	if s.Transport != play.TCPPassive || h.device.byes.Load() != 1 {
		t.Errorf("transport %s after %d BYEs, want %s after 1", s.Transport, h.device.byes.Load(), play.TCPPassive)
	}
	if last := s.Stages[len(s.Stages)-1]; last.Attempt != 2 {
		t.Errorf("last stage %+v, want the second attempt", last)
	}
	if err := h.play.Stop(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	_, err = h.play.Start(t.Context(), play.Request{Device: camera, Channel: camera, Transport: play.UDP})
	if !errors.Is(err, play.ErrNoPacket) {
		t.Errorf("Start over a chosen UDP = %v, want ErrNoPacket", err)
	}
}

// failures are the stages of a start, each with a way to make it fail.
var failures = []struct {
	name  string
	req   play.Request
	spoil func(*fakeDevice)
	stage string
	cause error
}{
	{"unknown device", play.Request{Device: "34020000001320009999", Channel: "34020000001320009999"}, nil, play.StageDevice, gb28181.ErrUnknownDevice},
	{"unknown channel", play.Request{Device: camera, Channel: "34020000001320000777"}, nil, play.StageDevice, gb28181.ErrUnknownChannel},
	{"not a picture", play.Request{Device: camera, Channel: "34020000001340000001"}, nil, play.StageDevice, play.ErrNotLive},
	{"offline", play.Request{Device: camera, Channel: camera}, func(d *fakeDevice) { d.offline = true }, play.StageDevice, gb28181.ErrOffline},
	{"busy", play.Request{Device: camera, Channel: camera}, func(d *fakeDevice) { d.reject = 486 }, play.StageOffer, play.ErrBusy},
	{"rejected", play.Request{Device: camera, Channel: camera}, func(d *fakeDevice) { d.reject = 400 }, play.StageOffer, play.ErrRejected},
	{"unreachable", play.Request{Device: camera, Channel: camera}, func(d *fakeDevice) { d.unreachable = true }, play.StageOffer, gb28181.ErrOffline},
	{"no answer", play.Request{Device: camera, Channel: camera}, func(d *fakeDevice) { d.answerDelay = time.Hour }, play.StageOffer, play.ErrNoAnswer},
	{"no SDP", play.Request{Device: camera, Channel: camera}, func(d *fakeDevice) { d.answer = "" }, play.StageAnswer, play.ErrBadAnswer},
	{"refused by port 0", play.Request{Device: camera, Channel: camera}, func(d *fakeDevice) { d.answer = "v=0\r\nm=video 0 RTP/AVP 96\r\n" }, play.StageAnswer, play.ErrBadAnswer},
	{"no connection", play.Request{Device: camera, Channel: camera, Transport: play.TCPActive}, nil, play.StageConnect, play.ErrConnect},
	{"no packet", play.Request{Device: camera, Channel: camera, Transport: play.UDP}, func(d *fakeDevice) { d.silentOver = "udp" }, play.StagePacket, play.ErrNoPacket},
	{"hung up", play.Request{Device: camera, Channel: camera, Transport: play.UDP}, func(d *fakeDevice) { d.hangUpAtOnce = true }, play.StagePacket, play.ErrNoPacket},
	{"no key frame", play.Request{Device: camera, Channel: camera, Transport: play.UDP}, func(d *fakeDevice) { d.noKey = true }, play.StageKeyFrame, play.ErrNoKeyFrame},
}

// Quirk: 33
func TestEveryFailureNamesItsStageAndARemedy(t *testing.T) {
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			h := newHastyHouse(t)
			if f.spoil != nil {
				f.spoil(h.device)
			}
			_, err := h.play.Start(t.Context(), f.req)
			var failed *play.StartError
			if !errors.As(err, &failed) || !errors.Is(err, f.cause) {
				t.Fatalf("Start = %v, want a StartError of %v", err, f.cause)
			}
			last := failed.Stages[len(failed.Stages)-1]
			if last.Name != f.stage || !last.Failed || !strings.Contains(last.Detail, strings.SplitN(f.cause.Error(), "\n", 2)[0]) || failed.Remedy.EN == "" || failed.Remedy.ZH == "" {
				t.Errorf("failed at %+v with remedy %q, want stage %s", last, failed.Remedy, f.stage)
			}
			h.eventually("nothing leased", h.idle)
			if !h.journalled("stream.failed") {
				t.Error("no event says that it failed")
			}
		})
	}
}

// The catalog may be old, so a channel that is off is tried; if that fails the
// catalog knows why.
func TestAChannelThatIsOffIsTriedAndSaid(t *testing.T) {
	h := newHouse(t)
	h.device.off = true
	s, err := h.play.Start(t.Context(), play.Request{Device: camera, Channel: camera})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.Stages[0].Detail, "off") {
		t.Errorf("stage %+v", s.Stages[0])
	}
	for name, spoil := range map[string]func(*fakeDevice){
		"rejected": func(d *fakeDevice) { d.reject = 480 }, "silent": func(d *fakeDevice) { d.silentOver = "udp" },
	} {
		h := newHastyHouse(t)
		h.device.off = true
		spoil(h.device)
		var failed *play.StartError
		if _, err := h.play.Start(t.Context(), play.Request{Device: camera, Channel: camera, Transport: play.UDP}); !errors.As(err, &failed) {
			t.Fatal(err)
		}
		if !strings.Contains(failed.Remedy.EN, "this channel is off") {
			t.Errorf("%s: remedy %q", name, failed.Remedy.EN)
		}
	}
}

// TestAThousandFailuresOfEveryStageLeaveNothing is the leak test: leases and
// dialogs are as before; goleak looks after the goroutines when all have ended.
func TestAThousandFailuresOfEveryStageLeaveNothing(t *testing.T) {
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			h := newHastyHouse(t)
			if f.spoil != nil {
				f.spoil(h.device)
			}
			var wg sync.WaitGroup
			todo := make(chan struct{}, 1000)
			for range 1000 {
				todo <- struct{}{}
			}
			close(todo)
			for range 8 {
				wg.Go(func() {
					for range todo {
						if _, err := h.play.Start(t.Context(), f.req); err == nil {
							t.Error("a start succeeded")
						}
					}
				})
			}
			wg.Wait()
			h.eventually("nothing leased", h.idle)
			if open := h.device.open.Load(); open != 0 {
				t.Errorf("%d dialogs are open", open)
			}
		})
	}
}

func TestRTPWithoutASessionIsToldAgain(t *testing.T) {
	h := newHouse(t)
	s, err := h.play.Start(t.Context(), play.Request{Device: camera, Channel: camera})
	if err != nil {
		t.Fatal(err)
	}
	st, _ := h.engine.Stats(s.Key)
	if err := h.play.Stop(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	h.device.moved = netip.MustParseAddrPort("127.0.0.1:5071")
	now := time.Now()
	elsewhere := netip.MustParseAddrPort("192.0.2.9:9")
	for name, c := range map[string]struct {
		engine.Orphan
		told bool
	}{
		"the same SSRC":             {engine.Orphan{SSRC: st.SSRC, Source: elsewhere, Last: now.Add(2 * time.Second)}, true},
		"the same source":           {engine.Orphan{SSRC: 4711, Source: st.Source, Last: now.Add(2 * time.Second)}, true},
		"what was on the way":       {engine.Orphan{SSRC: st.SSRC, Source: st.Source, Last: now.Add(100 * time.Millisecond)}, false},
		"what has stopped":          {engine.Orphan{SSRC: st.SSRC, Source: st.Source, Last: now.Add(-10 * time.Second)}, false},
		"what we never asked to be": {engine.Orphan{SSRC: 77, Source: elsewhere, Last: now.Add(2 * time.Second)}, false},
	} {
		before := h.device.again.Load()
		h.play.Reconcile(t.Context(), []engine.Orphan{c.Orphan})
		if told := h.device.again.Load() == before+1; told != c.told {
			t.Errorf("%s: told %v, want %v", name, told, c.told)
		}
	}
	if !h.journalled("stream.orphan") {
		t.Error("no event tells of it")
	}
	if to := h.device.lastFlow(); to.Remote != h.device.moved {
		t.Errorf("BYE went to %v, the device is at %v", to.Remote, h.device.moved)
	}
}

func TestByeGoesToWhereTheDeviceIsNow(t *testing.T) {
	h := newHouse(t)
	s, err := h.play.Start(t.Context(), play.Request{Device: camera, Channel: camera})
	if err != nil {
		t.Fatal(err)
	}
	h.device.moved = netip.MustParseAddrPort("127.0.0.1:5071")
	if err := h.play.Stop(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if to := h.device.lastFlow(); to.Remote != h.device.moved {
		t.Errorf("BYE went to %v, the device is at %v", to.Remote, h.device.moved)
	}
}

// The device does not know that its connection was lost and sends on.
func TestADeviceWhoseConnectionWentIsToldLater(t *testing.T) {
	h := newHouse(t)
	s, err := h.play.Start(t.Context(), play.Request{Device: camera, Channel: camera})
	if err != nil {
		t.Fatal(err)
	}
	st, _ := h.engine.Stats(s.Key)
	h.device.lose()
	h.eventually("nothing leased", h.idle)
	h.play.Reconcile(t.Context(), []engine.Orphan{{SSRC: st.SSRC, Source: st.Source, Last: time.Now().Add(2 * time.Second)}})
	if h.device.byes.Load() != 0 || h.device.again.Load() != 1 {
		t.Errorf("%d BYEs, then %d more", h.device.byes.Load(), h.device.again.Load())
	}
}

func TestAKeyFrameIsAskedForOnceHoweverManyWait(t *testing.T) {
	h := newHouse(t)
	key := media.LiveKey(string(camera), string(camera), media.Main)
	h.play.RequestKey(key) // of no stream: nothing to ask
	if _, err := h.play.Start(t.Context(), play.Request{Device: camera, Channel: camera}); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		h.play.RequestKey(key)
	}
	h.eventually("one request", func() bool { return h.device.keyFrames.Load() == 1 })
	time.Sleep(50 * time.Millisecond)
	if n := h.device.keyFrames.Load(); n != 1 {
		t.Errorf("%d requests within two seconds, want 1", n)
	}
}

func TestADeviceThatRegisteredAnewKeepsOnlyWhatItSends(t *testing.T) {
	key := media.LiveKey(string(camera), string(camera), media.Main)
	t.Run("a stream that goes on stays", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t)
		h.device.endless.Store(true)
		r, err := h.play.Open(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		h.play.DeviceAnew(camera)
		time.Sleep(2500 * time.Millisecond)
		if n := h.device.byes.Load(); n != 0 {
			t.Fatal("a stream was ended that goes on")
		}
	})
	t.Run("a stream from before a reboot ends", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t)
		r, err := h.play.Open(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		h.eventually("the end of the clip", func() bool {
			st, _ := h.engine.Stats(key)
			return time.Since(st.Last) > 200*time.Millisecond
		})
		h.play.DeviceAnew(camera)
		h.eventually("a BYE and nothing leased", func() bool { return h.device.byes.Load() == 1 && h.idle() })
	})
}

func TestShutdownSendsByeToEveryStream(t *testing.T) {
	h := newHouse(t)
	if _, err := h.play.Start(t.Context(), play.Request{Device: camera, Channel: camera}); err != nil {
		t.Fatal(err)
	}
	if err := h.play.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.device.byes.Load() != 1 || !h.idle() {
		t.Errorf("%d BYEs, leases %+v", h.device.byes.Load(), h.engine.Counts())
	}
	if _, err := h.play.Start(t.Context(), play.Request{Device: camera, Channel: camera}); !errors.Is(err, play.ErrClosing) {
		t.Errorf("Start = %v, want ErrClosing", err)
	}
}

// house is a coordinator on a real engine beside a device that is a few
// functions and a socket.
type house struct {
	t       *testing.T
	engine  *engine.Engine
	play    *play.Coordinator
	device  *fakeDevice
	journal *journal.Journal
}

// newHouse waits long enough for a device on this machine, newHastyHouse only
// for what fails anyway.
func newHouse(t *testing.T) *house      { return newHouseWith(t, 5*time.Second) }
func newHastyHouse(t *testing.T) *house { return newHouseWith(t, 20*time.Millisecond) }

func newHouseWith(t *testing.T, patience time.Duration) *house {
	return newHouseOf(t, times{patience: patience, idle: 300 * time.Millisecond})
}

// times are those of a house.
type times struct {
	patience time.Duration // for answers and packets
	idle     time.Duration // that a stream stays without a viewer
	silence  time.Duration // that ends a recording
}

func newHouseOf(t *testing.T, c times) *house {
	t.Helper()
	first := 20000 + rand.IntN(10000)*2 // beside other tests' ports; the engine passes over busy ones
	eng, err := engine.New(engine.Config{Listen: "127.0.0.1:0", PortMin: first, PortMax: first + 99, Domain: string(platform), IdleClose: c.idle},
		zerolog.Nop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := eng.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := eng.Run(ctx); err != nil {
			t.Errorf("engine: %v", err)
		}
	})
	h := &house{t: t, engine: eng, journal: journal.New(1024), device: &fakeDevice{t: t, answer: "default"}}
	h.play = play.New(play.Config{ID: platform, Transport: play.UDP, Mode: "single", AnswerTimeout: c.patience, PacketTimeout: c.patience, Silence: c.silence, RequestKeyFrame: h.device.keyFrame},
		h.device, h.device, h.device, eng, h.journal, prometheus.NewRegistry(), zerolog.Nop())
	t.Cleanup(func() {
		if err := h.play.Close(context.Background()); err != nil {
			t.Error(err)
		}
		cancel()
		wg.Wait()
		h.device.wait.Wait()
	})
	return h
}

func (h *house) idle() bool {
	c := h.engine.Counts()
	return c.Ports == 0 && c.SSRCs == 0 && c.Receivers == 0 && h.device.open.Load() == 0 && len(h.play.Sessions()) == 0
}

func (h *house) journalled(kind string) bool {
	events, _ := h.journal.Since(0, 1000)
	for _, e := range events {
		if e.Type == kind {
			return true
		}
	}
	return false
}

func (h *house) eventually(what string, ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	h.t.Fatalf("not within 5 s: %s (leases %+v, dialogs %d, sessions %d)", what, h.engine.Counts(), h.device.open.Load(), len(h.play.Sessions()))
}

// fakeDevice is the device, its table row, its catalog and its SIP in one.
type fakeDevice struct {
	t            *testing.T
	offline      bool
	off          bool // its channel, by its catalog
	unreachable  bool
	reject       int
	answerDelay  time.Duration
	answer       string // "default" answers the offer
	silentOver   string // "udp": sends nothing over it
	noKey        bool
	hangUpAtOnce bool
	endless      atomic.Bool // repeats the clip
	edition      gb28181.Edition

	invites, byes, again, cancelled, open, keyFrames atomic.Int64
	wait                                             sync.WaitGroup

	infos chan string  // bodies of INFO, if not nil
	reply sip.Response // to them

	mu      sync.Mutex
	offer   string // SDP of the last INVITE
	subject string
	dialogs []*fakeDialog
	flow    flow.Flow // of the last BYE
	moved   netip.AddrPort
}

func (d *fakeDevice) Device(id gb28181.ID) (gb28181.Device, bool) {
	return gb28181.Device{ID: id, Edition: d.edition, Presence: shadow.Presence{State: shadow.Online}}, id == camera
}

func (d *fakeDevice) Flow(gb28181.ID) (flow.Flow, error) {
	if d.offline {
		return flow.Flow{}, gb28181.ErrOffline
	}
	f := flow.Flow{Transport: flow.UDP, Local: netip.MustParseAddrPort("127.0.0.1:5060"), Remote: netip.MustParseAddrPort("127.0.0.1:5070")}
	if d.moved.IsValid() {
		f.Remote = d.moved
	}
	return f, nil
}

func (d *fakeDevice) Heard(gb28181.ID, shadow.Evidence, flow.Flow, time.Time) {}

func (d *fakeDevice) Doubt(gb28181.ID, shadow.Evidence, string, time.Time) {}

func (d *fakeDevice) Channel(_, id gb28181.ID) (gb28181.Channel, bool) {
	return gb28181.Channel{ID: id, On: !d.off}, d.off || id == "34020000001340000001"
}

func (d *fakeDevice) Advertised(flow.Flow) (string, int) { return "127.0.0.1", 5060 }

func (d *fakeDevice) keyFrame(context.Context, gb28181.ID, gb28181.ID) error {
	d.keyFrames.Add(1)
	return nil
}

func (d *fakeDevice) lastSubject() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.subject
}

func (d *fakeDevice) info(contentType string, body []byte) (*sip.Response, error) {
	if contentType != "Application/MANSRTSP" {
		d.t.Errorf("INFO of type %q", contentType)
	}
	d.infos <- string(body)
	r := d.reply
	return &r, nil
}

func (d *fakeDevice) hangUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dialogs[len(d.dialogs)-1].end(sip.ErrPeerBye)
}

func (d *fakeDevice) lose() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dialogs[len(d.dialogs)-1].end(sip.ErrUnreachable)
}

func (d *fakeDevice) lastFlow() flow.Flow {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flow
}

func (d *fakeDevice) Invite(ctx context.Context, _ sip.Peer, i sip.Invite) (play.Dialog, error) {
	d.invites.Add(1)
	d.mu.Lock()
	d.subject, d.offer = i.Subject, string(i.SDP)
	d.mu.Unlock()
	if d.unreachable {
		return nil, sip.ErrUnreachable
	}
	if d.reject != 0 {
		return nil, &sip.Rejected{Status: d.reject, Reason: "No"}
	}
	if d.answerDelay > 0 {
		select {
		case <-time.After(d.answerDelay):
		case <-ctx.Done():
			d.cancelled.Add(1)
			return nil, context.Cause(ctx)
		}
	}
	offer, err := gbsdp.Parse(i.SDP)
	if err != nil {
		return nil, err
	}
	g := &fakeDialog{device: d, offer: offer, done: make(chan struct{})}
	d.open.Add(1)
	d.mu.Lock()
	d.dialogs = append(d.dialogs, g)
	d.mu.Unlock()
	return g, nil
}

type fakeDialog struct {
	device *fakeDevice
	offer  gbsdp.Description
	done   chan struct{}
	once   sync.Once
	err    error
	flow   flow.Flow
}

func (g *fakeDialog) SDP() []byte {
	if g.device.answer != "default" {
		return []byte(g.device.answer)
	}
	setup, proto := "", "RTP/AVP"
	switch m := g.offer.First("video"); {
	case m.TCP && m.Setup == gbsdp.Passive:
		setup, proto = "a=setup:active\r\n", "TCP/RTP/AVP"
	case m.TCP:
		setup, proto = "a=setup:passive\r\n", "TCP/RTP/AVP"
	}
	// Port 9 is closed: an active connection to it is refused.
	return []byte("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=Play\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 9 " + proto +
		" 96\r\na=sendonly\r\na=rtpmap:96 PS/90000\r\n" + setup + "y=" + g.offer.SSRC + "\r\n")
}

func (g *fakeDialog) CallID() string        { return fmt.Sprintf("%p", g) }
func (g *fakeDialog) Source() netip.Addr    { return netip.MustParseAddr("127.0.0.1") }
func (g *fakeDialog) Done() <-chan struct{} { return g.done }
func (g *fakeDialog) Err() error            { return g.err }
func (g *fakeDialog) Move(f flow.Flow)      { g.flow = f }

func (g *fakeDialog) Info(_ context.Context, contentType string, body []byte) (*sip.Response, error) {
	return g.device.info(contentType, body)
}

func (g *fakeDialog) Ack(context.Context) error {
	d := g.device
	if d.hangUpAtOnce {
		g.end(sip.ErrPeerBye)
		return nil
	}
	m := g.offer.First("video")
	if m.TCP && m.Setup == gbsdp.Active || !m.TCP && d.silentOver == "udp" || d.answer != "default" {
		return nil
	}
	d.wait.Go(func() { g.send(m) })
	return nil
}

func (g *fakeDialog) Bye(context.Context) error {
	g.device.byes.Add(1)
	g.reached()
	g.end(nil)
	return nil
}

func (g *fakeDialog) ByeAgain(context.Context) error {
	g.device.again.Add(1)
	g.reached()
	return nil
}

func (g *fakeDialog) reached() {
	g.device.mu.Lock()
	defer g.device.mu.Unlock()
	g.device.flow = g.flow
}

func (g *fakeDialog) end(err error) {
	g.once.Do(func() {
		g.err = err
		close(g.done)
		g.device.open.Add(-1)
	})
}

// send pushes the clip as PS over RTP until the dialog ends.
func (g *fakeDialog) send(m *gbsdp.Media) {
	network := "udp"
	if m.TCP {
		network = "tcp"
	}
	c, err := net.Dial(network, netip.AddrPortFrom(g.offer.Connection, uint16(m.Port)).String())
	if err != nil {
		return // the receiver ended meanwhile
	}
	defer c.Close()
	ssrc, _ := g.offer.SSRCValue()
	mux, seq := ps.NewMuxer(media.H264, ""), uint16(0)
	clip := mediatest.H264()
	for i := 0; i < len(clip) || g.device.endless.Load(); i++ {
		f := clip[i%len(clip)]
		if g.device.noKey && f.Key {
			continue
		}
		for rest := mux.Append(nil, f); len(rest) > 0; seq++ {
			n := min(1400, len(rest))
			p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 96, SSRC: ssrc, SequenceNumber: seq, Timestamp: uint32(f.DTS), Marker: n == len(rest)}, Payload: rest[:n]}
			b, err := p.Marshal()
			if err != nil {
				g.device.t.Error(err)
				return
			}
			if m.TCP {
				b = append([]byte{byte(len(b) >> 8), byte(len(b))}, b...)
			}
			if _, err := c.Write(b); err != nil {
				return // the receiver ended meanwhile
			}
			rest = rest[n:]
		}
		select {
		case <-g.done:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
	<-g.done
}
