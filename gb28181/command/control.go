package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/ptz"
	"fengsui/gb28181/quirk"
)

// Outcome is how a control went that was not refused.
type Outcome struct {
	// Answered is true when the device said OK; false when it took the control
	// with 200 and no answer is due, or none came in time.
	Answered bool
	Due      bool // an answer was due
}

// Control sends a command to target, which is a device or one of its channels.
// as is the edition to speak in place of the device's own; unknown is the
// device's.
//
// Before anything is sent it reports gb28181.ErrUnknownDevice,
// gb28181.ErrOffline, [manscdp.ErrEdition] or [manscdp.ErrValue]; after that
// gb28181.ErrTimeout when the device does not even take it, and
// gb28181.ErrRefused, with the device's words.
func (c *Commander) Control(ctx context.Context, device, target gb28181.ID, cmd manscdp.Command, as gb28181.Edition) (o Outcome, err error) {
	if _, turns := cmd.(manscdp.PTZPreciseCtrl); turns {
		c.moves.settle(frontEnd{device, target})
	}
	if k, is := cmd.(manscdp.KeyFrame); is && k.Spelling == manscdp.SpellingOfEdition {
		cmd = manscdp.KeyFrame{Spelling: c.spelling(device)}
	}
	spec := controlSpec(cmd)
	o.Due = spec.Answered
	start := time.Now()
	defer func() {
		c.count(cmd.Name(), start, err)
		if err != nil {
			err = fmt.Errorf("%s to %s: %w", cmd.Name(), target, err)
		}
	}()
	write := func(sn int) (*manscdp.Node, error) {
		return manscdp.DeviceControl{SN: sn, DeviceID: target, Command: cmd}.Node(c.edition(device, as))
	}
	if !spec.Answered {
		return o, c.tell(ctx, device, write)
	}
	err = c.converse(ctx, device, manscdp.CmdDeviceControl, spec.Wait, write, func(*manscdp.Message) (bool, error) { return true, nil })
	if errors.Is(err, errNoAnswer) {
		c.log.Debug().Str("device", string(device)).Str("cmd", cmd.Name()).Msg("control taken, not answered")
		return o, nil
	}
	o.Answered = err == nil
	return o, err
}

// spelling is how the device wants key frames asked for.
func (c *Commander) spelling(device gb28181.ID) manscdp.Spelling {
	if c.cfg.Quirks == nil {
		return manscdp.SpellingOfEdition
	}
	switch q := c.cfg.Quirks(device); {
	case q.Has(quirk.KeyFrameIFame):
		return manscdp.SpellingIFame
	case q.Has(quirk.KeyFrameIFrame):
		return manscdp.SpellingIFrame
	}
	return manscdp.SpellingOfEdition
}

// tell sends what is not answered.
func (c *Commander) tell(ctx context.Context, device gb28181.ID, write func(sn int) (*manscdp.Node, error)) error {
	f, err := c.dev.Flow(device)
	if err != nil {
		return err
	}
	body, err := write(c.nextSN())
	if err != nil {
		return err
	}
	return c.message(ctx, device, f, body)
}

// edition is the one to speak to a device.
func (c *Commander) edition(device gb28181.ID, as gb28181.Edition) gb28181.Edition {
	if as != gb28181.EditionUnknown {
		return as
	}
	d, _ := c.dev.Device(device)
	return d.Edition.Effective()
}

func isTimeout(err error) bool { return errors.Is(err, gb28181.ErrTimeout) }

// Act sends one front-end command: presets, cruises, scans, switches. name is that
// of the preset or cruise, "" for none. What moves a camera until it is stopped is
// [Commander.Move] and [Commander.Patrol]. The errors are those of [Commander.Control].
func (c *Commander) Act(ctx context.Context, device, channel gb28181.ID, a ptz.Action, name string, as gb28181.Edition) error {
	text, err := ptz.Command{Address: ptz.DefaultAddress, Action: a}.Text()
	var bad ptz.ErrRange
	if errors.As(err, &bad) {
		return manscdp.ErrValue{Field: bad.What, Value: bad.Value, Want: fmt.Sprintf("%d to %d", bad.Min, bad.Max)}
	}
	if err != nil {
		return err
	}
	cmd := manscdp.PTZCmd{Code: text}
	switch a := a.(type) {
	case ptz.Preset:
		if cmd.PresetName = name; a.Do == ptz.GotoPreset {
			c.moves.settle(frontEnd{device, channel})
		}
	case ptz.Cruise:
		cmd.CruiseTrackName = name
	}
	_, err = c.Control(ctx, device, channel, cmd, as)
	return err
}
