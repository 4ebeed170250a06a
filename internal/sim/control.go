package sim

import (
	"bytes"
	"errors"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/ptz"
)

// say is a message of the house's codec as text for [device.encode]; "" when this
// edition cannot say it.
func (d *device) say(b manscdp.Body) string {
	n, err := b.Node(d.sim.cfg.Edition)
	if err != nil {
		return ""
	}
	_, text, _ := bytes.Cut(manscdp.Encode(n, manscdp.UTF8), []byte("\r\n")) // its declaration says UTF-8
	return string(text)
}

// control obeys Control/DeviceControl and returns what it answers, nil when
// nothing (signalling.md section 3.15.1).
func (d *device) control(now instant, m *manscdp.Message) *job {
	refused := &job{next: once(d.say(manscdp.Answer{CmdType: m.CmdType, SN: m.SN, DeviceID: gb28181.ID(m.DeviceID)}))}
	c, err := m.AsDeviceControl()
	if err != nil || c.Command.Since() > d.sim.cfg.Edition {
		return refused
	}
	i, ch, ok := d.sim.ids.find(string(c.DeviceID))
	if !ok || i != d.index || !d.obey(now, ch, c) {
		if !c.Command.Answered() {
			return nil
		}
		return refused
	}
	if !c.Command.Answered() {
		return nil
	}
	return &job{next: once(d.say(manscdp.Answer{CmdType: m.CmdType, SN: m.SN, DeviceID: c.DeviceID, OK: true}))}
}

// obey does a control; ch is -1 for a recorder itself. It reports false for what
// cannot be done.
func (d *device) obey(now instant, ch int, c manscdp.DeviceControl) bool {
	switch v := c.Command.(type) {
	case manscdp.TeleBoot:
		d.rebootAt = now + lastWords
		return true
	case manscdp.GuardCmd:
		d.guard(ch, v.Set)
		return true
	case manscdp.AlarmCmd:
		d.reset(ch, v)
		return true
	case manscdp.DeviceUpgrade:
		return d.install(v)
	case manscdp.FormatSDCard:
		return d.format(now, v.Card)
	case manscdp.KeyFrame:
		d.forceKey(ch)
		return true
	}
	if ch < 0 {
		return false
	}
	cam := d.camera(ch)
	switch v := c.Command.(type) {
	case manscdp.PTZCmd:
		cmd, err := ptz.Parse(v.Code)
		if err != nil && !errors.Is(err, ptz.ErrChecksum) {
			return false
		}
		return cam.obey(now, cmd.Action, v.PresetName, v.CruiseTrackName)
	case manscdp.RecordCmd:
		if v.Start {
			cam.recording[v.Stream] = true
		} else {
			delete(cam.recording, v.Stream)
		}
		return true
	case manscdp.HomePosition:
		return cam.setHome(now, v)
	case manscdp.PTZPreciseCtrl:
		cam.turnTo(now, v)
	case manscdp.DragZoom:
		cam.dragZoom(now, v)
	case manscdp.TargetTrack:
		cam.follow(now, v)
	}
	return true
}
