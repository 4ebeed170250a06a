package intake_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fengsui/sip/flow"
	"fengsui/sip/intake"
)

// RFC 3581: rport is for those who ask. The repair asks for it, so that sipgo's
// answers find their way; ours say no more than the peer asked for.
func TestOnlyWhoAsksForRportGetsIt(t *testing.T) {
	asked := "Via: SIP/2.0/UDP 192.168.1.9:5060;rport;branch=z9hG4bK1"
	unasked := strings.Replace(asked, ";rport", "", 1)
	for name, message := range map[string]string{
		"in good form": strings.Replace(register("1", ""), asked, unasked, 1),
		"repaired":     strings.Replace(register("1", "no header\r\n"), asked, unasked, 1),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, intake.Config{})
				r.packets(65535)
				p := r.peer(camera)
				p.send(message)
				direct := p.answer()
				if !strings.Contains(direct, "\r\n"+unasked+";received=192.0.2.20\r\n") {
					t.Errorf("answered\n%s", direct)
				}
				p.send(strings.Replace(message, "Max-Forwards", "Require: x\r\nMax-Forwards", 1)) // sipgo's
				handed := r.next()
				if !strings.Contains(handed.message, "\r\n"+asked[:len(asked)-len(";rport;branch=z9hG4bK1")]+";branch=z9hG4bK1;rport\r\n") {
					t.Errorf("handed on as\n%s", handed.message)
				}
				scanned, err := intake.Scan([]byte(handed.message))
				if err != nil {
					t.Fatal(err)
				}
				scanned.Flow, scanned.At = flow.Flow{Transport: flow.UDP, Remote: netip.MustParseAddrPort(camera)}, time.Now()
				if got := string(intake.AppendAnswer(nil, &scanned, (&registrar{}).Register(&scanned))); got != direct {
					t.Errorf("the second way gives\n%s\nthe first\n%s", got, direct)
				}
			})
		})
	}
}

// What a peer stamps itself is not believed.
func TestStampOfAPeerIsRemoved(t *testing.T) {
	out, _, err := intake.Repair(nil, []byte(register("1", "X-Recv-Rport: 1\r\nx-recv-seq: 9\r\nX-RECV-FLOW: x\r\n")))
	if err != nil || strings.Contains(strings.ToLower(string(out)), "x-recv") {
		t.Errorf("%v\n%s", err, out)
	}
}
