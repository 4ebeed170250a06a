package play

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"fengsui/gb28181"
	"fengsui/internal/telemetry"
	"fengsui/media"
	"fengsui/media/engine"
	"fengsui/shadow"
	"fengsui/shadow/journal"
	"fengsui/sip"
)

// byeTimeout bounds the wait for the answer to a BYE; the transaction itself goes on.
const byeTimeout = 3 * time.Second

// A stream's camera is asked for a key frame at most every keyFrameEvery, and
// may take keyFrameTimeout to say that it was asked.
const (
	keyFrameEvery   = 2 * time.Second
	keyFrameTimeout = 5 * time.Second
)

// restartGrace is how long a device that registered anew may send nothing
// before its stream is taken for one from before a reboot.
const restartGrace = 2 * time.Second

// session is one stream from its first caller to its last resource. The
// goroutine in run owns rx and dialog.
type session struct {
	// Set by newSession, never changed after.
	c        *Coordinator
	id       string
	req      Request
	key      media.Key
	trace    string
	ctx      context.Context // ends when the session shall end; the cause says why
	cancel   context.CancelCauseFunc
	started  chan struct{} // closed when the start succeeded or failed
	finished chan struct{} // closed when everything is returned
	anew     chan struct{} // the device registered anew; holds one

	err error // of the start; set before started is closed

	controlling chan struct{} // holds one: whoever changes the playback
	cseq        uint32        // of the last control; with controlling

	mu      sync.Mutex // guards what follows
	callers int        // waiting in Start
	ending  bool
	view    Session
	rx      *engine.Receiver // nil until it plays
	asked   time.Time        // last request for a key frame
	dialog  Dialog           // nil until it plays
	stirred time.Time        // last control of a playback
	sentAll time.Time        // when the device said so; zero: not
	scale   float64          // that the device was told; view.Scale may wait for the end of a pause
}

func newSession(ctx context.Context, c *Coordinator, r Request) *session {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	s := &session{
		c: c, id: hex.EncodeToString(id[:]), req: r, trace: telemetry.TraceID(ctx),
		started: make(chan struct{}), finished: make(chan struct{}), anew: make(chan struct{}, 1), callers: 1,
		controlling: make(chan struct{}, 1), scale: 1,
	}
	s.key = keyOf(r, s.id)
	// Of the caller only the trace and the user are kept: the stream outlives its
	// request.
	trace, _ := telemetry.FromContext(ctx)
	s.ctx, s.cancel = context.WithCancelCause(sip.OnBehalf(telemetry.NewContext(context.Background(), trace), sip.BehalfOf(ctx)))
	s.view = Session{ID: s.id, Request: r, Key: s.key, State: Starting, StartedAt: time.Now(), Trace: s.trace}
	if r.recorded() {
		s.view.Duration, s.view.Scale, s.view.Speed = r.End.Sub(r.Start), 1, r.Speed
	}
	return s
}

// run is the whole life: start, watch, end. It returns when everything is returned.
func (s *session) run() {
	defer close(s.finished)
	defer s.c.forget(s)
	defer s.cancel(nil)
	live, err := s.start()
	if err != nil {
		s.fail(err)
		return
	}
	s.playing(live)
	reason := s.watch(live)
	s.mu.Lock()
	s.ending, s.view.State, s.view.Reason = true, Ended, reason
	s.view.Stopped = errors.Is(context.Cause(s.ctx), errStopped)
	s.mu.Unlock()
	if err := live.close(); err != nil {
		s.c.log.Warn().Str("device", string(s.req.Device)).Str("channel", string(s.req.Channel)).
			Str("call_id", live.dialog.CallID()).Err(err).Msg("stream did not end cleanly")
	}
	s.c.metrics.ended.WithLabelValues("played").Inc()
	if s.req.OnEnd != nil {
		s.req.OnEnd(s.snapshot())
	}
	s.event("stream.ended", map[string]any{"reason": reason, "ssrc": live.rx.SSRC()})
}

// start tries the wanted transport, and tcp-passive once where the choice was
// ours, it was UDP, and no packet came. A download that the device refuses is
// tried once at the speed of life.
func (s *session) start() (*live, error) {
	began := time.Now()
	transport, chosen := s.transport()
	tries := 1
	l, err := s.attempt(tries, transport)
	if s.slows(err) {
		tries++
		l, err = s.attempt(tries, transport)
	}
	if errors.Is(err, ErrNoPacket) && transport == UDP && !chosen && s.ctx.Err() == nil {
		l, err = s.attempt(tries+1, TCPPassive)
	}
	if err == nil {
		s.c.metrics.startSeconds.Observe(time.Since(began).Seconds())
	}
	return l, err
}

// transport is what the request, the device or the configuration wants, and
// whether a person chose it.
func (s *session) transport() (name string, chosen bool) {
	if s.req.Transport != "" {
		return s.req.Transport, true
	}
	if t := s.c.cfg.Settings(s.req.Device).Transport; t != "" {
		return t, true
	}
	return s.c.cfg.Transport, false
}

// fail ends a start that did not succeed and tells every caller.
func (s *session) fail(err error) {
	if cause := context.Cause(s.ctx); cause != nil && s.ctx.Err() != nil {
		err = cause // the start failed because it was ended
	}
	s.mu.Lock()
	s.ending, s.view.State = true, Ended
	stages := s.view.Stages
	s.mu.Unlock()
	var failed *StartError
	if !errors.As(err, &failed) {
		failed = &StartError{Request: s.req, Cause: err, Remedy: remedy(err, facts{})}
	}
	failed.Stages = stages
	s.err = failed
	close(s.started)
	s.c.metrics.ended.WithLabelValues("failed").Inc()
	at := ""
	if n := len(stages); n > 0 {
		at = stages[n-1].Name
	}
	s.c.log.Warn().Str("device", string(s.req.Device)).Str("channel", string(s.req.Channel)).Str("trace", s.trace).
		Str("stage", at).Err(failed.Cause).Msg("stream did not start")
	s.event("stream.failed", map[string]any{"stage": at, "error": failed.Cause.Error(), "remedy": failed.Remedy.EN})
}

func (s *session) playing(l *live) {
	s.mu.Lock()
	s.view.State = Playing
	s.rx, s.dialog = l.rx, l.dialog
	s.view.CallID, s.view.SSRC, s.view.Transport, s.view.Tracks = l.dialog.CallID(), l.rx.SSRC(), l.transport, l.tracks
	s.mu.Unlock()
	if l.tape != nil {
		s.req.tape <- l.tape
	}
	close(s.started)
	s.c.metrics.ended.WithLabelValues("started").Inc()
	s.event("stream.started", map[string]any{"ssrc": l.rx.SSRC(), "transport": l.transport, "codec": codecs(l.tracks)})
}

// watch waits for whatever ends the stream first and says it.
func (s *session) watch(l *live) string {
	var judge <-chan time.Time // of a device that registered anew
	var beat <-chan time.Time  // of a recording, which may end without a word
	if s.req.recorded() {
		t := time.NewTicker(beatEvery)
		defer t.Stop()
		beat = t.C
	}
	for {
		select {
		case now := <-beat:
			if reason := s.playedOut(l, now); reason != "" {
				return reason
			}
		case <-s.anew:
			judge = time.After(restartGrace)
		case <-judge:
			if judge = nil; !s.paused() && time.Since(l.rx.Stats().Last) >= restartGrace {
				return "the device registered anew and sends no more"
			}
		case <-s.ctx.Done():
			return context.Cause(s.ctx).Error()
		case <-l.dialog.Done():
			if errors.Is(l.dialog.Err(), sip.ErrUnreachable) {
				return "the device's signalling connection closed"
			}
			l.byeReceived = true
			s.closed(l)
			return "the device ended it"
		case <-l.rx.Done():
			switch err := l.rx.Err(); {
			case errors.Is(err, engine.ErrIdle):
				return "nobody watched it"
			case errors.Is(err, engine.ErrSilent), errors.Is(err, engine.ErrDisconnected):
				if !s.req.recorded() {
					s.c.devices.Doubt(s.req.Device, shadow.ByRTP, "its RTP stopped", time.Now())
				}
				return "no packet arrived any more"
			default:
				return fmt.Sprintf("the receiver ended: %v", err)
			}
		}
	}
}

// enter counts a caller in; false means that the session is ending.
func (s *session) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending || s.ctx.Err() != nil {
		return false
	}
	s.callers++
	return true
}

// leave counts a caller out; the last one to leave a start gives it up.
func (s *session) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.callers--
	if s.callers == 0 && s.view.State == Starting {
		s.cancel(ErrGivenUp)
	}
}

// keyFrameDue reports whether a key frame may be asked for now, and notes that it is.
func (s *session) keyFrameDue(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view.State != Playing || now.Sub(s.asked) < keyFrameEvery {
		return false
	}
	s.asked = now
	return true
}

// end asks the session to end; run does it.
func (s *session) end(reason string) { s.cancel(errors.New(reason)) }

func (s *session) snapshot() Session {
	s.mu.Lock()
	v, rx := s.view, s.rx
	v.Stages = append([]Stage(nil), s.view.Stages...)
	s.mu.Unlock()
	if rx != nil && s.req.recorded() {
		v.Position, v.Pace = rx.Place(), rx.Pace()
	}
	return v
}

func (s *session) event(kind string, data map[string]any) {
	data["stream"] = s.id
	data["kind"], data["profile"] = string(s.req.kind()), string(s.req.Profile)
	s.c.journal.Append(journal.Event{At: time.Now(), Type: kind, Device: string(s.req.Device),
		Channel: string(s.req.Channel), Trace: s.trace, Data: data})
}

func codecs(tracks []*media.Track) []string {
	var out []string
	for _, t := range tracks {
		out = append(out, string(t.Codec))
	}
	return out
}

// stage runs one named step and records it, its detail and its failure.
func (s *session) stage(attempt int, name string, step func() (detail string, err error)) error {
	return RunStage(&s.mu, &s.view.Stages, Stage{Name: name, Attempt: attempt, Trace: s.trace}, step)
}

// device finds the device and the channel and the way to them.
func (s *session) find() (gb28181.Device, error) {
	d, ok := s.c.devices.Device(s.req.Device)
	if !ok {
		return d, fmt.Errorf("%w: %q", gb28181.ErrUnknownDevice, s.req.Device)
	}
	ch, ok := s.c.channels.Channel(s.req.Device, s.req.Channel)
	switch {
	case ok && !ch.Invitable():
		return d, fmt.Errorf("%w: %q has type %d", ErrNotLive, s.req.Channel, ch.ID.Type())
	case !ok && s.req.Channel != s.req.Device: // a camera is its own channel before its catalog came
		return d, fmt.Errorf("%w: %q is not in the catalog of %q", gb28181.ErrUnknownChannel, s.req.Channel, s.req.Device)
	}
	return d, nil
}
