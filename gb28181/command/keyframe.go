package command

import (
	"context"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// RequestKeyFrame asks a channel for a key frame at once. Devices do not answer
// it; a nil error means that the device took the request. The errors are those of
// [Commander.Control].
func (c *Commander) RequestKeyFrame(ctx context.Context, id, channel gb28181.ID) error {
	_, err := c.Control(ctx, id, channel, manscdp.KeyFrame{}, gb28181.EditionUnknown)
	return err
}
