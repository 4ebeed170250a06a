package spine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"fengsui/internal/sim"
)

type leakView struct {
	Kind       string `json:"kind"`
	Owner      string `json:"owner"`
	Local      string `json:"local"`
	Remote     string `json:"remote"`
	OrphanedAt string `json:"orphaned_at"`
}

// leaks is what the API shows of what is held open.
func (h *house) leaks(query string) []leakView {
	h.t.Helper()
	var list struct {
		Items []leakView `json:"items"`
	}
	h.get("/api/v1/system/leaks?"+query, &list)
	return list.Items
}

// text is an answer of the API that is not JSON.
func (h *house) text(path string) string {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", h.base+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	res, err := h.http.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		h.t.Fatalf("GET %s: %s, %v: %s", path, res.Status, err, b)
	}
	return string(b)
}

// metric is a line of /metrics, without its value.
func (h *house) metric(name string) string {
	h.t.Helper()
	for line := range strings.Lines(h.text("/metrics")) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	h.t.Fatalf("no metric %s", name)
	return ""
}

// A connection that never was any device's is held for nobody: the reconciler
// takes it back. What devices and streams hold it leaves alone.
func TestAConnectionThatIsNobodysIsReclaimed(t *testing.T) {
	t.Parallel()
	h := open(t)
	camera := h.run(sim.Config{Transport: sim.TCP}).Device(0).ID
	stranger, err := net.Dial("tcp4", h.cfg.SIP.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	_, err = fmt.Fprintf(stranger, "OPTIONS sip:%s@3402000000 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5060;rport;branch=z9hG4bKstranger\r\n"+
		"From: <sip:34020000001320009999@3402000000>;tag=s\r\nTo: <sip:%s@3402000000>\r\nCall-ID: stranger\r\nCSeq: 1 OPTIONS\r\n"+
		"Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n", serverID, serverID)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute + time.Second) // the camera keeps alive

	h.must("PATCH", "/api/v1/devices/"+string(camera), map[string]any{"media_mode": "range"}, nil)
	watching := h.watch(h.plays(camera, camera, "tcp-passive"))
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(io.Discard, watching.res.Body) })
	defer reading.Wait()
	defer watching.close()
	owners := map[string]string{}
	eventually(t, "five leases", func() bool {
		clear(owners)
		for _, l := range h.leaks("") {
			owners[l.Kind+" "+l.Remote] = l.Owner
		}
		return len(owners) == 5
	})
	of := map[string]int{}
	for what, owner := range owners {
		kind, _, _ := strings.Cut(what, " ")
		owner, _, _ := strings.Cut(owner, ":")
		of[kind+" of "+owner]++
	}
	want := "map[flv_viewer of stream:1 media_connection of stream:1 media_receiver of stream:1 sip_connection of :1 sip_connection of device:1]"
	if fmt.Sprint(of) != want || owners["sip_connection "+h.device(camera).Remote] != "device:"+string(camera) {
		t.Errorf("held open: %v", owners)
	}
	// Each goroutine says whom it serves.
	stacks := h.text("/api/v1/system/profiles/goroutine?debug=1")
	for _, label := range []string{
		`"kind":"sip_connection", "owner":"device:` + string(camera) + `"`,
		`"kind":"media_connection", "owner":"stream:live/` + string(camera),
		`"kind":"flv_viewer", "owner":"stream:live/` + string(camera),
	} {
		if !strings.Contains(stacks, label) {
			t.Errorf("no goroutine has %s", label)
		}
	}

	h.app.Reconcile(t.Context())
	if list := h.leaks("orphaned=true"); len(list) != 1 || list[0].Remote != stranger.LocalAddr().String() || h.metric("fengsui_leaks_orphaned") != "1" {
		t.Errorf("orphaned: %+v, %s by the metric", list, h.metric("fengsui_leaks_orphaned"))
	}
	if err := stranger.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, stranger); err != nil && !errors.Is(err, io.EOF) {
		t.Errorf("the connection did not end: %v", err)
	}
	eventually(t, "the count", func() bool {
		return h.metric(`fengsui_leaks_reclaimed_total{kind="sip_connection"}`) == "1" && h.metric("fengsui_leaks_orphaned") == "0"
	})
	if list := h.leaks(""); len(list) != 4 || h.device(camera).State != "online" {
		t.Errorf("left: %+v, the camera is %s", list, h.device(camera).State)
	}
	for _, kind := range []string{"media_connection", "media_receiver", "flv_viewer"} {
		if n := h.metric(`fengsui_leaks_reclaimed_total{kind="` + kind + `"}`); n != "0" {
			t.Errorf("%s of %s reclaimed", n, kind)
		}
	}
}
