package records_test

import (
	"testing"
	"time"

	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/records"
	"fengsui/test/fuzz/bound"
)

// FuzzAssembly: whatever a device answers, in whatever order, what comes of it
// lies within what was asked, sorted and each once, and what is called complete
// leaves nothing to ask.
func FuzzAssembly(f *testing.F) {
	list, err := manscdp.AppendBody(nil, manscdp.RecordResponse{SN: 1, DeviceID: channel, SumNum: 60, Items: hour()[:10]}, 0, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(list, []byte("<Response><CmdType>RecordInfo</CmdType><SN>1</SN><SumNum>0</SumNum></Response>"), uint8(3), uint16(3600))
	f.Add([]byte("<Response><CmdType>RecordInfo</CmdType><SN>1</SN><SumNum>99999999</SumNum><RecordList Num=\"1\"><Item><StartTime>2024-05-01T00:00:00</StartTime></Item>"), list, uint8(7), uint16(1))
	f.Add([]byte("<Response><RecordList><Item><StartTime>0001-01-01T00:00:00</StartTime><EndTime>9999-12-31T23:59:59</EndTime></Item></RecordList></Response>"), list, uint8(0), uint16(60000))
	f.Fuzz(func(t *testing.T, one, two []byte, order uint8, seconds uint16) {
		const limit = 100
		asked := span(0, max(int(seconds), 1))
		bound.Bytes(t, 4<<20+200*(len(one)+len(two)), func() {
			a := records.NewAssembly(asked, beijing, limit)
			for round := range 4 {
				todo := a.Next()
				for i, s := range todo[:min(len(todo), 8)] {
					if s.From.Before(asked.From) || s.To.After(asked.To) || s.To.Before(s.From) {
						t.Fatalf("asks for %v of %v", s, asked)
					}
					if !a.Wants(s) {
						continue
					}
					body := one
					if order>>(uint(i+round)%8)&1 == 1 {
						body = two
					}
					m, err := manscdp.Decode(body)
					if err != nil {
						continue
					}
					part, err := m.AsRecordResponse()
					if err != nil {
						continue
					}
					q := a.Ask(s)
					a.Add(q, part, m.Cut)
					if again := a.Add(q, part, m.Cut); again == records.Fresh && len(part.Items)+part.Skipped > 0 {
						t.Fatal("the same part counts twice")
					}
				}
			}
			check(t, a, asked, limit)
		})
	})
}

func check(t *testing.T, a *records.Assembly, asked records.Span, limit int) {
	r := a.Result()
	if len(r.Records) > limit || r.Complete != (len(r.Missing) == 0 && !a.Over) {
		t.Fatalf("%d records, complete %v with %v missing", len(r.Records), r.Complete, r.Missing)
	}
	for i := range r.Records {
		if rec := &r.Records[i]; rec.End.Before(rec.Start) || i > 0 && rec.Start.Before(r.Records[i-1].Start) {
			t.Fatalf("record %d: %+v", i, rec)
		}
	}
	for _, list := range [][]records.Span{r.Ranges, r.Missing} {
		last := time.Time{}
		for _, s := range list {
			if s.From.Before(asked.From) || s.To.After(asked.To) || s.To.Before(s.From) || s.From.Before(last) {
				t.Fatalf("%v of %v", list, asked)
			}
			last = s.To
		}
	}
}
