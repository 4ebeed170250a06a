package spine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/internal/sim"
)

type recordsView struct {
	Items []struct {
		Name, Type string
		Start, End time.Time
		Size       int64
		FilePath   string `json:"file_path"`
		Stream     *int
	}
	Ranges, Missing []struct{ Start, End time.Time }
	Complete        bool
	Reason          string
	Announced       int
	Rounds          int
}

const recordedDay = "start=2026-11-19T00:00:00%2B08:00&end=2026-11-20T00:00:00%2B08:00"

// recordings asks for those of the first channel of a device.
func (h *house) recordings(s *sim.Sim, query string) (v recordsView) {
	h.t.Helper()
	d := s.Device(0)
	eventually(h.t, "channel", func() bool { return len(h.channels(d.ID)) > 0 })
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	p, err := h.call(ctx, "GET", fmt.Sprintf("/api/v1/devices/%s/channels/%s/records?%s", d.ID, d.Channels[0], query), nil, &v)
	if err != nil || p != nil {
		h.t.Fatalf("%+v, %v", p, err)
	}
	return v
}

// Section 9 row 25: long lists come in thousands of messages, of which some are
// lost for good.
//
// Quirk: 25
// Conformance: server Query/RecordInfo 2016 2022
// Conformance: simulator Query/RecordInfo 2016 2022
// Conformance: server Response/RecordInfo 2016 2022
// Conformance: simulator Response/RecordInfo 2016 2022
func TestAListOfTenThousandRecordingsIsComplete(t *testing.T) {
	t.Parallel()
	const all = 10_000
	h := open(t)
	for i, c := range []sim.Config{
		{Transport: sim.UDP, SIPLoss: 0.05, Quirks: []string{"records-once"}, Edition: gb28181.Edition2016},
		{Transport: sim.TCP, Edition: gb28181.Edition2022},
	} {
		t.Run(c.Transport, func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			c.FirstID, c.Records, c.RecordPart = number(recorder, 7000+i), all, 4
			c.Channels, c.T1, c.PartInterval = 2, 20*time.Millisecond, time.Millisecond
			began := time.Now()
			v := h.recordings(h.run(c), recordedDay+"&wait=120")
			t.Logf("%s: %d of %d in %v, %d rounds, complete %v", c.Transport, len(v.Items), v.Announced, time.Since(began).Round(time.Millisecond), v.Rounds, v.Complete)
			// One more begins with the next day, as the asked time ends.
			if !v.Complete || len(v.Items) != all+2 && len(v.Items) != all+1 || len(v.Missing) != 0 || v.Reason != "" {
				t.Fatalf("%d items, announced %d, missing %v, %s", len(v.Items), v.Announced, v.Missing, v.Reason)
			}
			if c.SIPLoss > 0 && v.Rounds < 2 {
				t.Error("nothing was lost")
			}
			for i := range v.Items[1:] {
				if v.Items[i].End.After(v.Items[i+1].Start) {
					t.Fatalf("items %d and %d: %v, %v", i, i+1, v.Items[i], v.Items[i+1])
				}
			}
		})
	}
}

func TestRecordersWithOddListsAreUnderstood(t *testing.T) {
	t.Parallel()
	h := open(t)
	for i, quirk := range []string{"records-double", "records-sum", "records-stall", "self-item"} {
		t.Run(quirk, func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			s := h.run(sim.Config{
				FirstID: number(recorder, 7100+i), Channels: 2, Quirks: []string{quirk}, Edition: gb28181.Edition2022, PartInterval: time.Millisecond,
			})
			v := h.recordings(s, recordedDay+"&stream=0")
			if !v.Complete || len(v.Items) < 96 || len(v.Items) > 98 || v.Items[1].Stream == nil || v.Items[1].Size == 0 || v.Items[1].Type == "" {
				t.Errorf("%d items, %+v", len(v.Items), v)
			}
			if len(v.Ranges) != 2 { // one pause
				t.Errorf("ranges %v", v.Ranges)
			}
		})
	}
}

func TestMissingRecordingsAreTold(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.run(sim.Config{FirstID: number(recorder, 7200), Channels: 2, Quirks: []string{"records-end"}, PartInterval: time.Millisecond})
	v := h.recordings(s, recordedDay+"&wait=8")
	if v.Complete || len(v.Missing) == 0 || len(v.Items) < 90 || v.Reason == "" {
		t.Errorf("%d items, %+v", len(v.Items), v)
	}
	d := s.Device(0)
	for query, name := range map[string]string{
		"start=2026-11-19T00:00:00Z&end=2026-12-21T00:00:00Z": "bad_record_time",
		"start=2026-11-19T00:00:00Z&end=2026-11-19T00:00:00Z": "bad_record_time",
		recordedDay + "&stream=1":                             "not_in_edition",
	} {
		p, err := h.call(t.Context(), "GET", fmt.Sprintf("/api/v1/devices/%s/channels/%s/records?%s", d.ID, d.Channels[0], query), nil, nil)
		if err != nil || p == nil || p.Name != name || p.Status != 422 {
			t.Errorf("%s: %+v, %v", query, p, err)
		}
	}
}
