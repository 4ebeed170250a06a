package api_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"fengsui/internal/api"
	"fengsui/internal/sink"
	"fengsui/internal/store"
	"fengsui/shadow/journal"
)

// sinks are one sink with three dead letters.
type sinks struct{ done string }

func (s *sinks) States() []sink.State {
	return []sink.State{{Name: "ops", Kind: "webhook", Target: "https://ops/hook", State: "failing", Pending: 2, Dead: 3, LastError: "connection refused", LastErrorAt: time.Now()}}
}

func (s *sinks) Letters(name, state string, before uint64, limit int) (list []journal.Filed, err error) {
	if name != "ops" {
		return nil, fmt.Errorf("sink %q: %w", name, sink.ErrUnknown)
	}
	for place := uint64(3); place > 0 && len(list) < limit && state == "dead"; place-- {
		if before == 0 || place < before {
			list = append(list, journal.Filed{Letter: journal.Letter{Seq: place, Key: fmt.Sprint("evt_", place), Event: journal.Event{Type: "device.online", Device: string(cam)}}, At: time.Now(), Tries: 10, Reason: "410 Gone"})
		}
	}
	return list, nil
}

func (s *sinks) Resend(name string, places ...uint64) (int, error) {
	return s.act("resend", name, places)
}

func (s *sinks) Discard(name string, places ...uint64) (int, error) {
	return s.act("discard", name, places)
}

func (s *sinks) act(what, name string, places []uint64) (int, error) {
	if name != "ops" {
		return 0, fmt.Errorf("sink %q: %w", name, sink.ErrUnknown)
	}
	s.done = fmt.Sprint(what, places)
	return len(places), nil
}

func TestSinksAreShownAndTheirDeadLettersSentAgain(t *testing.T) {
	all := &sinks{}
	h := build(t, func(_ *api.Config, s *api.Services) { s.Sinks = all })
	var list, page, rest struct {
		Items []map[string]any `json:"items"`
		More  bool             `json:"more"`
	}
	h.do(h.admin, "GET", "/api/v1/sinks", nil).want(200).into(&list)
	if one := list.Items[0]; one["name"] != "ops" || one["state"] != "failing" || one["dead"] != 3.0 || one["last_error"] != "connection refused" || one["last_sent_at"] != nil {
		t.Errorf("sinks %v", one)
	}
	h.do(h.admin, "GET", "/api/v1/sinks/ops/letters?limit=2", nil).want(200).into(&page)
	if len(page.Items) != 2 || page.Items[0]["place"] != 3.0 || page.Items[0]["reason"] != "410 Gone" || !page.More {
		t.Errorf("dead letters %v", page)
	}
	h.do(h.admin, "GET", "/api/v1/sinks/ops/letters?before=2", nil).want(200).into(&rest)
	if len(rest.Items) != 1 || rest.Items[0]["key"] != "evt_1" || rest.More {
		t.Errorf("next page %v", rest)
	}
	h.do(h.admin, "POST", "/api/v1/sinks/ops/resend", `{"places":[1,3]}`).want(200)
	if all.done != "resend[1 3]" {
		t.Error(all.done)
	}
	h.do(h.admin, "DELETE", "/api/v1/sinks/ops/letters?place=2", nil).want(200)
	if all.done != "discard[2]" {
		t.Error(all.done)
	}
	for method, path := range map[string]string{"GET": "letters", "POST": "resend", "DELETE": "letters"} {
		h.do(h.admin, method, "/api/v1/sinks/other/"+path, map[string]string{"POST": "{}"}[method]).problem(404, 154010)
	}
	h.do(h.admin, "GET", "/api/v1/sinks/ops/letters?state=lost", nil).problem(422, 104002)
	h.do(h.login("operator"), "GET", "/api/v1/sinks", nil).problem(403, 114004)
	rows, _, err := h.store.Audits(t.Context(), store.AuditFilter{}, 0, 20)
	if err != nil || !slices.ContainsFunc(rows, func(a store.Audit) bool {
		return a.Status == 200 && a.Target == "/api/v1/sinks/ops/resend letters: 2"
	}) {
		t.Errorf("audit %+v, %v", rows, err)
	}
}
