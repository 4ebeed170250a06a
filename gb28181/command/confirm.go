package command

import (
	"context"
	"fmt"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// Confirm sends a device our Response to what it has reported by MESSAGE
// (signalling.md section 3.7.1). It reports what [Commander.Query] does.
func (c *Commander) Confirm(ctx context.Context, id gb28181.ID, a manscdp.Answer) error {
	f, err := c.dev.Flow(id)
	if err != nil {
		return fmt.Errorf("confirm %s to %s: %w", a.CmdType, id, err)
	}
	d, _ := c.dev.Device(id)
	n, err := a.Node(d.Edition)
	if err != nil {
		return fmt.Errorf("confirm %s to %s: %w", a.CmdType, id, err)
	}
	if err := c.message(ctx, id, f, n); err != nil {
		return fmt.Errorf("confirm %s to %s: %w", a.CmdType, id, err)
	}
	return nil
}
