package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/gb28181/device"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/quirk"
	"fengsui/gb28181/traits"
	"fengsui/internal/store"
	"fengsui/sip"
	"fengsui/sip/intake"
)

// ownQuirksFile is looked for in the data folder where quirks.file names none.
const ownQuirksFile = "quirks.yaml"

// loadQuirks reads the rules that say which devices have which quirks.
func loadQuirks(c *configs.Config) (quirk.Rules, error) {
	path := c.Quirks.File
	if path == "" {
		path = filepath.Join(c.DataDir, ownQuirksFile)
	}
	own, err := os.ReadFile(path)
	if err != nil && (c.Quirks.File != "" || !errors.Is(err, fs.ErrNotExist)) {
		return nil, fmt.Errorf("quirks.file: %w", err)
	}
	rules, err := quirk.Load(configs.BuiltinQuirks, own, path)
	if err != nil {
		return nil, fmt.Errorf("quirks: %w", err)
	}
	return rules, nil
}

// hands are the lists of quirks that people gave to devices.
type hands struct{ store *store.Store }

func (h hands) Hand(id gb28181.ID) quirk.Hand {
	d, _ := h.store.Provisioned(id)
	hand, _ := quirk.ParseHand(d.Quirks) // checked when they were stored
	return hand
}

// Changed takes what a person decided for a device, for the API.
func (a *App) Changed(id gb28181.ID) {
	if k, ok := a.store.Provisioned(id); ok {
		a.notes.learn(&k)
	}
	if d, ok := a.table.Device(id); ok {
		a.characterise(&d)
	}
}

// Explain says which quirks a device has, for the API.
func (a *App) Explain(d *gb28181.Device) []quirk.Applied { return a.traits.Explain(d) }

// Said are the vendor fields of a device, for the API.
func (a *App) Said(id gb28181.ID) []traits.Field { return a.traits.Said(id) }

// characterise takes what has become known of a device and treats it so from now
// on: it may have registered before that was known.
func (a *App) characterise(d *gb28181.Device) {
	now, before := a.traits.Learn(d)
	if now == before {
		return
	}
	a.log.Info().Str("device", string(d.ID)).Stringer("quirks", now).Msg("device has quirks")
	k, _ := a.store.Provisioned(d.ID)
	a.table.Behave(d.ID, followOf(&k, now), now.Has(quirk.KeepaliveExtends))
	a.command.Learn(d.ID, &manscdp.Message{}) // the charset
	if e := editionOf(&k, now); e != gb28181.EditionUnknown && e != d.Edition {
		_ = a.table.Update(d.ID, func(d *gb28181.Device) { d.Edition = e }) // removed meanwhile
	}
}

// followOf is what a keepalive from another address does, "" as configured.
func followOf(k *store.Device, q quirk.Set) device.Follow {
	if k.Follow == "" && q.Has(quirk.FollowAny) {
		return device.FollowAny
	}
	return device.Follow(k.Follow)
}

// editionOf is the edition to speak whatever the device announces, unknown for
// that.
func editionOf(k *store.Device, q quirk.Set) gb28181.Edition {
	switch {
	case k.Edition != gb28181.EditionUnknown:
		return k.Edition
	case q.Has(quirk.Edition2016):
		return gb28181.Edition2016
	case q.Has(quirk.Edition2022):
		return gb28181.Edition2022
	}
	return gb28181.EditionUnknown
}

// anyRealm reports devices whose Digest may have another realm than ours; nothing
// but its User-Agent may be known of one.
func (a *App) anyRealm(id gb28181.ID, userAgent string) bool {
	return a.traits.Has(id, quirk.AnyRealm) || a.traits.Would(quirk.Facts{ID: id, UserAgent: userAgent}).Has(quirk.AnyRealm)
}

func (a *App) anyType(id gb28181.ID) bool { return a.traits.Has(id, quirk.InviteAnyChannel) }

// zoneOf is that of a device's times.
func (a *App) zoneOf(id gb28181.ID) *time.Location {
	if a.traits.Has(id, quirk.UTCTime) {
		return time.UTC
	}
	return a.zone
}

// uriHost is the domain for peers that want it in Request-URI and To.
func (a *App) uriHost(id string) string {
	if a.traits.Has(gb28181.ID(id), quirk.URIDomain) {
		return a.cfg.SIP.SIPDomain()
	}
	return ""
}

// registered keeps what a device says in the header of its first REGISTER.
func (a *App) registered(id gb28181.ID, r *intake.Request) {
	for name, value := range r.Fields() {
		a.traits.Header(id, "REGISTER", name, value, r.At)
	}
}

// told keeps what a device says beyond the standard in a message.
func (a *App) told(id gb28181.ID, r *sip.Request, m *manscdp.Message) {
	for name, value := range r.Fields() {
		a.traits.Header(id, r.Method, name, value, r.At)
	}
	a.traits.Message(id, m, r.At)
}

// useQuirks takes rules that were read again.
func (a *App) useQuirks(rules quirk.Rules) {
	a.traits.Use(rules)
	for d := range a.table.All() {
		a.characterise(&d)
	}
}
