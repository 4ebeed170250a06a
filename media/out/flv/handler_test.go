package flv_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fengsui/media"
	"fengsui/media/mediatest"
	"fengsui/media/out/flv"
	"fengsui/test/flvread"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = media.Key("live/1_2")

func handler(t *testing.T, r media.Reader, reg prometheus.Registerer) *flv.Handler {
	t.Helper()
	return flv.New(mediatest.Opener(func(_ context.Context, k media.Key) (media.Reader, error) {
		if k != key {
			return nil, errors.New("no such stream")
		}
		return r, nil
	}), flv.Config{}, reg, zerolog.Nop())
}

// get serves a stream that has ended and returns all of it.
func get(t *testing.T, query string, tracks []*media.Track, frames ...*media.Frame) *httptest.ResponseRecorder {
	t.Helper()
	r := mediatest.NewReader(tracks, frames...)
	r.End()
	w := httptest.NewRecorder()
	handler(t, r, prometheus.NewRegistry()).ServeStream(w, httptest.NewRequest(http.MethodGet, "/x.flv"+query, nil), key)
	if !r.Closed() {
		t.Fatal("the reader is not closed")
	}
	return w
}

// read returns the units of a stream.
func read(t *testing.T, r io.Reader) (h flvread.Header, units []flvread.Unit) {
	t.Helper()
	fr, err := flvread.New(r)
	if err != nil {
		t.Fatal(err)
	}
	for {
		u, err := fr.NextUnit()
		if errors.Is(err, io.EOF) {
			return fr.Header(), units
		}
		if err != nil {
			t.Fatal(err)
		}
		units = append(units, u)
	}
}

// annexB is what a frame must come out as: parameter sets first, once.
func annexB(f *media.Frame) (b []byte) {
	var all [][]byte
	if f.Key {
		all = append(all, f.Track.Params...)
	}
next:
	for _, u := range f.Units {
		for _, p := range f.Track.Params {
			if bytes.Equal(u, p) {
				continue next
			}
		}
		all = append(all, u)
	}
	for _, u := range all {
		b = append(append(b, 0, 0, 0, 1), u...)
	}
	return b
}

func TestPicturesAndSoundComeOutAsTheyWere(t *testing.T) {
	h264, h265 := mediatest.H264(), mediatest.H265()
	for _, c := range []struct {
		name, query string
		video       []*media.Frame
		audio       []*media.Frame
		form, sound flvread.Form
	}{
		{"H.264 and A-law", "", h264, mediatest.G711(media.PCMA, 75), flvread.AVC, flvread.PCMA},
		{"H.264 and u-law", "", h264, mediatest.G711(media.PCMU, 75), flvread.AVC, flvread.PCMU},
		{"H.264 without sound", "?audio=off", h264, mediatest.G711(media.PCMU, 75), flvread.AVC, ""},
		{"H.265 by FourCC", "", h265, mediatest.AAC(), flvread.HEVC, flvread.AAC},
		{"H.265 as codec 12", "?hevc=legacy", h265, mediatest.AAC(), flvread.HEVC12, flvread.AAC},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := get(t, c.query, []*media.Track{c.video[0].Track, c.audio[0].Track}, mediatest.Woven(c.video, c.audio)...)
			if got := w.Header(); got.Get("Content-Type") != "video/x-flv" || got.Get("Cache-Control") != "no-store" ||
				got.Get("Access-Control-Allow-Origin") != "*" {
				t.Fatalf("headers %v", got)
			}
			h, units := read(t, w.Body)
			if !h.Video || h.Audio != (c.sound != "") {
				t.Fatalf("header %+v", h)
			}
			video, audio := 0, 0
			for _, u := range units {
				if u.Form == c.form {
					f := c.video[video]
					if want := uint32(video * 40); u.DTS != want || u.PTS != int64(want) || u.Key != f.Key || u.Config != 1 {
						t.Fatalf("picture %d: %+v", video, u)
					}
					if !bytes.Equal(u.AnnexB(), annexB(f)) {
						t.Fatalf("picture %d differs", video)
					}
					video++
					continue
				}
				f := c.audio[audio]
				if u.Form != c.sound || !bytes.Equal(u.Units[0], f.Units[0]) || int64(u.DTS) != (f.DTS-c.audio[0].DTS)/90 {
					t.Fatalf("sound %d: %+v", audio, u)
				}
				audio++
			}
			wantAudio := len(c.audio)
			if c.sound == "" {
				wantAudio = 0
			}
			if video != len(c.video) || audio != wantAudio {
				t.Fatalf("%d pictures and %d sounds", video, audio)
			}
		})
	}
}

func TestMetadataDescribesTheTracks(t *testing.T) {
	h265, sound := mediatest.H265(), mediatest.G711(media.PCMA, 1)
	w := get(t, "", []*media.Track{h265[0].Track, sound[0].Track}, h265...)
	r, err := flvread.New(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	m, err := flvread.Metadata(tag)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{"width": 320, "height": 240, "videocodecid": 0x68766331,
		"audiocodecid": 7, "audiosamplerate": 8000, "audiochannels": 1} {
		if m[name] != want {
			t.Errorf("%s is %v, want %v", name, m[name], want)
		}
	}
}

func TestCompositionTimesOfBPictures(t *testing.T) {
	frames := mediatest.H264()[:8]
	for i, f := range frames {
		f.PTS += []int64{7200, 14400, 0, 3600}[i%4] // by 80, 160, 0, 40 ms
	}
	_, units := read(t, get(t, "", []*media.Track{frames[0].Track}, frames...).Body)
	for i, u := range units {
		if got, want := u.PTS-int64(u.DTS), []int64{80, 160, 0, 40}[i%4]; got != want {
			t.Fatalf("picture %d is shown %d ms after it is decoded, want %d", i, got, want)
		}
	}
}

func TestViewerBeginsWithAKeyFrameAndItsSound(t *testing.T) {
	frames, sound := mediatest.H264()[10:60], mediatest.G711(media.PCMA, 60)[10:]
	_, units := read(t, get(t, "", []*media.Track{frames[0].Track, sound[0].Track}, mediatest.Woven(frames, sound)...).Body)
	if u := units[0]; !u.Key || u.DTS != 0 || u.Form != flvread.AVC {
		t.Fatalf("first is %+v", u)
	}
	if u := units[1]; u.Form != flvread.PCMA || u.DTS != 0 || u.Units[0][0] != 25 {
		t.Fatalf("second is %+v", u)
	}
}

func TestNewTrackBringsANewSequenceHeader(t *testing.T) {
	frames := mediatest.H264()
	other := *frames[0].Track
	other.Generation++
	other.Params = [][]byte{other.Params[0], append(bytes.Clone(other.Params[1]), 1)}
	for i, f := range frames {
		if i >= 20 { // the pictures up to the key frame at 25 cannot be decoded
			f.Track = &other
		}
	}
	_, units := read(t, get(t, "", []*media.Track{frames[0].Track}, frames...).Body)
	if len(units) != 70 {
		t.Fatalf("%d pictures", len(units))
	}
	if a, b := units[19], units[20]; a.Config != 1 || b.Config != 2 || !b.Key || !bytes.Equal(b.Params[1], other.Params[1]) {
		t.Fatalf("%+v, then %+v", a, b)
	}
}

func TestTimesNeverGoBack(t *testing.T) {
	frames := mediatest.H264()
	frames[30].DTS, frames[30].PTS = 0, 0
	_, units := read(t, get(t, "", []*media.Track{frames[0].Track}, frames...).Body)
	for i := 1; i < len(units); i++ {
		if units[i].DTS < units[i-1].DTS {
			t.Fatalf("%d after %d", units[i].DTS, units[i-1].DTS)
		}
	}
}

func TestSoundAloneIsAStream(t *testing.T) {
	sound := mediatest.G711(media.PCMA, 10)
	h, units := read(t, get(t, "", []*media.Track{sound[0].Track}, sound...).Body)
	if h.Video || !h.Audio || len(units) != 10 || units[9].DTS != 360 {
		t.Fatalf("%+v, %d units", h, len(units))
	}
}

func TestViewersShareTheTags(t *testing.T) {
	frames := mediatest.H264()
	tracks := []*media.Track{frames[0].Track}
	a, b := get(t, "", tracks, frames...), get(t, "", tracks, frames[25:]...)
	_, all := read(t, a.Body)
	_, late := read(t, b.Body)
	if late[0].DTS != 0 || all[25].DTS != 1000 || !bytes.Equal(late[0].AnnexB(), all[25].AnnexB()) {
		t.Fatal("the second viewer's times are not its own")
	}
}

func TestFailureToOpenIsAnswered(t *testing.T) {
	w := httptest.NewRecorder()
	handler(t, nil, prometheus.NewRegistry()).ServeStream(w, httptest.NewRequest(http.MethodGet, "/", nil), "other")
	if w.Code != http.StatusBadGateway || w.Body.String() != "open other: no such stream\n" {
		t.Fatalf("%d %q", w.Code, w.Body)
	}
}

func TestMethods(t *testing.T) {
	for method, want := range map[string]int{http.MethodOptions: 204, http.MethodHead: 200, http.MethodPost: 405} {
		w := httptest.NewRecorder()
		handler(t, nil, prometheus.NewRegistry()).ServeStream(w, httptest.NewRequest(method, "/", nil), key)
		if w.Code != want {
			t.Errorf("%s gives %d, want %d", method, w.Code, want)
		}
	}
}

// serve runs do against a server with one stream, all in memory and virtual time.
func serve(t *testing.T, r *mediatest.Reader, do func(c *http.Client, reg *prometheus.Registry)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		h := handler(t, r, reg)
		net := newPipes()
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeStream(w, r, key) })}
		served := make(chan error)
		go func() { served <- s.Serve(net) }()
		c := net.client()
		do(c, reg)
		c.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-served
		synctest.Wait()
		if !r.Closed() {
			t.Error("the reader is not closed")
		}
	})
}

// wantEnded fails unless one viewer ended, for that reason.
func wantEnded(t *testing.T, reg *prometheus.Registry, reason string) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "fengsui_flv_ended_total" {
			continue
		}
		if m := f.GetMetric(); len(m) != 1 || m[0].GetLabel()[0].GetValue() != reason || m[0].GetCounter().GetValue() != 1 {
			t.Errorf("ended: %v, want one by %s", m, reason)
		}
		return
	}
	t.Errorf("no viewer ended, want one by %s", reason)
}

func TestEachFrameIsFlushed(t *testing.T) {
	frames := mediatest.H264()
	r := mediatest.NewReader([]*media.Track{frames[0].Track}, frames[0])
	serveFrames := func(c *http.Client, reg *prometheus.Registry) {
		resp, err := c.Get("http://x/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		fr, err := flvread.New(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			if u, err := fr.NextUnit(); err != nil || u.DTS != uint32(i*40) {
				t.Fatalf("picture %d: %v at %d", i, err, u.DTS)
			}
			r.Push(frames[i+1])
		}
		r.End()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatalf("the stream does not end properly: %v", err)
		}
		synctest.Wait()
		wantEnded(t, reg, "stream")
	}
	serve(t, r, serveFrames)
}

func TestViewerThatTakesNothingIsEndedAfterFiveSeconds(t *testing.T) {
	frames := mediatest.H264()
	r := mediatest.NewReader([]*media.Track{frames[0].Track}, frames...)
	serve(t, r, func(c *http.Client, reg *prometheus.Registry) {
		resp, err := c.Get("http://x/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		time.Sleep(4900 * time.Millisecond)
		synctest.Wait()
		if r.Closed() {
			t.Error("ended too early")
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		wantEnded(t, reg, "slow")
	})
}

// HTTP/2 resets a stream at its deadline even when nothing is being written.
func TestViewerOfACameraThatPausesStays(t *testing.T) {
	frames := mediatest.H264()
	r := mediatest.NewReader([]*media.Track{frames[0].Track}, frames[:3]...)
	r.End()
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	handler(t, r, prometheus.NewRegistry()).ServeStream(w, httptest.NewRequest(http.MethodGet, "/x.flv", nil), key)
	if len(w.set) != 6 {
		t.Fatalf("deadlines %v, want two for each of three frames", w.set)
	}
	for i, d := range w.set {
		if d.IsZero() != (i%2 == 1) {
			t.Errorf("deadline %d is %v: want one while it writes and none while it waits", i, d)
		}
	}
}

type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

func TestViewerThatLeavesIsForgotten(t *testing.T) {
	frames := mediatest.H264()
	r := mediatest.NewReader([]*media.Track{frames[0].Track}, frames[0])
	serve(t, r, func(c *http.Client, reg *prometheus.Registry) {
		resp, err := c.Get("http://x/")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 500)); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		synctest.Wait()
		wantEnded(t, reg, "left")
	})
}

// BenchmarkViewer is the cost of one more viewer of a stream of 1 Mbit/s.
func BenchmarkViewer(b *testing.B) {
	frames := mediatest.H264()
	for _, f := range frames {
		last := len(f.Units) - 1
		f.Units[last] = append(bytes.Clone(f.Units[last]), bytes.Repeat([]byte{7}, 4000)...)
	}
	h := flv.New(mediatest.Opener(func(context.Context, media.Key) (media.Reader, error) {
		r := mediatest.NewReader([]*media.Track{frames[0].Track}, frames...)
		r.End()
		return r, nil
	}), flv.Config{}, prometheus.NewRegistry(), zerolog.Nop())
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeStream(discard{http.Header{}}, request, key)
	}
	b.ReportMetric(float64(len(frames)), "frames/op")
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func TestViewersAreBounded(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := mediatest.NewReader([]*media.Track{{Codec: media.H264}})
	opened := make(chan struct{}, 1)
	h := flv.New(mediatest.Opener(func(context.Context, media.Key) (media.Reader, error) {
		opened <- struct{}{}
		return r, nil
	}), flv.Config{MaxViewers: 1, Fail: func(w http.ResponseWriter, _ *http.Request, err error) {
		if !errors.Is(err, flv.ErrFull) {
			t.Errorf("refused for %v", err)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}}, reg, zerolog.Nop())
	view := func() int {
		w := httptest.NewRecorder()
		h.ServeStream(w, httptest.NewRequest(http.MethodGet, "/x.flv", nil), key)
		return w.Code
	}
	first := make(chan int, 1)
	go func() { first <- view() }()
	<-opened
	if got := view(); got != http.StatusServiceUnavailable {
		t.Errorf("the second viewer is answered %d", got)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if n := f.GetMetric()[0].GetCounter().GetValue(); f.GetName() == "fengsui_flv_refused_total" && n != 1 {
			t.Errorf("counted %v, want 1", n)
		}
	}
	r.End()
	<-first
	if got := view(); got != http.StatusOK {
		t.Errorf("with room again answered %d", got)
	}
}
