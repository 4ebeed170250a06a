package command

import (
	"context"
	"errors"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// Position asks a device, or a channel as target, where it is. Devices answer with
// a notification (signalling.md section 3.11). The errors are those of
// [Commander.Control].
func (c *Commander) Position(ctx context.Context, device, target gb28181.ID, as gb28181.Edition) (p manscdp.PositionNotify, err error) {
	err = c.ask(ctx, device, manscdp.CmdMobilePosition, target, func(sn int) (*manscdp.Node, error) {
		return manscdp.PositionQuery{SN: sn, DeviceID: target}.Node(c.edition(device, as))
	}, func(m *manscdp.Message) (_ bool, err error) {
		if m.Root == manscdp.Response { // it will
			return false, nil
		}
		p, err = m.AsPositionNotify()
		return true, err
	})
	return p, err
}

// Alarms asks a device to report again what alarms it has had. They come as those
// that it raises by itself; the answer says no more than that it will, and many
// devices give none (signalling.md section 3.7.2). SN is not needed. The errors are
// those of [Commander.Control].
func (c *Commander) Alarms(ctx context.Context, device gb28181.ID, q manscdp.AlarmQuery, as gb28181.Edition) (o Outcome, err error) {
	o.Due = true
	err = c.ask(ctx, device, manscdp.CmdAlarm, q.DeviceID, func(sn int) (*manscdp.Node, error) {
		q.SN = sn
		return q.Node(c.edition(device, as))
	}, func(m *manscdp.Message) (bool, error) { return m.Root == manscdp.Response, nil })
	if errors.Is(err, errNoAnswer) {
		return o, nil
	}
	o.Answered = err == nil
	return o, err
}

// Reported gives a notification to the question that it answers, if one is open.
func (c *Commander) Reported(id gb28181.ID, m *manscdp.Message) {
	if got, _ := c.give(id, m); got != nil {
		got()
	}
}
