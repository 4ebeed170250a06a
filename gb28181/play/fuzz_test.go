package play

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"fengsui/test/fuzz/bound"
)

// FuzzAnswer: an answer is refused with a reason, or says where the device sends
// from: an address that can be the device's.
func FuzzAnswer(f *testing.F) {
	files, err := filepath.Glob("../gbsdp/testdata/*.sdp")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("v=0\r\nc=IN IP4 127.0.0.1\r\nm=video 6000 TCP/RTP/AVP 96\r\na=setup:passive\r\n"))
	device := netip.MustParseAddr("203.0.113.9")
	f.Fuzz(func(t *testing.T, sdp []byte) {
		bound.Bytes(t, 256<<10+64*len(sdp), func() { _, _ = readAnswer(sdp, device) })
		a, err := readAnswer(sdp, device)
		if err != nil {
			if !errors.Is(err, ErrBadAnswer) {
				t.Fatal(err)
			}
			return
		}
		if ip := a.Remote.Addr(); !ip.IsValid() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || a.Remote.Port() == 0 {
			t.Fatalf("%q would have us send to %v", sdp, a.Remote)
		}
	})
}
