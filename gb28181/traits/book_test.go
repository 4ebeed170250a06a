package traits_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/quirk"
	"fengsui/gb28181/traits"
)

const camera = gb28181.ID("34020000001320000001")

type hands map[gb28181.ID]quirk.Hand

func (h hands) Hand(id gb28181.ID) quirk.Hand { return h[id] }

func rules(t *testing.T, text string) quirk.Rules {
	t.Helper()
	list, err := quirk.Load(nil, []byte(text), "test")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestQuirksFollowWhatBecomesKnown(t *testing.T) {
	by := hands{}
	reg := prometheus.NewRegistry()
	b := traits.New(by, rules(t, "rules:\n  - match: {manufacturer: Odd}\n    quirks: [utc-time]\n"), reg)
	d := gb28181.Device{ID: camera}
	if now, before := b.Learn(&d); now != 0 || before != 0 || b.Of(camera) != 0 {
		t.Errorf("of an unknown maker: %s after %s", now, before)
	}
	d.Manufacturer = "Odd Co."
	if now, _ := b.Learn(&d); !now.Has(quirk.UTCTime) || !b.Has(camera, quirk.UTCTime) {
		t.Errorf("of a known maker: %s", now)
	}
	by[camera] = quirk.Hand{Give: []quirk.Name{quirk.MediaTCP}, Take: []quirk.Name{quirk.UTCTime}}
	if now, before := b.Learn(&d); now.String() != "media-tcp" || before.String() != "utc-time" {
		t.Errorf("by hand: %s after %s", now, before)
	}
	if why := b.Explain(&d); len(why) != 1 || why[0].Why != "set by hand" {
		t.Errorf("explained as %+v", why)
	}
	if n := value(t, reg, "fengsui_quirks_devices", "media-tcp"); n != 1 {
		t.Errorf("%v devices have media-tcp", n)
	}
	delete(by, camera)
	b.Use(nil)
	if now, _ := b.Learn(&d); now != 0 || b.Of(camera) != 0 {
		t.Errorf("without rules: %s", now)
	}
	b.Forget(camera)
	if n := value(t, reg, "fengsui_quirks_devices", "media-tcp"); n != 0 {
		t.Errorf("%v devices have media-tcp in the end", n)
	}
}

func value(t *testing.T, reg *prometheus.Registry, name, label string) float64 {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no %s of %s", name, label)
	return 0
}

func TestVendorFieldsAreKeptWithinBounds(t *testing.T) {
	reg := prometheus.NewRegistry()
	b := traits.New(hands{}, nil, reg)
	at := time.Unix(1e9, 0)
	b.Header(camera, "REGISTER", "X-Vendor-Serial", "A\x01B", at)
	b.Header("34020000002000000009", "MESSAGE", "Monitor-User-Identity", "34020000002110000009-user", at)
	if got := b.Said("34020000002000000009"); len(got) != 1 || got[0].Value != "34020000002110000009-user" {
		t.Errorf("the identity of a user: %+v", got)
	}
	b.Forget("34020000002000000009")
	for _, of := range []string{"Via", "X-GB-Ver", "x-recv-flow", "Contact", "X"} {
		b.Header(camera, "REGISTER", of, "v", at)
	}
	m, err := manscdp.Decode([]byte(`<Response><CmdType>DeviceInfo</CmdType><SN>1</SN><DeviceID>34020000001320000001</DeviceID><Result>OK</Result>` +
		`<Info><Chip>H9</Chip><Password>secret</Password><Net><MTU>1400</MTU></Net></Info><ExtraInfo>` + strings.Repeat("长", 200) + `</ExtraInfo></Response>`))
	if err != nil {
		t.Fatal(err)
	}
	b.Message(camera, m, at)
	b.Message(camera, m, at.Add(time.Second)) // the same again
	got := b.Said(camera)
	if len(got) != 3 || got[0] != (traits.Field{In: "REGISTER", Name: "X-Vendor-Serial", Value: "A B", At: at}) ||
		got[1].Value != "Chip=H9; Net=MTU=1400" || got[2].Value != strings.Repeat("长", traits.MaxText/3) || got[2].At != at.Add(time.Second) {
		t.Errorf("%+v", got)
	}
	for i := range 2 * traits.MaxFields {
		b.Header(camera, "MESSAGE", fmt.Sprint("X-", i), "v", at)
	}
	if n := len(b.Said(camera)); n != traits.MaxFields {
		t.Errorf("%d fields are kept", n)
	}
	if n := value(t, reg, "fengsui_traits_dropped_fields_total", "device"); n != float64(traits.MaxFields+3) {
		t.Errorf("%v are counted as dropped", n)
	}
	for i := range traits.MaxDevices {
		b.Header(gb28181.ID(fmt.Sprintf("34020000001320%06d", i+2)), "MESSAGE", "X-A", "v", at)
	}
	if n := value(t, reg, "fengsui_traits_dropped_fields_total", "all"); n != 1 {
		t.Errorf("%v fields of devices beyond the bound are counted", n)
	}
	b.Forget(camera)
	if got := b.Said(camera); len(got) != 0 {
		t.Errorf("after it was removed: %+v", got)
	}
}
