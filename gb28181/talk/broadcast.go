package talk

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/gbsdp"
	"fengsui/gb28181/play"
	"fengsui/media"
	"fengsui/media/engine"
	"fengsui/media/rtp"
	"fengsui/sip"
	"fengsui/sip/flow"
)

// incoming is what the INVITE of a device came to: a line that waits for its ACK,
// or why there is none.
type incoming struct {
	line  *line
	offer string
	answ  string
	err   error
}

// broadcast tells the device of the sound, and waits for its call.
func (s *session) broadcast(n int) (*line, error) {
	s.asked = time.Now()
	s.b.await(s)
	in, err := s.awaitInvite(n)
	if !s.b.leave(s) && in == nil { // the INVITE came as we gave up
		late := <-s.invites
		in = &late
	}
	if err == nil {
		err = in.err
	}
	if err != nil {
		if in != nil && in.line != nil {
			err = errors.Join(err, in.line.close())
		}
		return nil, err
	}
	if err := s.settle(n, in.line); err != nil {
		return nil, errors.Join(err, in.line.close())
	}
	return in.line, nil
}

// awaitInvite goes through the stages up to our answer. The INVITE may come before
// the device's word, or without it.
func (s *session) awaitInvite(n int) (in *incoming, err error) {
	telling, told := context.WithCancel(s.ctx)
	defer told()
	answered := make(chan error, 1)
	go func() {
		answered <- s.b.announce.Broadcast(telling, s.req.Device, s.b.cfg.ID, s.target)
	}()
	err = s.stage(n, StageNotice, func() (string, error) {
		select {
		case err := <-answered:
			return "", notice(err)
		case got := <-s.invites:
			in = &got
			return "the device invited before it answered", nil
		case <-s.ctx.Done():
			return "", context.Cause(s.ctx)
		}
	})
	if err != nil {
		return in, err
	}
	err = s.stage(n, StageInvite, func() (string, error) {
		if in == nil {
			late := time.NewTimer(s.b.cfg.InviteTimeout)
			defer late.Stop()
			select {
			case got := <-s.invites:
				in = &got
			case <-late.C:
				return "", fmt.Errorf("%w within %v", ErrNoInvite, s.b.cfg.InviteTimeout)
			case <-s.ctx.Done():
				return "", context.Cause(s.ctx)
			}
		}
		return in.offer, in.err
	})
	if err != nil {
		return in, err
	}
	return in, s.stage(n, StageAnswer, func() (string, error) { return in.answ, nil })
}

// notice turns what became of the announcement into one of this package's causes.
func notice(err error) error {
	switch {
	case errors.Is(err, gb28181.ErrRefused):
		return fmt.Errorf("%w: %w", ErrDeclined, err)
	case errors.Is(err, gb28181.ErrTimeout), errors.Is(err, sip.ErrTimeout):
		return fmt.Errorf("%w: %w", ErrMute, err)
	}
	return err
}

// invited answers the INVITE of the session's device; the outcome goes to the
// session's goroutine, which waits for it.
func (s *session) invited(r *sip.Request) sip.Response {
	in := incoming{offer: string(r.Body)}
	res, err := s.accept(r, &in)
	if err != nil {
		in.err = err
		res = sip.Response{Status: 488}
		why := "offer"
		if errors.Is(err, ErrNoPort) {
			res.Status, why = 503, "port"
		}
		s.b.metrics.strange.WithLabelValues(why).Inc()
	}
	s.invites <- in
	return res
}

// accept reads the device's offer, opens what it asks for and answers.
func (s *session) accept(r *sip.Request, in *incoming) (sip.Response, error) {
	d, err := gbsdp.Parse(r.Body)
	if err != nil {
		return sip.Response{}, fmt.Errorf("%w: %w", ErrOffer, err)
	}
	m, ok := d.Sound()
	if !ok {
		return sip.Response{}, fmt.Errorf("%w: it has no m=audio line", ErrOffer)
	}
	l := &line{s: s, transport: play.UDP}
	if !l.choose(&m) {
		return sip.Response{}, fmt.Errorf("%w: payload types %v hold neither PCMA nor PCMU nor PS", ErrOffer, m.Payloads)
	}
	setup := ""
	if m.TCP {
		l.transport, setup = play.TCPActive, gbsdp.Active // it listens
		if m.Role("") == gbsdp.Active {
			l.transport, setup = play.TCPPassive, gbsdp.Passive
		}
	}
	ssrc, _ := d.SSRCValue()
	if l.sender, err = s.open(l.transport, ssrc); err != nil {
		return sip.Response{}, err
	}
	l.aim(d.Remote(&m), m.Port, r.Flow.Remote.Addr())
	answer := gbsdp.Sound{Owner: s.b.cfg.ID, Session: gbsdp.Play, Address: s.host(r.Flow), Port: l.sender.Port(), TCP: m.TCP, Setup: setup,
		Direction: gbsdp.SendOnly, Payloads: []uint8{l.payload}, SSRC: rtp.FormatSSRC(l.sender.SSRC())}.Append(nil)
	res, dialog, err := s.b.caller.Accept(r, s.secret(), answer)
	if err != nil {
		l.sender.Close()
		return sip.Response{}, fmt.Errorf("%w: %w", ErrOffer, err)
	}
	l.dialog, in.line, in.answ = dialog, l, string(answer)
	return res, nil
}

// choose picks what to speak in.
func (l *line) choose(m *gbsdp.Media) bool {
	var ok bool
	l.payload, l.packing, ok = m.Speech()
	l.law = media.PCMA
	if l.packing == gbsdp.PCMU {
		l.law = media.PCMU
	}
	l.packets = newPackets(l.packing, l.law, l.payload)
	return ok
}

// aim says where the sound goes: to the announced address, or by the address that
// the signalling comes from where that one cannot be reached from outside of the
// device's network (media.md section 1.7).
func (l *line) aim(announced netip.AddrPort, port int, source netip.Addr) {
	source = source.Unmap()
	if !announced.IsValid() || announced.Addr().IsPrivate() && !source.IsPrivate() && !source.IsLoopback() {
		if announced = netip.AddrPortFrom(source, uint16(port)); l.transport == play.UDP {
			l.warning = behindNAT
		}
	}
	l.sender.Aim(announced)
}

// settle waits for what has to come before the first sound.
func (s *session) settle(n int, l *line) error {
	if s.set.Begin != BeginAfterOK {
		if err := s.stage(n, StageACK, func() (string, error) { return s.awaitACK(l) }); err != nil {
			return err
		}
	}
	return s.connect(n, l)
}

// awaitACK waits for the device's ACK. Some devices want the sound before it, and
// some send none until they have it: after half a second it is sent all the same,
// unless the device's setting says otherwise.
func (s *session) awaitACK(l *line) (string, error) {
	limit := ackGrace
	if s.set.Begin == BeginAfterACK {
		limit = s.b.cfg.AnswerTimeout
	}
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-l.dialog.Acked():
		return "", nil
	case <-l.dialog.Done():
		return "", fmt.Errorf("%w: it ended the call: %w", ErrDeclined, l.dialog.Err())
	case <-s.ctx.Done():
		return "", context.Cause(s.ctx)
	case <-late.C:
		if s.set.Begin == BeginAfterACK {
			return "", fmt.Errorf("%w within %v", ErrNoACK, limit)
		}
		return fmt.Sprintf("none within %v: the sound begins all the same", limit), nil
	}
}

// connect makes or awaits the media connection.
func (s *session) connect(n int, l *line) error {
	if l.transport == play.UDP {
		return nil
	}
	return s.stage(n, StageConnect, func() (string, error) {
		ctx, cancel := context.WithTimeout(s.ctx, s.b.cfg.MediaTimeout)
		defer cancel()
		if err := l.sender.Connect(ctx); err != nil {
			return l.transport, fmt.Errorf("%w: %w", ErrConnect, err)
		}
		return l.transport + ", " + l.sender.Stats().Remote.String(), nil
	})
}

// open leases what the sound is sent from.
func (s *session) open(transport string, ssrc uint32) (*rtp.Sender, error) {
	sender, err := s.b.sound.Send(engine.Speak{
		Transport: transport, SSRC: ssrc, From: s.way.Remote.Addr(), Owner: "talk:" + s.id,
		Living: func() bool { return s.b.find(s.id) != nil }, End: func() { s.end(byMedia, "nobody owned it any more") },
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPort, err)
	}
	return sender, nil
}

// host is our media address as a device should see it.
func (s *session) host(way flow.Flow) netip.Addr {
	if a, err := netip.ParseAddr(s.b.cfg.Advertise); err == nil {
		return a
	}
	host, _ := s.b.caller.Advertised(way)
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap()
	}
	return way.Local.Addr()
}

func (s *session) secret() func() string {
	if s.set.Password == "" {
		return nil
	}
	return func() string { return s.set.Password }
}
