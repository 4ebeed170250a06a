package download_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181/download"
	"fengsui/gb28181/play"
	"fengsui/media"
	"fengsui/media/mediatest"
	"fengsui/shadow/journal"
)

// device stands in for the coordinator: it sends a clip of three seconds each
// time it is asked, and ends it as told.
type device struct {
	mu      sync.Mutex
	asked   []play.Request
	refuses error
	size    int64        // that it announces
	end     play.Session // how its sendings end
	holds   bool         // it does not end by itself
	running map[string]func(play.Session)
}

func (d *device) Fetch(_ context.Context, r play.Request) (play.Session, media.Reader, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, r)
	if d.refuses != nil {
		return play.Session{}, nil, d.refuses
	}
	frames := mediatest.Woven(mediatest.H264(), mediatest.G711(media.PCMA, 75))
	s := play.Session{ID: fmt.Sprint("s", len(d.asked)), Request: r, Speed: r.Speed, Size: d.size, Tracks: []*media.Track{frames[0].Track}}
	reader := mediatest.NewReader(s.Tracks, frames...)
	var once sync.Once
	end := func(how play.Session) {
		once.Do(func() {
			reader.End()
			how.ID = s.ID
			r.OnEnd(how)
		})
	}
	if d.running == nil {
		d.running = map[string]func(play.Session){}
	}
	d.running[s.ID] = end
	if !d.holds {
		end(d.end)
	}
	return s, reader, nil
}

func (d *device) Stop(_ context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if end := d.running[id]; end != nil {
		end(play.Session{Stopped: true, Reason: "stopped by a caller"})
		return nil
	}
	return play.ErrNoSession
}

type house struct {
	*download.Downloads
	t   *testing.T
	reg *prometheus.Registry
}

func open(t *testing.T, f download.Fetcher, dir string, change func(*download.Config)) house {
	t.Helper()
	c := download.Config{Dir: dir, Space: 1 << 30, Keep: time.Hour, Running: 4}
	if change != nil {
		change(&c)
	}
	reg := prometheus.NewRegistry()
	d, err := download.Open(c, f, journal.New(16), reg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close(context.Background()) })
	return house{d, t, reg}
}

var noon = time.Date(2026, 11, 19, 12, 0, 0, 0, time.UTC)

// minute asks for so many of them.
func minute(n int) download.Request {
	return download.Request{Device: "34020000001320000001", Channel: "34020000001320000001", Start: noon, End: noon.Add(time.Duration(n) * time.Minute), Speed: 4, By: "anna"}
}

func (h house) begin(r download.Request) download.Job {
	h.t.Helper()
	j, err := h.Start(h.t.Context(), r)
	if err != nil {
		h.t.Fatal(err)
	}
	return j
}

// ended waits for a job's end.
func (h house) ended(id string) download.Job {
	h.t.Helper()
	for {
		j, ok := h.Job(id)
		if !ok {
			h.t.Fatalf("download %s is gone", id)
		}
		if !j.State.Active() {
			return j
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (h house) refused(bound string) float64 {
	h.t.Helper()
	families, err := h.reg.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "fengsui_download_refused_total" && m.GetLabel()[0].GetValue() == bound {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestADownloadIsDoneWhenTheDeviceHasSentAll(t *testing.T) {
	t.Parallel()
	dev := &device{end: play.Session{Whole: true, Reason: "all was sent"}, size: 1000}
	h := open(t, dev, t.TempDir(), nil)
	j := h.ended(h.begin(minute(1)).ID)
	if j.State != download.Done || j.Mark.Frames != 75 || j.Expected != 1000 || j.Asked != 1 || j.Covered.Round(100*time.Millisecond) != 3*time.Second {
		t.Errorf("%+v", j)
	}
	_, content, file, err := h.File(j.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if b, err := io.ReadAll(content); err != nil || int64(len(b)) != j.Mark.Bytes || string(b[:4]) != "IMKH" {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if _, err := h.Continue(t.Context(), j.ID); !errors.Is(err, download.ErrDone) {
		t.Errorf("continued: %v", err)
	}
}

// What is missing after a cut is asked for with pauses between, from the last
// whole second that came; what came makes up for tries that did not help.
func TestAfterACutTheRestIsAskedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		dev := &device{end: play.Session{Reason: "the device ended it"}}
		h := open(t, dev, dir, nil)
		began := time.Now()
		j := h.ended(h.begin(minute(10)).ID)
		if j.State != download.Partial || j.Reason != "the device ended it" || time.Since(began) < 42*time.Second {
			t.Errorf("after %v: %+v", time.Since(began), j)
		}
		var from []time.Duration
		for _, r := range dev.asked {
			from = append(from, r.Start.Sub(noon))
		}
		if want := []time.Duration{0, 2 * time.Second, 4 * time.Second, 6 * time.Second}; !slices.Equal(from, want) {
			t.Errorf("asked from %v, want %v", from, want)
		}
		dev.end = play.Session{Whole: true}
		if _, err := h.Continue(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
		if j = h.ended(j.ID); j.State != download.Done || j.Asked != 5 || j.Mark.Frames != 5*75 {
			t.Errorf("continued: %+v", j)
		}
	})
}

func TestADownloadThatDoesNotBeginLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := open(t, &device{refuses: play.ErrNoRecording}, dir, nil)
	if _, err := h.Start(t.Context(), minute(1)); !errors.Is(err, play.ErrNoRecording) {
		t.Errorf("Start = %v", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 || len(h.Jobs()) != 0 {
		t.Errorf("left over: %v, %v", files, h.Jobs())
	}
}

func TestWhatIsBoundedIsRefused(t *testing.T) {
	t.Parallel()
	dev := &device{holds: true}
	h := open(t, dev, t.TempDir(), func(c *download.Config) {
		c.Running, c.Kept, c.Space, c.Pauses = 1, 2, 100_000, make([]time.Duration, 3)
	})
	j := h.begin(minute(1))
	if _, err := h.Start(t.Context(), minute(1)); !errors.Is(err, download.ErrBusy) || h.refused("running") != 1 {
		t.Errorf("beside a running one: %v", err)
	}
	if _, err := h.Continue(t.Context(), j.ID); !errors.Is(err, download.ErrActive) {
		t.Errorf("continue a running one: %v", err)
	}
	if err := h.Cancel(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if j = h.ended(j.ID); j.State != download.Canceled {
		t.Errorf("canceled: %+v", j)
	}

	dev.size = 1 << 20 // more than there is
	var full *download.SpaceError
	if _, err := h.Start(t.Context(), minute(1)); !errors.As(err, &full) || full.Wanted != 1<<20 || full.Holders[0].ID != j.ID || !strings.Contains(err.Error(), j.ID) {
		t.Errorf("more than there is: %v", err)
	}
	dev.size, dev.holds = 0, false
	cut := h.begin(minute(1))
	if cut = h.ended(cut.ID); cut.State != download.Partial || !strings.Contains(cut.Reason, download.ErrSpace.Error()) {
		t.Errorf("cut short: %+v", cut)
	}
	if h.refused("space") != 2 {
		t.Errorf("space refused %v times", h.refused("space"))
	}
	if _, err := h.Start(t.Context(), minute(1)); !errors.Is(err, download.ErrFull) || h.refused("kept") != 1 {
		t.Errorf("beside two kept ones: %v", err)
	}
	if err := h.Delete(t.Context(), cut.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Start(t.Context(), minute(1)); err != nil {
		t.Errorf("after one was deleted: %v", err)
	}
}

// What runs when the server stops is there afterwards, and what is behind its
// last record is written anew under another name.
func TestARestartInterruptsWhatRan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dev := &device{holds: true}
	h := open(t, dev, dir, nil)
	j := h.begin(minute(1))
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if j = h.ended(j.ID); j.State != download.Interrupted {
		t.Fatalf("closed: %+v", j)
	}
	// As a crash leaves it: the record says that it runs, the file is longer.
	record := filepath.Join(dir, j.ID+".json")
	text, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(text), `"state":"interrupted"`, `"state":"running"`, 1)
	f, err := os.OpenFile(filepath.Join(dir, j.ID+".ps"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.Write(make([]byte, 100))
	}
	if err := errors.Join(err, f.Close(), os.WriteFile(record, []byte(broken), 0o600), os.WriteFile(filepath.Join(dir, "0.json"), []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	dev.holds, dev.end = false, play.Session{Whole: true}
	h = open(t, dev, dir, nil)
	again, ok := h.Job(j.ID)
	if !ok || again.State != download.Interrupted || again.Mark != j.Mark || again.Generation == j.Generation || len(h.Jobs()) != 1 {
		t.Fatalf("restored: %+v of %d", again, len(h.Jobs()))
	}
	if _, err := h.Continue(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	done := h.ended(j.ID)
	info, err := os.Stat(filepath.Join(dir, j.ID+".ps"))
	if err != nil || done.State != download.Done || done.Mark.Frames != j.Mark.Frames+75 || info.Size() != done.Mark.Bytes {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestOldDownloadsAreDeleted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := open(t, &device{end: play.Session{Whole: true}}, dir, nil)
		j := h.ended(h.begin(minute(1)).ID)
		if !j.ExpiresAt.Equal(j.EndedAt.Add(time.Hour)) {
			t.Errorf("expires at %v, ended at %v", j.ExpiresAt, j.EndedAt)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.Run(ctx) }()
		time.Sleep(59 * time.Minute)
		if len(h.Jobs()) != 1 {
			t.Error("deleted too early")
		}
		time.Sleep(3 * time.Minute)
		if files, _ := os.ReadDir(dir); len(files) != 0 || len(h.Jobs()) != 0 {
			t.Errorf("left over: %v", files)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
