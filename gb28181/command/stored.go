package command

import (
	"context"
	"fmt"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// PresetList are the presets of a channel, as far as they have come.
type PresetList struct {
	Presets  []manscdp.Preset
	Complete bool // all that the device announced, or it announced none
}

// Presets asks for the presets of a channel, a second time when parts are
// missing. The errors are those of [Commander.Control]; a list of which a part
// came is no error.
func (c *Commander) Presets(ctx context.Context, device, channel gb28181.ID, as gb28181.Edition) (list PresetList, err error) {
	spec, _ := specOf(manscdp.CmdPresetQuery)
	start := time.Now()
	defer func() { c.count(spec.Name, start, err) }()
	have := map[string]bool{}
	for try := 1; try <= spec.Tries && !list.Complete; try++ {
		err = c.converse(ctx, device, spec.Name, spec.Wait, func(sn int) (*manscdp.Node, error) {
			return manscdp.Inquiry{CmdType: spec.Name, SN: sn, DeviceID: channel}.Node(c.edition(device, as))
		}, func(m *manscdp.Message) (bool, error) {
			part, err := m.AsPresetList()
			if err != nil {
				return true, fmt.Errorf("%w: %w", gb28181.ErrRefused, err)
			}
			for _, p := range part.Presets {
				if !have[p.ID] {
					have[p.ID] = true
					list.Presets = append(list.Presets, p)
				}
			}
			list.Complete = len(list.Presets) >= part.SumNum
			return list.Complete, nil
		})
		if err == nil || !isTimeout(err) {
			break
		}
	}
	if len(list.Presets) > 0 && isTimeout(err) {
		err = nil
	}
	if err != nil {
		return list, fmt.Errorf("ask %s for its presets: %w", channel, err)
	}
	return list, nil
}
