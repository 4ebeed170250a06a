package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"fengsui/gb28181/download"
	"fengsui/gb28181/play"
	"fengsui/internal/api"
	"fengsui/internal/rights"
	"fengsui/media/record"
)

// kept stands in for the downloads: one job, whose file is of the test's.
type kept struct {
	job  download.Job
	file []byte
	err  error
	hold chan struct{} // of readers of the file, nil: none waits
}

func (k *kept) Start(_ context.Context, r download.Request) (download.Job, error) {
	if k.err != nil {
		return download.Job{}, k.err
	}
	k.job = download.Job{ID: "d1", Request: r, State: download.Running, Mark: record.Mark{Bytes: int64(len(k.file))}, Covered: 30 * time.Second, CreatedAt: r.End}
	return k.job, nil
}

func (k *kept) Continue(context.Context, string) (download.Job, error) { return k.job, k.err }

func (k *kept) Cancel(context.Context, string) error {
	k.job.State = download.Canceled
	return nil
}

func (k *kept) Delete(context.Context, string) error {
	k.job = download.Job{}
	return nil
}

func (k *kept) Jobs() []download.Job { return []download.Job{k.job} }

func (k *kept) Job(id string) (download.Job, bool) { return k.job, id == k.job.ID && id != "" }

func (k *kept) File(string) (download.Job, *io.SectionReader, io.Closer, error) {
	if k.hold != nil {
		<-k.hold
	}
	return k.job, io.NewSectionReader(bytes.NewReader(k.file), 0, int64(len(k.file))), io.NopCloser(nil), nil
}

var minuteOfNoon = map[string]any{"device": cam, "channel": cam, "start": "2026-11-19T12:00:00Z", "end": "2026-11-19T12:01:00Z"}

func withDownloads(t *testing.T, k *kept) *house {
	return build(t, func(_ *api.Config, s *api.Services) { s.Downloads = k })
}

func TestADownloadTellsItsProgressAndItsFile(t *testing.T) {
	k := &kept{file: []byte("\x00\x00\x01\xBA, and more")}
	h := withDownloads(t, k)
	var v struct {
		ID, State, File, Name, By string
		Bytes                     int64
		Duration, Progress        float64
	}
	a := h.do(h.admin, "POST", "/api/v1/downloads", minuteOfNoon).want(201).into(&v)
	if v.Duration != 60 || v.Progress != 0.5 || v.Bytes != int64(len(k.file)) || v.By != "admin" || k.job.Request.Speed != 4 || a.Header.Get("Location") != "/api/v1/downloads/d1" {
		t.Errorf("%+v of %+v", v, k.job)
	}
	if !strings.HasSuffix(v.File, "/api/v1/downloads/d1/file") || v.Name != string(cam)+"_20261119T120000_20261119T120100.ps" {
		t.Errorf("file %s as %s", v.File, v.Name)
	}
	path := "/api/v1/downloads/d1/file"
	whole := h.do(h.admin, "GET", path, nil).want(200)
	tag := whole.Header.Get("Etag")
	part := h.do(h.admin, "GET", path, nil, "Range", "bytes=6-", "If-Range", tag).want(206)
	if string(whole.body) != string(k.file) || string(part.body) != string(k.file[6:]) || tag == "" || !strings.Contains(whole.Header.Get("Content-Disposition"), v.Name) {
		t.Errorf("whole %q, part %q, %v", whole.body, part.body, whole.Header)
	}
	h.do(h.admin, "GET", path, nil, "Range", "bytes=100-").want(416)
	h.do(h.admin, "POST", "/api/v1/downloads/d1/cancel", nil).want(200).into(&v)
	if v.State != "canceled" {
		t.Errorf("%+v", v)
	}
	h.do(h.admin, "DELETE", "/api/v1/downloads/d1", nil).want(204)
	h.do(h.admin, "GET", path, nil).problem(404, 144010)
}

func TestWhyThereIsNoDownloadIsTold(t *testing.T) {
	k := &kept{}
	h := withDownloads(t, k)
	holder := download.Job{ID: "d0", Request: download.Request{Channel: cam, By: "anna"}, State: download.Done, Mark: record.Mark{Bytes: 7}}
	for _, c := range []struct {
		err          error
		status, code int
	}{
		{&download.SpaceError{Space: 8, Used: 8, Holders: []download.Job{holder}}, 507, 145003},
		{fmt.Errorf("%w: 16", download.ErrBusy), 503, 145002},
		{download.ErrFull, 503, 145002},
		{&play.SlotError{Device: cam, Limit: 1}, 409, 146007},
		{play.ErrRange, 422, 144004},
	} {
		k.err = c.err
		if p := h.do(h.admin, "POST", "/api/v1/downloads", minuteOfNoon).problem(c.status, c.code); c.code == 145003 && (len(p.Space) != 1 || p.Space[0].By != "anna" || p.Space[0].Bytes != 7) {
			t.Errorf("space %+v", p.Space)
		}
	}
	k.job = holder
	for _, c := range []struct {
		err  error
		code int
	}{{download.ErrActive, 144011}, {download.ErrDone, 144012}} {
		k.err, k.job.Request.Device = c.err, cam
		h.do(h.admin, "POST", "/api/v1/downloads/d0/continue", nil).problem(409, c.code)
	}
	h.do(h.admin, "POST", "/api/v1/downloads", map[string]any{"device": cam, "channel": cam, "start": "2026-11-19T12:00:00Z", "end": "2026-11-19T12:01:00Z", "speed": 9}).problem(422, 104002)
}

func TestDownloadsFollowTheRight(t *testing.T) {
	k := &kept{job: download.Job{ID: "d1", Request: download.Request{Device: nvr, Channel: vault, Start: time.Unix(0, 0), End: time.Unix(60, 0)}}}
	h, as := secured(t, func(_ *api.Config, s *api.Services) { s.Downloads = k })
	viewer := as(rights.Grant{Act: rights.Look, Subtree: rights.Everywhere})
	guard := as(rights.Grant{Act: rights.Playback, Subtree: string(nvr) + "/" + string(gate)})
	body := map[string]any{"device": nvr, "channel": vault, "start": "2026-11-19T12:00:00Z", "end": "2026-11-19T12:01:00Z"}
	h.do(viewer, "POST", "/api/v1/downloads", body).problem(403, 114004)
	h.do(viewer, "GET", "/api/v1/downloads/d1/file", nil).problem(403, 114004)
	h.do("", "GET", "/api/v1/downloads/d1/file", nil).problem(401, 114001)
	for _, path := range []string{"/api/v1/downloads/d1", "/api/v1/downloads/d1/file"} {
		h.do(guard, "GET", path, nil).problem(404, 144010)
	}
	if a := h.do(guard, "GET", "/api/v1/downloads", nil).want(200); !strings.Contains(string(a.body), `"total":0`) {
		t.Errorf("%s", a.body)
	}
	h.do("", "GET", "/api/v1/downloads/d1/file?token="+h.admin, nil).want(200)
}

func TestFilesBeingFetchedAreBounded(t *testing.T) {
	k := &kept{job: download.Job{ID: "d1", Request: download.Request{Device: cam, Channel: cam}}, hold: make(chan struct{})}
	h := withDownloads(t, k)
	done := make(chan int, 256)
	for range 256 {
		go func() {
			r, _ := http.NewRequest("GET", h.http.URL+"/api/v1/downloads/d1/file?token="+h.admin, nil)
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				done <- 0
				return
			}
			_ = res.Body.Close()
			done <- res.StatusCode
		}()
	}
	refused := false
	for until := time.Now().Add(20 * time.Second); !refused && time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		r, _ := http.NewRequestWithContext(ctx, "GET", h.http.URL+"/api/v1/downloads/d1/file?token="+h.admin, nil)
		if res, err := http.DefaultClient.Do(r); err == nil {
			refused = res.StatusCode == 503
			_ = res.Body.Close()
		}
		cancel()
	}
	close(k.hold)
	for range 256 {
		<-done
	}
	if !refused {
		t.Error("the 257th was not refused")
	}
}
