package talk

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"fengsui/gb28181/gbsdp"
	"fengsui/gb28181/play"
	"fengsui/media/rtp"
	"fengsui/sip"
)

// invite calls the device with s=Talk.
func (s *session) invite(n int) (_ *line, err error) {
	transport := s.req.Transport
	if transport == "" {
		transport = s.set.Transport
	}
	if transport == "" {
		transport = play.UDP
	}
	l := &line{s: s, transport: transport}
	if l.sender, err = s.open(transport, 0); err != nil {
		return nil, err
	}
	defer func() {
		switch {
		case err == nil:
		case l.dialog != nil:
			err = errors.Join(err, l.close())
		default:
			l.sender.Close()
		}
	}()
	ssrc := rtp.FormatSSRC(l.sender.SSRC())
	offer := gbsdp.Sound{Owner: s.b.cfg.ID, Session: gbsdp.Talk, Address: s.host(s.way), Port: l.sender.Port(), Direction: gbsdp.SendRecv,
		TCP: transport != play.UDP, Setup: roles[transport], Payloads: []uint8{8, 0}, SSRC: ssrc}.Append(nil)
	err = s.stage(n, StageOffer, func() (string, error) {
		l.dialog, err = s.call(ssrc, offer)
		return string(offer), err
	})
	if err != nil {
		return nil, err
	}
	err = s.stage(n, StageAnswer, func() (string, error) {
		err := l.agree()
		if ack := l.dialog.Ack(s.ctx); err == nil && ack != nil {
			err = fmt.Errorf("%w: %w", ErrAnswer, ack)
		}
		return string(l.dialog.SDP()), err
	})
	if err != nil {
		return nil, err
	}
	return l, s.connect(n, l)
}

// roles are what we write of ourselves into an offer over TCP.
var roles = map[string]string{play.TCPPassive: gbsdp.Passive, play.TCPActive: gbsdp.Active}

// call sends the INVITE and turns the outcome into one of this package's causes.
func (s *session) call(ssrc string, offer []byte) (Dialog, error) {
	ctx, cancel := context.WithTimeoutCause(s.ctx, s.b.cfg.AnswerTimeout, ErrNoAnswer)
	defer cancel()
	d, err := s.b.caller.Invite(ctx, sip.Peer{User: string(s.target), Flow: s.way, Secret: s.secret()}, sip.Invite{
		Subject: gbsdp.Subject{Sender: string(s.target), SenderSeq: ssrc, Receiver: string(s.b.cfg.ID), ReceiverSeq: "0"}.String(),
		SDP:     offer,
	})
	var no *sip.Rejected
	switch {
	case err == nil:
		return d, nil
	case errors.As(err, &no):
		return nil, fmt.Errorf("%w: %d %s", ErrRejected, no.Status, no.Reason)
	case errors.Is(err, ErrNoAnswer), errors.Is(err, sip.ErrTimeout):
		return nil, fmt.Errorf("%w within %v", ErrNoAnswer, s.b.cfg.AnswerTimeout)
	}
	return nil, err
}

// agree takes the device's answer.
func (l *line) agree() error {
	d, err := gbsdp.Parse(l.dialog.SDP())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	m, ok := d.Sound()
	switch {
	case !ok:
		return fmt.Errorf("%w: it has no m=audio line", ErrAnswer)
	case m.Port == 0:
		return fmt.Errorf("%w: its media port is 0, which refuses the talk", ErrAnswer)
	case !l.choose(&m) || l.packing == gbsdp.PS:
		return fmt.Errorf("%w: payload types %v hold neither PCMA nor PCMU", ErrAnswer, m.Payloads)
	}
	source := l.dialog.Source()
	if !source.IsValid() {
		source = netip.IPv4Unspecified()
	}
	l.aim(d.Remote(&m), m.Port, source)
	return nil
}
