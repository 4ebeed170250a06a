package command

import (
	"context"
	"fmt"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/sip"
	"fengsui/sip/flow"
)

// optionsAfter is when a probe that DeviceStatus has not answered tries OPTIONS
// too: some devices drop a MESSAGE they cannot parse.
const optionsAfter = 1500 * time.Millisecond

// Probe asks the device at f whether it lives: DeviceStatus, then OPTIONS beside
// it. Any answer is life, refusals too. The caller bounds the time by ctx.
func (c *Commander) Probe(ctx context.Context, id gb28181.ID, f flow.Flow) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sn := c.nextSN()
	k, err := c.enter(id, manscdp.CmdDeviceStatus, sn, cancel)
	if err != nil {
		return fmt.Errorf("probe %s: %w", id, err)
	}
	defer c.leave(id, manscdp.CmdDeviceStatus, k)

	d, _ := c.dev.Device(id)
	body := manscdp.QueryBody(manscdp.CmdDeviceStatus, sn, id, manscdp.ReplyCharset(d.Edition, d.Charset, nil))
	answers := make(chan error, 2)
	ask := func(o sip.Outgoing) {
		_, err := c.send.Do(ctx, c.peer(id, f), o)
		answers <- err
	}
	go ask(sip.Outgoing{Method: "MESSAGE", ContentType: ContentType, Body: body})
	waiting := 1
	options := time.NewTimer(optionsAfter)
	defer options.Stop()
	for lives := false; ; {
		select {
		case err = <-answers:
			waiting--
			if err == nil && !lives {
				lives = true
				cancel() // of the other request
			}
		case <-k.answer:
			lives = true
			cancel()
		case <-options.C:
			if !lives && ctx.Err() == nil {
				waiting++
				go ask(sip.Outgoing{Method: "OPTIONS"})
			}
		}
		if waiting > 0 {
			continue
		}
		select { // the Response may have come beside a lost 200
		case <-k.answer:
			lives = true
		default:
		}
		if lives {
			return nil
		}
		return fmt.Errorf("probe %s at %s: %w", id, f, err)
	}
}
