package command

import (
	"context"
	"fmt"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// AskRecords sends a RecordInfo query and returns when the device has taken it;
// the answers go to package records. What the device's edition has not is refused
// before anything is sent.
func (c *Commander) AskRecords(ctx context.Context, id gb28181.ID, q manscdp.RecordQuery) (err error) {
	defer func() {
		c.m.questions.WithLabelValues(manscdp.CmdRecordInfo, resultOf(err)).Inc()
		if err != nil {
			err = fmt.Errorf("ask %s for recordings: %w", id, err)
		}
	}()
	d, _ := c.dev.Device(id)
	body, err := q.Node(d.Edition)
	if err != nil {
		return err
	}
	f, err := c.dev.Flow(id)
	if err != nil {
		return err
	}
	return c.message(ctx, id, f, body)
}
