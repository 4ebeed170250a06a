package intake

import (
	"net/netip"
	"time"

	"fengsui/sip/flow"
	"fengsui/sip/trace"
)

// Guard decides who is heard; package guard has it. Calls must not block and
// may come from several goroutines at once.
type Guard interface {
	// Admit is asked before a message is parsed, Connect before a connection is
	// taken. What they refuse gets no answer. known is whether devices are
	// registered from the address: requests of others never reach sipgo.
	Admit(from netip.Addr, now time.Time) (ok, known bool)
	Connect(from netip.Addr, now time.Time) bool
	// Screen judges by the user of From and the User-Agent: 0 lets a message
	// pass, -1 drops it, anything else is the status of its answer.
	Screen(user, agent []byte) (status int)
	// Wrote is told where a request was sent by UDP, and Expects reports whether
	// one was of late. Answers from elsewhere do not reach sipgo.
	Wrote(to netip.AddrPort, now time.Time)
	Expects(from netip.AddrPort, now time.Time) bool
	// Wasted is told of garbage; proven is false where the source may be forged.
	Wasted(from netip.Addr, proven bool, now time.Time)
	// Refused is told of each message that was answered or dropped for want of a
	// registration.
	Refused()
}

// Use sets the guard, before serving. Without one everybody is heard.
func (in *Intake) Use(g Guard) { in.guard = g }

// Wrote is to be told where sipgo sends a request by UDP.
func (in *Intake) Wrote(to netip.AddrPort) {
	if in.guard != nil {
		in.guard.Wrote(to, time.Now())
	}
}

// admit reports whether a message is to be looked at. In a storm most datagrams
// of strangers are not; what comes over a connection is never repeated, so it is
// answered.
func (in *Intake) admit(w *work, f flow.Flow, now time.Time) (ok bool) {
	if in.guard == nil {
		w.known = true
		return true
	}
	ok, w.known = in.guard.Admit(f.Remote.Addr(), now)
	if !ok || f.Stream() || !in.crowded(w, now) || in.storm.spares(now) {
		return ok
	}
	in.metrics.stormDropped.Inc()
	return false
}

// connect reports whether a connection is to be taken.
func (in *Intake) connect(from netip.Addr) bool {
	return in.guard == nil || in.guard.Connect(from, time.Now())
}

func (in *Intake) wasted(f flow.Flow, now time.Time) {
	if in.guard != nil {
		in.guard.Wasted(f.Remote.Addr(), f.Stream(), now)
	}
}

// screen ends what a stranger sends: a REGISTER by the registrar, a keepalive by
// the refusal that makes its sender register, all else by a refusal. So sipgo,
// which keeps something of each source for ever, hears of registered ones only.
// It reports whether the message is dealt with.
func (in *Intake) screen(w *work, raw []byte, f flow.Flow, now time.Time, seq uint64, key answerKey, back sender) (done bool) {
	if in.guard == nil {
		return false
	}
	h := &w.head
	if h.response {
		if w.known || f.Stream() || in.guard.Expects(f.Remote, now) {
			return false
		}
		in.guard.Refused()
		return true
	}
	switch status := in.guard.Screen(h.sender.User, h.agent()); {
	case status < 0:
		return true
	case status > 0:
		in.turnAway(w, raw, f, now, back, Answer{Status: status})
		return true
	case w.known:
		return false
	}
	switch h.method {
	case "REGISTER", "MESSAGE":
		// With several Vias too, which registered sources send through sipgo: it
		// would answer with the same bytes.
		if in.direct != nil && in.answer(w, raw, f, now, seq, key, back) {
			return true
		}
	case "OPTIONS":
		in.guard.Refused()
		in.turnAway(w, raw, f, now, back, Answer{Status: 200})
		return true
	case "CANCEL", "BYE":
		in.guard.Refused()
		in.turnAway(w, raw, f, now, back, Answer{Status: 481})
		return true
	}
	in.guard.Refused()
	in.turnAway(w, raw, f, now, back, Answer{Status: 403, Reason: "Not registered here"})
	return true
}

// turnAway answers without a transaction: a repeat is answered with the same
// bytes anew. An ACK gets none. Some of it is kept in the trace, so that who is
// refused can be seen and strangers cannot push everything else out of it.
func (in *Intake) turnAway(w *work, raw []byte, f flow.Flow, now time.Time, back sender, a Answer) {
	if !in.compose(w, f, a) {
		return
	}
	if in.shown.take(now) {
		in.ring.Add(now, trace.In, f, raw)
		in.ring.Add(now, trace.Out, f, w.answer)
	}
	back.send(w.answer)
}

// agent is the User-Agent, nil if there is none.
func (h *head) agent() []byte {
	for i := range h.fields {
		if h.fields[i].kind == kUserAgent {
			return h.fields[i].value
		}
	}
	return nil
}
