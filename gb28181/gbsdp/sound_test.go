package gbsdp_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fengsui/gb28181/gbsdp"
)

// signalling.md section 6.9, media.md section 6: our answer to a loudspeaker.
func TestTheAnswerToALoudspeakerHasTheOneAcceptedLineOrder(t *testing.T) {
	s := gbsdp.Sound{Owner: "34020000002000000001", Session: gbsdp.Play, Address: netip.MustParseAddr("198.51.100.6"), Port: 30000,
		Direction: gbsdp.SendOnly, Payloads: []uint8{8}, SSRC: "0200000001"}
	const head = "v=0\r\no=34020000002000000001 0 0 IN IP4 198.51.100.6\r\ns=Play\r\nc=IN IP4 198.51.100.6\r\nt=0 0\r\n"
	want := head + "m=audio 30000 RTP/AVP 8\r\na=sendonly\r\na=rtpmap:8 PCMA/8000\r\ny=0200000001\r\nf=v/////a/1/8/1\r\n"
	if d := cmp.Diff(want, string(s.Append(nil))); d != "" {
		t.Error(d)
	}
	s.TCP, s.Setup, s.Payloads = true, gbsdp.Passive, []uint8{96}
	want = head + "m=audio 30000 TCP/RTP/AVP 96\r\na=sendonly\r\na=rtpmap:96 PS/90000\r\na=setup:passive\r\na=connection:new\r\ny=0200000001\r\nf=v/////a/1/8/1\r\n"
	if d := cmp.Diff(want, string(s.Append(nil))); d != "" {
		t.Error(d)
	}
}

// signalling.md section 9 row 51.
func TestTwoAudioLinesOfOnePortAreOne(t *testing.T) {
	d := parse(t, "answer_two_audio.sdp")
	m, ok := d.Sound()
	pt, name, can := m.Speech()
	if !ok || m.Direction != gbsdp.SendRecv || m.Port != 20000 || len(m.Payloads) != 2 || !can || pt != 8 || name != gbsdp.PCMA {
		t.Errorf("%+v, %d %s %v", m, pt, name, can)
	}
	d = parse(t, "answer_udp.sdp")
	if _, ok := d.Sound(); ok {
		t.Error("sound in pictures")
	}
}

// signalling.md section 6.9: what loudspeakers offer.
func TestSpeechIsPickedFromWhatIsOffered(t *testing.T) {
	for line, want := range map[string]string{
		"m=audio 9 TCP/RTP/AVP 8 96\na=rtpmap:8 PCMA/8000\na=rtpmap:96 PS/90000": "8 PCMA",
		"m=audio 9 RTP/AVP 96 0": "0 PCMU", "m=audio 9 RTP/AVP 96": "96 PS", "m=audio 9 RTP/AVP 97\na=rtpmap:97 pcma/8000/1": "97 PCMA",
		"m=audio 9 RTP/AVP 9 102\na=rtpmap:102 MPEG4-GENERIC/8000/1": "none", "m=audio 9 RTP/AVP 8\na=rtpmap:8 HIKVISION/8000": "none",
	} {
		d, err := gbsdp.Parse([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		m, _ := d.Sound()
		got := "none"
		if pt, name, ok := m.Speech(); ok {
			got = string(rune('0'+pt%10)) + " " + name
			if pt > 9 {
				got = string(rune('0'+pt/10)) + got
			}
		}
		if got != want {
			t.Errorf("%q: %s, want %s", line, got, want)
		}
	}
}
