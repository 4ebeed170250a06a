package whep_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fengsui/media"
	"fengsui/media/mediatest"
	"fengsui/media/out/whep"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = media.Key("live/1_2")

// served is a running server with one stream.
type served struct {
	*whep.Server
	reg *prometheus.Registry
}

// serve runs a server on a loopback port until the test ends.
func serve(t *testing.T, cfg whep.Config, open mediatest.Opener) served {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	reg := prometheus.NewRegistry()
	s := whep.New(cfg, open, reg, zerolog.Nop())
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := s.Count(); n != 0 {
			t.Errorf("%d sessions left", n)
		}
	})
	return served{s, reg}
}

func one(r media.Reader) mediatest.Opener {
	return func(context.Context, media.Key) (media.Reader, error) { return r, nil }
}

// metric is the value of a counter or gauge, all labels added or that of one reason.
func (s served) metric(t *testing.T, name, reason string) (sum float64) {
	t.Helper()
	families, err := s.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if reason != "" && m.GetLabel()[0].GetValue() != reason {
				continue
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 5 s: %s", what)
		}
	}
}

func (s served) post(offer string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/whep/live/1_2", strings.NewReader(offer))
	r.Header.Set("Content-Type", "application/sdp")
	s.ServeOffer(w, r, key)
	return w
}

// browser is a viewer made of pion.
type browser struct {
	pc *webrtc.PeerConnection

	mu    sync.Mutex
	video []picture
	sound []byte
	types map[string]bool
}

// picture is an access unit as it came.
type picture struct {
	time  uint32
	units [][]byte
}

// newBrowser makes a viewer that knows the codecs given, over UDP or TCP. Its
// offer has their kinds in the order of the first of each.
func newBrowser(t *testing.T, tcp bool, codecs ...webrtc.RTPCodecParameters) *browser {
	t.Helper()
	m := &webrtc.MediaEngine{}
	var kinds []webrtc.RTPCodecType
	for _, c := range codecs {
		kind := webrtc.RTPCodecTypeVideo
		if strings.HasPrefix(c.MimeType, "audio") {
			kind = webrtc.RTPCodecTypeAudio
		}
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
		if err := m.RegisterCodec(c, kind); err != nil {
			t.Fatal(err)
		}
	}
	var e webrtc.SettingEngine
	e.SetIncludeLoopbackCandidate(true)
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	e.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	if tcp {
		e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
	}
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithSettingEngine(e)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{pc: pc, types: map[string]bool{}}
	var reading sync.WaitGroup
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		reading.Add(1)
		defer reading.Done()
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			b.take(track.Codec().MimeType, p)
		}
	})
	t.Cleanup(func() {
		if err := pc.GracefulClose(); err != nil {
			t.Error(err)
		}
		reading.Wait()
	})
	for _, kind := range kinds {
		if _, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b *browser) offer(t *testing.T) string {
	t.Helper()
	o, err := b.pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(b.pc)
	if err := b.pc.SetLocalDescription(o); err != nil {
		t.Fatal(err)
	}
	<-gathered
	return b.pc.LocalDescription().SDP
}

// watch posts an offer and takes the answer; it returns the session's address.
func (b *browser) watch(t *testing.T, s served) (location, answer string) {
	t.Helper()
	w := s.post(b.offer(t))
	if w.Code != http.StatusCreated || w.Header().Get("Content-Type") != "application/sdp" {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	answer = w.Body.String()
	if err := b.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatal(err)
	}
	return w.Header().Get("Location"), answer
}

// take puts packets together by code of its own.
func (b *browser) take(mime string, p *rtp.Packet) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.types[mime] = true
	in := bytes.Clone(p.Payload)
	if strings.HasPrefix(mime, "audio") {
		b.sound = append(b.sound, in...)
		return
	}
	if n := len(b.video); n == 0 || b.video[n-1].time != p.Timestamp {
		b.video = append(b.video, picture{time: p.Timestamp})
	}
	v := &b.video[len(b.video)-1]
	head, start := 0, false
	var header []byte
	switch {
	case mime == webrtc.MimeTypeH264 && in[0]&31 == 28:
		head, start, header = 2, in[1]&0x80 != 0, []byte{in[0]&0xE0 | in[1]&0x1F}
	case mime == webrtc.MimeTypeH265 && in[0]>>1&63 == 49:
		head, start, header = 3, in[2]&0x80 != 0, []byte{in[0]&0x81 | in[2]&0x3F<<1, in[1]}
	}
	switch {
	case head == 0:
		v.units = append(v.units, in)
	case start:
		v.units = append(v.units, append(header, in[head:]...))
	case len(v.units) > 0:
		last := len(v.units) - 1
		v.units[last] = append(v.units[last], in[head:]...)
	}
}

func (b *browser) pictures() []picture {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]picture(nil), b.video...)
}

func (b *browser) heard() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.sound)
}

// askKey sends a PLI.
func (b *browser) askKey(t *testing.T) {
	t.Helper()
	for _, r := range b.pc.GetReceivers() {
		if track := r.Track(); track != nil && track.Kind() == webrtc.RTPCodecTypeVideo {
			if err := b.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func h264(payload webrtc.PayloadType, profile string) webrtc.RTPCodecParameters {
	return webrtc.RTPCodecParameters{PayloadType: payload, RTPCodecCapability: webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeH264, ClockRate: 90000,
		SDPFmtpLine:  "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=" + profile,
		RTCPFeedback: []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}},
	}}
}

func h265() webrtc.RTPCodecParameters {
	return webrtc.RTPCodecParameters{PayloadType: 49, RTPCodecCapability: webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeH265, ClockRate: 90000, SDPFmtpLine: "level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST",
	}}
}

func g711(mime string, payload webrtc.PayloadType) webrtc.RTPCodecParameters {
	return webrtc.RTPCodecParameters{PayloadType: payload, RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: mime, ClockRate: 8000}}
}

func opus() webrtc.RTPCodecParameters {
	return webrtc.RTPCodecParameters{PayloadType: 111, RTPCodecCapability: webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1"}}
}

// fresh makes frames arrive now.
func fresh(frames []*media.Frame) []*media.Frame {
	for _, f := range frames {
		f.Arrived = time.Now()
	}
	return frames
}
