package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fengsui/internal/sim"
)

func TestHangupTakesOverTheNewConfiguration(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.terminate(t)
	s.config = filepath.Join(filepath.Dir(s.data), "fengsui.yaml")
	s.set = slices.DeleteFunc(s.set, func(kv string) bool { return strings.HasPrefix(kv, "sip.password=") })
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("sip: {password: " + sipPassword + "}\n")
	s.run(t)
	dial(t, s, "udp", "34020000001320000001").enrol(t, "first", 3600)

	hangup := func() {
		t.Helper()
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	write("sip: {password: another-device-word}\n")
	hangup()
	p := dial(t, s, "udp", "34020000001320000002")
	n := 0
	eventually(t, 10*time.Second, func() string {
		n++
		call := fmt.Sprintf("second%d", n)
		challenge := p.ask(t, p.register(call, 3600))
		if got := statusOf(p.ask(t, p.register(call, 3600, p.credentials(challenge, "another-device-word")))); got != 200 {
			return fmt.Sprintf("the new device password is answered %d", got)
		}
		return ""
	})
	write("sip: {password: third-device-word, qop: sometimes}\n")
	hangup()
	eventually(t, 10*time.Second, func() string {
		if !strings.Contains(s.log.String(), "sip.qop") {
			return "the log does not name the fault in the new configuration"
		}
		return ""
	})
	challenge := p.ask(t, p.register("third", 3600))
	if got := statusOf(p.ask(t, p.register("third", 3600, p.credentials(challenge, "another-device-word")))); got != 200 || !s.alive() {
		t.Errorf("after a faulty configuration the password before is answered %d", got)
	}
}

// event is one server-sent event.
type event struct {
	ID     uint64 `json:"id"`
	Type   string `json:"type"`
	Device string `json:"device"`
}

// events reads the event stream until enough says so.
func (s *server) events(t *testing.T, query string, enough func([]event) bool) []event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/api/v1/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || !strings.HasPrefix(kind, "text/event-stream") {
		t.Fatalf("events: %s, %s", resp.Status, kind)
	}
	var seen []event
	for lines := bufio.NewScanner(resp.Body); !enough(seen); {
		if !lines.Scan() {
			t.Fatalf("the events ended after %+v: %v", seen, lines.Err())
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data:"); ok {
			var e event
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				t.Fatalf("event %q: %v", data, err)
			}
			seen = append(seen, e)
		}
	}
	return seen
}

func TestEventsTellWhatHappensAndCanBeReadAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	devices := simulate(t, s, sim.Config{})
	id := devices.id(0)
	st := s.live(t, id, id)
	if a := s.call(t, "DELETE", "/api/v1/streams/"+st.ID, nil); a.status != 204 {
		t.Fatalf("DELETE: %d", a.status)
	}
	has := func(kinds ...string) func([]event) bool {
		return func(list []event) bool {
			for _, k := range kinds {
				if !slices.ContainsFunc(list, func(e event) bool { return e.Type == k && e.Device == id }) {
					return false
				}
			}
			return true
		}
	}
	all := s.events(t, "?last_event_id=0&device="+id, has("device.online", "catalog.changed", "stream.started", "stream.ended"))
	for i := 1; i < len(all); i++ {
		if all[i].ID <= all[i-1].ID {
			t.Errorf("event %+v after %+v", all[i], all[i-1])
		}
	}
	again := s.events(t, fmt.Sprintf("?last_event_id=%d&device=%s", all[0].ID, id), func(list []event) bool { return len(list) == len(all)-1 })
	if !slices.Equal(again, all[1:]) {
		t.Errorf("read again %+v, and before %+v", again, all)
	}
}

func TestLossyNetworkCostsPicturesNotTheStream(t *testing.T) {
	t.Parallel()
	s := start(t)
	devices := simulate(t, s, sim.Config{Loss: 0.02, SIPLoss: 0.1, T1: 100 * time.Millisecond})
	id := devices.id(0)
	st := s.live(t, id, id, "transport", "udp")
	v := view(t.Context(), st.URLs["flv"], "", 1)
	defer v.end()
	eventually(t, 20*time.Second, func() string { return v.all(150) })
	if got := get[streamInfo](t, s.client, "/api/v1/streams/"+st.ID); got.Stats == nil || got.Stats.Lost == 0 || got.State != "playing" {
		t.Errorf("%+v, want it to play and to count what was lost", got)
	}
}
