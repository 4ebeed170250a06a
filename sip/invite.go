package sip

import (
	"context"
	"fmt"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"fengsui/sip/intake"
)

// Invite is an INVITE to send.
type Invite struct {
	Subject string
	SDP     []byte
	Headers []intake.Header
	// Provisional, if not nil, is told of each 1xx while Invite waits.
	Provisional func(status int, reason string)
}

// Invite sends an INVITE and waits for its final answer. A nil error means 2xx:
// the caller makes ready for media and then calls [Dialog.Ack], or [Dialog.Bye]
// to end it; until then the peer repeats its answer. Another answer is a
// [*Rejected].
//
// When ctx ends Invite returns at once, and what is left is done in the
// background: CANCEL, but only after a provisional answer, and for a 2xx that
// crosses it ACK and BYE. [Counts] shows it until then.
func (e *Endpoint) Invite(ctx context.Context, p Peer, i Invite) (*Dialog, error) {
	d, err := e.invite(ctx, p, i)
	if err != nil {
		return nil, fmt.Errorf("INVITE to %s: %w", p.User, err)
	}
	return d, nil
}

func (e *Endpoint) invite(ctx context.Context, p Peer, i Invite) (*Dialog, error) {
	if err := e.open(ctx); err != nil {
		return nil, err
	}
	l, err := e.newLeg(p)
	if err != nil {
		return nil, err
	}
	d := newDialog(e, p, l)
	e.keep(d)
	var auth gosip.Header
	for challenges := 0; ; challenges++ {
		seq := l.next()
		d.inviting(seq, auth)
		req := e.request(p, l, "INVITE", seq)
		req.AppendHeader(gosip.NewHeader("Allow", inviteAllow))
		if i.Subject != "" {
			req.AppendHeader(gosip.NewHeader("Subject", i.Subject))
		}
		fill(req, i.Headers, "application/sdp", i.SDP, auth)
		e.vouch(ctx, p, req)
		res, err := e.inviteOnce(ctx, d, req, i.Provisional)
		switch {
		case err != nil:
			return nil, err
		case res.IsSuccess():
			if err := d.establish(res); err != nil { // its BYE came first
				_ = d.sendAck(res.To())
				return nil, err
			}
			return d, nil
		}
		if challenges < maxChallenges {
			if auth = e.authorize(p, req, res); auth != nil {
				continue
			}
		}
		rejected := &Rejected{Status: res.StatusCode, Reason: res.Reason}
		d.end(rejected)
		return nil, rejected
	}
}

// inviteAllow is what GB/T 28181 wants listed (2022, 8.3 note; RFC 3261 13.2.1).
const inviteAllow = "INVITE, ACK, INFO, CANCEL, BYE, OPTIONS, MESSAGE, SUBSCRIBE, NOTIFY"

// inviteOnce sends one INVITE transaction and waits for its final answer. On
// error the dialog has ended, or ends in the background.
func (e *Endpoint) inviteOnce(ctx context.Context, d *Dialog, req *gosip.Request, provisional func(int, string)) (res *gosip.Response, err error) {
	start := time.Now()
	defer func() { e.observe("INVITE", start, res, err) }()
	if err = e.reach(d.peer.Flow); err != nil {
		d.end(err)
		return nil, err
	}
	// ctx must not end the transaction: CANCEL comes first.
	tx, err := e.transact(context.WithoutCancel(ctx), req)
	if err != nil {
		d.end(err)
		return nil, err
	}
	limit := time.NewTimer(e.cfg.InviteTimeout)
	defer limit.Stop()
	early := false
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				if res.IsSuccess() {
					// Repeats come to onStray from here on. The transaction
					// would hold them for 32 s. After another answer it stays,
					// to repeat its ACK.
					tx.Terminate()
				}
				return res, nil
			}
			early = true
			if provisional != nil {
				provisional(res.StatusCode, res.Reason)
			}
		case <-tx.Done():
			err := explain(tx.Err())
			d.end(err)
			return nil, err
		case <-ctx.Done():
			err := ended(ctx)
			e.abandon(context.WithoutCancel(ctx), d, tx, req, early)
			return nil, err
		case <-limit.C:
			e.abandon(context.WithoutCancel(ctx), d, tx, req, early)
			return nil, fmt.Errorf("%w: no final answer in %v", ErrTimeout, e.cfg.InviteTimeout)
		}
	}
}

// abandon takes over an INVITE nobody waits for any more. Each step of it has
// an end of its own, so ctx has none.
func (e *Endpoint) abandon(ctx context.Context, d *Dialog, tx *gosip.ClientTx, req *gosip.Request, early bool) {
	e.inBackground(func() {
		defer d.end(context.Canceled)
		var patience <-chan time.Time // runs from CANCEL on
		cancel := func() {
			t := time.NewTimer(64 * e.cfg.TimerT1)
			patience = t.C
			e.inBackground(func() { e.cancel(ctx, d.peer, req) })
		}
		if early {
			cancel()
		}
		for {
			select {
			case res := <-tx.Responses():
				switch {
				case res.IsProvisional():
					if patience == nil {
						cancel()
					}
				case res.IsSuccess(): // it crossed the CANCEL
					tx.Terminate()
					if d.establish(res) != nil {
						_ = d.sendAck(res.To())
						return
					}
					if err := d.Bye(ctx); err != nil {
						e.log.Debug().Err(err).Str("call_id", d.CallID()).Msg("bye after a late answer failed")
					}
					return
				default: // the transaction stays, to repeat its ACK
					return
				}
			case <-patience:
				tx.Terminate()
				return
			case <-tx.Done():
				return
			}
		}
	})
}

// cancel sends CANCEL for an INVITE; its answer means nothing.
func (e *Endpoint) cancel(ctx context.Context, p Peer, invite *gosip.Request) {
	req := gosip.NewRequest(gosip.CANCEL, invite.Recipient)
	forwards := gosip.MaxForwardsHeader(70)
	for _, h := range []gosip.Header{invite.Via().Clone(), gosip.HeaderClone(invite.From()), gosip.HeaderClone(invite.To()),
		gosip.HeaderClone(invite.CallID()), &gosip.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: gosip.CANCEL}, &forwards} {
		req.AppendHeader(h)
	}
	if e.cfg.UserAgent != "" {
		req.AppendHeader(gosip.NewHeader("User-Agent", e.cfg.UserAgent))
	}
	req.SetBody(nil)
	e.vouch(ctx, p, req)
	req.SetTransport(invite.Transport())
	req.SetDestination(invite.Destination())
	req.Laddr = invite.Laddr
	if _, err := e.roundTrip(ctx, p, req); err != nil {
		e.log.Debug().Err(err).Str("device", p.User).Msg("cancel failed")
	}
}

// inBackground runs f, and Run waits for it. It reports false when the endpoint
// is closing, which has ended all transactions.
func (e *Endpoint) inBackground(f func()) bool {
	e.gate.RLock()
	defer e.gate.RUnlock()
	if e.closed {
		return false
	}
	e.background.Go(f)
	return true
}
