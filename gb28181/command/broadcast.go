package command

import (
	"context"
	"fmt"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// Broadcast asks the loudspeaker target of a device to invite source, and returns
// when it says that it will (signalling.md section 6.9). The errors are those of
// [Commander.Query]; a device may invite without an answer all the same.
func (c *Commander) Broadcast(ctx context.Context, device, source, target gb28181.ID) (err error) {
	start := time.Now()
	defer func() {
		c.count(manscdp.CmdBroadcast, start, err)
		if err != nil {
			err = fmt.Errorf("announce sound to %s: %w", target, err)
		}
	}()
	return c.converse(ctx, device, manscdp.CmdBroadcast, c.cfg.Answer, func(sn int) (*manscdp.Node, error) {
		return manscdp.Broadcast{SN: sn, SourceID: source, TargetID: target}.Node(c.edition(device, gb28181.EditionUnknown))
	}, func(*manscdp.Message) (bool, error) { return true, nil })
}
