package api_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/gb28181/snapshot"
	"fengsui/internal/api"
	"fengsui/internal/rights"
)

const jpeg = "\xff\xd8\xff\xe0 a picture"

// album is a house with snapshots; told is where the device was told to upload last.
func album(t *testing.T) (h *house, as func(...rights.Grant) string, told *string) {
	told = new(string)
	h, as = secured(t, func(_ *api.Config, svc *api.Services) {
		a, err := snapshot.New(snapshot.Config{Dir: filepath.Join(t.TempDir(), "s"), Base: func(gb28181.ID) (string, error) { return api.UploadPath, nil }},
			func(_ context.Context, _ snapshot.Request, _, url string) error { *told = url; return nil }, svc.Events.(snapshot.Journal), zerolog.Nop(), nil)
		if err != nil {
			t.Fatal(err)
		}
		svc.Snapshots = a
	})
	return h, as, told
}

type snapshotView struct {
	ID, State string
	Pictures  []struct {
		Name, URL string
		Bytes     int
	}
}

func TestPicturesAreUploadedAndSeenByWhomTheChannelIsShown(t *testing.T) {
	h, as, told := album(t)
	guard := as(rights.Grant{Act: rights.PTZ, Subtree: string(nvr) + "/" + string(yard)})
	look := as(rights.Grant{Act: rights.Look, Subtree: string(nvr) + "/" + string(yard)})
	stranger := as(rights.Grant{Act: rights.PTZ, Subtree: string(cam)})
	path := "/api/v1/devices/" + string(nvr) + "/channels/" + string(gate) + "/snapshots"
	h.do(look, "POST", path, nil).problem(403, 114004)
	h.do(guard, "POST", path, map[string]any{"count": 11}).problem(422, 174001)
	var s snapshotView
	h.do(guard, "POST", path, map[string]any{"count": 3}).want(202).into(&s)

	// As a file of a form, as the body, and as the body below a name.
	form := "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"one.jpg\"\r\n\r\n" + jpeg + "\r\n--b--\r\n"
	h.do("", "POST", *told+"?sessionID=1", form, "Content-Type", "multipart/form-data; boundary=b").want(200)
	h.do("", "PUT", *told+"/two.jpg", jpeg+strings.Repeat("x", 2<<20), "Content-Type", "image/jpeg").want(200) // more than other bodies may have
	h.do("", "PUT", *told, "<html>", "Content-Type", "image/jpeg").problem(415, 174006)
	h.do("", "POST", *told, form[:60], "Content-Type", "multipart/form-data; boundary=b").want(415)
	h.do("", "PUT", *told, jpeg+strings.Repeat("x", snapshot.MaxPicture), "Content-Type", "image/jpeg").problem(413, 174007)
	h.do("", "PUT", *told, jpeg, "Content-Type", "image/jpeg").want(200)
	h.do("", "PUT", *told, jpeg, "Content-Type", "image/jpeg").problem(404, 174005) // it is closed
	h.do("", "PUT", api.UploadPath+"nothing", jpeg).problem(404, 174005)
	if log := h.log.String(); strings.Contains(log, *told) {
		t.Error("the log tells the address")
	}

	h.do(look, "GET", "/api/v1/snapshots/"+s.ID, nil).want(200).into(&s)
	if s.State != "done" || len(s.Pictures) != 3 || s.Pictures[0].Name != "one.jpg" || s.Pictures[1].Name != "two.jpg" {
		t.Fatalf("%+v", s)
	}
	if a := h.do(look, "GET", s.Pictures[0].URL, nil).want(200); string(a.body) != jpeg || a.Header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("%q as %s", a.body, a.Header.Get("Content-Type"))
	}
	if a := h.do(look, "GET", s.Pictures[0].URL, nil, "Range", "bytes=5-"); a.StatusCode != 206 || string(a.body) != jpeg[5:] {
		t.Errorf("%d %q", a.StatusCode, a.body)
	}
	var list struct {
		Items []snapshotView
		Total int
	}
	for _, want := range []struct {
		who   string
		query string
		total int
	}{{look, "", 1}, {look, "?device=" + string(cam), 0}, {stranger, "", 0}, {h.admin, "?channel=" + string(gate), 1}} {
		if h.do(want.who, "GET", "/api/v1/snapshots"+want.query, nil).want(200).into(&list); list.Total != want.total {
			t.Errorf("%q: %d snapshots, want %d", want.query, list.Total, want.total)
		}
	}
	for _, path := range []string{"/api/v1/snapshots/" + s.ID, s.Pictures[0].URL, strings.Replace(s.Pictures[0].URL, "/1", "/x", 1)} {
		h.do(stranger, "GET", path, nil).problem(404, 174004)
		h.do("", "GET", path, nil).want(401)
	}
	h.do(look, "GET", strings.TrimSuffix(s.Pictures[0].URL, "1")+"4", nil).problem(404, 174004)
	h.do(look, "DELETE", "/api/v1/snapshots/"+s.ID, nil).want(403)
	h.do(guard, "DELETE", "/api/v1/snapshots/"+s.ID, nil).want(204)
	h.do(guard, "GET", "/api/v1/snapshots/"+s.ID, nil).problem(404, 174004)
}

func TestUploadsAreBounded(t *testing.T) {
	h, _, told := album(t)
	var held []*io.PipeWriter
	failed := make(chan error, 64)
	for i := range 64 {
		if i%10 == 0 { // as many as one may have
			h.do(h.admin, "POST", "/api/v1/devices/"+string(nvr)+"/channels/"+string(gate)+"/snapshots", map[string]any{"count": 10}).want(202)
		}
		r, w := io.Pipe()
		held = append(held, w)
		req, err := http.NewRequestWithContext(t.Context(), "PUT", h.http.URL+*told, r)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			res, err := http.DefaultTransport.RoundTrip(req)
			if err == nil {
				err = res.Body.Close()
			}
			failed <- err
		}()
	}
	var last *answer
	for range 100 {
		if last = h.do("", "PUT", api.UploadPath+"y", jpeg); last.StatusCode == 503 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, w := range held {
		w.CloseWithError(errors.New("over"))
	}
	for range held {
		<-failed
	}
	last.problem(503, 175005)
}
