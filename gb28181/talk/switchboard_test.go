package talk_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/gb28181/gbsdp"
	"fengsui/gb28181/play"
	"fengsui/gb28181/talk"
	"fengsui/media"
	"fengsui/media/engine"
	"fengsui/media/rtp"
	"fengsui/media/voice"
	"fengsui/shadow/journal"
	"fengsui/sip"
	"fengsui/sip/flow"
)

const (
	platform = gb28181.ID("34020000002000000001")
	recorder = gb28181.ID("34020000001180000001")
)

// town is everything around a switchboard: devices, catalog, signalling and ports.
type town struct {
	edition  gb28181.Edition
	items    []gb28181.Channel
	announce func(ctx context.Context, target gb28181.ID) error
	invite   func(ctx context.Context) (talk.Dialog, error)
	told     chan gb28181.ID
}

func (w *town) Device(id gb28181.ID) (gb28181.Device, bool) {
	return gb28181.Device{ID: id, Edition: w.edition}, id == recorder
}

func (w *town) Flow(gb28181.ID) (flow.Flow, error) {
	return flow.Flow{Transport: "udp", Remote: netip.MustParseAddrPort("192.0.2.20:5060")}, nil
}

func (w *town) Channels(gb28181.ID) []gb28181.Channel { return w.items }

func (w *town) Channel(_, id gb28181.ID) (gb28181.Channel, bool) {
	return gb28181.Channel{ID: id}, true
}

func (w *town) Broadcast(ctx context.Context, _, _, target gb28181.ID) error {
	select {
	case w.told <- target:
	default:
	}
	return w.announce(ctx, target)
}

func (w *town) Invite(ctx context.Context, _ sip.Peer, _ sip.Invite) (talk.Dialog, error) {
	return w.invite(ctx)
}

func (w *town) Accept(*sip.Request, func() string, []byte) (sip.Response, talk.Dialog, error) {
	return sip.Response{}, nil, errors.New("not in this test")
}

func (w *town) Advertised(flow.Flow) (string, int) { return "198.51.100.5", 5060 }

func (w *town) Send(engine.Speak) (*rtp.Sender, error) { return nil, rtp.ErrNoPort }

func (w *town) open() *talk.Switchboard {
	w.told = make(chan gb28181.ID, 1)
	if w.announce == nil {
		w.announce = func(ctx context.Context, _ gb28181.ID) error { <-ctx.Done(); return ctx.Err() }
	}
	return talk.New(talk.Config{ID: platform}, w, w, w, w, w, journal.New(16), prometheus.NewRegistry(), zerolog.Nop())
}

func to(channel gb28181.ID) talk.Request {
	return talk.Request{Device: recorder, Channel: channel, By: "somebody", Kind: "file",
		Sound: func(media.Codec) voice.Source { return voice.NewMicrophone(media.PCMA) }}
}

func TestTalksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := (&town{}).open()
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan error)
		const most = 256
		for i := range most {
			go func() {
				_, err := b.Start(ctx, to(gb28181.ID(fmt.Sprintf("3402000000132%07d", i))))
				done <- err
			}()
		}
		synctest.Wait()
		_, err := b.Start(ctx, to("34020000001329999999"))
		var failed *talk.StartError
		if !errors.Is(err, talk.ErrFull) || !errors.As(err, &failed) || failed.Remedy.ZH == "" {
			t.Errorf("one more: %v", err)
		}
		leave()
		for range most {
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		if n := len(b.Talks()); n != 0 {
			t.Errorf("%d talks are left", n)
		}
	})
}

// signalling.md section 6.9: a loudspeaker is an item of type 137 under its camera.
func TestTheLoudspeakerOfAChannelIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		item := func(id, parent gb28181.ID) gb28181.Channel { return gb28181.Channel{ID: id, ParentID: string(parent)} }
		camera, other := gb28181.ID("34020000001310000001"), gb28181.ID("34020000001310000002")
		speaker, second := gb28181.ID("34020000001370000001"), gb28181.ID("34020000001370000002")
		for name, c := range map[string]struct {
			items         []gb28181.Channel
			channel, want gb28181.ID
		}{
			"none":           {[]gb28181.Channel{item(camera, recorder)}, camera, camera},
			"under it":       {[]gb28181.Channel{item(camera, recorder), item(other, recorder), item(second, recorder+"/"+other), item(speaker, recorder+"/"+camera)}, camera, speaker},
			"the only one":   {[]gb28181.Channel{item(camera, recorder), item(speaker, recorder)}, camera, speaker},
			"of the device":  {[]gb28181.Channel{item(camera, recorder), item(other, recorder), item(speaker, recorder)}, camera, camera},
			"it is one":      {[]gb28181.Channel{item(camera, recorder), item(speaker, recorder)}, speaker, speaker},
			"one of several": {[]gb28181.Channel{item(camera, recorder), item(speaker, recorder), item(second, recorder)}, camera, camera},
		} {
			w := &town{items: c.items}
			b := w.open()
			ctx, leave := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { _, err := b.Start(ctx, to(c.channel)); done <- err }()
			if got := <-w.told; got != c.want {
				t.Errorf("%s: %s is told, want %s", name, got, c.want)
			}
			leave()
			<-done
		}
	})
}

func TestEachWayIsTriedAsTheEditionHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse := func(context.Context, gb28181.ID) error { return fmt.Errorf("%w: Result ERROR", gb28181.ErrRefused) }
		for _, c := range []struct {
			edition gb28181.Edition
			way     talk.Way
			as      gb28181.Edition
			want    error
			last    string
		}{
			{gb28181.Edition2022, "", 0, talk.ErrDeclined, "notice"},
			{gb28181.Edition2016, "", 0, talk.ErrNoPort, "notice"}, // the talk that follows finds no port
			{gb28181.Edition2016, talk.Broadcast, 0, talk.ErrDeclined, "notice"},
			{gb28181.Edition2022, talk.TwoWay, 0, talk.ErrEdition, "device"},
			{gb28181.Edition2022, talk.TwoWay, gb28181.Edition2016, talk.ErrNoPort, "device"},
		} {
			w := &town{edition: c.edition, announce: refuse}
			r := to("34020000001310000001")
			r.Way, r.Edition = c.way, c.as
			_, err := w.open().Start(t.Context(), r)
			var failed *talk.StartError
			if !errors.Is(err, c.want) || !errors.As(err, &failed) || failed.Stages[len(failed.Stages)-1].Name != c.last || failed.Remedy == (play.Words{}) {
				t.Errorf("%+v: %v", c, err)
			}
		}
	})
}

func TestADeviceThatNeverInvitesIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &town{edition: gb28181.Edition2022, announce: func(context.Context, gb28181.ID) error { return nil }}
		begin := time.Now()
		_, err := w.open().Start(t.Context(), to("34020000001310000001"))
		if took := time.Since(begin); !errors.Is(err, talk.ErrNoInvite) || took != 15*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// Who was not told to invite, or calls from elsewhere, is refused.
func TestStrangersInviteInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &town{edition: gb28181.Edition2022, announce: func(context.Context, gb28181.ID) error { return nil }}
		b := w.open()
		offer := gbsdp.Sound{Owner: recorder, Session: gbsdp.Play, Address: netip.MustParseAddr("192.0.2.20"), Port: 9000, Direction: gbsdp.RecvOnly, Payloads: []uint8{8}}.Append(nil)
		invite := func(from string, id gb28181.ID) int {
			res, _ := b.Invite(&sip.Request{Method: "INVITE", FromUser: string(id), Body: offer, CallID: from,
				Flow: flow.Flow{Transport: "udp", Remote: netip.MustParseAddrPort(from)}})
			return res.Status
		}
		if got := invite("192.0.2.20:5060", recorder); got != 403 {
			t.Errorf("unasked: %d", got)
		}
		done := make(chan error)
		go func() { _, err := b.Start(t.Context(), to("34020000001310000001")); done <- err }()
		<-w.told
		synctest.Wait()
		if got := invite("192.0.2.99:5060", recorder); got != 403 {
			t.Errorf("from elsewhere: %d", got)
		}
		if got := invite("192.0.2.20:6000", "34020000001379999999"); got != 503 { // known by its address; there is no port
			t.Errorf("under another ID: %d", got)
		}
		if err := <-done; !errors.Is(err, talk.ErrNoPort) {
			t.Error(err)
		}
	})
}
