package command

import (
	"context"
	"fmt"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// maxListed is the most items of a list that are kept, of all its parts.
const maxListed = 4096

// List is what has come of a list that a device sends in parts.
type List[T any] struct {
	Items    []T
	Complete bool // all that the device announced, or it announced none
}

// Track is what has come of a cruise.
type Track struct {
	manscdp.CruiseTrack
	Points   []manscdp.CruisePoint // in the order they are gone round
	Complete bool                  // as of [List]
}

// Presets asks for the presets of a channel. The errors are those of
// [Commander.Control]; a list of which a part came is no error.
func (c *Commander) Presets(ctx context.Context, device, channel gb28181.ID, as gb28181.Edition) (List[manscdp.Preset], error) {
	return list(ctx, c, device, manscdp.Inquiry{CmdType: manscdp.CmdPresetQuery, DeviceID: channel}, as,
		func(m *manscdp.Message) ([]manscdp.Preset, int, error) {
			p, err := m.AsPresetList()
			return p.Presets, p.SumNum, err
		}, func(p manscdp.Preset) string { return p.ID })
}

// CruiseTracks asks for the cruises of a channel. The errors are as of
// [Commander.Presets].
func (c *Commander) CruiseTracks(ctx context.Context, device, channel gb28181.ID, as gb28181.Edition) (List[manscdp.CruiseTrack], error) {
	return list(ctx, c, device, manscdp.Inquiry{CmdType: manscdp.CmdCruiseTrackList, DeviceID: channel}, as,
		func(m *manscdp.Message) ([]manscdp.CruiseTrack, int, error) {
			l, err := m.AsCruiseTrackList()
			return l.Tracks, l.SumNum, err
		}, func(t manscdp.CruiseTrack) int { return t.Number })
}

// CruiseTrack asks for one cruise, 0 to 255. The errors are as of
// [Commander.Presets].
func (c *Commander) CruiseTrack(ctx context.Context, device, channel gb28181.ID, number int, as gb28181.Edition) (t Track, err error) {
	sn := 0
	err = c.inquire(ctx, device, manscdp.Inquiry{CmdType: manscdp.CmdCruiseTrack, DeviceID: channel, Number: number}, as, func(m *manscdp.Message) (bool, error) {
		a, err := m.AsCruiseTrack()
		if err != nil {
			return true, err
		}
		if a.SN != sn { // the answer to another try begins anew
			sn, t.Points = a.SN, nil
		}
		t.CruiseTrack = a.CruiseTrack
		t.Points = append(t.Points, a.Points[:min(len(a.Points), maxListed-len(t.Points))]...)
		t.Complete = len(t.Points) >= a.SumNum
		return t.Complete || len(t.Points) == maxListed, nil
	})
	if len(t.Points) > 0 && isTimeout(err) {
		err = nil
	}
	return t, err
}

// HomePosition asks where a camera returns to; nil when it has none. The errors
// are those of [Commander.Control].
func (c *Commander) HomePosition(ctx context.Context, device, channel gb28181.ID, as gb28181.Edition) (home *manscdp.HomePosition, err error) {
	err = c.inquire(ctx, device, manscdp.Inquiry{CmdType: manscdp.CmdHomePosition, DeviceID: channel}, as, func(m *manscdp.Message) (bool, error) {
		a, err := m.AsHomePosition()
		home = a.Home
		return true, err
	})
	return home, err
}

// PTZPosition asks where a camera looks. The errors are those of [Commander.Control].
func (c *Commander) PTZPosition(ctx context.Context, device, channel gb28181.ID, as gb28181.Edition) (p manscdp.PTZPosition, err error) {
	err = c.inquire(ctx, device, manscdp.Inquiry{CmdType: manscdp.CmdPTZPosition, DeviceID: channel}, as, func(m *manscdp.Message) (_ bool, err error) {
		p, err = m.AsPTZPosition()
		return true, err
	})
	return p, err
}

// SDCards asks for the memory cards of a device, or of a channel as target. The
// errors are as of [Commander.Presets].
func (c *Commander) SDCards(ctx context.Context, device, target gb28181.ID, as gb28181.Edition) (List[manscdp.SDCard], error) {
	return list(ctx, c, device, manscdp.Inquiry{CmdType: manscdp.CmdSDCardStatus, DeviceID: target}, as,
		func(m *manscdp.Message) ([]manscdp.SDCard, int, error) {
			s, err := m.AsSDCards()
			return s.Cards, s.SumNum, err
		}, func(s manscdp.SDCard) int { return s.ID })
}

// Status asks a device, or a channel as target, for its condition. The errors are
// those of [Commander.Control].
func (c *Commander) Status(ctx context.Context, device, target gb28181.ID) (s manscdp.DeviceStatus, err error) {
	err = c.inquire(ctx, device, manscdp.Inquiry{CmdType: manscdp.CmdDeviceStatus, DeviceID: target}, gb28181.EditionUnknown, func(m *manscdp.Message) (_ bool, err error) {
		s, err = m.AsDeviceStatus()
		return true, err
	})
	return s, err
}

// list asks a question whose answer is a list.
func list[T any, K comparable](ctx context.Context, c *Commander, device gb28181.ID, q manscdp.Inquiry, as gb28181.Edition,
	read func(*manscdp.Message) (part []T, sum int, err error), key func(T) K,
) (l List[T], err error) {
	have := map[K]bool{}
	err = c.inquire(ctx, device, q, as, func(m *manscdp.Message) (bool, error) {
		part, sum, err := read(m)
		if err != nil {
			return true, err
		}
		for _, it := range part {
			if k := key(it); !have[k] && len(l.Items) < maxListed {
				have[k] = true
				l.Items = append(l.Items, it)
			}
		}
		l.Complete = len(l.Items) >= sum
		return l.Complete || len(l.Items) == maxListed, nil
	})
	if len(l.Items) > 0 && isTimeout(err) {
		err = nil
	}
	return l, err
}

// inquire asks a plain question, as often as its [Spec] says while there is no
// whole answer.
func (c *Commander) inquire(ctx context.Context, device gb28181.ID, q manscdp.Inquiry, as gb28181.Edition, take func(*manscdp.Message) (last bool, err error)) error {
	return c.ask(ctx, device, q.CmdType, q.DeviceID, func(sn int) (*manscdp.Node, error) {
		q.SN = sn
		return q.Node(c.edition(device, as))
	}, take)
}

// ask is inquire for any question. What take cannot read is a refusal.
func (c *Commander) ask(ctx context.Context, device gb28181.ID, cmd string, target gb28181.ID,
	write func(sn int) (*manscdp.Node, error), take func(*manscdp.Message) (last bool, err error),
) (err error) {
	spec, _ := specOf(cmd)
	start := time.Now()
	defer func() {
		c.count(cmd, start, err)
		if err != nil {
			err = fmt.Errorf("ask %s for %s: %w", target, cmd, err)
		}
	}()
	c.pace.Allow() // operators do not wait, but count
	for try := 1; ; try++ {
		err = c.converse(ctx, device, cmd, spec.Wait, write, func(m *manscdp.Message) (bool, error) {
			last, err := take(m)
			if err != nil {
				return true, fmt.Errorf("%w: %w", gb28181.ErrRefused, err)
			}
			return last, nil
		})
		if !isTimeout(err) || try >= spec.Tries {
			return err
		}
	}
}
