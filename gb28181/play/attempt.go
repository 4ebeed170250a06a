package play

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/gbsdp"
	"fengsui/media"
	"fengsui/media/engine"
	"fengsui/sip"
	"fengsui/sip/flow"
)

// live is a stream that plays: what must be closed at its end.
type live struct {
	session     *session
	rx          *engine.Receiver
	dialog      Dialog
	transport   string
	answered    string // SSRC of the answer, "" absent
	tracks      []*media.Track
	tape        media.Reader // of Fetch
	byeReceived bool         // the device said BYE: none is owed
}

// attempt goes through the stages once with one transport. On error nothing
// stays open: no port, no SSRC, no dialog.
func (s *session) attempt(n int, transport string) (_ *live, err error) {
	var (
		undo     cleanup
		dev      gb28181.Device
		way      flow.Flow
		rx       *engine.Receiver
		dialog   Dialog
		known    facts
		answered engine.Answered
		tracks   []*media.Track
		tape     media.Reader
	)
	defer func() {
		if err != nil {
			err = &StartError{Request: s.req, Cause: errors.Join(err, undo.close()), Remedy: remedy(err, known)}
		}
	}()
	settings := s.c.cfg.Settings(s.req.Device)
	known.transport, known.attempt = transport, n

	err = s.stage(n, StageDevice, func() (detail string, err error) {
		if dev, err = s.find(); err != nil {
			return "", err
		}
		if way, err = s.c.devices.Flow(s.req.Device); err != nil {
			return "", err
		}
		known.remote = way.String()
		detail = fmt.Sprintf("%s, %s", dev.Presence.State, way)
		if ch, ok := s.c.channels.Channel(s.req.Device, s.req.Channel); ok && !ch.On { // perhaps by old news: worth a try
			known.off = true
			detail += "; by its catalog the channel is off"
		}
		return detail, nil
	})
	if err != nil {
		return nil, err
	}

	err = s.stage(n, StageReceiver, func() (detail string, err error) {
		mode := s.c.cfg.Mode
		if settings.Mode != "" {
			mode = settings.Mode
		}
		rx, err = s.c.engine.Receive(s.ctx, s.want(engine.Want{Key: s.key, Transport: transport, Mode: mode, From: way.Remote.Addr()}))
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrNoReceiver, err)
		}
		undo.add(rx.Close)
		if s.req.tape != nil { // before the first packet: a fast download has its second key frame at once
			if tape, err = rx.Record(); err != nil {
				return "", err
			}
		}
		known.receiver = net(s.mediaHost(way), rx.Port())
		return fmt.Sprintf("%s, %s, ssrc %s", known.receiver, transport, rx.SSRC()), nil
	})
	if err != nil {
		return nil, err
	}

	offer := s.offer(dev, way, rx, transport)
	err = s.stage(n, StageOffer, func() (string, error) {
		dialog, err = s.invite(way, settings, rx.SSRC(), offer)
		return string(offer), err
	})
	if err != nil {
		return nil, err
	}
	s.c.ended.leased(rx.SSRC())
	undo.add(func() error { return s.bye(dialog, rx, answered.SSRC) })

	err = s.stage(n, StageAnswer, func() (detail string, err error) {
		answered, err = readAnswer(dialog.SDP(), dialog.Source())
		if err != nil {
			return string(dialog.SDP()), errors.Join(err, dialog.Ack(s.ctx))
		}
		s.agree(dialog.SDP())
		// The receiver must know the SSRC of the answer before the ACK lets the device send.
		if err := rx.Expect(answered); err != nil {
			return string(dialog.SDP()), errors.Join(fmt.Errorf("%w: %w", ErrBadAnswer, err), dialog.Ack(s.ctx))
		}
		return string(dialog.SDP()), dialog.Ack(s.ctx)
	})
	if err != nil {
		return nil, err
	}

	if transport == TCPActive {
		err = s.stage(n, StageConnect, func() (string, error) {
			ctx, cancel := context.WithTimeout(s.ctx, s.c.cfg.PacketTimeout)
			defer cancel()
			if err := rx.Connect(ctx); err != nil {
				return "", fmt.Errorf("%w: to %v: %w", ErrConnect, answered.Remote, err)
			}
			return answered.Remote.String(), nil
		})
		if err != nil {
			return nil, err
		}
	}

	err = s.stage(n, StagePacket, func() (string, error) {
		p, err := waitFor(s, dialog, rx.WaitPacket)
		if err != nil {
			return "", wrapWait(ErrNoPacket, s.patience(), err)
		}
		return fmt.Sprintf("%d bytes from %v, ssrc %010d, payload type %d", p.Bytes, p.Source, p.SSRC, p.PayloadType), nil
	})
	if err != nil {
		return nil, err
	}

	err = s.stage(n, StageKeyFrame, func() (detail string, err error) {
		if tracks, err = waitFor(s, dialog, rx.WaitKey); err != nil {
			st := rx.Stats()
			return "", wrapWait(fmt.Errorf("%w: %d bytes in %d packets, %d lost", ErrNoKeyFrame, st.Bytes, st.Packets, st.Lost), s.patience(), err)
		}
		return describe(tracks), nil
	})
	if err != nil {
		return nil, err
	}
	return &live{session: s, rx: rx, dialog: dialog, transport: transport, answered: answered.SSRC, tracks: tracks, tape: tape}, nil
}

// invite sends the offer and turns the outcome into one of this package's causes.
func (s *session) invite(way flow.Flow, settings Settings, ssrc string, offer []byte) (Dialog, error) {
	ctx, cancel := context.WithTimeoutCause(s.ctx, s.c.cfg.AnswerTimeout, ErrNoAnswer)
	defer cancel()
	peer := sip.Peer{User: string(s.req.Channel), Device: string(s.req.Device), Flow: way}
	if settings.Password != "" {
		peer.Secret = func() string { return settings.Password }
	}
	d, err := s.c.inviter.Invite(ctx, peer, sip.Invite{
		Subject: gbsdp.Subject{Sender: string(s.req.Channel), SenderSeq: ssrc, Receiver: string(s.c.cfg.ID), ReceiverSeq: "0"}.String(),
		SDP:     offer,
	})
	if err == nil {
		return d, nil
	}
	var rejected *sip.Rejected
	switch {
	case errors.As(err, &rejected) && rejected.Status == 486 && s.req.recorded():
		return nil, s.c.full(s, err)
	case errors.As(err, &rejected) && rejected.Status == 486:
		return nil, fmt.Errorf("%w: %w", ErrBusy, err)
	case errors.As(err, &rejected) && s.req.recorded():
		return nil, fmt.Errorf("%w: %w", ErrNoRecording, err)
	case errors.As(err, &rejected):
		return nil, fmt.Errorf("%w: %w", ErrRejected, err)
	case errors.Is(err, sip.ErrUnreachable):
		return nil, fmt.Errorf("%w: %w", gb28181.ErrOffline, err)
	case s.ctx.Err() != nil:
		return nil, context.Cause(s.ctx)
	}
	return nil, fmt.Errorf("%w within %v: %w", ErrNoAnswer, s.c.cfg.AnswerTimeout, err)
}

// offer is the SDP of media.md section 1.1.
func (s *session) offer(d gb28181.Device, way flow.Flow, rx *engine.Receiver, transport string) []byte {
	o := gbsdp.Offer{
		Owner:   s.c.cfg.ID,
		Address: s.mediaHost(way),
		Port:    rx.Port(),
		SSRC:    rx.SSRC(),
		Stream:  gbsdp.StreamLines(gbsdp.SelectAuto, d.Edition.Effective(), s.req.Profile == media.Sub),
		History: s.history(),
	}
	switch transport {
	case TCPPassive:
		o.TCP, o.Setup = true, gbsdp.Passive
	case TCPActive:
		o.TCP, o.Setup = true, gbsdp.Active
	}
	return o.Append(nil)
}

// mediaHost is the IP address the device shall send to.
func (s *session) mediaHost(way flow.Flow) netip.Addr {
	if a, err := netip.ParseAddr(s.c.cfg.Advertise); err == nil {
		return a
	}
	host, _ := s.c.inviter.Advertised(way)
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap()
	}
	return way.Local.Addr()
}

// readAnswer takes from an answer what the receiver needs. An unusable address
// gives way to the one the answer came from (media.md section 1.7).
func readAnswer(sdp []byte, source netip.Addr) (engine.Answered, error) {
	d, err := gbsdp.Parse(sdp)
	if err != nil {
		return engine.Answered{}, fmt.Errorf("%w: %w", ErrBadAnswer, err)
	}
	m := d.First("video")
	switch {
	case m == nil:
		return engine.Answered{}, fmt.Errorf("%w: it has no m=video line", ErrBadAnswer)
	case m.Port == 0:
		return engine.Answered{}, fmt.Errorf("%w: its media port is 0, which refuses the stream", ErrBadAnswer)
	}
	remote := d.Remote(m)
	if !reachable(remote.Addr(), source) {
		remote = netip.AddrPortFrom(source, uint16(m.Port))
	}
	return engine.Answered{SSRC: d.SSRC, Remote: remote, Payloads: m.RTPMap, Setup: m.Setup}, nil
}

// reachable reports whether an announced address can be the device's, which
// speaks from source. One of this machine or of its link is not, unless the
// device is there too: we would connect to ourselves.
func reachable(a, source netip.Addr) bool {
	switch {
	case !a.IsValid(), a.IsMulticast():
		return false
	case a.IsLoopback():
		return source.IsLoopback()
	case a.IsLinkLocalUnicast():
		return source.IsLinkLocalUnicast()
	}
	return !a.IsPrivate() || source.IsPrivate()
}

// waitFor waits for media, for as long as configured, and ends early when the
// device hangs up.
func waitFor[T any](s *session, d Dialog, wait func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(s.ctx, s.patience(), errWaited)
	defer cancel()
	ctx, hangUp := context.WithCancelCause(ctx)
	defer hangUp(nil)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-d.Done():
			hangUp(errHungUp)
		case <-stop:
		}
	}()
	v, err := wait(ctx)
	close(stop)
	<-done
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return v, err
}

var (
	errWaited = errors.New("waited long enough")
	errHungUp = errors.New("the device sent BYE")
)

func wrapWait(cause error, d time.Duration, err error) error {
	if errors.Is(err, errWaited) {
		return fmt.Errorf("%w within %v", cause, d)
	}
	return fmt.Errorf("%w: %w", cause, err)
}

// close sends BYE and returns port and SSRC.
func (l *live) close() error {
	var err error
	if !l.byeReceived {
		err = l.session.bye(l.dialog, l.rx, l.answered)
	}
	return errors.Join(err, l.rx.Close())
}

// bye ends a dialog at where the device is now, and remembers what it sent. It
// has a context of its own, because the session's has mostly ended by then.
func (s *session) bye(d Dialog, rx *engine.Receiver, answered string) error {
	ctx, cancel := context.WithTimeout(context.Background(), byeTimeout)
	defer cancel()
	defer func() { s.c.ended.add(newEnded(s.req.Device, d, rx, answered)) }()
	select {
	case <-d.Done():
		return nil // the device was first, or its connection is gone
	default:
	}
	s.c.follow(s.req.Device, d)
	if err := d.Bye(ctx); err != nil {
		return fmt.Errorf("bye: %w", err)
	}
	return nil
}

// follow has a dialog reach the device where it is now: its port may have moved
// since the INVITE.
func (c *Coordinator) follow(device gb28181.ID, d Dialog) {
	if f, err := c.devices.Flow(device); err == nil {
		d.Move(f)
	}
}

// cleanup closes in reverse order.
type cleanup []func() error

func (c *cleanup) add(f func() error) { *c = append(*c, f) }

func (c *cleanup) close() error {
	var errs []error
	for i := len(*c) - 1; i >= 0; i-- {
		errs = append(errs, (*c)[i]())
	}
	*c = nil
	return errors.Join(errs...)
}

func describe(tracks []*media.Track) string {
	out := ""
	for i, t := range tracks {
		if i > 0 {
			out += ", "
		}
		out += string(t.Codec)
		if t.Width > 0 {
			out += " " + strconv.Itoa(t.Width) + "x" + strconv.Itoa(t.Height)
		}
		if t.SampleRate > 0 {
			out += " " + strconv.Itoa(t.SampleRate) + " Hz"
		}
	}
	return out
}

func net(a netip.Addr, port int) string {
	return netip.AddrPortFrom(a, uint16(port)).String()
}
