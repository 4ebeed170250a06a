package talk

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/play"
	"fengsui/internal/telemetry"
	"fengsui/media"
	"fengsui/media/rtp"
	"fengsui/media/voice"
	"fengsui/shadow/journal"
	"fengsui/sip"
	"fengsui/sip/flow"
)

// Who ends a talk, as a metric's label.
const (
	bySource   = "source"   // the file is over, the microphone gone
	byCaller   = "caller"   // by the API
	byDevice   = "device"   // its BYE
	byMedia    = "media"    // the media connection
	byLoss     = "gone"     // the device or its signalling connection
	byShutdown = "shutdown" // ours
)

// ending is why a session's context was cancelled.
type ending struct{ by, reason string }

func (e *ending) Error() string { return e.reason }

// session is one talk, from before the device is found until all is returned. Its
// goroutine is run; mu guards what others read or change.
type session struct {
	b      *Switchboard
	id     string
	req    Request
	ctx    context.Context // until it ends
	cancel context.CancelCauseFunc

	started  chan struct{} // closed when the device listens, or start failed with err
	finished chan struct{} // closed when everything is returned
	err      error         // set before started is closed
	invites  chan incoming // what an INVITE of the device came to; has room for one

	// Set by run before the session is awaited.
	way    flow.Flow
	target gb28181.ID
	set    Settings
	asked  time.Time

	mu     sync.Mutex
	view   Talk
	sender *rtp.Sender // nil before it talks
}

func newSession(ctx context.Context, b *Switchboard, r Request) *session {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	s := &session{
		b: b, id: hex.EncodeToString(id[:]), req: r,
		started: make(chan struct{}), finished: make(chan struct{}), invites: make(chan incoming, 1),
	}
	// Of the caller only the trace is kept: a talk outlives the request that began it.
	trace, _ := telemetry.FromContext(ctx)
	s.ctx, s.cancel = context.WithCancelCause(telemetry.NewContext(context.Background(), trace))
	s.view = Talk{ID: s.id, Request: r, State: Starting, StartedAt: time.Now(), Trace: telemetry.TraceID(ctx)}
	return s
}

// run is the whole life: start, talk, end.
func (s *session) run() {
	defer close(s.finished)
	defer s.b.forget(s)
	defer s.cancel(nil)
	l, err := s.start()
	s.b.metrics.started.WithLabelValues(string(s.tried()), resultOf(err)).Inc()
	if err != nil {
		s.fail(err)
		return
	}
	source := s.talking(l)
	why := s.speak(l, source)
	s.over(why)
	if err := l.close(); err != nil {
		s.b.log.Warn().Str("device", string(s.req.Device)).Str("call_id", l.dialog.CallID()).Err(err).Msg("talk did not end cleanly")
	}
	s.b.metrics.ended.WithLabelValues(why.by).Inc()
	t := s.snapshot()
	s.event("talk.ended", map[string]any{"reason": why.reason, "packets": t.Packets})
	if s.req.OnEnd != nil {
		s.req.OnEnd(t)
	}
}

// start tries the ways in their order.
func (s *session) start() (l *line, err error) {
	ways, err := s.find()
	if err != nil {
		return nil, err
	}
	for n, way := range ways {
		s.mu.Lock()
		s.view.Way = way
		s.mu.Unlock()
		if way == TwoWay {
			l, err = s.invite(n + 1)
		} else {
			l, err = s.broadcast(n + 1)
		}
		if err == nil {
			s.b.learn(s.req.Device, way)
			return l, nil
		}
		if s.ctx.Err() != nil || !otherWay(err) {
			break
		}
	}
	return nil, err
}

// otherWay reports a failure after which the other way is worth a try.
func otherWay(err error) bool {
	return errors.Is(err, ErrDeclined) || errors.Is(err, ErrMute) || errors.Is(err, ErrNoInvite) ||
		errors.Is(err, ErrRejected) || errors.Is(err, ErrNoAnswer)
}

// find finds the device, its loudspeaker, and the ways to try.
func (s *session) find() (ways []Way, err error) {
	err = s.stage(1, StageDevice, func() (string, error) {
		d, ok := s.b.devices.Device(s.req.Device)
		if !ok {
			return "", fmt.Errorf("%w: %q", gb28181.ErrUnknownDevice, s.req.Device)
		}
		if _, ok := s.b.channels.Channel(s.req.Device, s.req.Channel); !ok && s.req.Channel != s.req.Device {
			return "", fmt.Errorf("%w: %q is not in the catalog of %q", gb28181.ErrUnknownChannel, s.req.Channel, s.req.Device)
		}
		if s.way, err = s.b.devices.Flow(s.req.Device); err != nil {
			return "", err
		}
		s.set = s.b.cfg.Settings(s.req.Device)
		s.target = s.b.speaker(s.req.Device, s.req.Channel)
		edition := d.Edition.Effective()
		if s.req.Edition != gb28181.EditionUnknown {
			edition = s.req.Edition
		}
		if ways, err = s.ways(edition); err != nil {
			return "", err
		}
		s.mu.Lock()
		s.view.Target, s.view.Request.Edition = s.target, edition
		s.mu.Unlock()
		return fmt.Sprintf("%s, %s, loudspeaker %s", d.Presence.State, s.way, s.target), nil
	})
	return ways, err
}

// ways are those to try with a device of an edition.
func (s *session) ways(e gb28181.Edition) ([]Way, error) {
	only := s.req.Way
	if only == "" {
		only = s.set.Way
	}
	twoWay := e < gb28181.Edition2022
	switch {
	case only == TwoWay && !twoWay:
		return nil, ErrEdition
	case only != "":
		return []Way{only}, nil
	case !twoWay:
		return []Way{Broadcast}, nil
	case s.b.known(s.req.Device) == TwoWay:
		return []Way{TwoWay, Broadcast}, nil
	}
	return []Way{Broadcast, TwoWay}, nil
}

func (s *session) tried() Way {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view.Way == "" {
		return "none"
	}
	return s.view.Way
}

// fail tells the caller why there is no talk.
func (s *session) fail(err error) {
	if s.ctx.Err() != nil {
		err = errors.Join(context.Cause(s.ctx), err)
	}
	s.mu.Lock()
	s.view.State, s.view.EndedAt, s.view.Reason = Ended, time.Now(), err.Error()
	stages := append([]play.Stage(nil), s.view.Stages...)
	s.mu.Unlock()
	s.err = &StartError{Request: s.req, Stages: stages, Cause: err, Remedy: remedy(err)}
	close(s.started)
	s.event("talk.failed", map[string]any{"reason": err.Error(), "stage": stages[len(stages)-1].Name})
}

// talking tells the caller that the device listens, and makes the source.
func (s *session) talking(l *line) voice.Source {
	source := s.req.Sound(l.law)
	s.mu.Lock()
	v := &s.view
	v.State, v.TalkingAt, v.CallID, v.SSRC = Talking, time.Now(), l.dialog.CallID(), rtp.FormatSSRC(l.sender.SSRC())
	v.Law, v.Packing, v.Transport, v.Warning = l.law, l.packing, l.transport, l.warning
	s.sender = l.sender
	s.mu.Unlock()
	close(s.started)
	s.event("talk.started", map[string]any{"way": string(v.Way), "by": s.req.By, "source": s.req.Kind, "transport": l.transport, "codec": l.packing})
	return source
}

// speak sends the sound until something ends it.
func (s *session) speak(l *line, source voice.Source) *ending {
	ctx, stop := context.WithCancelCause(s.ctx)
	defer stop(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-l.dialog.Done():
			stop(s.hungUp(l))
		case <-l.sender.Done():
			stop(&ending{byMedia, "the media connection ended: " + l.sender.Err().Error()})
		case <-ctx.Done():
		}
	}()
	err := voice.Pace(ctx, source, l.send, func(time.Duration) {
		s.b.metrics.late.Inc()
		s.mu.Lock()
		s.view.Late++
		s.mu.Unlock()
	})
	stop(nil)
	<-watched
	var why *ending
	switch {
	case err == nil:
		return &ending{bySource, "the sound is over"}
	case errors.As(err, &why):
		return why
	case errors.Is(err, ErrGivenUp): // as it began
		return &ending{byCaller, err.Error()}
	}
	return &ending{byMedia, err.Error()}
}

// soonAfter is how soon an end after the begin says that the device did not like
// what it heard.
const soonAfter = 3 * time.Second

// hungUp is the end that the device's side of the call has found.
func (s *session) hungUp(l *line) *ending {
	switch err := l.dialog.Err(); {
	case errors.Is(err, sip.ErrUnreachable):
		return &ending{byLoss, "the device's signalling connection closed"}
	case errors.Is(err, sip.ErrTimeout):
		return &ending{byLoss, "the device never acknowledged our answer"}
	}
	reason := "the device ended it"
	if t := s.snapshot(); time.Since(t.TalkingAt) < soonAfter {
		reason += fmt.Sprintf(" %d ms after the first sound: it wants another codec than %s, or sound from another port; set its audio coding to G.711A",
			time.Since(t.TalkingAt).Milliseconds(), t.Packing)
	}
	return &ending{byDevice, reason}
}

func (s *session) over(why *ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view.State, s.view.EndedAt, s.view.Reason = Ended, time.Now(), why.reason
}

// end asks the session to end; run does it.
func (s *session) end(by, reason string) { s.cancel(&ending{by, reason}) }

func (s *session) snapshot() Talk {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view
	v.Stages = append([]play.Stage(nil), s.view.Stages...)
	if s.sender != nil {
		st := s.sender.Stats()
		v.Packets, v.Bytes, v.Heard, v.Remote = st.Packets, st.Bytes, st.Heard, st.Remote.String()
	}
	return v
}

func (s *session) event(kind string, data map[string]any) {
	data["talk"] = s.id
	s.b.journal.Append(journal.Event{At: time.Now(), Type: kind, Device: string(s.req.Device), Channel: string(s.req.Channel),
		Trace: s.view.Trace, Data: data})
}

// stage runs one named step and records it, its detail and its failure.
func (s *session) stage(attempt int, name string, step func() (detail string, err error)) error {
	return play.RunStage(&s.mu, &s.view.Stages, play.Stage{Name: name, Attempt: attempt, Trace: s.view.Trace}, step)
}

// line is the way to a device that listens: what must be closed at the end.
type line struct {
	s         *session
	dialog    Dialog
	sender    *rtp.Sender
	transport string
	law       media.Codec
	packing   string
	payload   uint8
	warning   play.Words

	packets packets
}

// send sends a frame of sound. It is called by the session's goroutine alone.
func (l *line) send(sound []byte) error {
	h, payload := l.packets.next(sound)
	if err := l.sender.Send(h, payload); err != nil {
		return &ending{byMedia, "the sound could not be sent: " + err.Error()}
	}
	l.s.b.metrics.packets.Inc()
	return nil
}

// close ends the call and gives port and SSRC back.
func (l *line) close() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.s.ctx), byeTimeout)
	defer cancel()
	err := l.dialog.Bye(ctx)
	l.sender.Close()
	if err != nil && !errors.Is(err, sip.ErrUnreachable) {
		return fmt.Errorf("end the call: %w", err)
	}
	return nil
}
