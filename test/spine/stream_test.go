package spine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/media"
	"fengsui/test/flvread"
)

type stageView struct {
	Name    string `json:"name"`
	Detail  string `json:"detail"`
	Failed  bool   `json:"failed"`
	Attempt int    `json:"attempt"`
}

type streamView struct {
	ID        string            `json:"id"`
	State     string            `json:"state"`
	Codec     string            `json:"codec"`
	Transport string            `json:"transport"`
	SSRC      string            `json:"ssrc"`
	CallID    string            `json:"call_id"`
	URLs      map[string]string `json:"urls"`
	Stages    []stageView       `json:"stages"`
	Tracks    []struct {
		Codec string `json:"codec"`
	} `json:"tracks"`
	Stats *struct {
		Bytes    uint64  `json:"bytes"`
		Packets  uint64  `json:"packets"`
		Lost     uint64  `json:"lost"`
		Damaged  uint64  `json:"damaged"`
		LossRate float64 `json:"loss_rate"`
		FPS      float64 `json:"fps"`
		Readers  int     `json:"readers"`
		Source   string  `json:"source"`
	} `json:"stats"`
}

// play asks for a channel's picture and returns the stream or the problem.
func (h *house) play(ctx context.Context, device, channel gb28181.ID, transport string) (streamView, *problem, error) {
	body := map[string]any{"device": device, "channel": channel}
	if transport != "" {
		body["transport"] = transport
	}
	var s streamView
	p, err := h.call(ctx, "POST", "/api/v1/streams", body, &s)
	return s, p, err
}

// plays asks for a channel's picture, which has to come.
func (h *house) plays(device, channel gb28181.ID, transport string) streamView {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, p, err := h.play(ctx, device, channel, transport)
	if err != nil {
		h.t.Fatal(err)
	}
	if p != nil {
		h.t.Fatalf("play %s: %d %s: %s\nstages %+v", channel, p.Code, p.Name, p.Detail, p.Stages)
	}
	if s.State != "playing" {
		h.t.Fatalf("play %s: stream is %q", channel, s.State)
	}
	return s
}

// refuses asks for a channel's picture, which must not come.
func (h *house) refuses(device, channel gb28181.ID, transport string) *problem {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, p, err := h.play(ctx, device, channel, transport)
	if err != nil {
		h.t.Fatal(err)
	}
	if p == nil {
		h.t.Fatalf("play %s: %s, want a failure", channel, s.State)
	}
	return p
}

func (h *house) stop(s streamView) {
	h.t.Helper()
	h.must("DELETE", "/api/v1/streams/"+s.ID, nil, nil)
}

func (h *house) stream(id string) (s streamView) {
	h.t.Helper()
	h.get("/api/v1/streams/"+id, &s)
	return s
}

// failedAt is the stage at which a start failed, "" when none did.
func (p *problem) failedAt() string {
	for _, st := range p.Stages {
		if st.Failed && st.Attempt == p.Stages[len(p.Stages)-1].Attempt {
			return st.Name
		}
	}
	return ""
}

// viewer watches a stream as a player does, by HTTP-FLV.
type viewer struct {
	t      testing.TB
	res    *http.Response
	cancel context.CancelFunc
	flv    *flvread.Reader
}

func (h *house) watch(s streamView) *viewer {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	r, err := http.NewRequestWithContext(ctx, "GET", s.URLs["flv"]+"&hevc=enhanced", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	res, err := h.http.Do(r)
	if err != nil {
		cancel()
		h.t.Fatal(err)
	}
	v := &viewer{t: h.t, res: res, cancel: cancel}
	if res.StatusCode != 200 {
		v.close()
		h.t.Fatalf("watch %s: %s", s.URLs["flv"], res.Status)
	}
	if v.flv, err = flvread.New(res.Body); err != nil {
		v.close()
		h.t.Fatal(err)
	}
	return v
}

func (v *viewer) close() {
	v.cancel()
	v.res.Body.Close()
}

var forms = map[media.Codec]flvread.Form{
	media.H264: flvread.AVC, media.H265: flvread.HEVC,
	media.PCMA: flvread.PCMA, media.PCMU: flvread.PCMU, media.AAC: flvread.AAC,
}

// shows reads until a key frame of the video codec has come and sound of the
// audio codec, if one is named. The first picture must be a key frame.
func (v *viewer) shows(video, audio media.Codec) error {
	key, sound := false, audio == ""
	for !key || !sound {
		u, err := v.flv.NextUnit()
		if err != nil {
			return fmt.Errorf("key frame %v, sound %v: %w", key, sound, err)
		}
		switch u.Form {
		case flvread.PCMA, flvread.PCMU, flvread.AAC:
			if audio == "" || u.Form != forms[audio] {
				return fmt.Errorf("sound is %s, want %q", u.Form, audio)
			}
			sound = true
		default:
			switch {
			case u.Form != forms[video]:
				return fmt.Errorf("picture is %s, want %s", u.Form, video)
			case !key && !u.Key:
				return errors.New("the first picture is no key frame")
			case u.Key && len(u.AnnexB()) < 100:
				return fmt.Errorf("key frame of %d bytes", len(u.AnnexB()))
			}
			key = true
		}
	}
	return nil
}

// goesOn reads for a while of stream time and returns how many pictures and key
// frames came.
func (v *viewer) goesOn(d time.Duration) (pictures, keys int, err error) {
	var first, last uint32
	for {
		u, err := v.flv.NextUnit()
		if err != nil {
			return pictures, keys, err
		}
		if u.Form != flvread.AVC && u.Form != flvread.HEVC {
			continue
		}
		if pictures == 0 {
			first = u.DTS
		}
		last = u.DTS
		pictures++
		if u.Key {
			keys++
		}
		if time.Duration(last-first)*time.Millisecond >= d {
			return pictures, keys, nil
		}
	}
}

// picture watches a stream until its key frame and leaves.
func (h *house) picture(s streamView, video, audio media.Codec) {
	h.t.Helper()
	v := h.watch(s)
	defer v.close()
	if err := v.shows(video, audio); err != nil {
		h.t.Fatalf("stream %s over %s: %v", s.ID, s.Transport, err)
	}
}
