package intake

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"fengsui/sip/flow"
)

// compareUsual fails where a usual form is read as something else than what any
// form is. It tells how much of the message was of a usual form.
func compareUsual(t *testing.T, raw []byte) (fields bool, addresses, contacts, vias int) {
	t.Helper()
	raw = trimLeading(raw)
	var quick, slow head
	line, lines := quick.cutLine(raw)
	quirks := quick.quirks
	quick.lines = lines
	slow = quick
	if start := slow; quick.usualStart(line) {
		err := start.startLine(line)
		if err != nil || start.method != quick.method || !bytes.Equal(start.uri, quick.uri) || start.quirks != quirks || start.refusal != 0 || !soleURIOK(quick.uri) {
			t.Fatalf("start line %q is %q %q, or else %q %q, %v, %v", line, quick.method, quick.uri, start.method, start.uri, start.quirks, err)
		}
	}
	if fields = quick.usualFields(); fields {
		err := slow.headers()
		if !slices.EqualFunc(slow.fields, quick.fields, sameField) || err != nil || slow.quirks != quirks || slow.unclean != quick.unclean || !bytes.Equal(slow.rest, quick.rest) {
			t.Fatalf("%q is %+v, or else %+v, %v, %v", lines, quick.fields, slow.fields, slow.quirks, err)
		}
	} else if slow.headers() != nil {
		return fields, 0, 0, 0
	}
	for _, f := range slow.fields {
		var a Address
		if a.usual(f.value) {
			addresses++
			want, ok := readAddress(f.value)
			if !ok || !bytes.Equal(a.User, want.User) || !bytes.Equal(a.Host, want.Host) || !bytes.Equal(a.Tag, want.Tag) {
				t.Fatalf("address %q is %q, or else %q, %v", f.value, a, want, ok)
			}
		}
		if uri := usualContact(f.value); uri != nil {
			contacts++
			item, rest := cutItem(f.value)
			if a := parseNameAddr(item); len(rest) > 0 || !listItemOK(item) || len(a.params) > 0 || !bytes.Equal(a.uri, uri) {
				t.Fatalf("contact %q is %q, or else %q, %q", f.value, uri, a.uri, a.params)
			}
		}
		var v via
		if v.usual(f.value) {
			vias++
			want, ok := parseVia(f.value)
			hop, rest := cutItem(f.value)
			if !ok || !want.exact || len(rest) > 0 || !bytes.Equal(hop, f.value) {
				t.Fatalf("Via %q: %v %+v", f.value, ok, want)
			}
			for _, unasked := range []bool{false, true} {
				r := Request{Flow: flow.Flow{Remote: netip.MustParseAddrPort("192.168.1.9:40000")}, unasked: unasked}
				wanted := appendReceived(nil, hop, &r) // reads it anew
				v.plain, r.top = true, v
				if got := appendReceived(nil, hop, &r); !bytes.Equal(got, wanted) {
					t.Fatalf("Via %q is answered %q, want %q", hop, got, wanted)
				}
			}
		}
	}
	return fields, addresses, contacts, vias
}

func sameField(a, b field) bool {
	return a.kind == b.kind && bytes.Equal(a.name, b.name) && bytes.Equal(a.value, b.value)
}

const usualRegister = "REGISTER sip:34020000002000000001@3402000000 SIP/2.0\r\nVia: SIP/2.0/UDP 192.168.1.9:5060;rport;branch=z9hG4bK-1.a_2\r\n" +
	"From: <sip:34020000001320000001@3402000000>;tag=204\r\nTo: <sip:34020000001320000001@192.168.1.9:5060>\r\nCall-ID: 1@a\r\nCSeq: 1 REGISTER\r\n" +
	"Contact: <sip:34020000001320000001@192.168.1.9:5060>\r\nUser-Agent: IP Camera\r\nX-GB-Ver: 3.0\r\nContent-Length: 0\r\n\r\n"

// What is not quite usual must be left to the other way or be read alike.
func TestUsualFormsAreReadAsAnyFormIs(t *testing.T) {
	if fields, addresses, contacts, vias := compareUsual(t, []byte(usualRegister)); !fields || addresses != 3 || contacts != 2 || vias != 1 {
		t.Fatalf("fields %v, %d addresses, %d contacts, %d Vias of a usual message are usual", fields, addresses, contacts, vias)
	}
	const odd = "\r\n\t\x00\x7f\x80 :;,@<>\"\\[]/?=&%+*'!~`()sS0aZ-_."
	rnd := rand.New(rand.NewPCG(1, 2))
	var usual, other int
	for _, whole := range []string{usualRegister, message("96", document)} {
		for range 30_000 {
			b := []byte(whole)
			for range 1 + rnd.IntN(3) {
				at, c := rnd.IntN(len(b)), odd[rnd.IntN(len(odd))]
				switch rnd.IntN(4) {
				case 0:
					b[at] = c
				case 1:
					b = append(b[:at], append([]byte{c}, b[at:]...)...)
				case 2:
					b = append(b[:at], b[at+1:]...)
				case 3: // a piece of elsewhere
					from := rnd.IntN(len(whole))
					b = append(b[:at], append([]byte(whole[from:min(len(whole), from+rnd.IntN(12))]), b[at:]...)...)
				}
			}
			if fields, _, _, _ := compareUsual(t, b); fields {
				usual++
			} else {
				other++
			}
		}
	}
	if usual < 5000 || other < 5000 {
		t.Errorf("%d headers of a usual form and %d others prove little", usual, other)
	}
}

func FuzzUsual(f *testing.F) {
	f.Add([]byte(usualRegister))
	f.Add([]byte(message("96", document)))
	for _, m := range Torture(f) {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, in []byte) { compareUsual(t, in) })
}
