package spine_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/internal/sim"
	"fengsui/media"
	"fengsui/media/ps"
)

type downloadView struct {
	ID, State, Reason, Stream, By, File, Name string
	Bytes, Pictures                           int64
	Expected                                  int64 `json:"expected_bytes"`
	Duration, Covered, Progress               float64
	Speed, Asked                              int
	Codecs                                    []string
}

// download asks for some of the last hour's beginning.
func (h *house) download(id gb28181.ID, length time.Duration, more map[string]any) (v downloadView, p *problem) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	body := map[string]any{"device": id, "channel": id, "start": start, "end": start.Add(length)}
	for k, value := range more {
		body[k] = value
	}
	p, err := h.call(ctx, "POST", "/api/v1/downloads", body, &v)
	if err != nil {
		h.t.Fatal(err)
	}
	return v, p
}

func (h *house) job(id string) (v downloadView) {
	h.t.Helper()
	h.get("/api/v1/downloads/"+id, &v)
	return v
}

// ends waits until a download is in a state.
func (h *house) ends(id, state string) (v downloadView) {
	h.t.Helper()
	within(h.t, patience, "download "+state, func() bool {
		v = h.job(id)
		return v.State == state
	})
	return v
}

// fetch takes a file from a place on, as a client does that goes on.
func (h *house) fetch(v downloadView, from int64, etag string) (status int, body []byte, tag string) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), "GET", v.File, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	if from > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		r.Header.Set("If-Range", etag)
	}
	res, err := h.http.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res.StatusCode, body, res.Header.Get("Etag")
}

// film is what a file shows.
type film struct {
	pictures, keys, sounds, damaged int
	length                          time.Duration // of the pictures
	backwards                       int           // decoding times that do not rise
	video, audio                    media.Codec
}

func watchFile(file []byte) (f film) {
	var first, last int64 = -1, 0
	d := ps.NewDemuxer(func(fr *media.Frame) {
		if fr.Damaged {
			f.damaged++
		}
		if !fr.Track.Codec.Video() {
			f.audio = fr.Track.Codec
			f.sounds++
			return
		}
		f.video = fr.Track.Codec
		f.pictures++
		if fr.Key {
			f.keys++
		}
		if first < 0 {
			first = fr.DTS
		} else if fr.DTS <= last {
			f.backwards++
		}
		last = fr.DTS
	})
	for len(file) > 0 {
		n := min(len(file), 60_000)
		d.Write(file[:n], 0, false, time.Time{})
		file = file[n:]
	}
	d.Flush(time.Time{})
	f.length = time.Duration(last-first) * time.Second / media.ClockRate
	return f
}

func near(a, b, within float64) bool { return math.Abs(a-b) <= within }

// Over every transport and in both editions a recording comes whole into its file
// and ends with MediaStatus.
//
// Conformance: server Notify/MediaStatus 2016 2022
// Conformance: simulator Notify/MediaStatus 2016 2022
func TestRecordingsAreDownloadedToFiles(t *testing.T) {
	t.Parallel()
	h := open(t)
	for i, c := range []struct {
		transport string
		device    sim.Config
	}{
		{"udp", sim.Config{Edition: gb28181.Edition2022}},
		{"udp", sim.Config{Edition: gb28181.Edition2016, Video: media.H265, Audio: media.AAC}},
		{"tcp-passive", sim.Config{Edition: gb28181.Edition2022, Transport: sim.TCP, Video: media.H265, Audio: media.AAC}},
		{"tcp-passive", sim.Config{Edition: gb28181.Edition2016}},
		{"tcp-active", sim.Config{Edition: gb28181.Edition2022, Transport: sim.TCP}},
		{"tcp-active", sim.Config{Edition: gb28181.Edition2016, Audio: sim.NoAudio}},
	} {
		t.Run(fmt.Sprintf("%s of %v", c.transport, c.device.Edition), func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			c.device.FirstID = number(camera, 4000+i)
			d := h.run(c.device).Device(0)
			const length = 12 * time.Second
			began := time.Now()
			v, p := h.download(d.ID, length, map[string]any{"speed": 4, "transport": c.transport})
			if p != nil {
				t.Fatalf("%d %s", p.Code, p.Detail)
			}
			if v.Speed != 4 || (v.Expected > 0) != (c.device.Edition == gb28181.Edition2022) {
				t.Errorf("began as %+v", v)
			}
			v = h.ends(v.ID, "done")
			if took := time.Since(began); took > length {
				t.Errorf("took %v at four times the speed of life", took)
			}
			_, file, _ := h.fetch(v, 0, "")
			f := watchFile(file)
			video, audio := c.device.Video, c.device.Audio
			if video == "" {
				video, audio = media.H264, soundOf(audio)
			}
			t.Logf("%d bytes of %d: %+v", v.Bytes, v.Expected, f)
			if f.video != video || f.audio != audio || f.damaged+f.backwards != 0 || int64(f.pictures) != v.Pictures || f.keys < 6 {
				t.Errorf("the file has %+v, want %s and %q", f, video, audio)
			}
			if v.Reason != "the recording was sent completely" {
				t.Errorf("it ended because %s", v.Reason)
			}
			if !near(f.length.Seconds(), 12, 0.5) || !near(v.Covered, 12, 0.5) || v.Progress != 1 || int64(len(file)) != v.Bytes || v.Asked != 1 {
				t.Errorf("the file lasts %v, the job is %+v", f.length, v)
			}
		})
	}
}

func soundOf(a media.Codec) media.Codec {
	switch a {
	case "":
		return media.PCMA
	case sim.NoAudio:
		return ""
	}
	return a
}

// Section 9 row 29 and section 6.6: the many ways in which a recording ends.
//
// Quirk: 29
func TestDownloadsEndHoweverTheDeviceSaysIt(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *configs.Config) { c.Play.Silence = 4 * time.Second })
	for i, quirk := range []string{"no-media-status", "status-stray", "status-early", "status-info", "end-by-bye", "size-odd", "one-speed"} {
		t.Run(quirk, func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			edition := gb28181.Edition2022
			if quirk == "no-media-status" {
				edition = gb28181.Edition2016 // without a size: the silence ends it
			}
			d := h.run(sim.Config{FirstID: number(camera, 4100+i), Quirks: []string{quirk}, Edition: edition}).Device(0)
			v, p := h.download(d.ID, 6*time.Second, map[string]any{"speed": 2})
			if p != nil {
				t.Fatalf("%d %s", p.Code, p.Detail)
			}
			if want := map[bool]int{true: 1, false: 2}[quirk == "one-speed"]; v.Speed != want {
				t.Errorf("speed %d, want %d", v.Speed, want)
			}
			v = h.ends(v.ID, "done")
			if !near(v.Covered, 6, 0.5) {
				t.Errorf("%+v", v)
			}
		})
	}
}

// A device that hangs up midway is asked for the rest, until all is there.
func TestACutDownloadIsContinued(t *testing.T) {
	t.Parallel()
	h := open(t)
	d := h.run(sim.Config{Quirks: []string{"recording-cut"}}).Device(0)
	v, p := h.download(d.ID, 20*time.Second, map[string]any{"speed": 8})
	if p != nil {
		t.Fatalf("%d %s", p.Code, p.Detail)
	}
	h.ends(v.ID, "waiting")
	_, begun, tag := h.fetch(v, 0, "")
	v = h.ends(v.ID, "done")
	if v.Asked < 3 || !near(v.Covered, 20, 0.5) {
		t.Errorf("%+v", v)
	}
	status, rest, _ := h.fetch(v, int64(len(begun)), tag)
	f := watchFile(append(begun, rest...))
	t.Logf("%+v after %d sessions", f, v.Asked)
	// Where it goes on, a group of pictures may come twice.
	if status != http.StatusPartialContent || f.damaged+f.backwards != 0 || int64(f.pictures) != v.Pictures || f.length < 19500*time.Millisecond || f.length > 26*time.Second {
		t.Errorf("status %d, film %+v", status, f)
	}
}

func TestAFileIsFetchedInPiecesWhileItGrows(t *testing.T) {
	t.Parallel()
	h := open(t)
	d := h.run(sim.Config{}).Device(0)
	v, p := h.download(d.ID, 8*time.Second, map[string]any{"speed": 1})
	if p != nil {
		t.Fatalf("%d %s", p.Code, p.Detail)
	}
	var file []byte
	tag := ""
	within(t, patience, "its end", func() bool {
		over := h.job(v.ID).State == "done"
		status, more, etag := h.fetch(v, int64(len(file)), tag)
		if status == http.StatusOK || status == http.StatusPartialContent {
			file, tag = append(file, more...), etag
		} else if status != http.StatusRequestedRangeNotSatisfiable {
			t.Fatalf("status %d", status)
		}
		return over
	})
	_, whole, _ := h.fetch(v, 0, "")
	if string(whole) != string(file) {
		t.Errorf("pieces of %d bytes are not the whole of %d", len(file), len(whole))
	}
}

func TestADownloadTakesASlotLikeAPlayback(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *configs.Config) { c.Play.Slots = 1 })
	d := h.run(sim.Config{}).Device(0)
	s, p := h.recording(d.ID, 10*time.Minute)
	if p != nil {
		t.Fatalf("%d %s", p.Code, p.Detail)
	}
	if _, p := h.download(d.ID, time.Minute, nil); p == nil || p.Code != 146007 {
		t.Errorf("download beside a playback: %+v, want 146007", p)
	}
	h.stop(s.streamView)
	v, p := h.download(d.ID, 10*time.Minute, nil)
	if p != nil {
		t.Fatalf("%d %s", p.Code, p.Detail)
	}
	if _, p := h.recording(d.ID, time.Minute); p == nil || p.Code != 146007 {
		t.Errorf("playback beside a download: %+v, want 146007", p)
	}
	h.must("POST", "/api/v1/downloads/"+v.ID+"/cancel", nil, &v)
	if v.State != "canceled" || v.Bytes == 0 {
		t.Errorf("canceled: %+v", v)
	}
	h.must("DELETE", "/api/v1/downloads/"+v.ID, nil, nil)
	if files, _ := filepath.Glob(filepath.Join(h.cfg.DataDir, "downloads", "*")); len(files) != 0 {
		t.Errorf("left over: %v", files)
	}
	within(t, patience, "nothing leased", func() bool { return h.leases() == leases{} })
}

func TestAFullSpaceRefusesDownloadsAndNamesWhatHoldsIt(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *configs.Config) { c.Downloads.Space = 16 << 20 })
	d := h.run(sim.Config{Edition: gb28181.Edition2022}).Device(0)
	v, p := h.download(d.ID, 2*time.Second, map[string]any{"speed": 8})
	if p != nil {
		t.Fatalf("%d %s", p.Code, p.Detail)
	}
	h.ends(v.ID, "done")
	_, p = h.download(d.ID, 12*time.Hour, nil)
	if p == nil || p.Code != 145003 || len(p.Space) != 1 || p.Space[0].Download != v.ID || p.Space[0].Bytes == 0 {
		t.Errorf("%+v, want 145003 and who holds it", p)
	}
	within(t, patience, "nothing leased", func() bool { return h.leases() == leases{} })
}

func TestDownloadsOutliveARestart(t *testing.T) {
	t.Parallel()
	h := open(t)
	d := h.run(sim.Config{}).Device(0)
	v, p := h.download(d.ID, 16*time.Second, map[string]any{"speed": 2})
	if p != nil {
		t.Fatalf("%d %s", p.Code, p.Detail)
	}
	within(t, patience, "some of it", func() bool { return h.job(v.ID).Covered > 3 })
	h.close()
	h.start()
	now := h.job(v.ID)
	if now.State != "interrupted" || now.Covered < 3 || now.Bytes == 0 {
		t.Fatalf("after the restart: %+v", now)
	}
	v.File = h.base + "/api/v1/downloads/" + v.ID + "/file"
	_, begun, tag := h.fetch(v, 0, "")
	if f := watchFile(begun); f.damaged != 0 || int64(f.pictures) != now.Pictures {
		t.Errorf("what is there shows %+v", f)
	}
	within(t, patience, "the device is back", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		p, err := h.call(ctx, "POST", "/api/v1/downloads/"+v.ID+"/continue", nil, nil)
		return err == nil && p == nil
	})
	now = h.ends(v.ID, "done")
	_, rest, _ := h.fetch(v, int64(len(begun)), tag)
	if f := watchFile(append(begun, rest...)); f.damaged+f.backwards != 0 || !near(f.length.Seconds(), 16, 3) || !near(now.Covered, 16, 0.5) {
		t.Errorf("film %+v, job %+v", f, now)
	}
	if _, err := os.Stat(filepath.Join(h.cfg.DataDir, "downloads", v.ID+".ps")); err != nil {
		t.Error(err)
	}
}
