package intake_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fengsui/sip/intake"
	"fengsui/sip/trace"
)

// gate is a guard by hand.
type gate struct {
	closed, known, expects atomic.Bool
	status                 atomic.Int64
	refused, wasted        atomic.Int64
	wrote                  atomic.Int64
}

func (g *gate) Admit(netip.Addr, time.Time) (ok, known bool) {
	return !g.closed.Load(), g.known.Load()
}
func (g *gate) Connect(netip.Addr, time.Time) bool       { return !g.closed.Load() }
func (g *gate) Screen(_, _ []byte) int                   { return int(g.status.Load()) }
func (g *gate) Wrote(netip.AddrPort, time.Time)          { g.wrote.Add(1) }
func (g *gate) Expects(netip.AddrPort, time.Time) bool   { return g.expects.Load() }
func (g *gate) Wasted(_ netip.Addr, _ bool, _ time.Time) { g.wasted.Add(1) }
func (g *gate) Refused()                                 { g.refused.Add(1) }

func guarded(t *testing.T) (*rig, *gate) {
	r, g := newRig(t, intake.Config{}), &gate{}
	r.in.Use(g)
	return r, g
}

func TestWhatIsNotAdmittedIsNotLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, g := guarded(t)
		g.closed.Store(true)
		r.packets(65536)
		r.streams()
		p := r.peer(camera)
		p.send(register("a", ""))
		if a := p.answer(); a != "" || len(r.direct.calls()) != 0 {
			t.Errorf("answered %q", a)
		}
		if c := r.dial(camera); !ended(c) && receive(t, c) != "" {
			t.Error("the connection is served")
		}
		if n := r.count("connections_refused_total", "reason=guard"); n != 1 {
			t.Errorf("counted %v", n)
		}
		g.closed.Store(false)
		p.send(register("a", ""))
		if a := statusOf(p.answer()); a != "SIP/2.0 401 Unauthorized" {
			t.Errorf("answered %q", a)
		}
	})
}

func TestStrangersAreAnsweredWithoutSipgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, g := guarded(t)
		r.packets(65536)
		p := r.peer(camera)
		ask := func(message, want string) string {
			t.Helper()
			p.send(message)
			a := p.answer()
			if statusOf(a) != want {
				t.Errorf("%s\nis answered %q, want %q", statusOf(message), statusOf(a), want)
			}
			return a
		}
		other := func(method string) string { return strings.ReplaceAll(register("x", ""), "REGISTER", method) }
		ask(post("1", alarmBody), "SIP/2.0 403 Not registered here")
		ask(post("2", keepaliveBody), "SIP/2.0 200 OK") // as the registrar says
		ask(other("INVITE"), "SIP/2.0 403 Not registered here")
		ask(other("OPTIONS"), "SIP/2.0 200 OK")
		ask(other("BYE"), "SIP/2.0 481 Call/Transaction Does Not Exist")
		ask(other("ACK"), "")
		ask(register("3", "Require: x\r\n"), "SIP/2.0 401 Unauthorized")
		two := ask(strings.Replace(register("4", ""), "From:", "Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKproxy\r\nFrom:", 1), "SIP/2.0 401 Unauthorized")
		if strings.Count(two, "Via: ") != 2 || !strings.Contains(two, "rport=5060") {
			t.Errorf("the answer goes astray:\n%s", two)
		}
		first := ask(other("NOTIFY"), "SIP/2.0 403 Not registered here")
		if again := ask(other("NOTIFY"), "SIP/2.0 403 Not registered here"); again != first {
			t.Errorf("a repeat is answered\n%s\ninstead of\n%s", again, first)
		}
		response := "SIP/2.0 200 OK\r\n" + strings.SplitN(other("MESSAGE"), "\r\n", 2)[1]
		p.send(response)
		synctest.Wait()
		g.expects.Store(true)
		p.send(response)
		if h := r.next(); !strings.HasPrefix(h.message, "SIP/2.0 200") {
			t.Errorf("an expected answer is not handed on: %q", h.message)
		}
		if h := r.next(); h.message != "" {
			t.Errorf("handed to sipgo:\n%s", h.message)
		}
		if n := g.refused.Load(); n != 8 {
			t.Errorf("%d refusals told, want 8", n)
		}
		g.known.Store(true)
		p.send(post("5", alarmBody))
		if h := r.next(); !strings.HasPrefix(h.message, "MESSAGE ") {
			t.Errorf("the message of a registered source is not handed on: %q", h.message)
		}
	})
}

func TestScreenedMessagesAreRefusedOrDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, g := guarded(t)
		g.known.Store(true)
		r.packets(65536)
		p := r.peer(camera)
		g.status.Store(403)
		p.send(register("1", ""))
		if a := statusOf(p.answer()); a != "SIP/2.0 403 Forbidden" {
			t.Errorf("answered %q", a)
		}
		g.status.Store(-1)
		p.send(register("2", ""))
		p.send("GET / HTTP/1.1\r\n\r\n")
		if a := p.answer(); a != "" || g.wasted.Load() != 1 || len(r.direct.calls()) != 0 {
			t.Errorf("answered %q; %d pieces of garbage told", a, g.wasted.Load())
		}
	})
}

// Strangers must not push what operators look for out of the trace.
func TestRefusalsInTheTraceAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := guarded(t)
		r.packets(65536)
		p := r.peer(camera)
		for range 1000 {
			p.send(post("1", alarmBody))
		}
		time.Sleep(100 * time.Millisecond)
		if n := len(r.ring.Find(trace.Query{Limit: 10_000})); n != 40 {
			t.Errorf("%d messages kept, want 40", n)
		}
	})
}

// A retransmission of a registered device has its answer, however much strangers
// asked meanwhile; so has one of a REGISTER that made its sender known.
func TestStrangersDoNotPushOutAnswersToDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, g := guarded(t)
		r.packets(65536)
		p := r.peer(camera)
		ask := func(message string) string {
			p.send(message)
			return p.answer()
		}
		first, second, beat := register("1", ""), register("2", "Authorization: Digest x=y\r\n"), post("3", keepaliveBody)
		answers := map[string]string{first: ask(first), second: ask(second)}
		g.known.Store(true)
		answers[beat] = ask(beat)
		if got := ask(first); got != answers[first] {
			t.Errorf("the challenge again is\n%s\nat first\n%s", got, answers[first])
		}
		before := len(r.direct.calls())
		g.known.Store(false)
		const strange = 5000 // five times as many as there are places
		for i := range strange {
			ask(register(fmt.Sprint("s", i), ""))
		}
		g.known.Store(true)
		for _, message := range []string{second, beat} {
			if got := ask(message); got != answers[message] {
				t.Errorf("a repeat is answered\n%s\nat first\n%s", got, answers[message])
			}
		}
		if n := len(r.direct.calls()) - before; n != strange {
			t.Errorf("%d effects, want %d", n, strange)
		}
	})
}
