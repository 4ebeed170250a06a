package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fengsui/gb28181"
	"fengsui/internal/rights"
	"fengsui/internal/store"
	"fengsui/sip/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var key = []byte("0123456789abcdef0123456789abcdef")

func config(t *testing.T) store.Config {
	return store.Config{Path: filepath.Join(t.TempDir(), "fengsui ?%.db"), Key: key}
}

func open(t *testing.T, cfg store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), cfg, prometheus.NewRegistry(), zerolog.Nop())
	if err == nil {
		_, err = s.LoadDevices(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// registrations are all that are written.
func registrations(t *testing.T, s *store.Store) (all []store.Registration) {
	t.Helper()
	if err := s.EachRegistration(t.Context(), func(r store.Registration) error { all = append(all, r); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func reopen(t *testing.T, s *store.Store, cfg store.Config) *store.Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, cfg)
}

func device(id gb28181.ID) store.Device {
	return store.Device{
		ID: id, Name: "东门 'O''Brien'", Kind: gb28181.KindGB28181, Password: "秘密 12345678", Auth: store.AuthDigest,
		Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}, Transport: "tcp",
		Edition: gb28181.Edition2022, MediaTransport: "tcp-passive", MediaMode: "range", Algorithms: []string{"SM3", "MD5"},
		Follow: "any", Tenant: "t", Approved: true,
	}
}

const cam = gb28181.ID("34020000001320000001")

func TestProvisionedDeviceSurvivesRestartWithItsPassword(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	want, err := s.AddDevice(t.Context(), device(cam))
	if err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, cfg)
	got, ok := s.Provisioned(cam)
	if !ok || !got.CreatedAt.Equal(want.CreatedAt) || !got.UpdatedAt.Equal(want.UpdatedAt) {
		t.Fatalf("Provisioned = %+v, %v, want %+v", got, ok, want)
	}
	got.CreatedAt, got.UpdatedAt = want.CreatedAt, want.UpdatedAt
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Provisioned = %+v\nwant %+v", got, want)
	}
}

func TestDevicePasswordIsNotReadableInTheFiles(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	if _, err := s.AddDevice(t.Context(), device(cam)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(cfg.Path), "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "12345678") {
			t.Errorf("%s holds the password in clear", f)
		}
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v, want 0600", f, info.Mode(), err)
		}
	}
}

func TestAnotherKeyIsRefusedAtOpen(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Key = []byte("another key of 32 bytes.........")
	_, err := store.Open(t.Context(), cfg, nil, zerolog.Nop())
	if !errors.Is(err, store.ErrWrongKey) || !strings.Contains(err.Error(), "cluster.secret") {
		t.Errorf("Open = %v, want ErrWrongKey and a hint", err)
	}
	if _, err := store.Open(t.Context(), store.Config{Path: cfg.Path, Key: []byte("short")}, nil, zerolog.Nop()); err == nil {
		t.Error("a 5-byte key was taken")
	}
}

func TestAddingADeviceTwiceIsRefusedAndChangingItIsNot(t *testing.T) {
	s := open(t, config(t))
	d, err := s.AddDevice(t.Context(), device(cam))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddDevice(t.Context(), d); !errors.Is(err, store.ErrExists) {
		t.Errorf("second AddDevice = %v, want ErrExists", err)
	}
	d.Name, d.Password = "西门", ""
	if _, err := s.PutDevice(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Provisioned(cam); got.Name != "西门" || got.Password != "" || !got.CreatedAt.Equal(d.CreatedAt) {
		t.Errorf("after PutDevice: %+v", got)
	}
	if n := len(s.Devices()); n != 1 {
		t.Errorf("%d devices, want 1", n)
	}
}

func registration(id gb28181.ID) store.Registration {
	at := time.UnixMilli(1_790_000_000_123)
	return store.Registration{
		ID: id, Contact: "sip:" + string(id) + "@192.0.2.20:5060", CallID: "c1", UserAgent: "IPC/1", Edition: gb28181.Edition2016, Charset: "GB18030",
		Flow: store.Flow(flow.Flow{Transport: flow.TCP, Listener: 1, Local: netip.MustParseAddrPort("192.0.2.1:5060"), Remote: netip.MustParseAddrPort("[2001:db8::1]:40000")}),
		Name: "球机", Manufacturer: "M", Model: "X", Firmware: "V1", RegisteredAt: at, ExpiresAt: at.Add(time.Hour), KeepaliveAt: at.Add(time.Minute),
		Offline: "unregister", OfflineReason: "unregistered", OfflineAt: at.Add(time.Second),
	}
}

func TestRegistrationSurvivesRestartAsLastSaved(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	want := registration(cam)
	old := want
	old.CallID = "c0"
	s.SaveRegistration(old)
	s.SaveRegistration(want)
	s.SaveRegistration(registration("34020000001320000002"))
	s.ForgetRegistration("34020000001320000002")
	s = reopen(t, s, cfg) // Close writes what is queued
	if all := registrations(t, s); len(all) != 1 || all[0] != want {
		t.Fatalf("registrations %+v\nwant %+v", all, want)
	}
	s.ForgetRegistration(cam)
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := registrations(t, s); len(all) != 0 {
		t.Errorf("after ForgetRegistration: %v", all)
	}
}

func TestTenThousandRegistrationsAreAbsorbedAtOnceAndWrittenByRun(t *testing.T) {
	reg := prometheus.NewRegistry()
	s, err := store.Open(t.Context(), config(t), reg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	start := time.Now()
	for i := range 10_000 {
		if !s.SaveRegistration(registration(gb28181.ID(fmt.Sprintf("3402000000132%07d", i)))) {
			t.Fatal("a registration was dropped")
		}
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("taking 10,000 registrations took %v", took)
	}
	for counter(t, reg, "fengsui_store_written_rows_total") < 10_000 {
		if time.Since(start) > time.Minute {
			t.Fatalf("not written after %v", time.Since(start))
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("10,000 registrations on disk after %v", time.Since(start))
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if all := registrations(t, s); len(all) != 10_000 {
		t.Errorf("%d kept", len(all))
	}
}

func channels(n int) []gb28181.Channel {
	all := make([]gb28181.Channel, n)
	for i := range all {
		all[i] = gb28181.Channel{
			Device: cam, ID: gb28181.ID(fmt.Sprintf("3402000000131%07d", i)), Name: "通道", Manufacturer: "M", Model: "X", CivilCode: "340200",
			Address: "addr", Parental: true, ParentID: "3402", BusinessGroup: "34020000002150000001", On: true, OffReason: "",
			PTZType: 1, Longitude: 121.47, Latitude: -31.23, Streams: "0/1", Secrecy: true,
		}
	}
	return all
}

func kept(t *testing.T, s *store.Store) []gb28181.Channel {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all []gb28181.Channel
	if err := s.EachChannel(t.Context(), func(c gb28181.Channel) error { all = append(all, c); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestChannelsAreUpsertedDroppedAndReplaced(t *testing.T) {
	s := open(t, config(t))
	want := channels(2500) // more than one batch
	s.SaveChannels(cam, want)
	if got := kept(t, s); !reflect.DeepEqual(got, want) {
		t.Fatalf("%d channels kept, want %d as they were", len(got), len(want))
	}
	changed := want[0]
	changed.On, changed.OffReason = false, "VLOST"
	s.SaveChannels(cam, []gb28181.Channel{changed})
	s.DropChannels(cam, []gb28181.ID{want[1].ID})
	if got := kept(t, s); len(got) != 2499 || got[0] != changed || got[1] != want[2] {
		t.Fatalf("%d channels after upsert and drop", len(got))
	}
	s.SaveChannels(cam, want)         // superseded before it is written
	s.ReplaceChannels(cam, want[5:7]) // these alone
	s.SaveChannels(cam, want[10:11])  // and one more
	s.SaveChannels("x", channels(1))  // another device is not touched
	s.ReplaceChannels("x", nil)       //
	s.SaveChannels("x", channels(1))  //
	if got := kept(t, s); len(got) != 4 || got[0] != want[5] || got[1] != want[6] || got[2] != want[10] || got[3].Device != "x" {
		t.Fatalf("after replace: %+v", got)
	}
}

func TestFullQueueDropsCountsAndStillReplacesWhatWaits(t *testing.T) {
	cfg := config(t)
	cfg.QueueRows = 3
	reg := prometheus.NewRegistry()
	s, err := store.Open(t.Context(), cfg, reg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all := channels(5)
	if s.SaveChannels(cam, all) {
		t.Error("five rows fitted into a queue of three")
	}
	newer := all[0]
	newer.Name = "newer"
	if !s.SaveChannels(cam, []gb28181.Channel{newer}) {
		t.Error("a row that waits could not be replaced")
	}
	if s.SaveRegistration(registration(cam)) {
		t.Error("a registration was taken by a full queue")
	}
	if got := kept(t, s); len(got) != 3 || got[0].Name != "newer" {
		t.Errorf("kept %v", got)
	}
	if !s.SaveRegistration(registration(cam)) {
		t.Error("no room after the flush")
	}
	if got := counter(t, reg, "fengsui_store_dropped_rows_total"); got != 3 {
		t.Errorf("dropped = %v, want 3", got)
	}
}

func counter(t *testing.T, reg *prometheus.Registry, name string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func TestRowsThatCouldNotBeWrittenAreKeptAndTriedAgain(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	s.SaveChannels(cam, channels(10))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Flush(gone); err == nil {
		t.Fatal("Flush with an ended context succeeded")
	}
	newer := channels(1)
	newer[0].Name = "newer"
	s.SaveChannels(cam, newer)
	if got := kept(t, s); len(got) != 10 || got[0].Name != "newer" {
		t.Errorf("kept %d, first %q", len(got), got[0].Name)
	}
}

func TestRemovingADeviceRemovesAllOfIt(t *testing.T) {
	s := open(t, config(t))
	if _, err := s.AddDevice(t.Context(), device(cam)); err != nil {
		t.Fatal(err)
	}
	s.SaveRegistration(registration(cam))
	s.SaveChannels(cam, channels(3))
	kept(t, s)
	s.SaveChannels(cam, channels(5)) // still queued
	if err := s.RemoveDevice(t.Context(), cam); err != nil {
		t.Fatal(err)
	}
	regs := registrations(t, s)
	if _, ok := s.Provisioned(cam); ok || len(regs) != 0 || len(kept(t, s)) != 0 {
		t.Errorf("left: %v, %v", ok, regs)
	}
	if err := s.RemoveDevice(t.Context(), cam); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("second RemoveDevice = %v, want ErrNotFound", err)
	}
}

func TestNewerDatabaseIsRefusedAndNotTouched(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	exec(t, cfg.Path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
	_, err := store.Open(t.Context(), cfg, nil, zerolog.Nop())
	if !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "9999") || !strings.Contains(err.Error(), cfg.Path) {
		t.Errorf("Open = %v, want ErrNewer naming version and file", err)
	}
}

func exec(t *testing.T, path, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.NewReplacer("%", "%25", "?", "%3f", " ", "%20").Replace(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
}

func TestUsersSignInDataChangesAndEpochRises(t *testing.T) {
	s := open(t, config(t))
	ctx := t.Context()
	admin := store.User{Name: "admin", Roles: []string{"administrator"}, Hash: "$argon2id$1"}
	if added, err := s.AddFirstUser(ctx, admin); !added || err != nil {
		t.Fatal(added, err)
	}
	if added, err := s.AddFirstUser(ctx, store.User{Name: "other"}); added || err != nil {
		t.Errorf("second first user: %v, %v", added, err)
	}
	if _, err := s.AddUser(ctx, admin); !errors.Is(err, store.ErrExists) {
		t.Errorf("AddUser twice = %v", err)
	}
	u, err := s.UserByName(ctx, "admin")
	if err != nil || u.ID == 0 || u.Epoch != 1 || !slices.Equal(u.Roles, []string{"administrator"}) {
		t.Fatalf("UserByName = %+v, %v", u, err)
	}
	if err := errors.Join(s.SetPassword(ctx, u.ID, "$argon2id$2"), s.SetRoles(ctx, u.ID, []string{"viewer", "guards"}, true)); err != nil {
		t.Fatal(err)
	}
	u, err = s.User(ctx, u.ID)
	if err != nil || u.Hash != "$argon2id$2" || !slices.Equal(u.Roles, []string{"viewer", "guards"}) || !u.Disabled || u.Epoch != 3 {
		t.Errorf("after changes: %+v, %v", u, err)
	}
	if all, err := s.Users(ctx); err != nil || len(all) != 1 {
		t.Errorf("Users = %v, %v", all, err)
	}
	if err := s.RemoveUser(ctx, u.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.User(ctx, u.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("User after RemoveUser = %v", err)
	}
}

func TestKeysAreFoundBySecretAlone(t *testing.T) {
	s := open(t, config(t))
	ctx := t.Context()
	k, err := s.AddKey(ctx, store.Key{ID: "k1", Name: "nvr", Grants: []rights.Grant{{Act: rights.Look, Subtree: "*"}}, CreatedBy: "admin"}, "fsk_secret")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.KeyBySecret(ctx, "fsk_secret"); err != nil || !reflect.DeepEqual(got, k) {
		t.Errorf("KeyBySecret = %+v, %v, want %+v", got, err, k)
	}
	if _, err := s.KeyBySecret(ctx, "fsk_guess"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("KeyBySecret of a guess = %v", err)
	}
	at := time.UnixMilli(1_790_000_000_000)
	if err := s.TouchKey(ctx, "k1", at); err != nil {
		t.Error(err)
	}
	if all, err := s.Keys(ctx); err != nil || len(all) != 1 || !all[0].LastUsedAt.Equal(at) {
		t.Errorf("Keys = %+v, %v", all, err)
	}
	if err := s.RemoveKey(ctx, "k1"); err != nil {
		t.Error(err)
	}
	if err := s.RemoveKey(ctx, "k1"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("second RemoveKey = %v", err)
	}
}

func TestSettingsAndSecretsAreKept(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	ctx := t.Context()
	first, err := s.SecretOnce(ctx, "sip.password", func() string { return "made first" })
	if err != nil || first != "made first" {
		t.Fatal(first, err)
	}
	if err := errors.Join(s.SetSetting(ctx, "a", "1"), s.SetSetting(ctx, "a", "2"), s.SetSecret(ctx, "b", "三")); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, cfg)
	again, err := s.SecretOnce(ctx, "sip.password", func() string { return "made again" })
	if err != nil || again != first {
		t.Errorf("SecretOnce = %q, %v, want %q", again, err, first)
	}
	if a, err := s.Setting(ctx, "a"); err != nil || a != "2" {
		t.Errorf("Setting = %q, %v", a, err)
	}
	if b, err := s.Secret(ctx, "b"); err != nil || b != "三" {
		t.Errorf("Secret = %q, %v", b, err)
	}
	if _, err := s.Setting(ctx, "c"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Setting of nothing = %v", err)
	}
}

func TestRevokedSessionsAreRememberedUntilTheyExpire(t *testing.T) {
	s := open(t, config(t))
	ctx := t.Context()
	if err := s.RevokeSession(ctx, "old", time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeSession(ctx, "new", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{"old": false, "new": true, "never": false} {
		if got, err := s.SessionRevoked(ctx, id); err != nil || got != want {
			t.Errorf("SessionRevoked(%s) = %v, %v, want %v", id, got, err, want)
		}
	}
}
