package intake_test

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fengsui/sip/flow"
	"fengsui/sip/intake"
	"fengsui/test/fuzz/bound"
)

func TestScanReadsARequest(t *testing.T) {
	raw := register("1", "User-Agent: IP Camera\r\nAuthorization: Digest username=\"u\"\r\ns: subject\r\nX-GB-Ver: 3.0\r\n")
	r, err := intake.Scan([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{
		"method": r.Method, "uri": string(r.URI), "via": string(bytes.Join(r.Vias, []byte("|"))),
		"from": string(r.From.User) + " " + string(r.From.Host) + " " + string(r.From.Tag), "to": string(r.To.User) + " " + string(r.To.Tag),
		"call": string(r.CallID), "contact": string(r.Contact), "auth": string(r.Authorization), "agent": string(r.UserAgent),
		"version": string(r.Header("x-gb-ver")), "subject": string(r.Header("Subject")), "none": string(r.Header("Event")), "cseq": string(r.Header("CSeq")),
	}
	want := map[string]string{
		"method": "REGISTER", "uri": "sip:34020000002000000001@3402000000", "via": "SIP/2.0/UDP 192.168.1.9:5060;rport;branch=z9hG4bK1",
		"from": id + " 3402000000 2043466181", "to": id + " ",
		"call": "1011047669", "contact": "sip:" + id + "@192.168.1.9:5060", "auth": "Digest username=\"u\"", "agent": "IP Camera",
		"version": "3.0", "subject": "subject", "none": "", "cseq": "1 REGISTER",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.CSeq != 1 || r.Expires != 3600 || len(r.Body) != 0 {
		t.Errorf("CSeq %d, Expires %d, body %q", r.CSeq, r.Expires, r.Body)
	}
}

func TestScanTakesExpiresOfTheContactFirst(t *testing.T) {
	for _, c := range []struct {
		contact, header string
		want            int
	}{
		{"<sip:a@b>;expires=60", "Expires: 3600", 60},
		{"<sip:a@b>;expires=\"60\"", "X: 1", 60},
		{"<sip:a@b>;expires=soon", "Expires: 3600", 3600},
		{"<sip:a@b;expires=5>", "X: 1", -1},
		{"*", "Expires: 0", 0},
		{"<sip:a@b>", "Expires: later", -1},
		{"<sip:a@b>", "X: 1", -1},
	} {
		raw := strings.Replace(register("1", ""), "Contact: <sip:"+id+"@192.168.1.9:5060>", "Contact: "+c.contact, 1)
		raw = strings.Replace(raw, "Expires: 3600", c.header, 1)
		r, err := intake.Scan([]byte(raw))
		if err != nil || r.Expires != c.want {
			t.Errorf("Contact %s and %s: Expires %d, %v, want %d", c.contact, c.header, r.Expires, err, c.want)
		}
	}
}

func TestScanReadsAddressesOfManyForms(t *testing.T) {
	for _, c := range []struct{ value, user, host, tag string }{
		{"<sip:" + id + "@3402000000>;tag=1", id, "3402000000", "1"},
		{"sip:" + id + "@3402000000;tag=1", id, "3402000000", "1"},
		{"\"Front; <door>\" <sip:" + id + "@192.0.2.1:5060>;tag=1", id, "192.0.2.1", "1"},
		{"Camera <sips:" + id + ":password@[2001:db8::1]:5061;transport=tls>; TAG = 1", id, "[2001:db8::1]", "1"},
		{"<sip:" + id + ">", id, "", ""},
		{id + "@3402000000", id, "3402000000", ""},
	} {
		r, err := intake.Scan([]byte(strings.Replace(register("1", ""), "From: <sip:"+id+"@3402000000>;tag=2043466181", "From: "+c.value, 1)))
		if err != nil {
			t.Errorf("%s: %v", c.value, err)
			continue
		}
		if got := r.From; string(got.User) != c.user || string(got.Host) != c.host || string(got.Tag) != c.tag {
			t.Errorf("%s is %q %q %q", c.value, got.User, got.Host, got.Tag)
		}
	}
}

func TestScanRefusesAResponse(t *testing.T) {
	raw := strings.Replace(register("1", ""), "REGISTER sip:34020000002000000001@3402000000 SIP/2.0", "SIP/2.0 200 OK", 1)
	var bad intake.ErrMalformed
	if _, err := intake.Scan([]byte(raw)); !errors.As(err, &bad) {
		t.Errorf("Scan = %v, want ErrMalformed", err)
	}
}

func TestAnswerRepeatsWhatItMust(t *testing.T) {
	for _, c := range []struct {
		name, via, remote string
		want              []string
	}{
		{"rport asked for", "SIP/2.0/UDP 192.168.1.9:5060;rport;branch=z9hG4bK1", "192.0.2.20:40000",
			[]string{"Via: SIP/2.0/UDP 192.168.1.9:5060;rport=40000;branch=z9hG4bK1;received=192.0.2.20"}},
		{"rport with a value", "SIP/2.0/UDP 192.0.2.20;rport=5060;branch=z9hG4bK1", "192.0.2.20:40000",
			[]string{"Via: SIP/2.0/UDP 192.0.2.20;rport=40000;branch=z9hG4bK1;received=192.0.2.20"}},
		{"no rport, same host", "SIP/2.0/UDP 192.0.2.20;branch=z9hG4bK1", "192.0.2.20:40000",
			[]string{"Via: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bK1"}},
		{"no rport, other host", "SIP/2.0/UDP camera;received=1.1.1.1;branch=z9hG4bK1", "192.0.2.20:40000",
			[]string{"Via: SIP/2.0/UDP camera;branch=z9hG4bK1;received=192.0.2.20"}},
		{"IPv6", "SIP/2.0/TCP [2001:db8::20]:5060;branch=z9hG4bK1", "[2001:db8::20]:40000",
			[]string{"Via: SIP/2.0/TCP [2001:db8::20]:5060;branch=z9hG4bK1"}},
		{"two hops", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK2, SIP/2.0/UDP 192.0.2.8;branch=z9hG4bK3", "192.0.2.9:5060",
			[]string{"Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK2", "Via: SIP/2.0/UDP 192.0.2.8;branch=z9hG4bK3"}},
		{"source unknown", "SIP/2.0/UDP 192.168.1.9:5060;rport;branch=z9hG4bK1", "",
			[]string{"Via: SIP/2.0/UDP 192.168.1.9:5060;rport;branch=z9hG4bK1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := intake.Scan([]byte(strings.Replace(register("1", ""), "SIP/2.0/UDP 192.168.1.9:5060;rport;branch=z9hG4bK1", c.via, 1)))
			if err != nil {
				t.Fatal(err)
			}
			if c.remote != "" {
				r.Flow = flow.Flow{Transport: flow.UDP, Remote: netip.MustParseAddrPort(c.remote)}
			}
			answer := string(intake.AppendAnswer(nil, &r, intake.Answer{Status: 423, Fields: []byte("Min-Expires: 60\r\n")}))
			var vias []string
			for line := range strings.SplitSeq(answer, "\r\n") {
				if strings.HasPrefix(line, "Via: ") {
					vias = append(vias, line)
				}
			}
			if diff := cmp.Diff(c.want, vias); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			msg, err := parser().ParseSIP([]byte(answer))
			if err != nil {
				t.Fatal(err)
			}
			if tag, ok := msg.To().Params.Get("tag"); !ok || len(tag) != 16 {
				t.Errorf("To tag %q", tag)
			}
			if !strings.HasPrefix(answer, "SIP/2.0 423 Interval Too Brief\r\n") || !strings.HasSuffix(answer, "Min-Expires: 60\r\nContent-Length: 0\r\n\r\n") {
				t.Errorf("answer:\n%s", answer)
			}
		})
	}
}

func TestAnswerTagIsEqualForRepeatsAndKeptWhenThere(t *testing.T) {
	tag := func(raw string) string {
		r, err := intake.Scan([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(intake.AppendAnswer(nil, &r, intake.Answer{Status: 200})), "\r\nTo: ")
		line, _, _ := strings.Cut(after, "\r\n")
		_, tag, _ := strings.Cut(line, ";tag=")
		return tag
	}
	one := tag(register("1", ""))
	if other := tag(strings.Replace(register("2", ""), "CSeq: 1", "CSeq: 2", 1)); other != one {
		t.Errorf("tags %s and %s of one registration", one, other)
	}
	if other := tag(strings.Replace(register("1", ""), "1011047669", "1011047670", 1)); other == one {
		t.Error("equal tags for different Call-IDs")
	}
	if kept := tag(strings.Replace(register("1", ""), "To: <sip:"+id+"@3402000000>", "To: <sip:"+id+"@3402000000>;tag=mine", 1)); kept != "mine" {
		t.Errorf("tag %s in place of the one that was there", kept)
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.in)
	}
	for _, message := range intake.Torture(f) {
		f.Add(message)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		given := bytes.Clone(in)
		var r intake.Request
		var err error
		bound.Bytes(t, 256<<10+16*len(in), func() { r, err = intake.Scan(in) })
		if !bytes.Equal(in, given) {
			t.Fatal("Scan changed what it was given")
		}
		if err != nil {
			return
		}
		r.Flow = flow.Flow{Transport: flow.UDP, Remote: netip.MustParseAddrPort(camera)}
		// what was scanned scans the same again
		again, err := intake.Scan(r.Raw)
		if err != nil || again.Method != r.Method || again.CSeq != r.CSeq || !bytes.Equal(again.CallID, r.CallID) ||
			!bytes.Equal(again.From.User, r.From.User) || !bytes.Equal(again.Body, r.Body) || again.Expires != r.Expires {
			t.Fatalf("Scan(%q) = %v, %+v, want %+v", r.Raw, err, again, r)
		}
		// and its answer is one
		answer := intake.AppendAnswer(nil, &r, intake.Answer{Status: 200})
		msg, err := parser().ParseSIP(answer)
		if err != nil {
			t.Fatalf("answer %q: %v", answer, err)
		}
		if msg.CallID().Value() != string(r.CallID) || msg.CSeq().SeqNo != r.CSeq {
			t.Fatalf("answer %q to %q", answer, r.Raw)
		}
	})
}
