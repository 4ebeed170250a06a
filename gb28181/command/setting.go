package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/quirk"
	"fengsui/gb28181/setting"
	"fengsui/shadow"
)

const (
	settingsWait = 6 * time.Second // for each part of an answer to ConfigDownload
	// configureWait is how long a device may take to answer a DeviceConfig, or to
	// register anew instead (signalling.md section 9 row 27).
	configureWait = 30 * time.Second
	rejoinPoll    = 500 * time.Millisecond
)

// errRejoined ends the wait for an answer of a device that registered anew.
var errRejoined = errors.New("registered anew instead of answering")

// Settings asks a device for config types, of its own or of a channel as target.
// The answer may come in several parts, and may lack some of the types: what has
// come until the device is silent is returned. as is the edition to speak in
// place of the device's own; unknown is the device's.
//
// It reports [manscdp.ErrEdition] before anything is sent, the errors of
// [Commander.Query], and gb28181.ErrRefused when nothing of what was asked for came.
func (c *Commander) Settings(ctx context.Context, device, target gb28181.ID, types []*setting.Type, as gb28181.Edition) (list []setting.Setting, err error) {
	start := time.Now()
	defer func() {
		c.count(manscdp.CmdConfigDownload, start, err)
		if err != nil {
			err = fmt.Errorf("ask %s for its settings: %w", target, err)
		}
	}()
	had := make(map[*setting.Type]bool, len(types))
	take := func(m *manscdp.Message) (last bool, err error) {
		var missing []*setting.Type
		for _, t := range types {
			if !had[t] {
				missing = append(missing, t)
			}
		}
		a, err := setting.AsAnswer(m, missing)
		if err != nil {
			return false, fmt.Errorf("%w: %w", gb28181.ErrRefused, err)
		}
		for _, s := range a.Settings {
			had[s.Type] = true
			list = append(list, s)
		}
		return len(a.Settings) == len(missing) || len(types) == 1, nil
	}
	err = c.converse(ctx, device, manscdp.CmdConfigDownload, settingsWait, func(sn int) (*manscdp.Node, error) {
		return setting.Query{SN: sn, DeviceID: target, Types: types}.Node(c.edition(device, as))
	}, take)
	switch {
	case len(list) > 0 && (errors.Is(err, errNoAnswer) || errors.Is(err, gb28181.ErrRefused)):
		err = nil // some it has, some it has not
	case err == nil && len(list) == 0:
		err = fmt.Errorf("%w: its answer holds none of what was asked for", gb28181.ErrRefused)
	}
	if err != nil {
		return nil, err
	}
	c.learnRhythm(device, target, list)
	return list, nil
}

// Configure sets config types of a device, or of a channel as target. Their
// values are checked before anything is sent: see [setting.Type.Check]. answered
// is false when the device registered anew within 30 s instead of answering, as
// some do. as is as for [Commander.Settings], and so are the errors.
func (c *Commander) Configure(ctx context.Context, device, target gb28181.ID, list []setting.Setting, as gb28181.Edition) (answered bool, err error) {
	start := time.Now()
	defer func() {
		c.count(manscdp.CmdDeviceConfig, start, err)
		if err != nil {
			err = fmt.Errorf("configure %s: %w", target, err)
		}
	}()
	if c.cfg.Quirks != nil && c.cfg.Quirks(device).Has(quirk.ConfigToDevice) {
		target = device
	}
	before, _ := c.dev.Device(device)
	waiting, end := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		c.awaitRejoin(waiting, before, func() { end(errRejoined) })
	}()
	err = c.converse(waiting, device, manscdp.CmdDeviceConfig, configureWait, func(sn int) (*manscdp.Node, error) {
		return setting.Set{SN: sn, DeviceID: target, Settings: list}.Node(c.edition(device, as))
	}, func(*manscdp.Message) (bool, error) { return true, nil })
	end(nil)
	<-watched
	switch {
	case err == nil:
		answered = true
	case errors.Is(err, errRejoined):
		err = nil
	default:
		return false, err
	}
	c.learnRhythm(device, target, list)
	return answered, nil
}

// awaitRejoin calls rejoined when a device has registered later than before, unless ctx ends first.
func (c *Commander) awaitRejoin(ctx context.Context, before gb28181.Device, rejoined func()) {
	tick := time.NewTicker(rejoinPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if d, ok := c.dev.Device(before.ID); ok && d.RegisteredAt.After(before.RegisteredAt) {
				rejoined()
				return
			}
		}
	}
}

// learnRhythm tells how often the device itself sends keepalives.
func (c *Commander) learnRhythm(device, target gb28181.ID, list []setting.Setting) {
	if c.cfg.Rhythm == nil || target != device {
		return
	}
	for _, s := range list {
		seconds, ok := s.Values["heart_beat_interval"].(int)
		if s.Type.Name != "BasicParam" || !ok {
			continue
		}
		missed, _ := s.Values["heart_beat_count"].(int)
		c.cfg.Rhythm(device, shadow.Rhythm{Interval: time.Duration(seconds) * time.Second, Missed: missed})
	}
}
