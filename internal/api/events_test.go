package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"fengsui/shadow/journal"
)

// sse is one open event stream.
type sse struct {
	t      *testing.T
	lines  *bufio.Scanner
	cancel context.CancelFunc
	res    *http.Response
}

func (h *house) listen(query, lastEventID string) *sse {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 10*time.Second)
	req, err := http.NewRequestWithContext(ctx, "GET", h.http.URL+"/api/v1/events?"+query, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		cancel()
		h.t.Fatal(err)
	}
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		h.t.Fatalf("events = %d, %v", res.StatusCode, res.Header)
	}
	s := &sse{h.t, bufio.NewScanner(res.Body), cancel, res}
	h.t.Cleanup(s.close)
	if first := s.next(); first["retry"] == "" {
		h.t.Fatalf("first = %v", first)
	}
	return s
}

func (s *sse) close() {
	s.cancel()
	s.res.Body.Close()
}

// next is the fields of the next event, and under "type" that of its data; nil
// when the stream ended.
func (s *sse) next() map[string]string {
	s.t.Helper()
	fields := map[string]string{}
	for s.lines.Scan() {
		if s.lines.Text() == "" {
			var body struct{ Type string }
			if err := json.Unmarshal([]byte(fields["data"]), &body); err != nil && fields["data"] != "" {
				s.t.Errorf("%v in %v", err, fields)
			}
			fields["type"] = body.Type
			return fields
		}
		name, value, _ := strings.Cut(s.lines.Text(), ": ")
		fields[name] = value
	}
	return nil
}

func TestEventsArriveLiveAndReplayAfterTheLastOneSeen(t *testing.T) {
	h := build(t)
	before := h.journal.Append(journal.Event{Type: "device.online", Device: string(cam)})
	live := h.listen("token="+h.admin, "")
	h.journal.Append(journal.Event{Type: "stream.started", Device: string(nvr), Channel: string(cam), Trace: "c1", Data: map[string]any{"codec": "H265"}})
	e := live.next()
	var body struct {
		ID                           uint64
		Type, Device, Channel, Trace string
		At                           time.Time
		Data                         map[string]any
	}
	if err := json.Unmarshal([]byte(e["data"]), &body); err != nil {
		t.Fatalf("%v in %v", err, e)
	}
	if e["type"] != "stream.started" || e["id"] != fmt.Sprint(body.ID) || body.Device != string(nvr) || body.Data["codec"] != "H265" || body.At.IsZero() {
		t.Errorf("event = %v", e)
	}
	live.close()
	h.journal.Append(journal.Event{Type: "stream.ended", Device: string(nvr)})

	again := h.listen("token="+h.admin, fmt.Sprint(before))
	for _, want := range []string{"stream.started", "stream.ended"} {
		if e := again.next(); e["type"] != want {
			t.Errorf("replayed %v, want %s", e, want)
		}
	}
	h.journal.Append(journal.Event{Type: "device.offline", Device: string(cam)})
	if e := again.next(); e["type"] != "device.offline" {
		t.Errorf("after the replay: %v", e)
	}
}

func TestEventsAreNarrowedByDeviceAndType(t *testing.T) {
	h := build(t)
	s := h.listen("token="+h.admin+"&device="+string(cam)+"&type=device.,catalog.", "")
	for _, e := range []journal.Event{
		{Type: "device.online", Device: string(nvr)}, {Type: "stream.started", Device: string(cam)}, {Type: "device.offline", Device: string(cam)},
	} {
		h.journal.Append(e)
	}
	if e := s.next(); e["type"] != "device.offline" {
		t.Errorf("event = %v", e)
	}
}

func TestWatcherThatMissedTooMuchIsTold(t *testing.T) {
	h := build(t)
	for range 200 { // the journal keeps 64
		h.journal.Append(journal.Event{Type: "device.online"})
	}
	s := h.listen("token="+h.admin, fmt.Sprint(h.journal.Last()-150))
	if e := s.next(); e["type"] != "lost" {
		t.Errorf("first = %v, want lost", e)
	}
	if e := s.next(); e["type"] != "device.online" {
		t.Errorf("then = %v", e)
	}
}

func TestEventStreamsEndWithTheServer(t *testing.T) {
	h := build(t)
	s := h.listen("token="+h.admin, "")
	h.server.Close()
	if e := s.next(); e != nil {
		t.Errorf("after Close: %v", e)
	}
}

func TestBurstOfEventsArrivesWholeAndInOrder(t *testing.T) {
	h := build(t)
	s := h.listen("token="+h.admin, "")
	first := h.journal.Last() + 1
	go func() {
		for i := range 2000 {
			h.journal.Append(journal.Event{Type: "device.online"})
			if i%32 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	}()
	for id := first; id < first+2000; id++ {
		if e := s.next(); e["id"] != fmt.Sprint(id) {
			t.Fatalf("got %v, want event %d", e, id)
		}
	}
}

func TestEventStreamsAreBounded(t *testing.T) {
	h := build(t)
	for range 256 {
		h.listen("token="+h.admin, "")
	}
	h.do(h.admin, "GET", "/api/v1/events", nil).problem(503, 105006)
}
