package records_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/records"
)

const (
	recorder = gb28181.ID("34020000001180000001")
	channel  = gb28181.ID("34020000001320000011")
)

var (
	beijing = time.FixedZone("UTC+8", 8*3600)
	day     = time.Date(2024, 5, 1, 0, 0, 0, 0, beijing)
)

// at is a time of the day, in seconds.
func at(s int) time.Time { return day.Add(time.Duration(s) * time.Second) }

func span(from, to int) records.Span { return records.Span{From: at(from), To: at(to)} }

func item(from, to int) manscdp.RecordItem {
	return manscdp.RecordItem{DeviceID: channel, Name: "大门", StartTime: manscdp.FormatTime(at(from)), EndTime: manscdp.FormatTime(at(to)), Type: "time"}
}

// within are the items that meet a span, as a device lists them.
func within(all []manscdp.RecordItem, s records.Span) (list []manscdp.RecordItem) {
	from, to := manscdp.FormatTime(s.From.In(beijing)), manscdp.FormatTime(s.To.In(beijing))
	for _, it := range all {
		if it.StartTime <= to && it.EndTime >= from {
			list = append(list, it)
		}
	}
	return list
}

// parts cuts an answer into messages.
func parts(list []manscdp.RecordItem, size int) (out []manscdp.RecordResponse) {
	sum := len(list)
	if sum == 0 {
		return []manscdp.RecordResponse{{SumNum: 0}}
	}
	for p := range slices.Chunk(list, size) {
		out = append(out, manscdp.RecordResponse{SumNum: sum, Items: p})
	}
	return out
}

// recordings are n records with pauses, as they come.
func recordings(r *rand.Rand, n int) (list []manscdp.RecordItem) {
	from := r.IntN(300)
	for range n {
		to := from + 2 + r.IntN(120)
		list = append(list, item(from, to))
		from = to + []int{0, 0, 0, 1, 1, 5, 600}[r.IntN(7)]
	}
	return list
}

// Whatever subset of the parts comes, in whatever order and however often: what
// is told as known hides no recording, and asking for the rest ends complete.
func TestNoLostPartIsTakenForCovered(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 28181))
		truth := recordings(r, 1+r.IntN(60))
		asked := span(0, 86400)
		if r.IntN(3) == 0 {
			asked = span(100, 40000)
		}
		want := within(truth, asked)
		a := records.NewAssembly(asked, beijing, 10_000)
		size := 1 + r.IntN(5)
		for round := 0; ; round++ {
			todo := a.Next()
			if len(todo) == 0 {
				break
			}
			if round == 50 {
				t.Fatalf("seed %d: not complete after 50 rounds: %+v", seed, a.Result())
			}
			for _, s := range todo {
				if !a.Wants(s) {
					continue
				}
				q := a.Ask(s)
				all := parts(within(truth, s), size)
				all = append(all, all[:r.IntN(len(all)+1)]...) // some again
				r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
				for _, p := range all {
					if r.IntN(10) < 4 {
						continue // lost
					}
					a.Add(q, p, false)
					honest(t, seed, want, a.Result())
				}
			}
		}
		res := a.Result()
		if !res.Complete || len(res.Missing) != 0 || len(res.Records) != len(want) {
			t.Fatalf("seed %d: complete %v with %d of %d, missing %v", seed, res.Complete, len(res.Records), len(want), res.Missing)
		}
		for i, rec := range res.Records {
			if manscdp.FormatTime(rec.Start) != want[i].StartTime || manscdp.FormatTime(rec.End) != want[i].EndTime {
				t.Fatalf("seed %d: record %d is %v", seed, i, rec)
			}
		}
	}
}

// honest checks that each recording is there or in what is told as missing.
func honest(t *testing.T, seed uint64, truth []manscdp.RecordItem, res records.Result) {
	t.Helper()
	have := map[string]bool{}
	for _, rec := range res.Records {
		have[manscdp.FormatTime(rec.Start)] = true
	}
	for _, it := range truth {
		if have[it.StartTime] {
			continue
		}
		known := true
		for _, m := range res.Missing {
			if manscdp.FormatTime(m.From.In(beijing)) <= it.EndTime && manscdp.FormatTime(m.To.In(beijing)) >= it.StartTime {
				known = false
			}
		}
		if known {
			t.Fatalf("seed %d: %s to %s has not come and is told as known; missing %v", seed, it.StartTime, it.EndTime, res.Missing)
		}
	}
}

func TestWhatIsAskedNextIsTheGaps(t *testing.T) {
	three := []manscdp.RecordItem{item(0, 600), item(600, 1200), item(1800, 2400)}
	for what, c := range map[string]struct {
		parts []manscdp.RecordResponse
		next  []records.Span
	}{
		"nothing came":                          {nil, []records.Span{span(0, 3600)}},
		"there is nothing":                      {[]manscdp.RecordResponse{{SumNum: 0}}, nil},
		"all came":                              {parts(three, 2), nil},
		"the first part":                        {parts(three, 2)[:1], []records.Span{span(1200, 3600)}},
		"the last part":                         {parts(three, 2)[1:], []records.Span{span(0, 1800), span(2400, 3600)}},
		"one part, twice":                       {append(parts(three, 2)[:1:1], parts(three, 2)[:1]...), []records.Span{span(1200, 3600)}},
		"two more announced than there are":     {[]manscdp.RecordResponse{{SumNum: 5, Items: three}}, []records.Span{span(2400, 3600), span(1200, 1800)}},
		"no sum":                                {[]manscdp.RecordResponse{{SumNum: -1, Items: three}}, []records.Span{span(2400, 3600), span(1200, 1800)}},
		"duplicates that the sum counts":        {[]manscdp.RecordResponse{{SumNum: 4, Items: three}, {SumNum: 4, Items: three[2:]}}, nil},
		"an item that cannot be read is no gap": {[]manscdp.RecordResponse{{SumNum: 4, Items: append([]manscdp.RecordItem{{DeviceID: channel}}, three...)}}, nil},
		"no end":                                {[]manscdp.RecordResponse{{SumNum: 2, Items: []manscdp.RecordItem{{StartTime: "2024-05-01T00:10:00"}}}}, []records.Span{span(600, 3600), span(0, 600)}},
		"longer than asked":                     {[]manscdp.RecordResponse{{SumNum: 2, Items: []manscdp.RecordItem{item(-60, 3000)}}}, []records.Span{span(3000, 3600)}},
		"of another day":                        {[]manscdp.RecordResponse{{SumNum: 2, Items: []manscdp.RecordItem{item(90000, 90060)}}}, []records.Span{span(0, 3600)}},
	} {
		a := records.NewAssembly(span(0, 3600), beijing, 100)
		q := a.Ask(a.Next()[0])
		for _, p := range c.parts {
			a.Add(q, p, false)
		}
		if got := a.Next(); !slices.EqualFunc(got, c.next, func(a, b records.Span) bool { return a.From.Equal(b.From) && a.To.Equal(b.To) }) {
			t.Errorf("%s: next %v, want %v", what, got, c.next)
		}
	}
}

// Signalling.md section 9 row 25: SumNum larger than what is ever delivered.
//
// Quirk: 25
func TestASumTooLargeDoesNotKeepAListOpen(t *testing.T) {
	whole := []manscdp.RecordItem{item(0, 1800), item(1800, 3600)}
	a := records.NewAssembly(span(0, 3600), beijing, 100)
	a.Add(a.Ask(a.Next()[0]), manscdp.RecordResponse{SumNum: 3, Items: whole}, false)
	for n := range 2 {
		todo := a.Next()
		if n == 0 && len(todo) != 4 || n == 1 && len(todo) != 0 {
			t.Fatalf("round %d asks %v", n+2, todo)
		}
		for _, s := range todo {
			if a.Wants(s) {
				a.Add(a.Ask(s), manscdp.RecordResponse{SumNum: 3, Items: within(whole, s)}, false)
			}
		}
	}
	if res := a.Result(); !res.Complete || res.Announced != 3 || len(res.Records) != 2 {
		t.Errorf("%+v", res)
	}
}

func TestALongTimeIsAskedForByDays(t *testing.T) {
	a := records.NewAssembly(span(0, 2*86400+60), beijing, 100)
	todo := a.Next()
	if fmt.Sprint(todo) != fmt.Sprint([]records.Span{span(0, 86400), span(86400, 2*86400), span(2*86400, 2*86400+60)}) {
		t.Fatalf("%v", todo)
	}
	for _, s := range todo { // a record over midnight is in the answers of both days, once in the list
		a.Add(a.Ask(s), parts(within([]manscdp.RecordItem{item(86000, 87000)}, s), 1)[0], false)
	}
	res := a.Result()
	if !res.Complete || len(res.Records) != 1 || len(res.Ranges) != 1 || res.Ranges[0] != span(86000, 87000) && !res.Ranges[0].From.Equal(at(86000)) {
		t.Errorf("%+v", res)
	}
}

func TestACutPartIsNotTheWholeOfIt(t *testing.T) {
	a := records.NewAssembly(span(0, 3600), beijing, 100)
	a.Add(a.Ask(a.Next()[0]), manscdp.RecordResponse{SumNum: 2, Items: []manscdp.RecordItem{item(0, 60)}, Skipped: 1}, true)
	if res := a.Result(); res.Complete || len(res.Missing) != 1 || res.Skipped != 0 {
		t.Errorf("%+v", res)
	}
}

func TestManyGapsAreGrouped(t *testing.T) {
	var list []manscdp.RecordItem
	for i := range 1000 {
		list = append(list, item(80*i, 80*i+10+i%3))
	}
	a := records.NewAssembly(span(0, 86400), beijing, 10_000)
	a.Add(a.Ask(a.Next()[0]), manscdp.RecordResponse{SumNum: 5000, Items: list}, false)
	if n := len(a.Next()); n == 0 || n > 256 {
		t.Errorf("%d questions", n)
	}
}
