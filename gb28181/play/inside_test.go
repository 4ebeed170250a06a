package play

import (
	"net/netip"
	"testing"
)

// media.md section 1.7; 127.0.0.1 and 169.254.169.254 would have us connect to
// this machine's own services.
func TestAnswersWithAnAddressOfNoUseGiveWayToTheirSource(t *testing.T) {
	for _, c := range []struct{ announced, source, want string }{
		{"203.0.113.9", "198.51.100.4", "203.0.113.9:6000"},
		{"192.168.1.64", "192.168.1.60", "192.168.1.64:6000"},
		{"192.168.1.64", "198.51.100.4", "198.51.100.4:6000"},
		{"0.0.0.0", "198.51.100.4", "198.51.100.4:6000"},
		{"127.0.0.1", "192.168.1.60", "192.168.1.60:6000"},
		{"127.0.0.1", "127.0.0.1", "127.0.0.1:6000"},
		{"::1", "2001:db8::5", "[2001:db8::5]:6000"},
		{"169.254.169.254", "198.51.100.4", "198.51.100.4:6000"},
		{"224.0.0.1", "198.51.100.4", "198.51.100.4:6000"},
	} {
		sdp := "v=0\r\nc=IN IP4 " + c.announced + "\r\nm=video 6000 TCP/RTP/AVP 96\r\na=setup:passive\r\n"
		a, err := readAnswer([]byte(sdp), netip.MustParseAddr(c.source))
		if err != nil || a.Remote.String() != c.want {
			t.Errorf("%s from %s: %v, %v, want %s", c.announced, c.source, a.Remote, err, c.want)
		}
	}
}
