package play

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/mansrtsp"
	"fengsui/media/engine"
	"fengsui/sip"
)

// Speeds of a playback.
const (
	slowestScale = 0.25
	fastestScale = 16
)

// A playback that was moved while it is paused shows the picture there: the
// device plays until a key frame is in.
const (
	glanceTime  = 2 * time.Second
	glanceEvery = 20 * time.Millisecond
)

// Control is a change of a playback; what is nil stays as it is.
type Control struct {
	Paused   *bool
	Scale    *float64       // 0.25 to 16, or less than 0 to run backwards as fast
	Position *time.Duration // from the start of the period asked for
}

// Control changes a playback by INFO in its dialog (GB/T 28181-2022 9.8, Annex B)
// and returns it as it is then. What its device's edition has not is refused
// before anything is sent. Of several commands one may fail when others are done.
func (c *Coordinator) Control(ctx context.Context, id string, want Control) (Session, error) {
	s := c.find(func(s *session) bool { return s.id == id })
	if s == nil {
		return Session{}, fmt.Errorf("%w: %q", ErrNoSession, id)
	}
	if err := s.allowed(want); err != nil {
		return Session{}, err
	}
	select {
	case s.controlling <- struct{}{}:
		defer func() { <-s.controlling }()
	case <-ctx.Done():
		return Session{}, context.Cause(ctx)
	}
	if err := s.control(ctx, want); err != nil {
		return s.snapshot(), err
	}
	return s.snapshot(), nil
}

// allowed refuses what cannot be asked of this device and this recording.
func (s *session) allowed(want Control) error {
	if s.req.Kind != Playback {
		return fmt.Errorf("%w: %s is a %s", ErrNotPlayback, s.id, s.req.kind())
	}
	if want.Scale != nil {
		speed := math.Abs(*want.Scale)
		if !(speed >= slowestScale && speed <= fastestScale) {
			return fmt.Errorf("%w: %v: want %v to %v, or less than 0 to run backwards", ErrScale, *want.Scale, slowestScale, fastestScale)
		}
		d, _ := s.c.devices.Device(s.req.Device)
		if e := d.Edition.Effective(); *want.Scale < 0 && e < gb28181.Edition2022 {
			return fmt.Errorf("%w: %v to %s, which speaks the edition of %s", ErrBackwards, *want.Scale, s.req.Device, e)
		}
	}
	length := s.req.End.Sub(s.req.Start)
	if p := want.Position; p != nil && (*p < 0 || *p >= length) {
		return fmt.Errorf("%w: %v: want 0 to less than %v", ErrPlace, *p, length)
	}
	return nil
}

// motion is how a playback moves.
type motion struct {
	paused bool
	scale  float64 // wanted
	told   float64 // that the device knows of
}

// commands are what is sent to a device whose playback moves so, for it to move
// as wanted. A speed change of a paused playback waits for the end of the pause,
// as a PLAY would end it. Speed and place go together only backwards (B.2.8).
func (m motion) commands(want Control) (list []mansrtsp.Request) {
	paused, moving := m.paused, !m.paused
	if want.Paused != nil {
		paused = *want.Paused
	}
	if want.Scale != nil {
		m.scale = *want.Scale
	}
	switch {
	case want.Position != nil:
		r := mansrtsp.Request{Method: mansrtsp.Play, Range: mansrtsp.Range{Start: mansrtsp.At, From: want.Position.Truncate(time.Millisecond)}}
		if m.scale < 0 {
			r.Scale, m.told = m.scale, m.scale
		}
		list, moving = append(list, r), true
	case m.paused && !paused:
		list, moving = append(list, mansrtsp.Resume(0)), true
	}
	if moving && m.scale != m.told {
		list = append(list, mansrtsp.Request{Method: mansrtsp.Play, Scale: m.scale})
	}
	if paused && moving {
		list = append(list, mansrtsp.Request{Method: mansrtsp.Pause})
	}
	return list
}

// control sends the commands one by one. The caller has s.controlling.
func (s *session) control(ctx context.Context, want Control) error {
	s.mu.Lock()
	rx, dialog := s.rx, s.dialog
	m := motion{s.view.Paused, s.view.Scale, s.scale}
	playing := s.view.State == Playing
	s.mu.Unlock()
	if !playing {
		return fmt.Errorf("%w: %q does not play", ErrNoSession, s.id)
	}
	sought := false
	for _, r := range m.commands(want) {
		if r.Method == mansrtsp.Pause && sought {
			glance(ctx, rx)
		}
		sought = r.Range.Start == mansrtsp.At
		if err := s.command(ctx, rx, dialog, r); err != nil {
			return err
		}
	}
	if want.Scale != nil {
		s.mu.Lock()
		if s.view.Paused { // else the device has said what it does
			s.view.Scale = *want.Scale
		}
		s.mu.Unlock()
	}
	return nil
}

// glance waits until a key frame has come, or some time.
func glance(ctx context.Context, rx *engine.Receiver) {
	ctx, cancel := context.WithTimeout(ctx, glanceTime)
	defer cancel()
	t := time.NewTicker(glanceEvery)
	defer t.Stop()
	for before := rx.Stats().Keys; rx.Stats().Keys == before; {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// command sends one command and does here what the device does there.
func (s *session) command(ctx context.Context, rx *engine.Receiver, dialog Dialog, r mansrtsp.Request) error {
	before := rx.Place()
	if r.Range.Start == mansrtsp.At {
		rx.Seek(r.Range.From) // pictures from there may come before the answer
	}
	scale, err := s.ask(ctx, dialog, r)
	if err != nil {
		if r.Range.Start == mansrtsp.At {
			rx.Seek(before)
		}
		return err
	}
	if r.Method == mansrtsp.Pause {
		rx.Pause()
	} else if r.Range.Start != mansrtsp.NoRange {
		rx.Resume()
	}
	if r.Scale != 0 {
		rx.Scale(scale)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stirred, s.sentAll = time.Now(), time.Time{}
	switch {
	case r.Method == mansrtsp.Pause:
		s.view.Paused = true
	case r.Range.Start != mansrtsp.NoRange:
		s.view.Paused = false
	}
	if r.Scale != 0 {
		s.scale, s.view.Scale = scale, scale
	}
	return nil
}

// ask sends a command and reads its answer: the speed that the device plays at
// from now on, if the command has one.
func (s *session) ask(ctx context.Context, dialog Dialog, r mansrtsp.Request) (scale float64, err error) {
	s.cseq++
	r.CSeq = s.cseq
	body, err := r.Encode()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.c.cfg.AnswerTimeout, gb28181.ErrTimeout)
	defer cancel()
	s.c.follow(s.req.Device, dialog)
	res, err := dialog.Info(ctx, "Application/MANSRTSP", body)
	if err != nil {
		if errors.Is(err, sip.ErrEnded) {
			return 0, fmt.Errorf("%w: %q has ended", ErrNoSession, s.id)
		}
		return 0, fmt.Errorf("%s: %w", r.Method, err)
	}
	s.c.metrics.controls.WithLabelValues(outcome(res.Status)).Inc()
	switch res.Status {
	case 405, 415, 501:
		return 0, fmt.Errorf("%w: %s was answered %d %s", ErrNoControl, r.Method, res.Status, res.Reason)
	case 481:
		return 0, fmt.Errorf("%w: %q has ended, by the device's answer", ErrNoSession, s.id)
	}
	if res.Status >= 300 {
		return 0, fmt.Errorf("%w: %s was answered %d %s", ErrUnwilling, r.Method, res.Status, res.Reason)
	}
	answer, _, err := mansrtsp.ParseAnswer(res.Body)
	if err != nil { // many answer with an empty body, and mean yes
		return r.Scale, nil //nolint:nilerr // what SIP has said counts
	}
	if answer.Status >= 300 {
		return 0, fmt.Errorf("%w: %s was answered %d %s", ErrUnwilling, r.Method, answer.Status, answer.Reason)
	}
	if answer.Scale != 0 {
		return answer.Scale, nil
	}
	return r.Scale, nil
}

func outcome(status int) string {
	if status < 300 {
		return "done"
	}
	return "refused"
}
