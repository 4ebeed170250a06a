package spine_test

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"fengsui/internal/sim"
)

// What happened before a restart is replayed after it, without a hole, and is in
// the device's time line.
func TestEventsOutliveARestart(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.run(sim.Config{Channels: 2})
	h.complete(recorder, 2)
	if err := s.Rejoin(0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second registration", func() bool { return s.Stats().Registrations == 2 })
	before := h.events(recorder)
	if len(before) < 3 || before[0].Type != "device.online" {
		t.Fatalf("events %+v", before)
	}
	h.close()
	h.start()
	eventually(t, "an event after the restart", func() bool { return len(h.events(recorder)) > len(before) })

	seen := before[0].ID
	after := h.eventsAfter(seen, recorder)
	if slices.Contains(types(after), "lost") || !slices.Equal(types(before[1:]), types(after[:len(before)-1])) || after[0].ID != before[1].ID {
		t.Errorf("after %d: %+v\nbefore the restart: %+v", seen, after, before)
	}
	if last := after[len(after)-1].ID; last <= before[len(before)-1].ID {
		t.Errorf("event %d came after %d", last, before[len(before)-1].ID)
	}

	type timeline struct {
		Items []struct {
			ID   uint64 `json:"id"`
			At   string `json:"at"`
			Type string `json:"type"`
		} `json:"items"`
		More bool `json:"more"`
	}
	path := "/api/v1/devices/" + string(recorder) + "/timeline"
	var all, page, rest timeline
	eventually(t, "the whole time line", func() bool {
		h.get(path, &all)
		return len(all.Items) >= len(before)+1
	})
	if oldest := all.Items[len(all.Items)-1]; oldest.ID != before[0].ID || oldest.Type != before[0].Type || all.More {
		t.Errorf("time line %+v", all)
	}
	h.get(path+"?limit=1", &page)
	if len(page.Items) != 1 || !page.More || page.Items[0] != all.Items[0] {
		t.Fatalf("first page %+v of %+v", page, all)
	}
	h.get(path+"?until="+url.QueryEscape(page.Items[0].At), &rest)
	if len(rest.Items) >= len(all.Items) || rest.Items[0] == all.Items[0] {
		t.Errorf("next page %+v of %+v", rest, all)
	}
	h.get(path+"?since="+url.QueryEscape(time.Now().Add(time.Hour).UTC().Format(time.RFC3339)), &rest)
	if len(rest.Items) != 0 {
		t.Errorf("from the future: %+v", rest)
	}
}
