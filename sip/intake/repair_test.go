package intake_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	gosip "github.com/emiago/sipgo/sip"
	"github.com/google/go-cmp/cmp"

	"fengsui/sip/intake"
	"fengsui/test/fuzz/bound"
)

func TestRepairSetsRightWhatDevicesSend(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			out, quirks, err := intake.Repair(nil, s.in)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				text := s.file + "-- quirks --\n" + quirks.String() + "\n-- out --\n" + encode(out)
				if err := os.WriteFile(s.path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(s.out), string(out)); diff != "" {
				t.Errorf("repaired message (-want +got):\n%s", diff)
			}
			if quirks.String() != s.quirks {
				t.Errorf("quirks %s, want %s", quirks, s.quirks)
			}
		})
	}
}

// parser is sipgo's, with room for every message.
func parser() *gosip.Parser {
	p := gosip.NewParser()
	p.MaxMessageLength = 16 << 20
	return p
}

func TestLibraryAcceptsEveryRepairedMessage(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			out, _, err := intake.Repair(nil, s.in)
			if err != nil {
				t.Fatal(err)
			}
			accepted(t, out)
		})
	}
}

// accepted parses a repaired message with sipgo and compares what both saw.
func accepted(t *testing.T, repaired []byte) {
	t.Helper()
	msg, err := parser().ParseSIP(repaired)
	if err != nil {
		t.Fatalf("sipgo: %v\n%q", err, repaired)
	}
	if msg.Via() == nil || msg.From() == nil || msg.To() == nil || msg.CallID() == nil || msg.CSeq() == nil {
		t.Fatalf("sipgo misses a field of\n%q", repaired)
	}
	if branch, ok := msg.Via().Params.Get("branch"); !ok || branch == "" || msg.Via().Host == "" {
		t.Errorf("sipgo misses branch or host of\n%q", repaired)
	}
	r, err := intake.Scan(repaired)
	if _, request := msg.(*gosip.Request); !request {
		if err == nil {
			t.Errorf("Scan takes a response for a request:\n%q", repaired)
		}
		return
	}
	if err != nil {
		t.Fatalf("Scan: %v\n%q", err, repaired)
	}
	if rport, ok := msg.Via().Params.Get("rport"); !ok || rport != "" {
		t.Errorf("top Via of %q has rport %q", repaired, rport)
	}
	if !bytes.Equal(r.Body, msg.Body()) {
		t.Errorf("Scan has body %q, sipgo %q", r.Body, msg.Body())
	}
	if string(r.CallID) != msg.CallID().Value() || r.CSeq != msg.CSeq().SeqNo {
		t.Errorf("Scan has %s %d, sipgo %s", r.CallID, r.CSeq, msg)
	}
	// sipgo has the start line's method in upper case, whatever it is
	if strings.ToUpper(r.Method) != string(msg.(*gosip.Request).Method) || r.Method != string(msg.CSeq().MethodName) {
		t.Errorf("Scan has method %s, sipgo %s", r.Method, msg)
	}
}

const valid = "MESSAGE sip:34020000002000000001@3402000000 SIP/2.0\r\n" +
	"Via: SIP/2.0/UDP 192.0.2.20:5060;rport;branch=z9hG4bK777\r\n" +
	"From: <sip:34020000001320000001@3402000000>;tag=99\r\n" +
	"To: <sip:34020000002000000001@3402000000>\r\n" +
	"Call-ID: 2011@192.0.2.20\r\n" +
	"CSeq: 20 MESSAGE\r\n" +
	"Content-Length: 0\r\n\r\n"

func TestRepairRefusesWhatNobodyCanRead(t *testing.T) {
	for _, c := range []struct{ name, old, new, what string }{
		{"another From", "To: <", "f: <sip:34020000001320000002@3402000000>\r\nTo: <", "two different From"},
		{"another Call-ID", "CSeq", "i: other\r\nCSeq", "two different Call-ID"},
		{"no Via", "Via: ", "X-Via: ", "no Via"},
		{"no From", "From: ", "X-From: ", "no From"},
		{"no To", "To: ", "X-To: ", "no To"},
		{"no Call-ID", "Call-ID: ", "X-Call-ID: ", "no Call-ID"},
		{"no CSeq", "CSeq: ", "X-CSeq: ", "no CSeq"},
		{"CSeq too large", "CSeq: 20", "CSeq: 2147483648", "CSeq"},
		{"CSeq without number", "CSeq: 20 ", "CSeq: ", "CSeq"},
		{"CSeq of another method", "20 MESSAGE", "20 NOTIFY", "CSeq of another method"},
		{"Via without transport", "SIP/2.0/UDP ", "SIP/2.0 ", "Via"},
		{"empty Via", "SIP/2.0/UDP 192.0.2.20:5060;rport;branch=z9hG4bK777", "", "Via"},
		{"empty From", "<sip:34020000001320000001@3402000000>;tag=99", "", "From"},
		{"no Request-URI", "sip:34020000002000000001@3402000000 SIP", "SIP", "start line"},
		{"another version", "SIP/2.0\r\nVia", "SIP/3.0\r\nVia", "SIP version"},
		{"IPv6 without end", "@3402000000>;tag", "@[2001:db8::1>;tag", "From"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := strings.Replace(valid, c.old, c.new, 1)
			if in == valid {
				t.Fatal("nothing replaced")
			}
			out, _, err := intake.Repair([]byte("kept"), []byte(in))
			var bad intake.ErrMalformed
			if !errors.As(err, &bad) || bad.What != c.what {
				t.Errorf("Repair = %v, want ErrMalformed of %q", err, c.what)
			}
			if string(out) != "kept" {
				t.Errorf("Repair appended %q", out)
			}
		})
	}
}

func TestRepairBoundsTheHeader(t *testing.T) {
	in := strings.Replace(valid, "CSeq", strings.Repeat("X: 1\r\n", 1000)+"CSeq", 1)
	if _, _, err := intake.Repair(nil, []byte(in)); err == nil {
		t.Error("a thousand fields were taken")
	}
}

func FuzzRepair(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.in)
	}
	for _, message := range intake.Torture(f) {
		f.Add(message)
	}
	f.Add([]byte(valid))
	f.Fuzz(func(t *testing.T, in []byte) {
		given := bytes.Clone(in)
		var once []byte
		var err error
		bound.Bytes(t, 256<<10+16*len(in), func() { once, _, err = intake.Repair(nil, in) })
		if !bytes.Equal(in, given) {
			t.Fatal("Repair changed what it was given")
		}
		if err != nil {
			return
		}
		twice, quirks, err := intake.Repair(nil, once)
		if err != nil {
			t.Fatalf("repaired %q: %v", once, err)
		}
		if diff := cmp.Diff(string(once), string(twice)); diff != "" {
			t.Fatalf("repairing again changes more (-once +twice):\n%s", diff)
		}
		if quirks != 0 {
			t.Fatalf("repaired %q still has %s", once, quirks)
		}
		accepted(t, once)
	})
}

// FuzzRepairValue puts anything into one field at a time, which FuzzRepair
// seldom gets past the other checks.
func FuzzRepairValue(f *testing.F) {
	fields := []string{
		"Via", "From", "To", "Contact", "Route", "Refer-To", "CSeq", "Call-ID", "Max-Forwards", "Content-Type", "Content-Length", "Record-Route",
	}
	for i, value := range []string{
		"SIP/2.0/UDP 192.0.2.20:5060;rport;branch=z9hG4bK777", `"a \" b" <sip:u@h;p=1?h=2>;tag=1;q="x,y"`, "sip:u@h;tag=1",
		"*", "<sip:a@[::1]:5060>, <sip:b@h>;q=1", "<tel:+86>", "1 MESSAGE", "", "70", "a/b", "-1", `"un <sip:x@y>`,
	} {
		f.Add(uint8(i), []byte(value))
	}
	f.Fuzz(func(t *testing.T, which uint8, value []byte) {
		name := fields[int(which)%len(fields)]
		in := []byte(valid)
		if i := bytes.Index(in, []byte("\r\n"+name+": ")); i >= 0 {
			begin := i + len(name) + 4
			end := begin + bytes.Index(in[begin:], []byte("\r\n"))
			in = bytes.Join([][]byte{in[:begin], value, in[end:]}, nil)
		} else {
			in = bytes.Replace(in, []byte("CSeq"), append(append([]byte(name+": "), value...), "\r\nCSeq"...), 1)
		}
		once, _, err := intake.Repair(nil, in)
		if err != nil {
			return
		}
		twice, quirks, err := intake.Repair(nil, once)
		if err != nil || quirks != 0 || !bytes.Equal(once, twice) {
			t.Fatalf("repaired %q, again %q, %s, %v", once, twice, quirks, err)
		}
		accepted(t, once)
	})
}
