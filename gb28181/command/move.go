package command

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/agenda"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/ptz"
	"fengsui/sip/flow"
)

// ErrMoving is returned when so many cameras move that no further stop can be
// promised.
var ErrMoving = errors.New("too many cameras are moving")

// MaxMove is the longest movement by one command, and how long one lasts for
// which no duration is given.
const MaxMove = 60 * time.Second

const (
	stopAgain   = 300 * time.Millisecond // over UDP a stop is repeated (signalling.md section 3.15.2)
	stopTries   = 4
	stopWorkers = 64
)

// Movement is what a camera shall do from now on, all of it: what is 0 rests.
// Each is -1 to 1, a share of the highest speed.
type Movement struct {
	Pan   float64 // positive is right
	Tilt  float64 // positive is up
	Zoom  float64 // positive is in
	Focus float64 // positive is near
	Iris  float64 // positive opens
	// For is how long until it is stopped, up to MaxMove; 0 is MaxMove.
	For time.Duration
}

// Rests reports whether nothing shall move.
func (v Movement) Rests() bool {
	return v.Pan == 0 && v.Tilt == 0 && v.Zoom == 0 && v.Focus == 0 && v.Iris == 0
}

// frontEnd is a camera of a device.
type frontEnd struct{ device, channel gb28181.ID }

// moving is what a camera was told to do last.
type moving struct {
	turns, focuses bool // Move and Lens are to be stopped
	again          bool // the stop that is due is the repeat of one that was taken
	tries          int  // stops that failed
	edition        gb28181.Edition
}

// moves are the cameras that move by our commands, each with the time of its stop.
type moves struct {
	most   int
	agenda *agenda.Agenda[frontEnd]

	mu  sync.Mutex // guards all below
	all map[frontEnd]*moving
}

func newMoves(most int) *moves {
	return &moves{most: most, agenda: agenda.New[frontEnd](), all: make(map[frontEnd]*moving)}
}

func (m *moves) count() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return float64(len(m.all))
}

// begin notes what a camera is about to do and when it is to be stopped, and
// returns what it did.
func (m *moves) begin(k frontEnd, now moving, stop time.Time) (before moving, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.all[k]; old != nil {
		before = *old
	} else if len(m.all) >= m.most {
		return before, fmt.Errorf("%w: %d", ErrMoving, len(m.all))
	}
	if before.again { // rests already
		before = moving{}
	}
	// What moved and shall rest is stopped again at the end with the others.
	m.all[k] = &moving{turns: now.turns || before.turns, focuses: now.focuses || before.focuses, edition: now.edition}
	m.agenda.Set(k, stop)
	return before, nil
}

// Move has a camera turn, zoom, focus or rest. The stop is sent when the time is
// over, whatever becomes of ctx. The errors are those of [Commander.Control], and
// ErrMoving.
func (c *Commander) Move(ctx context.Context, device, channel gb28181.ID, v Movement, as gb28181.Edition) error {
	turn, lens, err := v.actions()
	if err != nil {
		return err
	}
	if _, err := c.dev.Flow(device); err != nil {
		return fmt.Errorf("move %s: %w", channel, err)
	}
	k, now := frontEnd{device, channel}, moving{turns: turn != ptz.Move{}, focuses: lens != ptz.Lens{}, edition: as}
	if v.Rests() {
		return c.Rest(ctx, device, channel, as)
	}
	length := v.For
	if length == 0 {
		length = MaxMove
	}
	before, err := c.moves.begin(k, now, time.Now().Add(length))
	if err != nil {
		return fmt.Errorf("move %s: %w", channel, err)
	}
	if now.turns || before.turns {
		err = c.act(ctx, k, turn, as)
	}
	if err == nil && (now.focuses || before.focuses) {
		err = c.act(ctx, k, lens, as)
	}
	// What had no answer may have been obeyed all the same: its stop stays due.
	if errors.Is(err, gb28181.ErrRefused) && before == (moving{}) {
		c.moves.stopped(k, false)
	}
	return err
}

// MaxPatrol is the longest time that a cruise or scan can be given.
const MaxPatrol = 24 * time.Hour

// Patrol starts a cruise or a scan, as a says; name is that of the cruise, "" for
// none. Without a length, up to MaxPatrol, it goes on until it is stopped; else the
// stop is sent then, whatever becomes of ctx. The errors are those of [Commander.Move].
func (c *Commander) Patrol(ctx context.Context, device, channel gb28181.ID, a ptz.Action, name string, length time.Duration, as gb28181.Edition) error {
	if length < 0 || length > MaxPatrol {
		return manscdp.ErrValue{Field: "duration_ms", Value: int(length.Milliseconds()), Want: fmt.Sprintf("0 to %d", MaxPatrol.Milliseconds())}
	}
	if length == 0 {
		err := c.Act(ctx, device, channel, a, name, as)
		if err == nil { // a stop that was owed to what the camera did before would end it
			c.moves.drop(frontEnd{device, channel})
		}
		return err
	}
	if _, err := c.dev.Flow(device); err != nil {
		return fmt.Errorf("move %s: %w", channel, err)
	}
	k := frontEnd{device, channel}
	before, err := c.moves.begin(k, moving{turns: true, edition: as}, time.Now().Add(length))
	if err != nil {
		return fmt.Errorf("move %s: %w", channel, err)
	}
	err = c.Act(ctx, device, channel, a, name, as)
	switch {
	case err == nil, isTimeout(err): // what had no answer may have been obeyed all the same
	case before == (moving{}):
		c.moves.drop(k)
	default: // what it did before is not to go on for so long
		c.moves.agenda.Set(k, time.Now())
	}
	return err
}

// drop owes a camera no stop any more.
func (m *moves) drop(k frontEnd) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, k)
	m.agenda.Drop(k)
}

// settle owes a camera that took its stop no repeat: it is about to turn to a place
// and rest there, and the repeat would end that.
func (m *moves) settle(k frontEnd) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v := m.all[k]; v != nil && v.again {
		delete(m.all, k)
		m.agenda.Drop(k)
	}
}

// Rest stops all movements of a camera, cruises and scans included.
func (c *Commander) Rest(ctx context.Context, device, channel gb28181.ID, as gb28181.Edition) error {
	f, err := c.dev.Flow(device)
	if err != nil {
		return fmt.Errorf("stop %s: %w", channel, err)
	}
	k := frontEnd{device, channel}
	all := moving{turns: true, focuses: true, edition: as}
	// Until the device has taken it, the stop is owed. Where no more can be owed, it
	// is sent all the same.
	_, _ = c.moves.begin(k, all, time.Now().Add(stopAgain))
	if err := errors.Join(c.act(ctx, k, ptz.Move{}, as), c.act(ctx, k, ptz.Lens{}, as)); err != nil {
		return err
	}
	c.moves.stopped(k, f.Transport == flow.UDP)
	return nil
}

// stopped notes that a device took a stop, which over UDP is sent once more.
func (m *moves) stopped(k frontEnd, again bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.all[k]
	if v == nil {
		return
	}
	if again && !v.again {
		v.again, v.tries = true, 0
		m.agenda.Set(k, time.Now().Add(stopAgain))
		return
	}
	delete(m.all, k)
	m.agenda.Drop(k)
}

// stopDue stops a camera whose time is over.
func (c *Commander) stopDue(ctx context.Context, k frontEnd) {
	v, ok := c.moves.of(k)
	if !ok {
		return
	}
	f, err := c.dev.Flow(k.device)
	if err == nil {
		err = c.stop(ctx, k, v)
	}
	switch {
	case err == nil:
		c.m.stops.WithLabelValues("ok").Inc()
		c.moves.settled(k, v, f.Transport == flow.UDP)
	case c.moves.tryAgain(k, err):
		c.m.stops.WithLabelValues("repeated").Inc()
	default:
		c.m.stops.WithLabelValues("given_up").Inc()
		c.log.Warn().Err(err).Str("device", string(k.device)).Str("channel", string(k.channel)).Msg("moving camera not stopped")
	}
}

func (c *Commander) stop(ctx context.Context, k frontEnd, v moving) error {
	var errs []error
	if v.turns {
		errs = append(errs, c.act(ctx, k, ptz.Move{}, v.edition))
	}
	if v.focuses {
		errs = append(errs, c.act(ctx, k, ptz.Lens{}, v.edition))
	}
	return errors.Join(errs...)
}

func (m *moves) of(k frontEnd) (moving, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.all[k]
	if v == nil {
		return moving{}, false
	}
	return *v, true
}

// settled is stopped, unless the camera was told to move meanwhile.
func (m *moves) settled(k frontEnd, was moving, again bool) {
	if m.agenda.Has(k) { // set anew
		return
	}
	m.stopped(k, again && !was.again)
}

// tryAgain has a failed stop repeated, and reports false when it was the last. A
// device that is gone or says no is not asked again.
func (m *moves) tryAgain(k frontEnd, err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.all[k]
	if v == nil || m.agenda.Has(k) {
		return v != nil
	}
	v.tries++
	if v.tries >= stopTries || errors.Is(err, gb28181.ErrUnknownDevice) || errors.Is(err, gb28181.ErrRefused) {
		delete(m.all, k)
		return false
	}
	m.agenda.Set(k, time.Now().Add(agenda.Backoff(v.tries)))
	return true
}

// StopMoving stops every camera that moves, before the end of the process.
func (c *Commander) StopMoving(ctx context.Context) {
	for _, k := range c.moves.keys() {
		c.moves.agenda.Set(k, time.Now())
	}
	for c.moves.count() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (m *moves) keys() (list []frontEnd) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.all {
		list = append(list, k)
	}
	return list
}

func (c *Commander) act(ctx context.Context, k frontEnd, a ptz.Action, as gb28181.Edition) error {
	return c.Act(ctx, k.device, k.channel, a, "", as)
}

// actions are what is sent for a movement. The error is manscdp.ErrValue.
func (v Movement) actions() (ptz.Move, ptz.Lens, error) {
	for _, f := range [...]struct {
		name  string
		value float64
	}{{"pan", v.Pan}, {"tilt", v.Tilt}, {"zoom", v.Zoom}, {"focus", v.Focus}, {"iris", v.Iris}} {
		if !(f.value >= -1 && f.value <= 1) {
			return ptz.Move{}, ptz.Lens{}, manscdp.ErrValue{Field: f.name, Value: f.value, Want: "-1 to 1"}
		}
	}
	if v.For < 0 || v.For > MaxMove {
		return ptz.Move{}, ptz.Lens{}, manscdp.ErrValue{Field: "duration_ms", Value: int(v.For.Milliseconds()), Want: fmt.Sprintf("0 to %d", MaxMove.Milliseconds())}
	}
	pan, panSpeed := wayAndSpeed(v.Pan, ptz.MaxSpeed)
	tilt, tiltSpeed := wayAndSpeed(v.Tilt, ptz.MaxSpeed)
	zoom, zoomSpeed := wayAndSpeed(v.Zoom, ptz.MaxZoomSpeed)
	m := ptz.Move{Pan: ptz.Pan(pan), Tilt: ptz.Tilt(tilt), Zoom: ptz.Zoom(zoom), PanSpeed: panSpeed, TiltSpeed: tiltSpeed, ZoomSpeed: zoomSpeed}
	focus, focusSpeed := wayAndSpeed(v.Focus, ptz.MaxSpeed)
	iris, irisSpeed := wayAndSpeed(v.Iris, ptz.MaxSpeed)
	l := ptz.Lens{Focus: ptz.Focus(focus), Iris: ptz.Iris(iris), FocusSpeed: focusSpeed, IrisSpeed: irisSpeed}
	return m, l, nil
}

// wayAndSpeed is a share as a direction and a speed, which is 1 at least when there
// is a direction.
func wayAndSpeed(share float64, fastest int) (way int8, speed int) {
	switch {
	case share > 0:
		way = 1
	case share < 0:
		way = -1
	default:
		return 0, 0
	}
	return way, max(1, int(math.Round(math.Abs(share)*float64(fastest))))
}
