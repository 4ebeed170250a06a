package mansrtsp_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"fengsui/gb28181/mansrtsp"
	"fengsui/test/fuzz/bound"
)

const ms = time.Millisecond

// requests are those of signalling.md section 6.7, byte for byte.
var requests = []struct {
	what    string
	request mansrtsp.Request
	body    string
}{
	{"pause", mansrtsp.Request{Method: mansrtsp.Pause, CSeq: 1}, "PAUSE RTSP/1.0\r\nCSeq: 1\r\nPauseTime: now\r\n\r\n"},
	{"resume", mansrtsp.Resume(2), "PLAY RTSP/1.0\r\nCSeq: 2\r\nRange: npt=now-\r\n\r\n"},
	{"speed", mansrtsp.Request{Method: mansrtsp.Play, CSeq: 3, Scale: 2}, "PLAY RTSP/1.0\r\nCSeq: 3\r\nScale: 2.0\r\n\r\n"},
	{"slow", mansrtsp.Request{Method: mansrtsp.Play, CSeq: 3, Scale: 0.25}, "PLAY RTSP/1.0\r\nCSeq: 3\r\nScale: 0.25\r\n\r\n"},
	{
		"seek", mansrtsp.Request{Method: mansrtsp.Play, CSeq: 4, Range: mansrtsp.Range{Start: mansrtsp.At, From: 100 * time.Second}},
		"PLAY RTSP/1.0\r\nCSeq: 4\r\nRange: npt=100-\r\n\r\n",
	},
	{
		"seek to the beginning", mansrtsp.Request{Method: mansrtsp.Play, CSeq: 4, Range: mansrtsp.Range{Start: mansrtsp.At}},
		"PLAY RTSP/1.0\r\nCSeq: 4\r\nRange: npt=0-\r\n\r\n",
	},
	{
		"seek within a second", mansrtsp.Request{Method: mansrtsp.Play, CSeq: 4, Range: mansrtsp.Range{Start: mansrtsp.At, From: 1050 * ms, To: 2500 * ms, Ends: true}},
		"PLAY RTSP/1.0\r\nCSeq: 4\r\nRange: npt=1.05-2.5\r\n\r\n",
	},
	{
		"backwards", mansrtsp.Request{
			Method: mansrtsp.Play, CSeq: 6, Scale: -1, Range: mansrtsp.Range{Start: mansrtsp.At, From: 600 * time.Second, To: 120 * time.Second, Ends: true},
		},
		"PLAY RTSP/1.0\r\nCSeq: 6\r\nScale: -1.0\r\nRange: npt=600-120\r\n\r\n",
	},
	{
		"backwards from now", mansrtsp.Request{Method: mansrtsp.Play, CSeq: 7, Scale: -1, Range: mansrtsp.Range{Start: mansrtsp.Now}},
		"PLAY RTSP/1.0\r\nCSeq: 7\r\nScale: -1.0\r\nRange: npt=now-\r\n\r\n",
	},
	{"stop", mansrtsp.Request{Method: mansrtsp.Teardown, CSeq: 5}, "TEARDOWN RTSP/1.0\r\nCSeq: 5\r\n\r\n"},
}

var answers = []struct {
	what   string
	answer mansrtsp.Answer
	body   string
}{
	{"plain", mansrtsp.Answer{Status: 200, Reason: "OK", CSeq: 1}, "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"},
	{
		"of the 2022 edition", mansrtsp.Answer{
			Status: 200, Reason: "OK", CSeq: 4, Range: mansrtsp.Range{Start: mansrtsp.At, From: 100250 * ms},
			RTPInfo: mansrtsp.RTPInfo{Known: true, Seq: 65535, Time: 4294967295},
		},
		"RTSP/1.0 200 OK\r\nCSeq: 4\r\nRange: npt=100.25-\r\nRTP-Info: seq=65535;rtptime=4294967295\r\n\r\n",
	},
	{"only backwards", mansrtsp.Answer{Status: 200, Reason: "OK", CSeq: 6, Scale: -1}, "RTSP/1.0 200 OK\r\nCSeq: 6\r\nScale: -1.0\r\n\r\n"},
	{"refused", mansrtsp.Answer{Status: 457, Reason: "Invalid Range", CSeq: 9}, "RTSP/1.0 457 Invalid Range\r\nCSeq: 9\r\n\r\n"},
	{"without words", mansrtsp.Answer{Status: 501, CSeq: 9}, "RTSP/1.0 501\r\nCSeq: 9\r\n\r\n"},
}

func TestBodiesAreWrittenAndReadByteForByte(t *testing.T) {
	for _, r := range requests {
		if got, err := r.request.Encode(); string(got) != r.body || err != nil {
			t.Errorf("%s is written %q, %v, want %q", r.what, got, err, r.body)
		}
		if got, quirks, err := mansrtsp.ParseRequest([]byte(r.body)); got != r.request || quirks != 0 || err != nil {
			t.Errorf("%s is read as %+v, %s, %v, want %+v", r.what, got, quirks, err, r.request)
		}
	}
	for _, a := range answers {
		if got, err := a.answer.Encode(); string(got) != a.body || err != nil {
			t.Errorf("answer %s is written %q, %v, want %q", a.what, got, err, a.body)
		}
		if got, quirks, err := mansrtsp.ParseAnswer([]byte(a.body)); got != a.answer || quirks != 0 || err != nil || got.OK() != (got.Status == 200) {
			t.Errorf("answer %s is read as %+v, %s, %v, want %+v", a.what, got, quirks, err, a.answer)
		}
	}
}

func TestWhatPeersGetWrongIsUnderstoodAndNamed(t *testing.T) {
	seek := mansrtsp.Request{Method: mansrtsp.Play, CSeq: 4, Range: mansrtsp.Range{Start: mansrtsp.At, From: 100 * time.Second}}
	for _, c := range []struct {
		body, quirks string
		want         mansrtsp.Request
	}{
		{"PAUSE MANSRTSP/1.0\r\nCSeq: 1\r\n\r\n", "version", mansrtsp.Request{Method: mansrtsp.Pause, CSeq: 1}}, // the 2011 edition
		{"PLAY RTSP/1.0\nCSeq: 4\nRange: npt=100-\n\n", "line_end", seek},
		{"PLAY RTSP/1.0\r\nCSeq: 4\r\nRange: npt=100-\r\n", "line_end", seek},
		{"PLAY RTSP/1.0\r\nCSeq: 4\r\nRange: npt=100-", "line_end", seek},
		{"\r\n  PLAY   RTSP/1.0 \r\nCSeq:4\r\nRange :npt = 100 - \r\n\r\n\x00\x00", "line_end", seek},
		{"Play RTSP/1.0\r\nCSEQ: 4\r\nrange: NPT=100-\r\n\r\n", "case", seek},
		{"PLAY rtsp://192.0.2.20/1 RTSP/1.0\r\nCSeq: 4\r\nRange: npt=100-\r\n\r\n", "", seek},
		{"PLAY\r\nCSeq: 4\r\nRange: npt=100-\r\n\r\n", "version", seek},
		{"PLAY RTSP/1.0\r\nCSeq: 4\r\nRange: npt=0:01:40-\r\n\r\n", "", seek},
		{"PLAY RTSP/1.0\r\nCSeq: 4\r\nRange: npt=100.-;time=19970123T143720Z\r\n\r\n", "", seek},
		{"PLAY RTSP/1.0\r\nCSeq: 4\r\nRange: smpte=00:01:40-\r\n\r\n", "smpte", seek},
		{"PLAY RTSP/1.0\r\nCSeq: 4\r\nRange: smpte=0:01:40:12-\r\n\r\n", "smpte", seek},
		{"PLAY RTSP/1.0\r\nCSeq: 4\r\nRange: npt=100\r\n\r\n", "no_dash", seek},
		{"PLAY RTSP/1.0\r\nRange: npt=now-\r\n\r\n", "cseq", mansrtsp.Resume(0)},
		{"PLAY RTSP/1.0\r\nCSeq: x\r\n\r\n", "cseq,no_range", mansrtsp.Resume(0)},
		{"PLAY RTSP/1.0\r\nCSeq: 3\r\nScale: 2\r\nScale: 4\r\nno header\r\n\r\nRange: npt=1-", "line_end", mansrtsp.Request{Method: mansrtsp.Play, CSeq: 3, Scale: 2}},
		{"PAUSE RTSP/1.0\r\nCSeq: 3\r\nScale: x\r\n\r\n", "", mansrtsp.Request{Method: mansrtsp.Pause, CSeq: 3}},
	} {
		got, quirks, err := mansrtsp.ParseRequest([]byte(c.body))
		if got != c.want || quirks.String() != c.quirks || err != nil {
			t.Errorf("%q is read as %+v, %q, %v, want %+v, %q", c.body, got, quirks, err, c.want, c.quirks)
		}
	}
	good := mansrtsp.Answer{Status: 200, Reason: "OK", CSeq: 4}
	for _, c := range []struct {
		body, quirks string
		want         mansrtsp.Answer
	}{
		{"MANSRTSP/1.0 200 OK\r\nCSeq: 4\r\n\r\n", "version", good},
		{"RTSP/1.0 200 OK\nCSeq: 4", "line_end", good},
		{"RTSP/1.0 200 OK\r\nCSeq: 4\r\nScale: fast\r\nRange: clock=x\r\nRTP-Info: seq=70000;rtptime=1\r\n\r\n", "unread", good},
		{"RTSP/1.0 200 OK\r\nCSeq: 4\r\nRTP-Info: rtptime=1\r\n\r\n", "", good},
		{
			"RTSP/1.0 200 OK\r\nCSeq: 4\r\nRTP-Info: url=rtsp://a/b;Seq = 7;rtptime=9, url=c;seq=8\r\n\r\n", "",
			mansrtsp.Answer{Status: 200, Reason: "OK", CSeq: 4, RTPInfo: mansrtsp.RTPInfo{Known: true, Seq: 7, Time: 9}},
		},
	} {
		got, quirks, err := mansrtsp.ParseAnswer([]byte(c.body))
		if got != c.want || quirks.String() != c.quirks || err != nil {
			t.Errorf("%q is read as %+v, %q, %v, want %+v, %q", c.body, got, quirks, err, c.want, c.quirks)
		}
	}
}

func TestWhatCannotBeUnderstoodIsRefused(t *testing.T) {
	play := func(header string) string { return "PLAY RTSP/1.0\r\nCSeq: 1\r\n" + header + "\r\n\r\n" }
	for body, want := range map[string]string{
		"":                                          "empty body",
		" \r\n\x00\r\n":                             "empty body",
		"RECORD RTSP/1.0\r\n":                       `method "RECORD"`,
		"RTSP/1.0 200 OK\r\n":                       `method "RTSP/1.0"`,
		play("Scale: 0"):                            `Scale "0"`,
		play("Scale: NaN"):                          `Scale "NaN"`,
		play("Scale: 1e9"):                          `Scale "1e9"`,
		play("Scale: 1e-9"):                         `Scale "1e-9"`,
		play("Scale:"):                              `Scale ""`,
		play("Range: 100-"):                         `Range "100-"`,
		play("Range: npt=-"):                        `Range "npt=-"`,
		play("Range: npt=-5"):                       `Range "npt=-5"`,
		play("Range: npt=1-x"):                      `Range "npt=1-x"`,
		play("Range: npt=0x1-"):                     `Range "npt=0x1-"`,
		play("Range: npt=1:2-"):                     `Range "npt=1:2-"`,
		play("Range: npt=1:60:00-"):                 `Range "npt=1:60:00-"`,
		play("Range: npt=9999999999-"):              `Range "npt=9999999999-"`,
		play("Range: smpte=100-"):                   `Range "smpte=100-"`,
		play("Range: clock=20240102T000000Z-"):      `Range "clock=20240102T000000Z-"`,
		play(strings.Repeat("x", mansrtsp.MaxSize)): "more than 4096",
	} {
		if got, _, err := mansrtsp.ParseRequest([]byte(body)); !errors.Is(err, mansrtsp.ErrMalformed) || !strings.Contains(err.Error(), want) || got != (mansrtsp.Request{}) {
			t.Errorf("%.80q: %+v, %v, want %s", body, got, err, want)
		}
	}
	for body, want := range map[string]string{
		"RTSP/1.0\r\n\r\n":        `status ""`,
		"RTSP/1.0 99 x\r\n\r\n":   `status "99"`,
		"RTSP/1.0 2OO OK\r\n\r\n": `status "2OO"`,
		"PLAY RTSP/1.0\r\n\r\n":   `status "RTSP/1.0"`,
	} {
		if got, _, err := mansrtsp.ParseAnswer([]byte(body)); !errors.Is(err, mansrtsp.ErrMalformed) || !strings.Contains(err.Error(), want) || got != (mansrtsp.Answer{}) {
			t.Errorf("%q: %+v, %v, want %s", body, got, err, want)
		}
	}
	if _, _, err := mansrtsp.ParseAnswer([]byte("\r\n")); !errors.Is(err, mansrtsp.ErrEmpty) {
		t.Errorf("an empty answer: %v", err)
	}
}

func TestWhatNoBodyCanSayIsNotWritten(t *testing.T) {
	at := func(r mansrtsp.Range) mansrtsp.Request { return mansrtsp.Request{Method: mansrtsp.Play, Range: r} }
	for want, r := range map[string]mansrtsp.Request{
		`method ""`:                       {},
		`method "play"`:                   {Method: "play"},
		"neither Scale nor Range":         {Method: mansrtsp.Play},
		"PAUSE with Scale":                {Method: mansrtsp.Pause, Scale: 1},
		"TEARDOWN with Scale or Range":    {Method: mansrtsp.Teardown, Range: mansrtsp.Range{Start: mansrtsp.Now}},
		"Scale 2000":                      {Method: mansrtsp.Play, Scale: 2000},
		"Scale 1e-06":                     {Method: mansrtsp.Play, Scale: 1e-6},
		"place -1s":                       at(mansrtsp.Range{Start: mansrtsp.At, From: -time.Second}),
		"place 1.5µs":                     at(mansrtsp.Range{Start: mansrtsp.At, From: 1500 * time.Nanosecond}),
		"place 277777h46m41s":             at(mansrtsp.Range{Start: mansrtsp.At, To: 1_000_000_001 * time.Second, Ends: true}),
		"a Range from now that begins at": at(mansrtsp.Range{Start: mansrtsp.Now, From: time.Second}),
		"a Range without a start":         at(mansrtsp.Range{To: time.Second, Ends: true}),
		"that does not end":               at(mansrtsp.Range{Start: mansrtsp.Now, To: time.Second}),
	} {
		if got, err := r.Encode(); !errors.Is(err, mansrtsp.ErrMalformed) || !strings.Contains(err.Error(), want) || got != nil {
			t.Errorf("%+v is written %q, %v, want %s", r, got, err, want)
		}
	}
	for want, a := range map[string]mansrtsp.Answer{
		"status 0":       {},
		`reason "a\r\nb`: {Status: 200, Reason: "a\r\nb"},
		"Scale -2000":    {Status: 200, Scale: -2000},
	} {
		if got, err := a.Encode(); !errors.Is(err, mansrtsp.ErrMalformed) || !strings.Contains(err.Error(), want) || got != nil {
			t.Errorf("%+v is written %q, %v, want %s", a, got, err, want)
		}
	}
}

// FuzzRequest: what is read is written without a quirk and read again as the same.
func FuzzRequest(f *testing.F) {
	for _, r := range requests {
		f.Add([]byte(r.body))
	}
	f.Add([]byte("\nplay x MANSRTSP/1.0\nCSEQ:1\nrange: smpte=1:02:03:4-0:0:1.5\nScale: -0.5"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var r mansrtsp.Request
		var err error
		bound.Bytes(t, 256<<10, func() { r, _, err = mansrtsp.ParseRequest(in) })
		if err != nil {
			return
		}
		out, err := r.Encode()
		if err != nil {
			t.Fatalf("%q is read as %+v, which cannot be written: %v", in, r, err)
		}
		if again, quirks, err := mansrtsp.ParseRequest(out); again != r || quirks != 0 || err != nil {
			t.Fatalf("%+v is written %q and read as %+v, %s, %v", r, out, again, quirks, err)
		}
	})
}

// FuzzAnswer: as FuzzRequest.
func FuzzAnswer(f *testing.F) {
	for _, a := range answers {
		f.Add([]byte(a.body))
	}
	f.Add([]byte("MANSRTSP/1.0  404  \xd6\xd0\x01 x \nRTP-Info: url=a;seq=1;rtptime=2\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var a mansrtsp.Answer
		var err error
		bound.Bytes(t, 256<<10, func() { a, _, err = mansrtsp.ParseAnswer(in) })
		if err != nil {
			return
		}
		out, err := a.Encode()
		if err != nil {
			t.Fatalf("%q is read as %+v, which cannot be written: %v", in, a, err)
		}
		if len(out) > mansrtsp.MaxSize { // what is not UTF-8 becomes longer
			return
		}
		if again, quirks, err := mansrtsp.ParseAnswer(out); again != a || quirks != 0 || err != nil {
			t.Fatalf("%+v is written %q and read as %+v, %s, %v", a, out, again, quirks, err)
		}
	})
}
