package play_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/play"
	"fengsui/sip"
)

var (
	yesterday = time.Now().Add(-24 * time.Hour).Truncate(time.Second)
	recording = play.Request{Kind: play.Playback, Device: camera, Channel: camera, Start: yesterday, End: yesterday.Add(10 * time.Minute), By: "anna"}
)

// newArchive is a house whose device repeats its clip and takes control.
func newArchive(t *testing.T, edition gb28181.Edition) *house {
	h := newHouseOf(t, times{patience: 5 * time.Second, idle: time.Minute})
	h.device.edition, h.device.infos, h.device.reply = edition, make(chan string, 10), sip.Response{Status: 200}
	h.device.endless.Store(true)
	return h
}

func (h *house) plays(r play.Request) play.Session {
	h.t.Helper()
	s, err := h.play.Start(h.t.Context(), r)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// Signalling reference 6.6: s=, u=, t= and an SSRC of history.
func TestAPlaybackIsItsCallersOwn(t *testing.T) {
	h := newArchive(t, gb28181.Edition2016)
	a, b := h.plays(recording), h.plays(recording)
	if a.ID == b.ID || a.Key == b.Key || h.device.invites.Load() != 2 {
		t.Errorf("sessions %s and %s after %d INVITEs", a.Key, b.Key, h.device.invites.Load())
	}
	for _, line := range []string{"s=Playback", "u=" + string(camera) + ":0", fmt.Sprintf("t=%d %d", yesterday.Unix(), yesterday.Unix()+600), "y=1" + b.SSRC[1:]} {
		if !strings.Contains(h.device.offer, "\r\n"+line+"\r\n") {
			t.Errorf("the offer has no line %q:\n%s", line, h.device.offer)
		}
	}
	if b.Duration != 10*time.Minute || b.Scale != 1 || b.Paused {
		t.Errorf("session %+v", b)
	}
	h.eventually("a position", func() bool {
		s, _ := h.play.Session(b.ID)
		return s.Position > 0
	})
	download := recording
	download.Kind, download.Speed = play.Download, 4
	h.plays(download)
	if !strings.Contains(h.device.offer, "s=Download\r\n") || !strings.Contains(h.device.offer, "a=downloadspeed:4\r\n") {
		t.Errorf("offer of a download:\n%s", h.device.offer)
	}
}

func TestARangeThatNoRecordingHasIsRefusedUnsent(t *testing.T) {
	h := newHouse(t)
	for name, spoil := range map[string]func(*play.Request){
		"no times":       func(r *play.Request) { r.Start, r.End = time.Time{}, time.Time{} },
		"backwards":      func(r *play.Request) { r.Start, r.End = r.End, r.Start },
		"empty":          func(r *play.Request) { r.End = r.Start },
		"too long":       func(r *play.Request) { r.End = r.Start.Add(25 * time.Hour) },
		"of the future":  func(r *play.Request) { r.Start, r.End = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour) },
		"download speed": func(r *play.Request) { r.Kind, r.Speed = play.Download, 9 },
	} {
		r := recording
		spoil(&r)
		if _, err := h.play.Start(t.Context(), r); !errors.Is(err, play.ErrRange) && !errors.Is(err, play.ErrSpeed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := h.device.invites.Load(); n != 0 {
		t.Errorf("%d INVITEs", n)
	}
}

func ptr[T any](v T) *T { return &v }

// The bodies are those of signalling reference 6.7.
func TestControlSendsTheCommandsOfTheStandard(t *testing.T) {
	h := newArchive(t, gb28181.Edition2022)
	s := h.plays(recording)
	cseq := 0
	for _, c := range []struct {
		name   string
		want   play.Control
		bodies []string // with %d for CSeq
		paused bool
		scale  float64
	}{
		{"pause", play.Control{Paused: ptr(true)}, []string{"PAUSE RTSP/1.0\r\nCSeq: %d\r\nPauseTime: now\r\n\r\n"}, true, 1},
		{"pause again", play.Control{Paused: ptr(true)}, nil, true, 1},
		{"a speed for later", play.Control{Scale: ptr(4.0)}, nil, true, 4},
		{"resume", play.Control{Paused: ptr(false)}, []string{"PLAY RTSP/1.0\r\nCSeq: %d\r\nRange: npt=now-\r\n\r\n", "PLAY RTSP/1.0\r\nCSeq: %d\r\nScale: 4.0\r\n\r\n"}, false, 4},
		{"seek", play.Control{Position: ptr(100 * time.Second)}, []string{"PLAY RTSP/1.0\r\nCSeq: %d\r\nRange: npt=100-\r\n\r\n"}, false, 4},
		{"a seek and a pause", play.Control{Position: ptr(100500 * time.Millisecond), Paused: ptr(true)},
			[]string{"PLAY RTSP/1.0\r\nCSeq: %d\r\nRange: npt=100.5-\r\n\r\n", "PAUSE RTSP/1.0\r\nCSeq: %d\r\nPauseTime: now\r\n\r\n"}, true, 4},
		{"backwards from a place", play.Control{Position: ptr(600*time.Second - time.Second), Scale: ptr(-1.0), Paused: ptr(false)},
			[]string{"PLAY RTSP/1.0\r\nCSeq: %d\r\nScale: -1.0\r\nRange: npt=599-\r\n\r\n"}, false, -1},
	} {
		got, err := h.play.Control(t.Context(), s.ID, c.want)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for _, want := range c.bodies {
			cseq++
			select {
			case body := <-h.device.infos:
				if body != fmt.Sprintf(want, cseq) {
					t.Errorf("%s: sent %q, want %q", c.name, body, fmt.Sprintf(want, cseq))
				}
			default:
				t.Errorf("%s: %q was not sent", c.name, want)
			}
		}
		if len(h.device.infos) != 0 {
			t.Errorf("%s: sent %q too", c.name, <-h.device.infos)
		}
		if got.Paused != c.paused || got.Scale != c.scale {
			t.Errorf("%s: paused %v, scale %v", c.name, got.Paused, got.Scale)
		}
	}
}

func TestControlThatCannotBeIsRefusedUnsent(t *testing.T) {
	h := newArchive(t, gb28181.Edition2016)
	s := h.plays(recording)
	live := h.plays(play.Request{Device: camera, Channel: camera})
	for name, c := range map[string]struct {
		id    string
		want  play.Control
		cause error
	}{
		"too fast":                 {s.ID, play.Control{Scale: ptr(17.0)}, play.ErrScale},
		"too slow":                 {s.ID, play.Control{Scale: ptr(0.0)}, play.ErrScale},
		"backwards before 2022":    {s.ID, play.Control{Scale: ptr(-1.0)}, play.ErrBackwards},
		"before the start":         {s.ID, play.Control{Position: ptr(-time.Second)}, play.ErrPlace},
		"behind the end":           {s.ID, play.Control{Position: ptr(10 * time.Minute)}, play.ErrPlace},
		"a live stream":            {live.ID, play.Control{Paused: ptr(true)}, play.ErrNotPlayback},
		"a stream that is nowhere": {"4711", play.Control{Paused: ptr(true)}, play.ErrNoSession},
	} {
		if _, err := h.play.Control(t.Context(), c.id, c.want); !errors.Is(err, c.cause) {
			t.Errorf("%s: %v, want %v", name, err, c.cause)
		}
	}
	if len(h.device.infos) != 0 {
		t.Errorf("sent %q", <-h.device.infos)
	}
}

func TestARefusedControlChangesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		reply sip.Response
		cause error
	}{
		"by SIP":          {sip.Response{Status: 400, Reason: "Bad Request"}, play.ErrUnwilling},
		"by MANSRTSP":     {sip.Response{Status: 200, Body: []byte("RTSP/1.0 457 Invalid Range\r\nCSeq: 1\r\n\r\n")}, play.ErrUnwilling},
		"not implemented": {sip.Response{Status: 501, Reason: "Not Implemented"}, play.ErrNoControl},
	} {
		h := newArchive(t, gb28181.Edition2016)
		h.device.reply = c.reply
		s := h.plays(recording)
		if _, err := h.play.Control(t.Context(), s.ID, play.Control{Paused: ptr(true)}); !errors.Is(err, c.cause) {
			t.Errorf("%s: %v, want %v", name, err, c.cause)
		}
		if got, _ := h.play.Session(s.ID); got.Paused {
			t.Errorf("%s: paused all the same", name)
		}
	}
}

// Signalling reference 6.7: a device that has only -1 says so.
func TestTheSpeedIsTheOneThatTheDeviceAnswers(t *testing.T) {
	h := newArchive(t, gb28181.Edition2022)
	h.device.reply.Body = []byte("RTSP/1.0 200 OK\r\nCSeq: 1\r\nScale: -1\r\n\r\n")
	s := h.plays(recording)
	if got, err := h.play.Control(t.Context(), s.ID, play.Control{Scale: ptr(-4.0)}); err != nil || got.Scale != -1 {
		t.Errorf("scale %v, %v; want -1", got.Scale, err)
	}
}

// Signalling reference section 9, row 29.
//
// Quirk: 29
func TestMediaStatusEndsTheRecordingItIsAbout(t *testing.T) {
	for name, c := range map[string]struct {
		call   func(a play.Session) string
		sender gb28181.ID
		others int
		ends   bool
	}{
		"by Call-ID":                    {func(a play.Session) string { return a.CallID }, "", 1, true},
		"by channel":                    {func(play.Session) string { return "another" }, camera, 0, true},
		"by device alone":               {func(play.Session) string { return "another" }, "34020000001110000009", 0, true},
		"which of two channels' it is":  {func(play.Session) string { return "another" }, camera, 1, false},
		"a device that plays something": {func(play.Session) string { return "another" }, "34020000001110000009", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newArchive(t, gb28181.Edition2016)
			ended := make(chan play.Session, 1)
			r := recording
			r.OnEnd = func(s play.Session) { ended <- s }
			a := h.plays(r)
			for range c.others {
				h.plays(recording)
			}
			if found := h.play.SentAll(c.call(a), camera, c.sender); found != c.ends {
				t.Fatalf("found %v, want %v", found, c.ends)
			}
			if !c.ends {
				return
			}
			// The device sends on: what was on the way is waited for.
			select {
			case s := <-ended:
				if !s.Whole || h.device.byes.Load() != 1 {
					t.Errorf("whole %v after %d BYEs: %s", s.Whole, h.device.byes.Load(), s.Reason)
				}
			case <-time.After(6 * time.Second):
				t.Error("it goes on")
			}
		})
	}
}

func TestSilenceEndsARecordingButNotWhilePaused(t *testing.T) {
	h := newHouseOf(t, times{patience: 5 * time.Second, idle: time.Minute, silence: time.Second})
	h.device.infos, h.device.reply = make(chan string, 10), sip.Response{Status: 200}
	r, ended := recording, make(chan play.Session, 2)
	r.OnEnd = func(s play.Session) { ended <- s }
	s := h.plays(r) // the clip is sent once
	reader, err := h.play.Open(t.Context(), s.Key)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := h.play.Control(t.Context(), s.ID, play.Control{Paused: ptr(true)}); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-ended:
		t.Fatalf("a paused playback ended: %s", got.Reason)
	case <-time.After(3 * time.Second):
	}
	if _, err := h.play.Control(t.Context(), s.ID, play.Control{Paused: ptr(false)}); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-ended:
		if got.Whole || !strings.Contains(got.Reason, "no packet") {
			t.Errorf("whole %v: %s", got.Whole, got.Reason)
		}
	case <-time.After(5 * time.Second):
		t.Error("a silent playback goes on")
	}
}

func TestARefusalNamesWhoHasTheSlots(t *testing.T) {
	h := newArchive(t, gb28181.Edition2016)
	a := h.plays(recording)
	h.device.reject = 486
	for n := range 2 { // refused by the device, then by what it has shown
		_, err := h.play.Start(t.Context(), recording)
		var full *play.SlotError
		if !errors.As(err, &full) || !full.Learnt || full.Limit != 1 || len(full.Holders) != 1 || full.Holders[0].Stream != a.ID || full.Holders[0].By != "anna" {
			t.Fatalf("%v", err)
		}
		if got := h.device.invites.Load(); got != 2 {
			t.Errorf("try %d: %d INVITEs, want 2", n+1, got)
		}
	}
	h.device.reject = 0
	if err := h.play.Stop(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	h.plays(recording)
}

func TestARecordingThatTheDeviceHasNotIsSaidSo(t *testing.T) {
	h := newArchive(t, gb28181.Edition2016)
	h.device.reject = 404
	if _, err := h.play.Start(t.Context(), recording); !errors.Is(err, play.ErrNoRecording) {
		t.Errorf("%v", err)
	}
	h.eventually("nothing leased", h.idle)
}
