package app

import (
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/gb28181/device"
	"fengsui/internal/store"
	"fengsui/shadow"
	"fengsui/sip/flow"
)

// Who was offline stays so over a restart, with its reason: one that unregistered
// must not come back by a keepalive, which proves nothing.
func TestOfflineDevicesAreRestoredOffline(t *testing.T) {
	const lasts, left, dead = gb28181.ID("34020000001320000001"), gb28181.ID("34020000001320000002"), gb28181.ID("34020000001320000003")
	home := flow.Flow{Transport: flow.UDP, Remote: netip.MustParseAddrPort("192.0.2.20:5060")}
	now := time.Now()
	before := device.New(device.Config{}, nil, nil, zerolog.Nop(), nil)
	for _, id := range []gb28181.ID{lasts, left} {
		if _, err := before.Bind(device.Registration{ID: id, Flow: home, CallID: "a", Expires: time.Hour, At: now}); err != nil {
			t.Fatal(err)
		}
	}
	before.Unbind(left, home, now.Add(time.Second))
	var records []store.Registration
	for s := range before.AllSaved() {
		records = append(records, toRecord(s))
	}
	silent := toRecord(device.Saved{Flow: home, CallID: "b", Device: gb28181.Device{
		ID: dead, RegisteredAt: now.Add(-time.Hour), ExpiresAt: now.Add(time.Hour), KeepaliveAt: now.Add(-10 * time.Minute),
		Presence: shadow.Presence{State: shadow.Offline, Evidence: shadow.BySilence, At: now.Add(-7 * time.Minute), Reason: "no sign of life for 3m0s"},
	}})
	records = append(records, silent)

	cfg := store.Config{Path: filepath.Join(t.TempDir(), "fengsui.db"), Key: make([]byte, 32)}
	kept, err := store.Open(t.Context(), cfg, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = kept.Close() }()
	for _, r := range records {
		kept.SaveRegistration(r)
	}
	if err := kept.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var saved []device.Saved
	if err := kept.EachRegistration(t.Context(), func(r store.Registration) error {
		saved = append(saved, fromRecord(r))
		return nil
	}); err != nil {
		t.Fatal(err)
	}

	after := device.New(device.Config{}, nil, nil, zerolog.Nop(), nil)
	if n := after.Restore(saved); n != 3 {
		t.Fatalf("%d of %v restored", n, slices.Collect(after.AllSaved()))
	}
	for id, want := range map[gb28181.ID]struct {
		state  shadow.State
		reason string
		taken  bool // its keepalive
	}{
		lasts: {shadow.Unknown, "server restarted, not heard yet", true},
		left:  {shadow.Offline, "unregistered", false},
		dead:  {shadow.Offline, "no sign of life for 10m0s", true},
	} {
		d, _ := after.Device(id)
		if d.Presence.State != want.state || d.Presence.Reason != want.reason {
			t.Errorf("%s is %s: %s; want %s: %s", id, d.Presence.State, d.Presence.Reason, want.state, want.reason)
		}
		if err := after.Keepalive(id, home, true, time.Now()); (err == nil) != want.taken {
			t.Errorf("keepalive of %s: %v", id, err)
		}
	}
}
