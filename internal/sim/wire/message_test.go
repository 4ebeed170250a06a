package wire_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"fengsui/internal/sim/wire"
)

// Section 6.5 of the signalling page, shortened; the Subject has its compact name.
const invite = "INVITE sip:34020000001320000001@192.0.2.20:5060 SIP/2.0\r\n" +
	"v: SIP/2.0/UDP 198.51.100.5:5060;rport;branch=z9hG4bK776sgdkse\r\n" +
	"From: <sip:34020000002000000001@3402000000>;tag=live1\r\n" +
	"To: \"cam\" <sip:34020000001320000001@192.0.2.20:5060;transport=udp>\r\n" +
	"Call-ID: 5a1b@198.51.100.5\r\nCSeq: 3 INVITE\r\n" +
	"s: 34020000001320000001:0200000001,\r\n 34020000002000000001:0\r\n" +
	"Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"

func TestParseReadsAnInvite(t *testing.T) {
	m, err := wire.Parse([]byte("\r\n" + invite + "trailing"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Method != "INVITE" || wire.User(m.URI) != "34020000001320000001" || string(m.Body) != "v=0\r\n" {
		t.Errorf("Parse = %+v", m)
	}
	if n, method := m.CSeq(); n != 3 || method != "INVITE" {
		t.Errorf("CSeq = %d %s", n, method)
	}
	if m.Branch() != "z9hG4bK776sgdkse" || wire.Param(m.Get("From"), "tag") != "live1" || wire.Param(m.Get("To"), "tag") != "" {
		t.Errorf("branch %q, From %q", m.Branch(), m.Get("From"))
	}
	if got := m.Get("Subject"); got != "34020000001320000001:0200000001, 34020000002000000001:0" {
		t.Errorf("Subject = %q", got)
	}
	if wire.User(m.Get("To")) != "34020000001320000001" {
		t.Errorf("To user = %q", wire.User(m.Get("To")))
	}
}

func TestParseRefusesWhatIsNoMessage(t *testing.T) {
	for _, s := range []string{"", "\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "SIP/2.0 abc OK\r\n\r\n", "MESSAGE sip:a@b SIP/2.0\r\nnocolon\r\n\r\n", "BYE sip:a SIP/2.0\r\n"} {
		if _, err := wire.Parse([]byte(s)); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("Parse(%q) = %v", s, err)
		}
	}
}

func TestFrameCutsAStreamIntoMessages(t *testing.T) {
	stream := "\r\n\r\n" + invite + "SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"
	skip, size, ok, err := wire.Frame([]byte(stream))
	if err != nil || !ok || skip != 4 || size != len(invite) {
		t.Fatalf("Frame = %d, %d, %v, %v", skip, size, ok, err)
	}
	for n := range len(invite) {
		if _, _, ok, err := wire.Frame([]byte(invite[:n])); ok || err != nil {
			t.Fatalf("Frame of the first %d bytes = %v, %v", n, ok, err)
		}
	}
	if _, _, _, err := wire.Frame([]byte("MESSAGE sip:a SIP/2.0\r\nl: 999999999\r\n\r\n")); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("huge length: %v", err)
	}
	if _, _, _, err := wire.Frame([]byte(strings.Repeat("a", wire.MaxMessage+1))); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("endless head: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(invite))
	f.Add([]byte("SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP 192.0.2.20:5060;rport=5060;received=192.0.2.20;branch=z9hG4bK1371463273\r\n" +
		"WWW-Authenticate: Digest realm=\"3402000000\",nonce=\"6fe9ba44a76be22a\",algorithm=MD5\r\nContent-Length: 0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		_, _, _, _ = wire.Frame(in)
		m, err := wire.Parse(in)
		if err != nil {
			return
		}
		if n := m.Get("Content-Length"); n != "" && strings.Trim(n, "0123456789") != "" {
			return // kept as it was written
		}
		again, err := wire.Parse(m.Append(nil))
		if err != nil {
			t.Fatalf("parse what was printed: %v", err)
		}
		if again.Method != m.Method || again.URI != m.URI || again.Status != m.Status || string(again.Body) != string(m.Body) ||
			again.Branch() != m.Branch() || len(again.All("Via")) != len(m.All("Via")) {
			t.Fatalf("got %+v, want %+v", again, m)
		}
		if m.Get("Content-Length") != "" && !reflect.DeepEqual(again.Headers, m.Headers) {
			t.Fatalf("got %q, want %q", again.Headers, m.Headers)
		}
	})
}
