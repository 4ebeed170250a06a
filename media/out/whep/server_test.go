package whep_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"fengsui/media"
	"fengsui/media/mediatest"
	"fengsui/media/out/whep"
)

// wantPictures fails unless the pictures are those of the frames, key frames
// with their parameter sets before.
func wantPictures(t *testing.T, got []picture, want []*media.Frame) {
	t.Helper()
	for i, f := range want {
		units := f.Units
		if f.Key { // the clips' key frames begin with their parameter sets
			units = append(append([][]byte(nil), f.Track.Params...), f.Units[len(f.Track.Params):]...)
		}
		g := got[i]
		if g.time != uint32(f.PTS) || len(g.units) != len(units) {
			t.Fatalf("picture %d: %d units at %d, want %d at %d", i, len(g.units), g.time, len(units), f.PTS)
		}
		for k, u := range units {
			if !bytes.Equal(g.units[k], u) {
				t.Fatalf("picture %d unit %d: %d bytes, want %d", i, k, len(g.units[k]), len(u))
			}
		}
	}
}

func TestViewerGetsPicturesAndSound(t *testing.T) {
	for _, c := range []struct {
		name   string
		tcp    bool
		video  []*media.Frame
		sound  media.Codec
		mime   string
		codecs []webrtc.RTPCodecParameters
		answer []string
	}{
		{"H.264 and A-law", false, mediatest.H264(), media.PCMA, webrtc.MimeTypePCMA,
			[]webrtc.RTPCodecParameters{h264(102, "42001f"), h264(104, "42e01f"), h264(106, "4d001f"), h264(108, "640032"),
				opus(), g711(webrtc.MimeTypePCMU, 0), g711(webrtc.MimeTypePCMA, 8)},
			[]string{"a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f", "a=rtpmap:8 PCMA/8000"}},
		{"H.264 with another profile", false, mediatest.H264(), media.PCMU, webrtc.MimeTypePCMU,
			[]webrtc.RTPCodecParameters{h264(108, "640032"), h264(104, "42e01f"), g711(webrtc.MimeTypePCMU, 0)},
			[]string{"profile-level-id=42e01f"}},
		{"H.265", false, mediatest.H265(), media.PCMA, webrtc.MimeTypePCMA,
			[]webrtc.RTPCodecParameters{h264(104, "42e01f"), h265(), g711(webrtc.MimeTypePCMA, 8)},
			[]string{"a=rtpmap:49 H265/90000"}},
		{"over TCP", true, mediatest.H264(), media.PCMA, webrtc.MimeTypePCMA,
			[]webrtc.RTPCodecParameters{h264(104, "42e01f"), g711(webrtc.MimeTypePCMA, 8)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			sound := mediatest.G711(c.sound, 30)
			frames := c.video[:30]
			r := mediatest.NewReader([]*media.Track{frames[0].Track, sound[0].Track}, fresh(frames[:1])...)
			s := serve(t, whep.Config{}, one(r))
			b := newBrowser(t, c.tcp, c.codecs...)
			location, answer := b.watch(t, s)
			if !strings.HasPrefix(location, "/whep/live/1_2/") || s.Count() != 1 {
				t.Fatalf("location %q, %d sessions", location, s.Count())
			}
			for _, want := range c.answer {
				if !strings.Contains(answer, want) {
					t.Fatalf("no %q in the answer:\n%s", want, answer)
				}
			}
			eventually(t, "the key frame comes", func() bool { return len(b.pictures()) == 1 })
			r.Push(fresh(mediatest.Woven(frames[1:], sound))...)
			eventually(t, "all pictures come", func() bool { return len(b.pictures()) == 30 && len(b.heard()) == 29*320 })
			wantPictures(t, b.pictures(), frames)
			if got := b.heard(); got[0] != 0 || got[len(got)-1] != 28 || !b.types[c.mime] {
				t.Fatalf("sound is not as it was: %v", b.types)
			}
			r.End()
			eventually(t, "the session ends", func() bool { return s.Count() == 0 })
			if !r.Closed() || s.metric(t, "fengsui_whep_ended_total", "stream") != 1 {
				t.Fatal("the end of the stream is not the session's")
			}
		})
	}
}

func TestBigUnitsComeInFragments(t *testing.T) {
	frames := mediatest.H264()[:2]
	frames[0].Units = append(frames[0].Units, append([]byte{0x65}, bytes.Repeat([]byte{0xAB, 0xCD, 7}, 20000)...))
	r := mediatest.NewReader([]*media.Track{frames[0].Track}, fresh(frames)...)
	s := serve(t, whep.Config{}, one(r))
	b := newBrowser(t, false, h264(104, "42e01f"))
	b.watch(t, s)
	eventually(t, "both pictures come", func() bool { return len(b.pictures()) == 2 })
	wantPictures(t, b.pictures(), frames)
}

func TestStaleKeyFrameIsNotBegunWith(t *testing.T) {
	frames := mediatest.H264()
	for _, f := range frames[:25] {
		f.Arrived = time.Now().Add(-2 * time.Second)
	}
	r := mediatest.NewReader([]*media.Track{frames[0].Track}, frames[:25]...)
	var asked atomic.Int32
	s := serve(t, whep.Config{RequestKey: func(k media.Key) {
		if k == key {
			asked.Add(1)
		}
	}}, one(r))
	b := newBrowser(t, false, h264(104, "42e01f"))
	b.watch(t, s)
	eventually(t, "a key frame is asked for", func() bool { return asked.Load() == 1 })
	r.Push(fresh(frames[25:30])...)
	eventually(t, "pictures come", func() bool { return len(b.pictures()) == 5 })
	wantPictures(t, b.pictures(), frames[25:30])
}

func TestRequestsOfKeyFramesAreCountedAndPassedOnSparingly(t *testing.T) {
	frames := mediatest.H264()
	r := mediatest.NewReader([]*media.Track{frames[0].Track}, fresh(frames[:1])...)
	var asked atomic.Int32
	s := serve(t, whep.Config{RequestKey: func(media.Key) { asked.Add(1) }}, one(r))
	b := newBrowser(t, false, h264(104, "42e01f"))
	b.watch(t, s)
	eventually(t, "the key frame comes", func() bool { return len(b.pictures()) == 1 })
	for range 3 {
		b.askKey(t)
	}
	eventually(t, "requests are counted", func() bool { return s.metric(t, "fengsui_whep_key_requests_total", "") == 3 })
	if asked.Load() != 1 {
		t.Fatalf("asked %d times within 2 s", asked.Load())
	}
}

func TestDeleteEndsTheSession(t *testing.T) {
	frames := mediatest.H264()
	r := mediatest.NewReader([]*media.Track{frames[0].Track}, fresh(frames[:1])...)
	s := serve(t, whep.Config{}, one(r))
	b := newBrowser(t, false, h264(104, "42e01f"))
	location, _ := b.watch(t, s)
	eventually(t, "the key frame comes", func() bool { return len(b.pictures()) == 1 })
	id := location[strings.LastIndex(location, "/")+1:]
	for want, method := range map[int]string{405: http.MethodPatch, 204: http.MethodOptions} {
		w := httptest.NewRecorder()
		s.ServeSession(w, httptest.NewRequest(method, location, nil), id)
		if w.Code != want {
			t.Fatalf("%s gives %d", method, w.Code)
		}
	}
	w := httptest.NewRecorder()
	s.ServeSession(w, httptest.NewRequest(http.MethodDelete, location, nil), id)
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	eventually(t, "the session ends", func() bool { return s.Count() == 0 && r.Closed() })
	w = httptest.NewRecorder()
	s.ServeSession(w, httptest.NewRequest(http.MethodDelete, location, nil), id)
	if w.Code != http.StatusNotFound || s.metric(t, "fengsui_whep_ended_total", "left") != 1 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
}

func TestViewerThatClosesIsForgotten(t *testing.T) {
	frames := mediatest.H264()
	r := mediatest.NewReader([]*media.Track{frames[0].Track}, fresh(frames[:1])...)
	s := serve(t, whep.Config{}, one(r))
	b := newBrowser(t, false, h264(104, "42e01f"))
	b.watch(t, s)
	eventually(t, "the key frame comes", func() bool { return len(b.pictures()) == 1 })
	if err := b.pc.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the session ends", func() bool { return s.Count() == 0 && r.Closed() })
}

func TestViewerThatNeverConnectsIsForgotten(t *testing.T) {
	frames := mediatest.H264()
	r := mediatest.NewReader([]*media.Track{frames[0].Track}, fresh(frames[:1])...)
	s := serve(t, whep.Config{ConnectTimeout: 100 * time.Millisecond}, one(r))
	b := newBrowser(t, false, h264(104, "42e01f"))
	if w := s.post(b.offer(t)); w.Code != http.StatusCreated {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	eventually(t, "the session ends", func() bool { return s.Count() == 0 && r.Closed() })
	if s.metric(t, "fengsui_whep_ended_total", "connect") != 1 {
		t.Fatal("ended for another reason")
	}
}

func TestShutdownEndsSessions(t *testing.T) {
	frames := mediatest.H264()
	r := mediatest.NewReader([]*media.Track{frames[0].Track}, fresh(frames[:1])...)
	t.Cleanup(func() { // after the server's
		if !r.Closed() {
			t.Error("the reader is not closed")
		}
	})
	s := serve(t, whep.Config{}, one(r))
	b := newBrowser(t, false, h264(104, "42e01f"))
	b.watch(t, s)
	eventually(t, "the key frame comes", func() bool { return len(b.pictures()) == 1 })
}

func TestRefusalsSayWhy(t *testing.T) {
	bframes := mediatest.H264()[:1]
	bframes[0].PTS += 3600
	aac := mediatest.AAC()
	plain := h264(104, "42e01f")
	mode0 := plain
	mode0.SDPFmtpLine = "packetization-mode=0;profile-level-id=42e01f"
	for _, c := range []struct {
		name   string
		frames []*media.Frame
		codec  webrtc.RTPCodecParameters
		status int
		words  string
	}{
		{"H.265 to a browser without it", mediatest.H265()[:1], plain, 406, "no H.265 decoder"},
		{"H.264 to a browser without it", mediatest.H264()[:1], mode0, 406, "no H.264 decoder"},
		{"B pictures", bframes, plain, 406, "B pictures"},
		{"AAC alone", aac[:1], plain, 406, "nothing that WebRTC can carry"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := mediatest.NewReader([]*media.Track{c.frames[0].Track}, fresh(c.frames)...)
			s := serve(t, whep.Config{}, one(r))
			w := s.post(newBrowser(t, false, c.codec).offer(t))
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.words) {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if !r.Closed() || s.Count() != 0 || s.metric(t, "fengsui_whep_refused_total", "codec") != 1 {
				t.Fatal("something is left of it")
			}
		})
	}
}

func TestAACIsLeftOut(t *testing.T) {
	for name, codecs := range map[string][]webrtc.RTPCodecParameters{
		"video first":     {h264(104, "42e01f"), g711(webrtc.MimeTypePCMA, 8)},
		"audio first":     {g711(webrtc.MimeTypePCMA, 8), h264(104, "42e01f")},
		"opus only":       {h264(104, "42e01f"), opus()},
		"opus only first": {opus(), h264(104, "42e01f")},
	} {
		t.Run(name, func(t *testing.T) {
			frames, aac := mediatest.H264(), mediatest.AAC()
			r := mediatest.NewReader([]*media.Track{frames[0].Track, aac[0].Track}, fresh(mediatest.Woven(frames[:3], aac))...)
			s := serve(t, whep.Config{}, one(r))
			b := newBrowser(t, false, codecs...)
			b.watch(t, s)
			eventually(t, "pictures come", func() bool { return len(b.pictures()) == 3 })
			if len(b.heard()) != 0 {
				t.Fatal("AAC was sent")
			}
		})
	}
}

func TestBadRequests(t *testing.T) {
	open := mediatest.Opener(func(context.Context, media.Key) (media.Reader, error) {
		return nil, errors.New("device is offline")
	})
	s := serve(t, whep.Config{}, open)
	offer := newBrowser(t, false, h264(104, "42e01f")).offer(t)
	for _, c := range []struct {
		body   string
		status int
	}{{"hello", 400}, {"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", 400}, {strings.Repeat("a", 70000), 400}, {offer, 502}} {
		if w := s.post(c.body); w.Code != c.status {
			t.Errorf("%.20q: %d %s", c.body, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	s.ServeOffer(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(offer)), key)
	if w.Code != 400 {
		t.Errorf("without Content-Type: %d", w.Code)
	}
	w = httptest.NewRecorder()
	s.ServeOffer(w, httptest.NewRequest(http.MethodOptions, "/", nil), key)
	if w.Code != 204 || w.Header().Get("Access-Control-Allow-Methods") != "POST, OPTIONS" {
		t.Errorf("OPTIONS: %d %v", w.Code, w.Header())
	}
}

func TestSessionsAreBounded(t *testing.T) {
	frames := mediatest.H264()
	s := serve(t, whep.Config{MaxSessions: 1}, func(context.Context, media.Key) (media.Reader, error) {
		return mediatest.NewReader([]*media.Track{frames[0].Track}, fresh(frames[:1])...), nil
	})
	for _, want := range []int{http.StatusCreated, http.StatusServiceUnavailable} {
		if w := s.post(newBrowser(t, false, h264(104, "42e01f")).offer(t)); w.Code != want {
			t.Fatalf("%d %s, want %d", w.Code, w.Body, want)
		}
	}
	if s.metric(t, "fengsui_whep_refused_total", "full") != 1 || s.metric(t, "fengsui_whep_sessions", "") != 1 {
		t.Fatal("not counted")
	}
}

func TestCandidatesAreTheAdvertisedAddress(t *testing.T) {
	frames := mediatest.H264()
	for _, c := range []struct {
		cfg  whep.Config
		want string
		only bool
	}{
		{whep.Config{Listen: "0.0.0.0:0"}, " 127.0.0.1 ", false},
		{whep.Config{Listen: "0.0.0.0:0", Advertise: []string{"203.0.113.7"}}, " 203.0.113.7 ", true},
	} {
		r := mediatest.NewReader([]*media.Track{frames[0].Track}, fresh(frames[:1])...)
		s := serve(t, c.cfg, one(r))
		w := s.post(newBrowser(t, false, h264(104, "42e01f")).offer(t))
		udp, tcp := 0, 0
		for line := range strings.Lines(w.Body.String()) {
			if !strings.HasPrefix(line, "a=candidate:") || strings.Fields(line)[1] != "1" {
				continue
			}
			if !strings.Contains(line, c.want) {
				if c.only {
					t.Errorf("%q", line)
				}
				continue
			}
			if strings.Contains(line, " udp ") {
				udp++
			} else {
				tcp++
			}
		}
		if udp != 1 || tcp != 1 {
			t.Fatalf("%d udp and %d tcp candidates with %s:\n%s", udp, tcp, c.want, w.Body)
		}
	}
}
