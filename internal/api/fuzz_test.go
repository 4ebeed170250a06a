package api

import (
	"net/url"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzTraceQuery: a query is refused, or asks for a bounded number of messages
// since a time.
func FuzzTraceQuery(f *testing.F) {
	f.Add("device=34020000001320000001&call_id=a&page_size=10&since=2026-11-20T08:00:00.000Z")
	f.Add("page_size=-1&since=yesterday")
	f.Add("page_size=9999999999999999999999;%zz")
	f.Fuzz(func(t *testing.T, text string) {
		q, _ := url.ParseQuery(text) // what of it can be read, as net/http has it
		in, err := parseTrace(q)
		if err == nil && (in.Limit < 1 || in.Limit > 1000) {
			t.Fatalf("%q asks for %d messages", text, in.Limit)
		}
	})
}

// FuzzReadable: what the console shows of a message is text.
func FuzzReadable(f *testing.F) {
	f.Add([]byte("MESSAGE sip:a@b SIP/2.0\r\n\r\n<Name>\xb4\xf3\xc3\xc5</Name>"))
	f.Add([]byte{0xff, 0xfe, 0x81, 0x30})
	f.Fuzz(func(t *testing.T, raw []byte) {
		text := readable(raw)
		if !utf8.ValidString(text) || utf8.Valid(raw) && text != string(raw) || len(text) > 3*len(raw) {
			t.Fatalf("%q is shown as %q", raw, text)
		}
	})
}

// FuzzStamp: a time that is taken is written and read as the same, to the
// millisecond.
func FuzzStamp(f *testing.F) {
	f.Add("2026-11-20T08:00:00.000Z")
	f.Add("2026-11-20t08:00:00.123456789+08:00")
	f.Fuzz(func(t *testing.T, text string) {
		var s, again stamp
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		out, err := s.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if year := time.Time(s).UTC().Year(); year < 0 || year > 9999 { // its zone moves it out of four digits
			return
		}
		if err := again.UnmarshalText(out); err != nil || !time.Time(again).Equal(time.Time(s).Truncate(time.Millisecond)) {
			t.Fatalf("%q is written %s and read as %v, %v", text, out, time.Time(again), err)
		}
	})
}
