package sip

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"fengsui/sip/flow"
)

// received is what a [Dialog] has more whose INVITE came from the peer.
type received struct {
	acked   chan struct{} // closed by the ACK
	settled chan struct{} // closed by the ACK, or when none came in time
	once    sync.Once     // of acked
	over    sync.Once     // of settled
}

func (r *received) ack() {
	r.once.Do(func() { close(r.acked) })
	r.settle()
}

func (r *received) settle() { r.over.Do(func() { close(r.settled) }) }

// Accept answers an INVITE with 200 and an SDP, from within its handler, which
// returns the response. The dialog's Done and Bye are as of one that we began;
// its Acked is closed by the peer's ACK, until which the answer is repeated over
// UDP. Without one for 64*T1 the dialog ends by BYE, with [ErrTimeout]. secret is
// the password for a peer that challenges our BYE; nil or an empty one answers
// none. It reports [ErrDialog] for a Call-ID that has a dialog.
func (e *Endpoint) Accept(r *Request, secret func() string, sdp []byte) (Response, *Dialog, error) {
	p := Peer{User: r.FromUser, Flow: r.Flow, Secret: secret}
	l := &leg{callID: r.CallID, tag: rand.Text()[:tagSize], toTag: r.FromTag,
		to: party{user: r.FromUser, host: r.Flow.Remote.Addr().WithZone("").String(), port: int(r.Flow.Remote.Port())}}
	if r.msg != nil {
		if from := r.msg.From(); from != nil && from.Address.Host != "" {
			l.to.host, l.to.port = from.Address.Host, from.Address.Port
		}
		if c := r.msg.Contact(); c != nil && c.Address.Host != "" && !c.Address.Wildcard {
			l.target = c.Address.Clone()
		}
	}
	d := newDialog(e, p, l)
	d.received = &received{acked: make(chan struct{}), settled: make(chan struct{})}
	d.source = r.Flow.Remote.Addr().Unmap()
	e.mu.Lock()
	if e.dialogs[r.CallID] != nil {
		e.mu.Unlock()
		return Response{}, nil, fmt.Errorf("INVITE of %s: %w: %s", r.FromUser, ErrDialog, r.CallID)
	}
	e.dialogs[r.CallID] = d
	e.mu.Unlock()
	r.accepted = d
	return Response{Status: 200, ContentType: "application/sdp", Body: sdp, dialog: d}, d, nil
}

// Acked is closed when the peer has acknowledged our 200; nil of a dialog whose
// INVITE we sent.
func (d *Dialog) Acked() <-chan struct{} {
	if d.received == nil {
		return nil
	}
	return d.received.acked
}

// peerAck takes an ACK, that of a failure answer too, which has no dialog.
func (e *Endpoint) peerAck(r *Request) {
	d := e.dialog(r.CallID)
	if d != nil && d.received != nil && (r.ToTag == "" || r.ToTag == d.leg.tag) {
		d.received.ack()
	}
}

// repeatUntilAcked sends a 200 over UDP again until its ACK (RFC 3261 13.3.1.4).
func (e *Endpoint) repeatUntilAcked(d *Dialog, tx gosip.ServerTransaction, answer *gosip.Response) {
	limit := time.NewTimer(64 * e.cfg.TimerT1)
	defer limit.Stop()
	interval := e.cfg.TimerT1
	repeat := time.NewTimer(interval)
	defer repeat.Stop()
	again := repeat.C
	if d.peer.Flow.Transport != flow.UDP {
		again = nil
	}
	for {
		select {
		case <-d.received.settled:
			return
		case <-d.done:
			return
		case <-tx.Acks(): // under the branch of the INVITE, as some write it
			d.received.ack()
			return
		case <-again:
			if err := tx.Respond(answer); err != nil {
				e.log.Debug().Err(err).Str("call_id", d.CallID()).Msg("repeated answer not sent")
			}
			interval = min(2*interval, 4*time.Second)
			repeat.Reset(interval)
		case <-limit.C:
			d.received.settle()
			d.end(fmt.Errorf("%w: no ACK in %v", ErrTimeout, 64*e.cfg.TimerT1))
			if _, err := e.do(context.Background(), d.to(), d.leg, Outgoing{Method: "BYE"}); err != nil {
				e.log.Debug().Err(err).Str("call_id", d.CallID()).Msg("bye without ack failed")
			}
			return
		case <-e.done:
			return
		}
	}
}
