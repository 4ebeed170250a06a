package talk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/gb28181/gbsdp"
	"fengsui/media/engine"
	"fengsui/media/rtp"
	"fengsui/shadow/journal"
	"fengsui/sip"
	"fengsui/sip/flow"
)

// Bounds of a switchboard.
const (
	maxTalks   = 256  // at a time; each sends 50 packets a second
	keepEnded  = 64   // talks that are shown after their end
	keepWays   = 4096 // devices of which it is known which way worked
	ackGrace   = 500 * time.Millisecond
	byeTimeout = 5 * time.Second
)

// Devices is what talk asks of the device table.
type Devices interface {
	Device(id gb28181.ID) (gb28181.Device, bool)
	Flow(id gb28181.ID) (flow.Flow, error)
}

// Channels is what talk asks of the catalog.
type Channels interface {
	Channel(device, channel gb28181.ID) (gb28181.Channel, bool)
	Channels(device gb28181.ID) []gb28181.Channel
}

// Announcer tells a device of sound; command.Commander is one.
type Announcer interface {
	Broadcast(ctx context.Context, device, source, target gb28181.ID) error
}

// Caller begins and accepts calls; package sip's endpoint is one.
type Caller interface {
	Invite(ctx context.Context, p sip.Peer, i sip.Invite) (Dialog, error)
	Accept(r *sip.Request, secret func() string, sdp []byte) (sip.Response, Dialog, error)
	Advertised(f flow.Flow) (host string, port int)
}

// Dialog is a call, ours or the device's.
type Dialog interface {
	SDP() []byte
	CallID() string
	Source() netip.Addr
	Ack(ctx context.Context) error
	Acked() <-chan struct{}
	Bye(ctx context.Context) error
	Done() <-chan struct{}
	Err() error
}

// Sounder opens what sound is sent from; engine.Engine is one.
type Sounder interface {
	Send(w engine.Speak) (*rtp.Sender, error)
}

// Settings are a device's own choices; empty fields leave it to the switchboard.
type Settings struct {
	Way       Way
	Begin     Begin
	Transport string // of a talk both ways: udp, tcp-passive, tcp-active
	Password  string // for a device that challenges INVITE or BYE
}

// Config is what the operator chose.
type Config struct {
	ID            gb28181.ID    // this platform, the source of the sound
	Advertise     string        // media address in SDP, "" = as the SIP endpoint's
	InviteTimeout time.Duration // of a device that agreed to invite us; default 15 s
	AnswerTimeout time.Duration // of a device that we invite, and of its ACK; default 15 s
	MediaTimeout  time.Duration // of the media connection; default 10 s
	Settings      func(gb28181.ID) Settings
}

// Switchboard owns every talk. mu guards what stands below it; each session has
// its own lock, taken after mu.
type Switchboard struct {
	cfg      Config
	devices  Devices
	channels Channels
	announce Announcer
	caller   Caller
	sound    Sounder
	journal  *journal.Journal
	log      zerolog.Logger
	metrics  *metrics

	mu       sync.Mutex
	sessions map[place]*session
	awaited  map[*session]struct{} // told a device to invite
	ways     map[gb28181.ID]Way    // that worked
	ended    []Talk                // the newest last
	closing  bool
	work     sync.WaitGroup // one for each session
}

type place struct{ device, channel gb28181.ID }

// New makes a switchboard; nothing runs until the first Start.
func New(cfg Config, d Devices, c Channels, a Announcer, call Caller, s Sounder, j *journal.Journal, reg prometheus.Registerer, log zerolog.Logger) *Switchboard {
	for v, d := range map[*time.Duration]time.Duration{
		&cfg.InviteTimeout: 15 * time.Second, &cfg.AnswerTimeout: 15 * time.Second, &cfg.MediaTimeout: 10 * time.Second,
	} {
		*v = cmp.Or(*v, d)
	}
	if cfg.Settings == nil {
		cfg.Settings = func(gb28181.ID) Settings { return Settings{} }
	}
	b := &Switchboard{cfg: cfg, devices: d, channels: c, announce: a, caller: call, sound: s, journal: j, log: log,
		sessions: map[place]*session{}, awaited: map[*session]struct{}{}, ways: map[gb28181.ID]Way{}}
	b.metrics = newMetrics(reg, func() float64 { return float64(b.count()) })
	return b
}

func (b *Switchboard) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sessions)
}

// Start speaks to a channel and returns when the device listens; the sound is
// being sent then. It is given up (BYE) when ctx ends before. The error is a
// [*StartError], or the context's cause for a caller that left.
func (b *Switchboard) Start(ctx context.Context, r Request) (Talk, error) {
	s, err := b.begin(ctx, r)
	for err == nil && s == nil { // one that ends had the channel
		s, err = b.begin(ctx, r)
	}
	if err != nil {
		b.metrics.started.WithLabelValues("none", resultOf(err)).Inc()
		return Talk{}, &StartError{Request: r, Cause: err, Remedy: remedy(err)}
	}
	select {
	case <-s.started:
		return s.snapshot(), s.err
	case <-ctx.Done():
		s.cancel(ErrGivenUp)
		<-s.finished
		return Talk{}, context.Cause(ctx)
	}
}

// begin makes a session; nil when it has waited for one that was ending.
func (b *Switchboard) begin(ctx context.Context, r Request) (*session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := place{r.Device, r.Channel}
	other := b.sessions[at]
	switch {
	case b.closing:
		return nil, ErrClosing
	case other != nil:
		if t := other.snapshot(); t.State != Ended {
			return nil, &TakenError{ID: t.ID, By: t.Request.By, Since: t.StartedAt}
		}
		b.mu.Unlock()
		defer b.mu.Lock()
		select {
		case <-other.finished:
			return nil, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	case len(b.sessions) >= maxTalks:
		return nil, fmt.Errorf("%w: %d", ErrFull, len(b.sessions))
	}
	s := newSession(ctx, b, r)
	b.sessions[at] = s
	b.work.Go(s.run)
	return s, nil
}

// Stop ends a talk and waits until it has, or ctx ends.
func (b *Switchboard) Stop(ctx context.Context, id string) error {
	s := b.find(id)
	if s == nil {
		return fmt.Errorf("%w: %q", ErrNoTalk, id)
	}
	s.end(byCaller, "ended by a caller")
	select {
	case <-s.finished:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Talk is the one with this ID, also for a while after its end.
func (b *Switchboard) Talk(id string) (Talk, bool) {
	if s := b.find(id); s != nil {
		return s.snapshot(), true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.IndexFunc(b.ended, func(t Talk) bool { return t.ID == id }); i >= 0 {
		return b.ended[i], true
	}
	return Talk{}, false
}

// Talks are all that run, and the last that ended.
func (b *Switchboard) Talks() []Talk {
	b.mu.Lock()
	list := slices.Clone(b.ended)
	running := make([]*session, 0, len(b.sessions))
	for _, s := range b.sessions {
		running = append(running, s)
	}
	b.mu.Unlock()
	for _, s := range running {
		list = append(list, s.snapshot())
	}
	return list
}

func (b *Switchboard) find(id string) *session {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sessions {
		if s.id == id {
			return s
		}
	}
	return nil
}

// DeviceGone ends the talks to a device that left or went offline.
func (b *Switchboard) DeviceGone(id gb28181.ID, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for at, s := range b.sessions {
		if at.device == id {
			s.end(byLoss, reason)
		}
	}
}

// Close ends every talk with a BYE and waits for them, or for ctx.
func (b *Switchboard) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closing = true
	for _, s := range b.sessions {
		s.end(byShutdown, "server is shutting down")
	}
	b.mu.Unlock()
	done := make(chan struct{})
	go func() {
		b.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("end talks: %w", context.Cause(ctx))
	}
}

// forget takes a finished session out, and keeps what became of a talk that began.
func (b *Switchboard) forget(s *session) {
	t := s.snapshot()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.sessions, place{s.req.Device, s.req.Channel})
	if t.TalkingAt.IsZero() {
		return
	}
	t.Request.Sound, t.Request.OnEnd = nil, nil
	if b.ended = append(b.ended, t); len(b.ended) > keepEnded {
		b.ended = slices.Delete(b.ended, 0, 1)
	}
}

// await enters a session whose device will invite us.
func (b *Switchboard) await(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.awaited[s] = struct{}{}
}

// leave takes a session out of those that are awaited; false when an INVITE has
// done so, whose outcome comes by its channel.
func (b *Switchboard) leave(s *session) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, there := b.awaited[s]
	delete(b.awaited, s)
	return there
}

// Invite answers an INVITE of a device: it is the handler of package sip. Only a
// device that was told to invite is answered with 200.
func (b *Switchboard) Invite(r *sip.Request) (sip.Response, func()) {
	s := b.take(r)
	if s == nil {
		b.metrics.strange.WithLabelValues("unasked").Inc()
		b.log.Info().Str("device", r.FromUser).Str("remote", r.Flow.String()).Str("call_id", r.CallID).Msg("a device invites that was not asked to")
		return sip.Response{Status: 403, Reason: "Not asked to invite"}, nil
	}
	return s.invited(r), nil
}

// take finds the session that an INVITE is for and claims it. A device may write
// its own ID, that of the loudspeaker or of the channel, in From, To, Subject or
// SDP; one that writes none of them is known by its address, if it alone is awaited
// from there.
func (b *Switchboard) take(r *sip.Request) *session {
	subject := gbsdp.ParseSubject(r.Header("Subject"))
	ids := []gb28181.ID{gb28181.ID(r.FromUser), gb28181.ID(subject.Sender), gb28181.ID(subject.Receiver), gb28181.ID(r.ToUser), gb28181.ID(r.URIUser)}
	b.mu.Lock()
	defer b.mu.Unlock()
	var near, named []*session
	for s := range b.awaited {
		if s.way.Remote.Addr().Unmap() != r.Flow.Remote.Addr().Unmap() {
			continue
		}
		near = append(near, s)
		if slices.ContainsFunc(ids, func(id gb28181.ID) bool { return id == s.req.Device || id == s.req.Channel || id == s.target }) {
			named = append(named, s)
		}
	}
	if len(named) > 1 { // several channels of a recorder: the one that is named, not the device
		exact := slices.DeleteFunc(slices.Clone(named), func(s *session) bool {
			return !slices.Contains(ids, s.target) && !slices.Contains(ids, s.req.Channel)
		})
		if len(exact) > 0 {
			named = exact
		}
		slices.SortFunc(named, func(a, b *session) int { return a.asked.Compare(b.asked) })
	}
	if len(named) == 0 && len(near) == 1 {
		named = near
	}
	if len(named) == 0 {
		return nil
	}
	delete(b.awaited, named[0])
	return named[0]
}

// speaker is the loudspeaker of a channel: the channel itself if it is one, the
// one under it in the catalog, the only one of a device with one channel, else the
// channel, which most devices take for it (signalling.md section 6.9).
func (b *Switchboard) speaker(device, channel gb28181.ID) gb28181.ID {
	var under, all []gb28181.ID
	pictures := 0
	for _, ch := range b.channels.Channels(device) {
		switch {
		case ch.ID.Type() == gb28181.TypeAudioOutput:
			all = append(all, ch.ID)
			if strings.Contains(ch.ParentID, string(channel)) {
				under = append(under, ch.ID)
			}
		case ch.Invitable():
			pictures++
		}
	}
	switch {
	case slices.Contains(all, channel):
		return channel
	case len(under) > 0:
		return under[0]
	case len(all) == 1 && pictures <= 1:
		return all[0]
	}
	return channel
}

// learn notes the way that worked with a device.
func (b *Switchboard) learn(device gb28181.ID, w Way) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.ways[device]; !known && len(b.ways) >= keepWays {
		for other := range b.ways { // any will do: it is learnt again
			delete(b.ways, other)
			break
		}
	}
	b.ways[device] = w
}

func (b *Switchboard) known(device gb28181.ID) Way {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ways[device]
}

// resultOf is an error as a metric's label.
func resultOf(err error) string {
	for _, c := range []struct {
		result string
		causes []error
	}{
		{"taken", []error{ErrTaken}}, {"full", []error{ErrFull}},
		{"refused", []error{ErrDeclined, ErrRejected, ErrEdition}},
		{"timeout", []error{ErrMute, ErrNoInvite, ErrNoAnswer, ErrNoACK}},
		{"media", []error{ErrOffer, ErrAnswer, ErrConnect, ErrNoPort}},
		{"offline", []error{gb28181.ErrOffline, gb28181.ErrUnknownDevice, gb28181.ErrUnknownChannel}},
	} {
		for _, cause := range c.causes {
			if errors.Is(err, cause) {
				return c.result
			}
		}
	}
	if err == nil {
		return "ok"
	}
	return "error"
}
