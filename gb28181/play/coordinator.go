package play

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/media"
	"fengsui/media/engine"
	"fengsui/shadow"
	"fengsui/shadow/journal"
	"fengsui/sip"
	"fengsui/sip/flow"
)

// Devices is what play asks of the device table.
type Devices interface {
	Device(id gb28181.ID) (gb28181.Device, bool)
	Flow(id gb28181.ID) (flow.Flow, error)
	// Heard and Doubt take what media say about the device's life.
	Heard(id gb28181.ID, by shadow.Evidence, f flow.Flow, at time.Time)
	Doubt(id gb28181.ID, by shadow.Evidence, reason string, at time.Time)
}

// Channels is what play asks of the catalog.
type Channels interface {
	Channel(device, channel gb28181.ID) (gb28181.Channel, bool)
}

// Inviter sends an INVITE; package sip's endpoint is one. A nil error means a
// 2xx that has not been acknowledged yet.
type Inviter interface {
	Invite(ctx context.Context, p sip.Peer, i sip.Invite) (Dialog, error)
	Advertised(f flow.Flow) (host string, port int)
}

// Dialog is an answered INVITE.
type Dialog interface {
	SDP() []byte
	CallID() string
	Source() netip.Addr
	Ack(ctx context.Context) error
	Bye(ctx context.Context) error
	// ByeAgain tells a device that goes on sending after the end.
	ByeAgain(ctx context.Context) error
	// Move sends what follows to where the device is now.
	Move(f flow.Flow)
	// Info sends INFO in the dialog and returns the answer.
	Info(ctx context.Context, contentType string, body []byte) (*sip.Response, error)
	Done() <-chan struct{}
	// Err is why Done was closed; sip.ErrUnreachable when the device's connection
	// went, of which the device's sending knows nothing.
	Err() error
}

// Settings are a device's own choices; empty fields leave it to the configuration.
type Settings struct {
	Transport string // udp, tcp-passive, tcp-active
	Mode      string // single, range
	Password  string // for a device that challenges the INVITE
}

// Config is what the operator chose.
type Config struct {
	ID            gb28181.ID    // this platform
	Transport     string        // default transport
	Mode          string        // default receive mode
	Advertise     string        // media address in SDP, "" = as the SIP endpoint's
	AnswerTimeout time.Duration // INVITE to final answer
	PacketTimeout time.Duration // ACK to first packet, and again to the key frame
	// Silence without RTP ends a recording that is not paused, half of it at the
	// recording's end. Default 20 s; disks take seconds to spin up.
	Silence time.Duration
	// Slots is how many recordings a device plays at a time, 0: as many as it takes.
	Slots int
	// Settings returns a device's own choices; nil for none.
	Settings func(gb28181.ID) Settings
	// RequestKeyFrame asks a channel for a key frame; nil when nobody can.
	RequestKeyFrame func(ctx context.Context, device, channel gb28181.ID) error
}

// Coordinator owns every session. mu guards sessions and closing; each session
// has its own lock.
type Coordinator struct {
	cfg      Config
	devices  Devices
	channels Channels
	inviter  Inviter
	engine   *engine.Engine
	journal  *journal.Journal
	log      zerolog.Logger
	metrics  *metrics

	mu       sync.Mutex
	sessions map[media.Key]*session
	closing  bool
	work     sync.WaitGroup // one for each session's goroutine

	ended endedDialogs
	slots slots
}

// New makes a coordinator; nothing runs until the first Start.
func New(cfg Config, d Devices, c Channels, i Inviter, e *engine.Engine, j *journal.Journal, reg prometheus.Registerer, log zerolog.Logger) *Coordinator {
	if cfg.Settings == nil {
		cfg.Settings = func(gb28181.ID) Settings { return Settings{} }
	}
	if cfg.Silence == 0 {
		cfg.Silence = 20 * time.Second
	}
	return &Coordinator{
		cfg: cfg, devices: d, channels: c, inviter: i, engine: e, journal: j, log: log, metrics: newMetrics(reg),
		sessions: make(map[media.Key]*session),
	}
}

// Start returns the channel's running session, joins a start under way, or
// begins one, and waits until the first key frame is in. A recording always has a
// session of its own. When every caller of a
// start has gone, it is given up (CANCEL or BYE). The error is a [*StartError],
// or the context's cause for a caller that left.
func (c *Coordinator) Start(ctx context.Context, r Request) (Session, error) {
	if r.Profile == "" {
		r.Profile = media.Main
	}
	for {
		s, err := c.join(ctx, r)
		if err != nil {
			return Session{}, &StartError{Request: r, Cause: err, Remedy: remedy(err, facts{})}
		}
		select {
		case <-s.started:
		case <-ctx.Done():
			s.leave()
			return Session{}, context.Cause(ctx)
		}
		if errors.Is(s.err, ErrGivenUp) && ctx.Err() == nil && !r.recorded() {
			// Joined a start whose other callers had all left: it ends, a new one begins.
			<-s.finished
			continue
		}
		s.leave()
		return s.snapshot(), s.err
	}
}

// Fetch starts a download and gives its frames, from its first key frame to its
// end, to whoever keeps them; Close the reader when done. Ended it is as every
// session: by the device, by Stop, or when all was sent. Errors are those of Start.
func (c *Coordinator) Fetch(ctx context.Context, r Request) (Session, media.Reader, error) {
	tape := make(chan media.Reader, 1)
	r.Kind, r.tape = Download, tape
	s, err := c.Start(ctx, r)
	select {
	case frames := <-tape:
		if err == nil {
			return s, frames, nil
		}
		frames.Close()
	default:
	}
	return s, nil, err
}

// Open is [media.Opener]: it starts the stream that a play address names, unless
// it is a recording, and attaches a viewer to it.
func (c *Coordinator) Open(ctx context.Context, key media.Key) (media.Reader, error) {
	if r, err := c.engine.Attach(key); err == nil && c.running(key) {
		return r, nil
	} else if err == nil {
		r.Close()
	}
	if !strings.HasPrefix(string(key), string(Live)+"/") {
		return nil, fmt.Errorf("%w: %q", ErrNoSession, key)
	}
	device, channel, profile, err := media.ParseLive(string(key))
	if err != nil {
		return nil, err
	}
	req := Request{Device: gb28181.ID(device), Channel: gb28181.ID(channel), Profile: profile}
	if _, err := c.Start(ctx, req); err != nil {
		return nil, err
	}
	r, err := c.engine.Attach(key)
	if err != nil {
		return nil, fmt.Errorf("attach to %s: %w", key, err)
	}
	return r, nil
}

// Stop ends the session with this ID: BYE, port and SSRC returned. It waits
// until that is done or ctx ends.
func (c *Coordinator) Stop(ctx context.Context, id string) error {
	s := c.find(func(s *session) bool { return s.id == id })
	if s == nil {
		return fmt.Errorf("%w: %q", ErrNoSession, id)
	}
	s.cancel(errStopped)
	select {
	case <-s.finished:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// DeviceGone ends what a device sends: it left or went offline.
func (c *Coordinator) DeviceGone(id gb28181.ID, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sessions {
		if s.req.Device == id {
			s.end(reason)
		}
	}
}

// RequestKey asks the camera of a running stream for a key frame, for a viewer
// that waits for one: at most every two seconds however many wait. It does not block.
func (c *Coordinator) RequestKey(key media.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions[key]
	if s == nil || c.closing || c.cfg.RequestKeyFrame == nil || !s.keyFrameDue(time.Now()) {
		return
	}
	c.work.Go(func() {
		ctx, cancel := context.WithTimeout(s.ctx, keyFrameTimeout)
		defer cancel()
		if err := c.cfg.RequestKeyFrame(ctx, s.req.Device, s.req.Channel); err != nil {
			c.log.Debug().Str("device", string(s.req.Device)).Str("channel", string(s.req.Channel)).Err(err).Msg("no key frame")
		}
	})
}

// DeviceAnew judges what a device sends that registered anew: after a reboot it
// sends nothing more. Its streams then end at once, not by the engine's time of
// silence, and the next viewer invites anew. A stream that goes on stays.
func (c *Coordinator) DeviceAnew(id gb28181.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sessions {
		if s.req.Device == id {
			select {
			case s.anew <- struct{}{}:
			default: // it is judged already
			}
		}
	}
}

// Sessions are all sessions, starting ones included.
func (c *Coordinator) Sessions() []Session {
	c.mu.Lock()
	all := make([]*session, 0, len(c.sessions))
	for _, s := range c.sessions {
		all = append(all, s)
	}
	c.mu.Unlock()
	out := make([]Session, len(all))
	for i, s := range all {
		out[i] = s.snapshot()
	}
	return out
}

// Session is the one with this ID.
func (c *Coordinator) Session(id string) (Session, bool) {
	s := c.find(func(s *session) bool { return s.id == id })
	if s == nil {
		return Session{}, false
	}
	return s.snapshot(), true
}

// Has reports whether there is a session of a stream, from before its INVITE
// until everything of it is returned.
func (c *Coordinator) Has(key media.Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessions[key] != nil
}

// Close ends every session with a BYE and waits for them, or for ctx.
func (c *Coordinator) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closing = true
	for _, s := range c.sessions {
		s.end("server is shutting down")
	}
	c.mu.Unlock()
	done := make(chan struct{})
	go func() {
		c.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("end streams: %w", context.Cause(ctx))
	}
}

// join finds the session for r and counts the caller in, or begins one.
func (c *Coordinator) join(ctx context.Context, r Request) (*session, error) {
	if r.recorded() {
		return c.begin(ctx, r)
	}
	key := r.Key()
	for {
		c.mu.Lock()
		if c.closing {
			c.mu.Unlock()
			return nil, ErrClosing
		}
		s := c.sessions[key]
		if s == nil {
			s = newSession(ctx, c, r)
			c.sessions[key] = s
			c.work.Go(s.run)
			c.mu.Unlock()
			return s, nil
		}
		joined := s.enter()
		c.mu.Unlock()
		if joined {
			return s, nil
		}
		select { // it is ending: wait for its resources to be back
		case <-s.finished:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (c *Coordinator) running(key media.Key) bool {
	c.mu.Lock()
	s := c.sessions[key]
	c.mu.Unlock()
	return s != nil && s.snapshot().State == Playing
}

func (c *Coordinator) find(match func(*session) bool) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sessions {
		if match(s) {
			return s
		}
	}
	return nil
}

// forget takes a finished session out of the map.
func (c *Coordinator) forget(s *session) {
	c.mu.Lock()
	delete(c.sessions, s.key)
	c.mu.Unlock()
}
