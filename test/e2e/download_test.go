package e2e_test

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/internal/sim"
	"fengsui/media"
)

// downloaded is what the API tells of a download.
type downloaded struct {
	ID, State, Reason, File, Name string
	Bytes, Pictures               int64
	Covered                       float64
}

// download has a device send ten seconds of the last hour, and saves the file.
func (s *server) download(t *testing.T, id, transport string) (downloaded, string) {
	t.Helper()
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	v := want[downloaded](t, s.call(t, "POST", "/api/v1/downloads", map[string]any{
		"device": id, "channel": id, "start": start, "end": start.Add(10 * time.Second), "speed": 8, "transport": transport,
	}), http.StatusCreated)
	eventually(t, 30*time.Second, func() string {
		if v = get[downloaded](t, s.client, "/api/v1/downloads/"+v.ID); v.State != "done" {
			return "it is " + v.State + ": " + v.Reason
		}
		return ""
	})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.File+"?token="+s.token, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	path := filepath.Join(t.TempDir(), v.Name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := io.Copy(f, res.Body); err != nil || n != v.Bytes || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d of %d bytes, %v", res.Status, n, v.Bytes, err)
	}
	return v, path
}

// What players of every system are made of reads the file: its length, its
// codecs, and each picture.
func TestDownloadedFilesAreReadByFFmpeg(t *testing.T) {
	t.Parallel()
	s := start(t)
	for i, c := range []struct {
		device       sim.Config
		transport    string
		video, audio string
		rate         string
	}{
		{sim.Config{Video: media.H264, Audio: media.PCMA, Edition: gb28181.Edition2016}, "udp", "h264", "pcm_alaw", "8000"},
		{sim.Config{Video: media.H265, Audio: media.AAC, Edition: gb28181.Edition2022}, "tcp-passive", "hevc", "aac", ""},
	} {
		t.Run(c.video+" "+c.audio, func(t *testing.T) {
			t.Parallel()
			c.device.FirstID = series(i)
			devices := simulate(t, s, c.device)
			v, path := s.download(t, devices.id(0), c.transport)
			var seen struct {
				Streams []struct {
					Type   string `json:"codec_type"`
					Codec  string `json:"codec_name"`
					Sample string `json:"sample_rate"`
					Frames string `json:"nb_read_frames"`
				}
				Format struct {
					Name     string `json:"format_name"`
					Duration string
				}
			}
			out := run1(t, exec.CommandContext(t.Context(), tool(t, "ffprobe"), "-v", "error", "-count_frames",
				"-show_entries", "stream=codec_type,codec_name,sample_rate,nb_read_frames:format=format_name,duration", "-of", "json", path))
			if err := json.Unmarshal(out, &seen); err != nil {
				t.Fatalf("ffprobe said %s: %v", out, err)
			}
			duration, err := strconv.ParseFloat(seen.Format.Duration, 64)
			if err != nil || math.Abs(duration-10) > 0.3 || seen.Format.Name != "mpeg" || len(seen.Streams) != 2 {
				t.Errorf("ffprobe said %s", out)
			}
			for _, st := range seen.Streams {
				switch {
				case st.Type == "video" && (st.Codec != c.video || st.Frames != "250" || v.Pictures != 250):
					t.Errorf("pictures %+v, want 250 of %s; the server counts %d", st, c.video, v.Pictures)
				case st.Type == "audio" && (st.Codec != c.audio || c.rate != "" && st.Sample != c.rate):
					t.Errorf("sound %+v, want %s", st, c.audio)
				}
			}
			decode(t, path, 250)
		})
	}
}
