package sim

import (
	"fmt"
	"strings"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

const (
	// pauseEvery is after how many recordings one place of the day stays empty.
	pauseEvery = 50
	stallTime  = 3 * time.Second
	dayLength  = 24 * time.Hour
)

// recording is the span of the n-th recording of a day (2022 A.2.6.9): a day has
// Config.Records of them, equally long, with a pause after each 50.
func (s *Sim) recording(day time.Time, n int) (from, to time.Time) {
	places := s.cfg.Records + (s.cfg.Records-1)/pauseEvery
	place := n + n/pauseEvery
	second := func(place int) time.Time {
		return day.Add(time.Duration(place) * dayLength / time.Duration(places)).Truncate(time.Second)
	}
	return second(place), second(place + 1)
}

// recordings lists those of a channel that meet a span, by time.
func (d *device) recordings(channel string, from, to time.Time) (list []manscdp.RecordItem) {
	s := d.sim
	if s.cfg.Records <= 0 {
		return nil
	}
	y, m, day := from.Add(-dayLength).Date()
	for at := time.Date(y, m, day, 0, 0, 0, 0, beijing()); !at.After(to); at = at.Add(dayLength) {
		for n := range s.cfg.Records {
			if a, b := s.recording(at, n); !a.After(to) && !b.Before(from) {
				list = append(list, d.recordItem(channel, a, b, n))
			}
		}
	}
	return list
}

func (d *device) recordItem(channel string, from, to time.Time, n int) manscdp.RecordItem {
	it := manscdp.RecordItem{
		DeviceID: gb28181.ID(channel), Name: d.sim.ids.deviceName(d.index), FilePath: from.Format("/rec/20060102/150405.ps"), Address: "模拟",
		StartTime: manscdp.FormatTime(from), EndTime: manscdp.FormatTime(to), Type: "time", RecorderID: d.id,
		FileSize: fmt.Sprint(int(to.Sub(from).Seconds()) * 1e6 / 8),
	}
	if n%pauseEvery == pauseEvery-1 {
		it.Type = "alarm"
	}
	if d.sim.cfg.Edition >= gb28181.Edition2022 {
		it.Location, it.Stream = gb28181.ID(d.id), new(int)
	}
	return it
}

// records answers RecordInfo in parts (2022 Annex M).
func (d *device) records(r *request) *job {
	m, err := manscdp.Decode([]byte(r.body))
	if err != nil {
		return nil
	}
	q, err := m.AsRecordQuery()
	from, ok := manscdp.ParseTime(q.StartTime, beijing())
	to, ok2 := manscdp.ParseTime(q.EndTime, beijing())
	if err != nil || !ok || !ok2 || q.Type == "" { // some recorders answer nothing without a Type (signalling.md section 9 row 24)
		return nil
	}
	if i, _, known := d.sim.ids.find(r.id); !known || i != d.index || q.Stream != nil && *q.Stream != 0 {
		from, to = time.Time{}, time.Time{}
	}
	var list []manscdp.RecordItem
	if !to.IsZero() {
		list = d.recordings(r.id, from, to)
	}
	if q.Type != "all" {
		list = only(list, q.Type)
	}
	return d.listed(q, list)
}

func only(list []manscdp.RecordItem, kind string) []manscdp.RecordItem {
	kept := list[:0]
	for i := range list {
		if list[i].Type == kind {
			kept = append(kept, list[i])
		}
	}
	return kept
}

// listed sends a list in parts, with the faults of recorders (signalling.md
// section 9 row 25).
func (d *device) listed(q manscdp.RecordQuery, list []manscdp.RecordItem) *job {
	s := d.sim
	sum, all := len(list), len(list)
	if s.quirks.has(recordsSum) {
		sum += sum / 10
	}
	again, stalled := false, instant(0)
	next := 0
	return &job{once: s.quirks.has(recordsOnce), next: func() (string, bool) {
		if s.quirks.has(recordsStall) && all > s.cfg.RecordPart && next >= all/2 {
			if stalled == 0 {
				stalled = s.now()
			}
			if s.now() < stalled+stallTime {
				return "", true
			}
		}
		end := min(next+s.cfg.RecordPart, all)
		if s.quirks.has(recordsEnd) && all > 0 && end == all {
			return "", false
		}
		part := d.recordPart(q, sum, list[next:end])
		if again = !again && s.quirks.has(recordsDouble); !again {
			next = end
		}
		return part, next < all
	}}
}

// recordPart is one message of a list.
func (d *device) recordPart(q manscdp.RecordQuery, sum int, items []manscdp.RecordItem) string {
	n, err := manscdp.RecordResponse{
		SN: q.SN, DeviceID: q.DeviceID, Name: d.sim.ids.deviceName(d.index), SumNum: sum, Items: items,
	}.Node(d.sim.cfg.Edition)
	if err != nil { // the question's ID cannot be written
		return ""
	}
	_, text, _ := strings.Cut(string(manscdp.Encode(n, manscdp.UTF8)), "?>\r\n")
	return text
}
