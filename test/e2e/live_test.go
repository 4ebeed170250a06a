package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"fengsui/internal/sim"
	"fengsui/internal/sim/clips"
	"fengsui/media"
	"fengsui/test/flvread"
)

// probed is what ffprobe says of one track.
type probed struct {
	Type   string `json:"codec_type"`
	Codec  string `json:"codec_name"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Rate   string `json:"r_frame_rate"`
	Sample string `json:"sample_rate"`
}

// probe asks ffprobe what a play address gives.
func probe(t *testing.T, url string) (video, audio probed) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	out := run1(t, exec.CommandContext(ctx, tool(t, "ffprobe"), "-v", "error", "-analyzeduration", "1500000",
		"-show_entries", "stream=codec_type,codec_name,width,height,r_frame_rate,sample_rate", "-of", "json", url))
	var seen struct{ Streams []probed }
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("ffprobe said %s: %v", out, err)
	}
	for _, s := range seen.Streams {
		switch s.Type {
		case "video":
			video = s
		case "audio":
			audio = s
		}
	}
	return video, audio
}

// decode makes ffmpeg decode pictures, and fails on any word of complaint.
func decode(t *testing.T, url string, frames int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	run1(t, exec.CommandContext(ctx, tool(t, "ffmpeg"), "-nostdin", "-v", "error", "-i", url,
		"-map", "0:v:0", "-frames:v", fmt.Sprint(frames), "-f", "null", "-"))
}

// run1 runs a command that must succeed and write nothing to standard error.
func run1(t *testing.T, cmd *exec.Cmd) []byte {
	t.Helper()
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil || complaint.Len() > 0 {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, complaint.Bytes())
	}
	return out.Bytes()
}

func TestPicturesAreDecodedByFFmpegOverEveryTransport(t *testing.T) {
	t.Parallel()
	ways := []struct{ mode, transport string }{
		{"single", "udp"}, {"single", "tcp-passive"}, {"single", "tcp-active"},
		{"range", "udp"}, {"range", "tcp-passive"}, {"range", "tcp-active"},
	}
	s := start(t)
	devices := simulate(t, s, sim.Config{Devices: len(ways)})
	for i, way := range ways {
		t.Run(way.mode+" "+way.transport, func(t *testing.T) {
			t.Parallel()
			id := devices.id(i)
			want[deviceInfo](t, s.call(t, http.MethodPatch, "/api/v1/devices/"+id, map[string]string{"media_mode": way.mode}), http.StatusOK)
			st := s.live(t, id, id, "transport", way.transport)
			if st.Transport != way.transport || st.Codec != "H264" || st.State != "playing" {
				t.Errorf("stream %+v, want H264 playing by %s", st, way.transport)
			}
			video, audio := probe(t, st.URLs["flv"])
			if video != (probed{Type: "video", Codec: "h264", Width: 640, Height: 360, Rate: "25/1"}) {
				t.Errorf("video %+v, want h264 640x360 at 25/1", video)
			}
			if audio.Codec != "pcm_alaw" || audio.Sample != "8000" {
				t.Errorf("audio %+v, want pcm_alaw of 8000 Hz", audio)
			}
			decode(t, st.URLs["flv"], 50)
			if got := get[streamInfo](t, s.client, "/api/v1/streams/"+st.ID); got.Stats == nil || got.Stats.Lost != 0 || !strings.HasPrefix(got.Stats.Source, "127.0.0.1:") {
				t.Errorf("statistics %+v, want media from 127.0.0.1 and none lost", got.Stats)
			}
		})
	}
}

func TestSubStreamIsSmallerAndSoundIsCarried(t *testing.T) {
	t.Parallel()
	s := start(t)
	for i, c := range []struct {
		audio media.Codec
		want  string
	}{{media.AAC, "aac"}, {media.PCMU, "pcm_mulaw"}, {sim.NoAudio, ""}} {
		t.Run(string(c.audio), func(t *testing.T) {
			t.Parallel()
			devices := simulate(t, s, sim.Config{FirstID: series(i), Audio: c.audio})
			id := devices.id(0)
			st := s.live(t, id, id, "profile", "sub")
			video, audio := probe(t, st.URLs["flv"])
			if video.Codec != "h264" || video.Width != 320 || video.Height != 180 {
				t.Errorf("sub stream %+v, want h264 320x180", video)
			}
			if audio.Codec != c.want {
				t.Errorf("audio %q, want %q", audio.Codec, c.want)
			}
		})
	}
}

func TestPicturesReachTheViewerUnchanged(t *testing.T) {
	t.Parallel()
	s := start(t)
	for i, c := range []struct {
		name  string
		codec media.Codec
		form  flvread.Form
		query string
	}{
		{"H264", media.H264, flvread.AVC, ""},
		{"H265 enhanced", media.H265, flvread.HEVC, ""},
		{"H265 legacy", media.H265, flvread.HEVC12, "&hevc=legacy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			devices := simulate(t, s, sim.Config{FirstID: series(i), Video: c.codec})
			id := devices.id(0)
			st := s.live(t, id, id)
			if st.Codec != string(c.codec) {
				t.Errorf("codec %s, want %s", st.Codec, c.codec)
			}
			got := pictureSums(t, c.codec, watch(t, st.URLs["flv"]+c.query, c.form, 60))
			clip, err := clips.Video(c.codec, media.Main)
			if err != nil {
				t.Fatal(err)
			}
			var whole []byte
			for _, f := range clip.Frames {
				whole = appendAnnexB(whole, f.Units)
			}
			sent := pictureSums(t, c.codec, whole)
			if len(sent) != 100 || len(got) != 60 {
				t.Fatalf("%d pictures of the clip and %d seen were decoded, want 100 and 60", len(sent), len(got))
			}
			first := -1
			for k := 0; k < len(sent); k += clips.FrameRate {
				if sent[k] == got[0] {
					first = k
				}
			}
			if first < 0 {
				t.Fatal("the first picture seen is none of the clip's key pictures")
			}
			for i, sum := range got {
				if want := sent[(first+i)%len(sent)]; sum != want {
					t.Fatalf("picture %d after the key picture %d differs from what the camera sent", i, first)
				}
			}
		})
	}
}

// series are IDs of cameras that differ from those of other series of a test.
func series(i int) (id gbID) { return gbID(fmt.Sprintf("3402000000132%07d", 1000*i+1)) }

// watch reads video of an FLV address, from a key picture on, as Annex B.
func watch(t *testing.T, url string, form flvread.Form, pictures int) (b []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r := open(ctx, t, url, "")
	last := int64(-1)
	for n := 0; n < pictures; {
		u, err := r.NextUnit()
		if err != nil {
			t.Fatalf("after %d pictures: %v", n, err)
		}
		if u.Form == flvread.PCMA {
			continue
		}
		if u.Form != form {
			t.Fatalf("picture marked %q, want %q", u.Form, form)
		}
		if n == 0 && !u.Key {
			t.Fatal("the first picture is no key picture")
		}
		if int64(u.DTS) <= last {
			t.Fatalf("time %d ms after %d ms", u.DTS, last)
		}
		last = int64(u.DTS)
		b = append(b, u.AnnexB()...)
		n++
	}
	return b
}

// open connects to a play address; it is closed when ctx ends.
func open(ctx context.Context, t *testing.T, url, token string) *flvread.Reader {
	t.Helper()
	r, err := connect(ctx, url, token)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func connect(ctx context.Context, url, token string) (*flvread.Reader, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "video/x-flv" {
		resp.Body.Close()
		return nil, errors.New("GET " + url + ": " + resp.Status + " " + resp.Header.Get("Content-Type"))
	}
	return flvread.New(resp.Body)
}

func appendAnnexB(b []byte, units [][]byte) []byte {
	for _, u := range units {
		b = append(append(b, 0, 0, 0, 1), u...)
	}
	return b
}

// pictureSums decodes a byte stream by ffmpeg and returns the checksum of each
// picture.
func pictureSums(t *testing.T, codec media.Codec, stream []byte) []string {
	t.Helper()
	format := "h264"
	if codec == media.H265 {
		format = "hevc"
	}
	cmd := exec.CommandContext(t.Context(), tool(t, "ffmpeg"), "-v", "error", "-f", format, "-i", "pipe:0", "-f", "framemd5", "pipe:1")
	cmd.Stdin = bytes.NewReader(stream)
	var sums []string
	for line := range strings.Lines(string(run1(t, cmd))) {
		if fields := strings.Split(strings.TrimSpace(line), ","); !strings.HasPrefix(line, "#") {
			sums = append(sums, strings.TrimSpace(fields[len(fields)-1]))
		}
	}
	return sums
}
