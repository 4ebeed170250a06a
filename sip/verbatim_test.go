package sip

import (
	"net/netip"
	"testing"

	gosip "github.com/emiago/sipgo/sip"

	"fengsui/sip/flow"
	"fengsui/sip/intake"
)

// FuzzVerbatim: the library writes an answer as the intake made it, and can find
// what it needs in it.
func FuzzVerbatim(f *testing.F) {
	f.Add([]byte("REGISTER sip:s@d SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bK1\r\nFrom: sip:a@d;tag=1\r\nTo: \"x: y\" <sip:a@d>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n\r\n"), "Bad: Request", "a: b")
	f.Add([]byte("CANCEL sip:s@d SIP/2.0\r\nVia: SIP/2.0/TCP a, SIP/2.0/UDP b\r\nFrom: <sip:a@d>\r\nTo: <sip:\xd6\xd0@d>\r\nCall-ID: {1}\r\nCSeq: 7 CANCEL\r\n\r\n"), "", "")
	f.Fuzz(func(t *testing.T, in []byte, reason, value string) {
		r, err := intake.Scan(in)
		if err != nil {
			return
		}
		for _, c := range reason + value { // ours are clean
			if c < ' ' || c == 0x7f {
				return
			}
		}
		r.Flow = flow.Flow{Transport: flow.UDP, Remote: netip.MustParseAddrPort("192.0.2.20:5060")}
		text := string(intake.AppendAnswer(nil, &r, intake.Answer{Status: 403, Reason: reason, Fields: []byte("Contact: " + value + "\r\n")}))
		res := verbatim(text, 403, gosip.NewRequest(gosip.REGISTER, gosip.Uri{}))
		if got := res.String(); got != text {
			t.Fatalf("%q\nis written %q", text, got)
		}
		if res.Via() == nil || res.CSeq() == nil || res.CallID() == nil || res.IsCancel() != (r.Method == "CANCEL") {
			t.Fatalf("the library misses a field of %q", text)
		}
	})
}
