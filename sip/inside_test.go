package sip

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gosip "github.com/emiago/sipgo/sip"
	"github.com/rs/zerolog"
)

// The library writes a line with the whole packet for each one it cannot parse.
func TestLibraryLogIsShortAndRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(newBridge(zerolog.New(&out))).With("caller", "transport")
		for range 1000 {
			log.Error("failed to parse", "data", strings.Repeat("x", 60_000))
			log.Info("noise")
		}
		if n := strings.Count(out.String(), "\n"); n != logBurst || out.Len() > 8192 {
			t.Errorf("%d lines, %d bytes", n, out.Len())
		}
		out.Reset()
		time.Sleep(2 * time.Second)
		log.Warn("again")
		if !strings.Contains(out.String(), `"skipped":990`) || !strings.Contains(out.String(), `"caller":"transport"`) {
			t.Errorf("%s", out.String())
		}
	})
}

func TestLibraryLogHidesSecrets(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(newBridge(zerolog.New(&out)))
	const hash = "6629fae49393a05397450978507c4ef1"
	header := `Authorization: Digest username="u", nonce="n", response="` + hash + `"`
	log.Error("failed to parse", "data", strings.Repeat("x", 200)+"\r\n"+header+"\r\n\r\n<Password>Fengsui-1</Password>")
	log.Error("failed to parse", "err", fmt.Errorf("header %q: %w", header, errors.New("no URI in sip:u:Fengsui-1@h")))
	if strings.Contains(out.String(), "6629fae4") || strings.Contains(out.String(), "Fengsui-1") || strings.Count(out.String(), "nonce") != 2 {
		t.Errorf("%s", out.String())
	}
}

// A header that cannot be parsed must not lose the message.
func TestUnreadableHeaderBecomesOpaque(t *testing.T) {
	parser := gosip.NewParser(gosip.WithHeadersParsers(lenientParsers()))
	for _, line := range []string{"Contact: <sip:a@10.1.1.1:port>", "Max-Forwards: many", "Route: <", "Record-Route: ;;", "Contact: <sip:a@b>, <sip", "Refer-To: "} {
		raw := "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n" + line + "\r\nContent-Length: 0\r\n\r\n"
		if _, err := parser.ParseSIP([]byte(raw)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// A connection may go between the look for it and the request.
func TestLibraryCannotDial(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	ua, err := newUA("x", 500*time.Millisecond, zerolog.Nop(), new(tokens).redeem, func(*gosip.Response) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, transport := range []string{"TCP", "TLS"} {
		req := gosip.NewRequest(gosip.OPTIONS, gosip.Uri{Scheme: "sip", Host: "127.0.0.1"})
		req.AppendHeader(&gosip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: transport, Host: "127.0.0.1"})
		req.SetTransport(transport)
		req.SetDestination(ln.Addr().String())
		if _, err := ua.TransportLayer().ClientRequestConnection(t.Context(), req); !errors.Is(explain(err), ErrUnreachable) || !errors.Is(err, errNoDial) {
			t.Errorf("%s: %v", transport, err)
		}
	}
	if err := ua.Close(); err != nil {
		t.Error(err)
	}
}

func TestProcessHasOneT1(t *testing.T) {
	if err := setLibrary(500 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if err := setLibrary(100 * time.Millisecond); err == nil {
		t.Error("a second T1 was taken")
	}
}

func FuzzPeek(f *testing.F) {
	f.Add([]byte("NOTIFY sip:a@b SIP/2.0\r\nX-Recv-Seq: 7\r\nVia: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK1\r\nFrom: \"c\" <sip:34020000001320000001@3402000000>;tag=1\r\nCall-ID: 1@b\r\nCSeq: 20 NOTIFY\r\n\r\nbody"))
	f.Add([]byte("MESSAGE sip:a@b SIP/2.0\r\nv: x\r\nf: sip:u:p@h;tag=1\r\ni: 1\r\nX-Recv-Seq: 18446744073709551615\r\n\r\n"))
	f.Add([]byte("SIP/2.0 200 OK\r\nX-Recv-Seq: 7\r\n\r\n"))
	f.Add([]byte("ACK sip:a@b SIP/2.0\r\nX-Recv-Seq: 7\r\n\r\n"))
	f.Add([]byte("</Item>\r\n<Item> SIP/2.0\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, ok := peek(raw)
		if !ok {
			return
		}
		// What is read can be written again and read the same.
		again := fmt.Appendf(nil, "NOTIFY sip:a@b SIP/2.0\r\nX-Recv-Seq: %d\r\nVia: %s\r\nFrom: <sip:%s@h>\r\nCall-ID: %s\r\nCSeq: %s\r\n\r\n", p.seq, p.via, p.sender, p.callID, p.cseq)
		q, ok := peek(again)
		if !ok || q.seq != p.seq || !bytes.Equal(q.via, p.via) || !bytes.Equal(q.sender, p.sender) || !bytes.Equal(q.callID, p.callID) || !bytes.Equal(q.cseq, p.cseq) {
			t.Errorf("%+v became %+v (%v) from\n%s", p, q, ok, again)
		}
	})
}

func TestPeekReadsTheSender(t *testing.T) {
	for value, want := range map[string]string{
		"<sip:34020000001320000001@3402000000>;tag=1": "34020000001320000001",
		"\"cam\" <sips:u@h:5061>":                     "u",
		"sip:u:p@h;tag=1":                             "u",
		"<sip:h>":                                     "",
		"<tel:12345>":                                 "",
		"":                                            "",
	} {
		if got := string(userPart([]byte(value))); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

func TestRouteIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		r := routes{lookup: func(a netip.Addr) (netip.Addr, error) { asked++; return a, nil }}
		for range 10 {
			if _, err := r.to(netip.MustParseAddr("192.0.2.1"), time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		time.Sleep(2 * routeLife)
		if _, err := r.to(netip.MustParseAddr("192.0.2.1"), time.Now()); err != nil || asked != 2 {
			t.Errorf("asked %d times, %v", asked, err)
		}
		for i := range 3 * routeMax {
			_, _ = r.to(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), time.Now())
			if len(r.known) > routeMax {
				t.Fatalf("%d remembered", len(r.known))
			}
		}
	})
}
