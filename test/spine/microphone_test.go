package spine_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/internal/sim"
	"fengsui/media/voice"
)

// microphone is a browser's end: it says one frame over and over.
type microphone struct {
	t        testing.TB
	h        *house
	pc       *webrtc.PeerConnection
	location string
}

// microphone posts an offer for a channel; mimes are what it can send. It returns
// the answer's status and body.
func (h *house) microphone(d sim.Device, frame []byte, mimes ...string) (*microphone, int, string) {
	h.t.Helper()
	engine := &webrtc.MediaEngine{}
	for i, mime := range mimes {
		c := webrtc.RTPCodecParameters{PayloadType: webrtc.PayloadType(100 + i), RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: mime, ClockRate: 8000}}
		switch mime {
		case webrtc.MimeTypePCMA:
			c.PayloadType = 8
		case webrtc.MimeTypePCMU:
			c.PayloadType = 0
		default:
			c.ClockRate, c.Channels = 48000, 2
		}
		if err := engine.RegisterCodec(c, webrtc.RTPCodecTypeAudio); err != nil {
			h.t.Fatal(err)
		}
	}
	var e webrtc.SettingEngine
	e.SetIncludeLoopbackCandidate(true)
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(e)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		h.t.Fatal(err)
	}
	m := &microphone{t: h.t, h: h, pc: pc}
	h.t.Cleanup(func() { _ = pc.GracefulClose() })
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: mimes[0]}, "microphone", "test")
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}); err != nil {
		h.t.Fatal(err)
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		h.t.Fatal(err)
	}
	<-gathered
	status, location, body := h.whip("POST", "/whip/talk/"+string(d.ID)+"/"+string(d.Channels[0]), pc.LocalDescription().SDP)
	if m.location = location; status != http.StatusCreated {
		return m, status, body
	}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: body}); err != nil {
		h.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	spoken := make(chan struct{})
	h.t.Cleanup(func() { stop(); <-spoken })
	go func() {
		defer close(spoken)
		tick := time.NewTicker(voice.FrameMS * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = track.WriteSample(media.Sample{Data: frame, Duration: voice.FrameMS * time.Millisecond}) // until it is closed
			case <-ctx.Done():
				return
			}
		}
	}()
	return m, status, body
}

// whip sends a request of WHIP.
func (h *house) whip(method, path, body string) (status int, location, answer string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, h.base+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/sdp")
	r.Header.Set("Authorization", "Bearer "+h.token)
	res, err := h.http.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Location"), string(b)
}

func TestAMicrophoneIsHeardByTheDevice(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *configs.Config) { c.Media.WebRTCListen = freeAddress(t, "127.0.0.1") })
	frame := make([]byte, voice.FrameLength)
	for i := range frame {
		frame[i] = byte(i + 1)
	}
	for i, quirks := range [][]string{nil, {"mu-law-sound"}} {
		mime, packing := webrtc.MimeTypePCMA, "PCMA"
		if quirks != nil {
			mime, packing = webrtc.MimeTypePCMU, "PCMU"
		}
		s := h.run(sim.Config{Keepalive: time.Hour, Edition: gb28181.Edition2022, Quirks: quirks, FirstID: number("34020000001320000001", i+1)})
		d := s.Device(0)
		h.complete(d.ID, 1)
		m, status, body := h.microphone(d, frame, mime, webrtc.MimeTypePCMA, webrtc.MimeTypePCMU, webrtc.MimeTypeOpus)
		if status != http.StatusCreated || !strings.HasPrefix(m.location, "/whip/talk/"+string(d.ID)+"/") {
			t.Fatalf("%d %s: %s", status, m.location, body)
		}
		eventually(t, "a second is heard", func() bool {
			all := s.Heard(0)
			return len(all) == 1 && bytes.Count(all[0].Audio, frame) >= 50
		})
		if _, other, p := h.microphone(d, frame, mime); other != http.StatusConflict || !strings.Contains(p, "214001") {
			t.Errorf("a second microphone: %d %s", other, p)
		}
		if status, _, body := h.whip("DELETE", m.location, ""); status != http.StatusOK {
			t.Errorf("DELETE: %d %s", status, body)
		}
		got := heard(t, s)
		if got.Packing != packing || got.Steps != 0 || got.By != "server" {
			got.Audio = nil
			t.Errorf("the device heard %+v", got)
		}
		v := h.talkEnded(m.location[strings.LastIndexByte(m.location, '/')+1:])
		if v.Codec != packing || v.Reason != "the sound is over" {
			t.Errorf("%+v", v)
		}
	}
	eventually(t, "nothing is leased", func() bool { l := h.leases(); return l.Ports == 0 && l.Dialogs == 0 })
}

func TestTheDeviceEndsAMicrophone(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *configs.Config) { c.Media.WebRTCListen = freeAddress(t, "127.0.0.1") })
	s := h.run(sim.Config{Keepalive: time.Hour, Edition: gb28181.Edition2022})
	d := s.Device(0)
	h.complete(d.ID, 1)
	if m, status, body := h.microphone(d, []byte{1}, webrtc.MimeTypeOpus); status != http.StatusNotAcceptable || !strings.Contains(body, "214005") {
		t.Errorf("without G.711: %d %s %s", status, m.location, body)
	}
	if n := len(s.Heard(0)); n != 0 {
		t.Errorf("the device was called %d times", n)
	}
	m, status, body := h.microphone(d, make([]byte, voice.FrameLength), webrtc.MimeTypePCMA)
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	closed := make(chan struct{})
	m.pc.OnConnectionStateChange(func(st webrtc.PeerConnectionState) {
		if st == webrtc.PeerConnectionStateClosed || st == webrtc.PeerConnectionStateDisconnected || st == webrtc.PeerConnectionStateFailed {
			select {
			case <-closed:
			default:
				close(closed)
			}
		}
	})
	eventually(t, "it is heard", func() bool { all := s.Heard(0); return len(all) == 1 && all[0].Packets > 20 })
	if err := s.HangUp(0); err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
	case <-time.After(patience):
		t.Error("the microphone was not told")
	}
	if status, _, _ := h.whip("DELETE", m.location, ""); status != http.StatusNotFound {
		t.Errorf("DELETE after the end: %d", status)
	}
}
