package command

import (
	"context"
	"fmt"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// RequestKeyFrame asks a channel for a key frame at once (DeviceControl; the
// element is IFameCmd, as the 2016 edition misspelt it, and for peers of 2022
// IFrameCmd too: signalling.md section 3.15.7). Devices do not answer it; a nil
// error means that the device took the request.
func (c *Commander) RequestKeyFrame(ctx context.Context, id, channel gb28181.ID) error {
	f, err := c.dev.Flow(id)
	if err != nil {
		return fmt.Errorf("ask %s for a key frame: %w", channel, err)
	}
	control := manscdp.New(manscdp.Control,
		manscdp.Leaf("CmdType", "DeviceControl"), manscdp.LeafInt("SN", c.nextSN()), manscdp.Leaf("DeviceID", string(channel)),
		manscdp.Leaf("IFameCmd", "Send"))
	if d, _ := c.dev.Device(id); d.Edition >= gb28181.Edition2022 {
		control.Add(manscdp.Leaf("IFrameCmd", "Send"))
	}
	if err := c.message(ctx, id, f, control); err != nil {
		return fmt.Errorf("ask %s for a key frame: %w", channel, err)
	}
	return nil
}
