package whep

import (
	"errors"
	"os"
	"testing"

	"fengsui/media"
	"fengsui/test/fuzz/bound"
)

func TestChromeOfferIsAnsweredWithItsOwnParameters(t *testing.T) {
	b, err := os.ReadFile("testdata/chrome.sdp")
	if err != nil {
		t.Fatal(err)
	}
	video, audio, err := parseOffer(string(b))
	if err != nil {
		t.Fatal(err)
	}
	for profile, want := range map[byte]string{0x42: "42001f", 0x4D: "4d001f", 0x64: "42001f", 0xF4: "f4001f"} {
		c, err := chooseVideo(&media.Track{Codec: media.H264, Params: [][]byte{{0x67, profile, 0, 31}}}, video)
		if err != nil {
			t.Fatal(err)
		}
		if want := "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=" + want; c.SDPFmtpLine != want {
			t.Errorf("profile %x: %q, want %q", profile, c.SDPFmtpLine, want)
		}
		if len(c.RTCPFeedback) != 3 {
			t.Errorf("feedback %v", c.RTCPFeedback)
		}
	}
	var refused *CodecError
	if _, err := chooseVideo(&media.Track{Codec: media.H265}, video); !errors.As(err, &refused) {
		t.Errorf("H.265: %v", err)
	}
	for codec, want := range map[media.Codec]uint8{media.PCMA: 8, media.PCMU: 0} {
		if c, ok := chooseAudio(&media.Track{Codec: codec}, audio); !ok || uint8(c.PayloadType) != want {
			t.Errorf("%s: payload type %d", codec, c.PayloadType)
		}
	}
}

// FuzzOffer: what is chosen was offered.
func FuzzOffer(f *testing.F) {
	b, err := os.ReadFile("testdata/chrome.sdp")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	f.Add("v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 8 0\r\na=rtpmap:8 X\r\na=fmtp:8 =;=\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		var video, audio []offered
		var err error
		bound.Bytes(t, 256<<10+256*len(text), func() { video, audio, err = parseOffer(text) })
		if err != nil {
			if !errors.Is(err, ErrOffer) {
				t.Fatal(err)
			}
			return
		}
		offered := map[uint8]bool{}
		for _, o := range append(video, audio...) {
			offered[uint8(o.payload)] = true
		}
		for _, c := range []media.Codec{media.H264, media.H265} {
			if p, err := chooseVideo(&media.Track{Codec: c}, video); err == nil && !offered[uint8(p.PayloadType)] {
				t.Fatalf("%s: payload type %d was not offered", c, p.PayloadType)
			}
		}
		if p, ok := chooseAudio(&media.Track{Codec: media.PCMA}, audio); ok && !offered[uint8(p.PayloadType)] {
			t.Fatalf("payload type %d was not offered", p.PayloadType)
		}
	})
}
