package intake

import (
	"net/netip"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/sip/flow"
	"fengsui/sip/trace"
)

type always struct{}

func (always) Register(*Request) Answer        { return Answer{Status: 200} }
func (always) Message(*Request) (Answer, bool) { return Answer{Status: 200}, true }

type nowhere struct{ sent int }

func (n *nowhere) send([]byte) { n.sent++ }

// keepalive makes the nth of many different ones of a template.
func keepalive(b []byte, template string, n int) []byte {
	b = append(b[:0], template...)
	for i := len(b) - 20; n > 0; n, i = n/10, i-1 { // digits within the document
		b[i] = byte('0' + n%10)
	}
	return b
}

func newBench() (*Intake, *work, flow.Flow) {
	in := New(Config{Answers: 1 << 10}, always{}, trace.NewRing(16<<20, 0), prometheus.NewRegistry(), zerolog.Nop())
	f := flow.Flow{Transport: flow.UDP, Local: netip.MustParseAddrPort("192.0.2.1:5060"), Remote: netip.MustParseAddrPort("192.0.2.20:5060")}
	return in, new(work), f
}

func TestKeepalivesAreAnsweredWithoutAllocation(t *testing.T) {
	in, w, f := newBench()
	to := &nowhere{}
	template := message("96", document)
	var raw []byte
	n := 0
	one := func() {
		raw = keepalive(raw, template, n)
		if out := in.take(w, raw, f, to); out != nil {
			t.Fatal("handed on")
		}
		n++
	}
	for range 20_000 { // fills the table of answers
		one()
	}
	if got := testing.AllocsPerRun(1000, one); got >= 1 {
		t.Errorf("%v allocations for one keepalive", got)
	}
	if to.sent != n {
		t.Errorf("%d answers to %d keepalives", to.sent, n)
	}
}

func BenchmarkKeepalive(b *testing.B) {
	in, w, f := newBench()
	to := &nowhere{}
	template := message("96", document)
	var raw []byte
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		raw = keepalive(raw, template, n)
		in.take(w, raw, f, to)
		n++
	}
}

func BenchmarkHandedOn(b *testing.B) {
	in, w, f := newBench()
	in.direct = nil
	to := &nowhere{}
	template := message("96", document)
	var raw []byte
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		raw = keepalive(raw, template, n)
		in.take(w, raw, f, to)
		n++
	}
}
