package sip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	gosip "github.com/emiago/sipgo/sip"

	"fengsui/sip/flow"
)

// Dialog is an INVITE dialog, of an INVITE that we sent or, from
// [Endpoint.Accept], of one that came. It is a lease: who holds it calls Bye, or
// sees Done closed.
type Dialog struct {
	// Set by newDialog, never changed after.
	e    *Endpoint
	peer Peer // but see flow
	leg  *leg
	done chan struct{}

	received *received // nil: we sent the INVITE

	mu        sync.Mutex // guards all below
	flow      flow.Flow
	inviteSeq uint32
	auth      gosip.Header // of the INVITE, for its ACK
	answer    *gosip.Response
	source    netip.Addr
	acked     bool
	leaving   bool // our BYE is on its way
	ended     bool
	cause     error
}

func newDialog(e *Endpoint, p Peer, l *leg) *Dialog {
	return &Dialog{e: e, peer: p, leg: l, done: make(chan struct{}), flow: p.Flow}
}

// CallID is the dialog's Call-ID.
func (d *Dialog) CallID() string { return d.leg.callID }

// SDP is the body of the peer's 2xx.
func (d *Dialog) SDP() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.answer == nil {
		return nil
	}
	return d.answer.Body()
}

// Source is the address the peer's 2xx came from.
func (d *Dialog) Source() netip.Addr {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.source
}

// Done is closed when the dialog has ended: by the peer's BYE, the loss of its
// connection, our own Bye, or the end of the endpoint.
func (d *Dialog) Done() <-chan struct{} { return d.done }

// Err is nil until Done is closed and after our own Bye; else [ErrPeerBye],
// [ErrUnreachable] or [ErrClosed].
func (d *Dialog) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cause
}

// Move sends what follows another way: the peer was heard from a new address.
func (d *Dialog) Move(f flow.Flow) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flow = f
}

// Ack acknowledges the 2xx; every repeat of it is acknowledged again from then
// on. It goes the way the INVITE went, its Request-URI is the peer's Contact.
func (d *Dialog) Ack(context.Context) error {
	d.mu.Lock()
	answer, gone := d.answer, d.ended
	if !gone {
		d.acked = true
	}
	d.mu.Unlock()
	if gone {
		return fmt.Errorf("ACK to %s: %w", d.peer.User, ErrEnded)
	}
	if err := d.sendAck(answer.To()); err != nil {
		return fmt.Errorf("ACK to %s: %w", d.peer.User, err)
	}
	return nil
}

// Bye ends the dialog and waits for the answer; any answer is an end. The
// dialog is over even when Bye reports an error, and when ctx ends the BYE is
// still repeated until it is answered or 32 s are over: a lost one would leave
// the peer sending. Later calls do nothing. An unacknowledged 2xx is acknowledged
// first, as RFC 3261 15 demands.
func (d *Dialog) Bye(ctx context.Context) error {
	d.mu.Lock()
	if d.ended || d.leaving {
		d.mu.Unlock()
		return nil
	}
	d.leaving = true
	acked := d.acked
	d.mu.Unlock()
	defer d.end(nil)
	var ackErr error
	if !acked && d.received == nil {
		ackErr = d.Ack(ctx)
	}
	answered := make(chan error, 1)
	p := d.to()
	if !d.e.inBackground(func() {
		if d.received != nil { // RFC 3261 15: not before its ACK
			select {
			case <-d.received.settled:
			case <-d.e.done:
			}
		}
		_, err := d.e.do(context.WithoutCancel(ctx), p, d.leg, Outgoing{Method: "BYE"})
		answered <- err
	}) {
		return errors.Join(ErrClosed, ackErr)
	}
	var err error
	select {
	case err = <-answered:
	case <-ctx.Done():
		err = fmt.Errorf("BYE to %s: %w", d.peer.User, ended(ctx))
	}
	if err != nil {
		return errors.Join(err, ackErr)
	}
	return nil
}

// ByeAgain sends another BYE of a dialog that is over, because its peer goes on
// as if it were not, and waits for the answer. Of a live dialog it is Bye.
func (d *Dialog) ByeAgain(ctx context.Context) error {
	d.mu.Lock()
	over := d.ended
	d.mu.Unlock()
	if !over {
		return d.Bye(ctx)
	}
	_, err := d.e.do(ctx, d.to(), d.leg, Outgoing{Method: "BYE"})
	return err
}

// Info sends INFO in the dialog and returns the answer. A 481 ends the dialog.
func (d *Dialog) Info(ctx context.Context, contentType string, body []byte) (*Response, error) {
	return d.Do(ctx, Outgoing{Method: "INFO", ContentType: contentType, Body: body})
}

// Do sends any request but INVITE, ACK, BYE and CANCEL in the dialog. A 481
// ends the dialog.
func (d *Dialog) Do(ctx context.Context, o Outgoing) (*Response, error) {
	d.mu.Lock()
	over := d.ended || d.leaving
	d.mu.Unlock()
	if over {
		return nil, fmt.Errorf("%s to %s: %w", o.Method, d.peer.User, ErrEnded)
	}
	res, err := d.e.do(ctx, d.to(), d.leg, o)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == 481 {
		d.end(&Rejected{Status: res.StatusCode, Reason: res.Reason})
	}
	return newResponse(res), nil
}

// to is the peer by its present flow.
func (d *Dialog) to() Peer {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.peer
	p.Flow = d.flow
	return p
}

func (d *Dialog) inviting(seq uint32, auth gosip.Header) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inviteSeq, d.auth = seq, auth
}

// establish takes the 2xx. It fails when the dialog has ended before it came.
func (d *Dialog) establish(res *gosip.Response) error {
	d.leg.learn(res)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = res
	if ap, err := netip.ParseAddrPort(res.Source()); err == nil {
		d.source = ap.Addr().Unmap()
	}
	if d.ended {
		return d.cause
	}
	return nil
}

// sendAck acknowledges a 2xx that had the To header.
func (d *Dialog) sendAck(to *gosip.ToHeader) error {
	d.mu.Lock()
	seq, auth := d.inviteSeq, d.auth
	d.mu.Unlock()
	p := d.to()
	if err := d.e.reach(p.Flow); err != nil {
		return err
	}
	req := d.e.request(p, d.leg, "ACK", seq)
	if to != nil { // a peer that makes a new tag for each repeat wants each back
		if tag, ok := to.Params.Get("tag"); ok {
			req.To().Params.Add("tag", tag)
		}
	}
	fill(req, nil, "", nil, auth)
	d.e.vouch(context.Background(), p, req)
	return d.e.write(req)
}

// end closes the dialog once and takes it out of the table.
func (d *Dialog) end(cause error) {
	d.mu.Lock()
	first := !d.ended
	if first {
		d.ended, d.cause = true, cause
	}
	d.mu.Unlock()
	if !first {
		return
	}
	d.e.mu.Lock()
	delete(d.e.dialogs, d.leg.callID)
	d.e.mu.Unlock()
	close(d.done)
}

// keep puts a dialog into the table, from its INVITE on.
func (e *Endpoint) keep(d *Dialog) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dialogs[d.leg.callID] = d
}

func (e *Endpoint) dialog(callID string) *Dialog {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dialogs[callID]
}

// peerBye ends a dialog of ours, or asks the handler of BYE about one that is
// not. A peer that leaves out our tag is believed by the Call-ID.
func (e *Endpoint) peerBye(r *Request) (*gosip.Response, func()) {
	d := e.dialog(r.CallID)
	if d != nil && (r.ToTag == "" || r.ToTag == d.leg.tag) {
		d.end(ErrPeerBye)
		return e.response(r.msg, Response{Status: 200}), nil
	}
	if h := e.handlers["BYE"]; h != nil {
		a, after := h(r)
		return e.response(r.msg, a), after
	}
	return e.response(r.msg, Response{Status: 481}), nil
}

// onStray gets the responses that match no transaction. Repeats of a 2xx are
// among them: their ACK was lost.
func (e *Endpoint) onStray(res *gosip.Response) {
	e.m.stray.Inc()
	cseq, callID := res.CSeq(), res.CallID()
	if cseq == nil || callID == nil || cseq.MethodName != gosip.INVITE || !res.IsSuccess() {
		return
	}
	d := e.dialog(callID.Value())
	if d == nil {
		return
	}
	d.mu.Lock()
	again := d.acked && !d.ended && cseq.SeqNo == d.inviteSeq
	d.mu.Unlock()
	if !again {
		return // not acknowledged yet: Ack will
	}
	if err := d.sendAck(res.To()); err != nil {
		e.log.Debug().Err(err).Str("call_id", d.CallID()).Msg("repeated ack not sent")
	}
}
