package gbsdp_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fengsui/gb28181"
	"fengsui/gb28181/gbsdp"
	"fengsui/test/fuzz/bound"
)

var addresses = cmpopts.EquateComparable(netip.Addr{})

func parse(t *testing.T, file string) gbsdp.Description {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	d, err := gbsdp.Parse(b)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return d
}

func TestLiveOfferHasTheOneAcceptedLineOrder(t *testing.T) {
	o := gbsdp.Offer{Owner: "34020000002000000001", Address: netip.MustParseAddr("198.51.100.6"), Port: 30000, SSRC: "0200000001"}
	const head = "v=0\r\no=34020000002000000001 0 0 IN IP4 198.51.100.6\r\ns=Play\r\nc=IN IP4 198.51.100.6\r\nt=0 0\r\n"
	const maps = "a=recvonly\r\na=rtpmap:96 PS/90000\r\na=rtpmap:97 MPEG4/90000\r\na=rtpmap:98 H264/90000\r\na=rtpmap:99 H265/90000\r\n"
	want := head + "m=video 30000 RTP/AVP 96 97 98 99\r\n" + maps + "y=0200000001\r\n"
	if d := cmp.Diff(want, string(o.Append(nil))); d != "" {
		t.Error(d)
	}
	o.TCP, o.Stream = true, gbsdp.StreamLines(gbsdp.SelectAuto, gb28181.Edition2022, true)
	want = head + "m=video 30000 TCP/RTP/AVP 96 97 98 99\r\n" + maps +
		"a=setup:passive\r\na=connection:new\r\na=streamnumber:1\r\ny=0200000001\r\n"
	if d := cmp.Diff(want, string(o.Append(nil))); d != "" {
		t.Error(d)
	}
}

// signalling.md sections 6.1 and 6.6, media.md section 1.1.
func TestOfferOfARecordingNamesItAndItsTime(t *testing.T) {
	start := time.Date(2026, 11, 20, 8, 0, 0, 0, time.FixedZone("", 8*3600))
	o := gbsdp.Offer{Owner: "34020000002000000001", Address: netip.MustParseAddr("198.51.100.6"), Port: 30000, SSRC: "1200000001",
		History: &gbsdp.History{Channel: "34020000001320000001", Kind: 3, Start: start, End: start.Add(10 * time.Minute)}}
	const body = "v=0\r\no=34020000002000000001 0 0 IN IP4 198.51.100.6\r\ns=%s\r\nu=34020000001320000001:3\r\n" +
		"c=IN IP4 198.51.100.6\r\nt=1795132800 1795133400\r\nm=video 30000 RTP/AVP 96 97 98 99\r\na=recvonly\r\n" +
		"a=rtpmap:96 PS/90000\r\na=rtpmap:97 MPEG4/90000\r\na=rtpmap:98 H264/90000\r\na=rtpmap:99 H265/90000\r\n%sy=1200000001\r\n"
	if d := cmp.Diff(fmt.Sprintf(body, "Playback", ""), string(o.Append(nil))); d != "" {
		t.Error(d)
	}
	o.History.Speed = 4
	if d := cmp.Diff(fmt.Sprintf(body, "Download", "a=downloadspeed:4\r\n"), string(o.Append(nil))); d != "" {
		t.Error(d)
	}
}

func TestStreamIsSelectedInTheFormOfThePeer(t *testing.T) {
	for _, c := range []struct {
		selector string
		edition  gb28181.Edition
		sub      bool
		want     string
	}{
		{"", gb28181.Edition2022, false, ""},
		{"", gb28181.Edition2022, true, "streamnumber:1"},
		{"", gb28181.EditionUnknown, true, "stream:1"},
		{"streamprofile", gb28181.Edition2016, true, "streamprofile:1"},
		{"streamnumber", gb28181.Edition2016, false, "streamnumber:0"},
		{"streamMode", 0, true, "streamMode:SUB"}, {"streammode", 0, false, "streamMode:MAIN"},
		{"none", gb28181.Edition2022, true, ""},
	} {
		var got []string
		for _, a := range gbsdp.StreamLines(c.selector, c.edition, c.sub) {
			got = append(got, a.Name+":"+a.Value)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%+v = %q", c, s)
		}
	}
}

func TestAnswersOfDevicesAreRead(t *testing.T) {
	d := parse(t, "answer_udp.sdp")
	m := d.First("video")
	if d.Session != "Embedded Net DVR" || d.SSRC != "0200000001" || m.Direction != gbsdp.SendOnly || m.TCP ||
		d.Remote(m) != netip.MustParseAddrPort("192.0.2.20:15060") || m.RTPMap[96] != "PS/90000" || m.Role(gbsdp.Passive) != "" {
		t.Errorf("%+v", d)
	}
	if v, ok := m.Attr("FileSize"); !ok || v != "-1" {
		t.Errorf("filesize %q, %v", v, ok)
	}
	d = parse(t, "answer_tcp_nosetup.sdp")
	m = d.First("video")
	if v, ok := d.SSRCValue(); !ok || v != 20000001 {
		t.Errorf("SSRC %d, %v", v, ok)
	}
	if !m.TCP || m.Role(gbsdp.Passive) != gbsdp.Active || m.Role(gbsdp.Active) != gbsdp.Passive || m.RTPMap[96] != "HIKVISION/90000" ||
		d.Remote(m) != netip.MustParseAddrPort("10.0.0.9:9") || d.Session != "Play" || len(m.Payloads) != 1 {
		t.Errorf("%+v", d)
	}
	d = parse(t, "answer_two_audio.sdp")
	if v, ok := d.SSRCValue(); len(d.Media) != 2 || d.Media[0].Direction != gbsdp.RecvOnly || d.Media[1].Direction != gbsdp.SendRecv ||
		d.Connection != netip.MustParseAddr("2001:db8::9") || !ok || v != 0x2FAF080 || d.Format != "v/////a/1/8/1" {
		t.Errorf("%+v", d)
	}
	d = parse(t, "offer_playback.sdp")
	from, to, err := d.Range()
	if v, _ := d.First("video").Attr("downloadspeed"); v != "4" || err != nil || to.Sub(from) != time.Hour || d.URI != "34020000001320000001:0" {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestUnusableAddressesAreNotGuessed(t *testing.T) {
	for _, s := range []string{
		"o=1 0 0 IN IP4 0.0.0.0\nm=video 9 RTP/AVP 96", "c=IN IP4 camera.example\nm=video 9 RTP/AVP 96",
		"c=IN IP4\nm=video 9 RTP/AVP 96", "c=IN IP4 192.0.2.1\nm=video 0 RTP/AVP 96",
	} {
		d, err := gbsdp.Parse([]byte(s))
		if err != nil || d.Remote(&d.Media[0]).IsValid() {
			t.Errorf("%q: %+v, %v", s, d, err)
		}
	}
	d, err := gbsdp.Parse([]byte("o=1 0 0 IN IP4 192.0.2.7\nm=video 9 RTP/AVP 96"))
	if err != nil || d.Remote(&d.Media[0]) != netip.MustParseAddrPort("192.0.2.7:9") {
		t.Errorf("without c=: %+v, %v", d, err)
	}
	d.Start, d.End = 10, 10
	if _, _, err := d.Range(); !errors.Is(err, gbsdp.ErrTimes) {
		t.Errorf("empty range: %v", err)
	}
}

func TestParseRefusesOnlyWhatHasNoMedia(t *testing.T) {
	if _, err := gbsdp.Parse([]byte("v=0\r\ns=Play\r\nm=video x RTP/AVP\r\n")); !errors.Is(err, gbsdp.ErrNoMedia) {
		t.Error(err)
	}
	if _, err := gbsdp.Parse(make([]byte, gbsdp.MaxSize+1)); !errors.Is(err, gbsdp.ErrTooLong) {
		t.Error(err)
	}
}

func TestSubjectIsReadTolerantly(t *testing.T) {
	full := gbsdp.Subject{"34020000001320000001", "0200000001", "34020000002000000001", "0"}
	for in, want := range map[string]gbsdp.Subject{
		full.String(): full,
		"34020000001320000001:0200000001:9, 34020000002000000001:0": full,
		"34020000001320000001": {Sender: "34020000001320000001"},
		"":                     {},
	} {
		if got := gbsdp.ParseSubject(in); got != want {
			t.Errorf("%q = %+v", in, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.sdp")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var d gbsdp.Description
		var err error
		bound.Bytes(t, 256<<10+64*len(in), func() { d, err = gbsdp.Parse(in) })
		if err != nil {
			return
		}
		out := d.Append(nil)
		if len(out) > gbsdp.MaxSize { // writing in full may lengthen a terse body
			return
		}
		again, err := gbsdp.Parse(out)
		if err != nil || !reflect.DeepEqual(d, again) {
			t.Fatalf("%q\nwritten as %q\n%s %v", in, out, cmp.Diff(d, again, addresses), err)
		}
	})
}

func FuzzSubject(f *testing.F) {
	f.Add("34020000001320000001:0100000001,34020000002000000001:0")
	f.Add("a:b:c , d")
	f.Add(",:")
	f.Fuzz(func(t *testing.T, text string) {
		s := gbsdp.ParseSubject(text)
		if again := gbsdp.ParseSubject(s.String()); again != s {
			t.Fatalf("%q is read as %+v, written %q and read as %+v", text, s, s, again)
		}
	})
}
