package api_test

import (
	"bytes"
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/internal/api"
	"fengsui/internal/lease"
	"fengsui/internal/telemetry"
)

func TestProfilesAreForAdministratorsOnly(t *testing.T) {
	h := build(t)
	for _, path := range []string{"/api/v1/system/profiles", "/api/v1/system/profiles/heap", "/api/v1/system/flight", "/api/v1/system/leaks"} {
		h.do("", "GET", path, nil).problem(401, 114001)
		for _, user := range []string{"viewer", "operator"} {
			h.do(h.login(user), "GET", path, nil).problem(403, 114004)
		}
	}
	for _, path := range []string{"/debug/pprof", "/debug/pprof/heap"} {
		h.do("", "GET", path, nil).problem(401, 114001) // there is none beside these
		h.do(h.admin, "GET", path, nil).problem(404, 104004)
	}
}

func TestEveryListedProfileCanBeTaken(t *testing.T) {
	h := build(t)
	var list struct {
		Items []struct {
			Name, About string
			Recorded    bool
		}
		Total int
	}
	h.do(h.admin, "GET", "/api/v1/system/profiles", nil).want(200).into(&list)
	if len(list.Items) != 7 || list.Total != 7 {
		t.Errorf("profiles: %+v", list)
	}
	for _, p := range list.Items {
		path := "/api/v1/system/profiles/" + p.Name
		a := h.do(h.admin, "GET", path+"?seconds=1", nil).want(200)
		if !bytes.HasPrefix(a.body, []byte{0x1f, 0x8b}) || p.About == "" {
			t.Errorf("%+v: %.20q is no profile", p, a.body)
		}
		if p.Name == "cpu" {
			continue
		}
		a = h.do(h.admin, "GET", path+"?debug=1&seconds=1", nil).want(200)
		if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") || len(a.body) == 0 {
			t.Errorf("%s as text: %s, %d bytes", p.Name, a.Header.Get("Content-Type"), len(a.body))
		}
	}
	if a := h.do(h.admin, "GET", "/api/v1/system/profiles/goroutine?debug=2", nil).want(200); !bytes.HasPrefix(a.body, []byte("goroutine ")) {
		t.Errorf("stacks: %.60q", a.body)
	}
	if !strings.Contains(h.log.String(), `"user":"admin","record":"heap.pprof"`) {
		t.Error("the log does not say who took a profile")
	}
}

func TestBadProfileRequestsAreRefused(t *testing.T) {
	h := build(t)
	h.do(h.admin, "GET", "/api/v1/system/profiles/secrets", nil).problem(404, 104011)
	h.do(h.admin, "GET", "/api/v1/system/profiles/%2e%2e%2fetc", nil).problem(404, 104011)
	for _, q := range []string{"seconds=0", "seconds=61", "seconds=x", "debug=3", "debug=-1"} {
		h.do(h.admin, "GET", "/api/v1/system/profiles/cpu?"+q, nil).problem(422, 104002)
	}
}

func TestOneProfileIsRecordedAtATime(t *testing.T) {
	h := build(t)
	var work sync.WaitGroup
	work.Go(func() { h.do(h.admin, "GET", "/api/v1/system/profiles/block?seconds=2", nil).want(200) })
	time.Sleep(time.Second)
	if p := h.do(h.admin, "GET", "/api/v1/system/profiles/cpu?seconds=1", nil).problem(409, 105007); p.Name != "profile_busy" {
		t.Errorf("problem %+v", p)
	}
	h.do(h.admin, "GET", "/api/v1/system/profiles/heap", nil).want(200) // which takes no time
	work.Wait()
	h.do(h.admin, "GET", "/api/v1/system/profiles/cpu?seconds=1", nil).want(200)
}

func TestARecordingEndsWithTheServer(t *testing.T) {
	h := build(t)
	time.AfterFunc(200*time.Millisecond, h.server.Close)
	began := time.Now()
	h.do(h.admin, "GET", "/api/v1/system/profiles/mutex?seconds=60", nil).problem(408, 144003)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("after %v", took)
	}
}

func TestPprofReadsAProfileByItsAddress(t *testing.T) {
	h := build(t)
	cmd := exec.CommandContext(t.Context(), "go", "tool", "pprof", "-top", h.http.URL+"/api/v1/system/profiles/heap?token="+url.QueryEscape(h.admin))
	cmd.Env = append(os.Environ(), "PPROF_TMPDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "inuse_space") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestTheFlightRecorderIsReadByGoToolTrace(t *testing.T) {
	build(t).do("", "GET", "/api/v1/system/flight", nil).problem(401, 114001)
	off := build(t, func(_ *api.Config, s *api.Services) { s.Flight = telemetry.NewFlight(0) })
	off.do(off.admin, "GET", "/api/v1/system/flight", nil).problem(501, 105005)

	flight := telemetry.NewFlight(time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- flight.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	h := build(t, func(_ *api.Config, s *api.Services) { s.Flight = flight })
	lease.Region(lease.FLVViewer, "stream:flown").End()
	a := h.do(h.admin, "GET", "/api/v1/system/flight", nil).want(200)
	file := filepath.Join(t.TempDir(), "trace")
	if err := os.WriteFile(file, a.body, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "tool", "trace", "-d=parsed", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "flv_viewer stream:flown") {
		t.Errorf("%v: no region of ours in %d bytes: %.400s", err, len(out), out)
	}
}

// open is something held open.
type open struct {
	lease.Lease
	dead  bool
	facts lease.Facts
}

func (o *open) Living(time.Time) bool { return !o.dead }
func (o *open) Reclaim()              { o.Release() }
func (o *open) Held() lease.Facts     { return o.facts }

func TestLeaksShowWhatIsOpenAndWhatHasLostItsOwner(t *testing.T) {
	book := lease.New(prometheus.NewRegistry(), zerolog.Nop())
	used := time.Now().Add(-time.Minute)
	book.Open(&(&open{}).Lease, lease.SIPConnection, &open{facts: lease.Facts{Owner: "device:" + string(cam), Local: "192.0.2.1:5060", Remote: "192.0.2.9:4711", Used: used}})
	book.Open(&(&open{}).Lease, lease.MediaReceiver, &open{dead: true, facts: lease.Facts{Owner: "stream:live/x", Local: "192.0.2.1:30000"}})
	book.Mark()
	h := build(t, func(_ *api.Config, s *api.Services) { s.Leases = book })
	var list struct {
		Items []struct {
			Kind, Owner, Local, Remote string
			UsedAt                     string `json:"used_at"`
			OrphanedAt                 string `json:"orphaned_at"`
			OpenedAt                   string `json:"opened_at"`
			Age                        int
		}
		Total int
	}
	h.do(h.admin, "GET", "/api/v1/system/leaks", nil).want(200).into(&list)
	if len(list.Items) != 2 {
		t.Fatalf("%+v", list)
	}
	for _, r := range list.Items {
		switch r.Kind {
		case "sip_connection":
			if r.Owner != "device:"+string(cam) || r.Remote != "192.0.2.9:4711" || r.UsedAt == "" || r.OrphanedAt != "" || r.OpenedAt == "" {
				t.Errorf("%+v", r)
			}
		case "media_receiver":
			if r.Owner != "stream:live/x" || r.UsedAt != "" || r.OrphanedAt == "" {
				t.Errorf("%+v", r)
			}
		}
	}
	h.do(h.admin, "GET", "/api/v1/system/leaks?orphaned=true", nil).want(200).into(&list)
	if list.Total != 1 || list.Items[0].Kind != "media_receiver" {
		t.Errorf("orphaned: %+v", list)
	}
	h.do(h.admin, "GET", "/api/v1/system/leaks?q=4711", nil).want(200).into(&list)
	if list.Total != 1 || list.Items[0].Kind != "sip_connection" {
		t.Errorf("found: %+v", list)
	}
	h.do(h.admin, "GET", "/api/v1/system/leaks?sort=age", nil).problem(422, 104002)
}
