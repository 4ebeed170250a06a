package sip

import (
	gosip "github.com/emiago/sipgo/sip"

	"fengsui/internal/reuse"
)

// memory is what an endpoint uses again. The library's own messages and
// transactions are not among it: its timers may read them after their end.
type memory struct {
	requests *reuse.Pool[Request, *Request] // handed to handlers
	legs     *reuse.Pool[leg, *leg]         // of single requests of ours
	buffers  *reuse.Buffers                 // messages printed for those who answer directly
}

// The most that one free item holds, bytes: what is in it is let go.
const (
	requestBytes = 512
	legBytes     = 256
	ticketBytes  = 256
	laneBytes    = 1 << 10
)

func newMemory(k *reuse.Keeper) memory {
	return memory{
		requests: reuse.NewPool(k, reuse.Spec{Name: "sip_request", Level: reuse.Requests, Bytes: requestBytes, Share: 1.0 / 512},
			func() *Request { return new(Request) }, (*Request).clear),
		legs: reuse.NewPool(k, reuse.Spec{Name: "sip_outgoing", Level: reuse.Requests, Bytes: legBytes, Share: 1.0 / 512},
			func() *leg { return new(leg) }, (*leg).clear),
		buffers: reuse.NewBuffers(k, "sip"),
	}
}

// clear lets go of the message.
func (r *Request) clear() { *r = Request{} }

func (l *leg) clear() {
	l.callID, l.tag, l.toTag, l.cseq = "", "", "", 0
	l.to, l.target = party{}, nil
}

// print writes a message as it was received, but for what the library mends.
func (e *Endpoint) print(msg *gosip.Request) *reuse.Buffer {
	p := printer{e.buffers, e.buffers.Get(0)}
	msg.StringWrite(&p)
	return p.to
}

// printer is an io.StringWriter.
type printer struct {
	buffers *reuse.Buffers
	to      *reuse.Buffer
}

func (p *printer) WriteString(s string) (int, error) {
	p.to = p.buffers.AppendString(p.to, s)
	return len(s), nil
}
