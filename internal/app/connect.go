package app

import (
	"context"
	"strings"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/catalog"
	"fengsui/gb28181/device"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/subscribe"
	"fengsui/internal/store"
	"fengsui/shadow"
	"fengsui/shadow/journal"
	"fengsui/sip"
	"fengsui/sip/flow"
)

// connect joins the parts: which message goes where, and what follows from a
// change of a device. It is called once, before anything runs.
func (a *App) connect() {
	a.endpoint.Handle("MESSAGE", a.message)
	a.endpoint.Handle("INFO", a.info)
	a.endpoint.Handle("INVITE", a.talk.Invite)
	a.endpoint.Handle("NOTIFY", a.subscribe.Notify)
	a.subscribe.Hand(subscribe.Catalog, func(id gb28181.ID, m *manscdp.Message) {
		a.command.Learn(id, m)
		a.catalog.Notify(id, m)
	})
	a.subscribe.Hand(subscribe.Alarm, a.report.Alarm)
	a.subscribe.Hand(subscribe.Position, a.report.Position)
	a.table.Watch(a.deviceChanged)
	a.catalog.OnChange(a.catalogChanged)
	a.command.First("catalog", func(ctx context.Context, id gb28181.ID) error {
		_, err := a.catalog.Sync(ctx, id) // paces itself by Commander.Ask
		return err
	})
	a.command.First("subscribe", func(_ context.Context, id gb28181.ID) error {
		return a.subscribe.Renew(id)
	})
}

// message answers what devices report or answer by MESSAGE; keepalives have
// been answered below. The work is done after the answer, in order of receipt.
func (a *App) message(r *sip.Request) (sip.Response, func()) {
	id, m, refusal := a.read(r)
	if refusal.Status != 0 {
		return refusal, nil
	}
	return sip.Response{Status: 200}, func() {
		a.heard(id, shadow.ByMessage, r, m)
		switch {
		case strings.EqualFold(m.CmdType, "Catalog") && strings.EqualFold(m.Root, "Response"):
			a.catalog.Response(id, m)
		case strings.EqualFold(m.CmdType, "Catalog") && strings.EqualFold(m.Root, "Notify"):
			a.catalog.Notify(id, m)
		case strings.EqualFold(m.CmdType, manscdp.CmdRecordInfo) && strings.EqualFold(m.Root, "Response"):
			a.records.Response(id, m)
		case strings.EqualFold(m.CmdType, "MediaStatus"):
			a.mediaStatus(id, r, m)
		case strings.EqualFold(m.CmdType, manscdp.CmdUpgradeResult):
			a.upgrade.Result(id, m)
		case strings.EqualFold(m.CmdType, manscdp.CmdSnapShotFinished):
			a.snapshot.Finished(id, m)
		case strings.EqualFold(m.CmdType, manscdp.CmdVideoUpload):
			a.report.VideoUpload(id, m)
		case strings.EqualFold(m.Root, "Response"):
			a.command.Response(id, m)
		case strings.EqualFold(m.Root, "Notify") && a.subscribe.Message(id, m):
			if strings.EqualFold(m.CmdType, manscdp.CmdMobilePosition) {
				a.command.Reported(id, m)
			}
			a.report.Confirm(id, m)
		default: // taken and left: an unknown command answered 4xx is sent for ever by some devices
			a.log.Debug().Str("device", string(id)).Str("cmd", m.CmdType).Str("root", m.Root).Msg("message without a reader")
		}
	}
}

// info answers INFO of devices: some say by it, not by MESSAGE, that all of a
// recording is sent (signalling.md section 6.6).
func (a *App) info(r *sip.Request) (sip.Response, func()) {
	id, m, refusal := a.read(r)
	if refusal.Status != 0 {
		return refusal, nil
	}
	return sip.Response{Status: 200}, func() {
		a.heard(id, shadow.ByMessage, r, m)
		if strings.EqualFold(m.CmdType, "MediaStatus") {
			a.mediaStatus(id, r, m)
		}
	}
}

// mediaStatus ends the recording that a device says it has sent.
func (a *App) mediaStatus(id gb28181.ID, r *sip.Request, m *manscdp.Message) {
	if m.Node.Value("NotifyType") != "121" {
		return
	}
	if !a.play.SentAll(r.CallID, id, gb28181.ID(m.DeviceID)) {
		a.log.Debug().Str("device", string(id)).Str("call_id", r.CallID).Str("sender", m.DeviceID).Msg("media status of no recording that plays")
	}
}

// stranger answers whoever is not registered from where it speaks.
var stranger = sip.Response{Status: 403, Reason: "Not registered here"}

// read takes a MANSCDP body from a device that is registered at that address,
// or says how to refuse it.
func (a *App) read(r *sip.Request) (gb28181.ID, *manscdp.Message, sip.Response) {
	id := gb28181.ID(r.FromUser)
	if !a.known(id, r.Flow) {
		// In a stream's dialog some devices speak under another ID (signalling.md
		// section 9, row 29).
		var ok bool
		if id, ok = a.play.Caller(r.CallID); !ok || !a.known(id, r.Flow) {
			return gb28181.ID(r.FromUser), nil, stranger
		}
	}
	m, err := manscdp.Decode(r.Body)
	if err != nil {
		a.log.Warn().Str("device", r.FromUser).Str("call_id", r.CallID).Str("remote", r.Flow.String()).Int("bytes", len(r.Body)).
			Err(err).Msg("body cannot be read")
		return id, nil, sip.Response{Status: 400, Reason: "Body is not MANSCDP"}
	}
	return id, m, sip.Response{}
}

// known reports whether a device is bound to the IP address of f: its port may
// have moved, its catalog comes from nowhere else.
func (a *App) known(id gb28181.ID, f flow.Flow) bool {
	bound, ok := a.table.Bound(id)
	return ok && bound.Remote.Addr() == f.Remote.Addr()
}

func (a *App) heard(id gb28181.ID, by shadow.Evidence, r *sip.Request, m *manscdp.Message) {
	a.table.Heard(id, by, r.Flow, r.At)
	a.command.Learn(id, m)
	a.told(id, r, m)
}

// deviceChanged follows a device's life: it runs outside the table's locks, in
// order for each device.
func (a *App) deviceChanged(c device.Change) {
	id := c.Device.ID
	if c.What == device.Removed {
		a.leave(id, "the device was removed")
		a.subscribe.Remove(id)
		a.catalog.Forget(id)
		a.traits.Forget(id)
		a.store.ForgetRegistration(id)
		return
	}
	a.characterise(&c.Device)
	if c.First {
		a.command.Survey(id)
		a.play.DeviceAnew(id)
		a.upgrade.Registered(id)
	}
	if c.Device.Presence.State == shadow.Offline && c.Before != shadow.Offline {
		a.leave(id, "the device went offline: "+c.Device.Presence.Reason)
	}
	if saved, ok := a.table.Saved(id); ok {
		a.store.SaveRegistration(toRecord(saved))
	}
}

// leave ends what depends on a device that is gone; its channels are kept.
func (a *App) leave(id gb28181.ID, reason string) {
	a.command.Forget(id)
	a.subscribe.Forget(id)
	a.catalog.Cancel(id, reason)
	a.records.Cancel(id, reason)
	a.play.DeviceGone(id, reason)
	a.talk.DeviceGone(id, reason)
}

func (a *App) catalogChanged(id gb28181.ID, d catalog.Diff) {
	_ = a.table.Update(id, func(dev *gb28181.Device) { // an unknown device was removed meanwhile
		dev.Channels, dev.OnlineChannels, dev.Catalog = d.Channels, d.Online, d.State
	})
	if len(d.Added)+len(d.Updated)+len(d.Removed) == 0 {
		return
	}
	a.journal.Append(journal.Event{At: time.Now(), Type: "catalog.changed", Device: string(id), Data: map[string]any{
		"added": len(d.Added), "updated": len(d.Updated), "removed": len(d.Removed), "channels": d.Channels}})
}

func toRecord(s device.Saved) store.Registration {
	d := &s.Device
	r := store.Registration{
		ID: d.ID, Flow: store.Flow(s.Flow),
		Contact: d.Contact, CallID: s.CallID, UserAgent: d.UserAgent, Edition: d.Edition, Charset: d.Charset,
		Name: d.Name, Manufacturer: d.Manufacturer, Model: d.Model, Firmware: d.Firmware,
		RegisteredAt: d.RegisteredAt, ExpiresAt: d.ExpiresAt, KeepaliveAt: d.KeepaliveAt,
	}
	if p := &d.Presence; p.State == shadow.Offline {
		r.Offline, r.OfflineReason, r.OfflineAt = string(p.Evidence), p.Reason, p.At
	}
	return r
}

func fromRecord(r store.Registration) device.Saved {
	f := flow.Flow(r.Flow)
	var p shadow.Presence
	if r.Offline != "" {
		p = shadow.Presence{State: shadow.Offline, Evidence: shadow.Evidence(r.Offline), Reason: r.OfflineReason, At: r.OfflineAt, Since: r.OfflineAt}
	}
	return device.Saved{CallID: r.CallID, Flow: f, Device: gb28181.Device{
		ID: r.ID, Kind: gb28181.KindGB28181, Name: r.Name, Transport: f.Transport, Remote: f.Remote.String(), Contact: r.Contact,
		UserAgent: r.UserAgent, Edition: r.Edition, Charset: r.Charset, Manufacturer: r.Manufacturer, Model: r.Model, Firmware: r.Firmware,
		RegisteredAt: r.RegisteredAt, ExpiresAt: r.ExpiresAt, KeepaliveAt: r.KeepaliveAt,
		Presence: p,
	}}
}
