package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/internal/store"
	"fengsui/sip/flow"
	"fengsui/sip/siptest"
)

// furnish fills a data folder as a server leaves it that held so many cameras,
// each registered, provisioned with a password of its own, and with one channel.
func furnish(tb testing.TB, cfg *configs.Config, devices int) {
	tb.Helper()
	s, err := loadSecrets(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	ctx := context.Background()
	kept, err := store.Open(ctx, store.Config{Path: filepath.Join(cfg.DataDir, "fengsui.db"), Key: s.cluster, QueueRows: 2 * devices}, nil, zerolog.Nop())
	if err != nil {
		tb.Fatal(err)
	}
	now := time.Now()
	for i := range devices {
		id := gb28181.ID(fmt.Sprintf("3402%04d00132%07d", i%100, i))
		if _, err := kept.PutDevice(ctx, store.Device{ID: id, Name: fmt.Sprintf("Gate %d", i), Kind: gb28181.KindGB28181, Password: fmt.Sprintf("secret-%d", i), Auth: store.AuthDigest, Approved: true}); err != nil {
			tb.Fatal(err)
		}
		remote := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 5060)
		kept.SaveRegistration(store.Registration{
			ID: id, Flow: store.Flow{Transport: "udp", Local: netip.MustParseAddrPort("192.0.2.1:5060"), Remote: remote},
			Contact: fmt.Sprintf("sip:%s@%s", id, remote), CallID: fmt.Sprintf("%032x@%s", i, remote.Addr()), UserAgent: "IP Camera", Edition: gb28181.Edition2016,
			Charset: "GB18030", Name: fmt.Sprintf("Gate %d", i), Manufacturer: "Example", Model: "DS-2CD2T47", Firmware: "V5.5.82",
			RegisteredAt: now, ExpiresAt: now.Add(time.Hour), KeepaliveAt: now,
		})
		kept.SaveChannels(id, []gb28181.Channel{{
			ID: id, Name: fmt.Sprintf("Camera %d", i), Manufacturer: "Example", Model: "DS-2CD2T47", CivilCode: "340200", Address: "Gate",
			ParentID: string(id), On: true, PTZType: 1, Longitude: 118.3, Latitude: 31.3,
		}})
	}
	if err := errors.Join(kept.Flush(ctx), kept.Close()); err != nil { // Close alone gives up after ten seconds
		tb.Fatal(err)
	}
}

// filledFolder is a configuration on free ports with a filled data folder.
func filledFolder(tb testing.TB, devices int) configs.Config {
	cfg, password := configs.Default(), "12345678"
	cfg.DataDir, cfg.SIP.Password = tb.TempDir(), &password
	cfg.SIP.Listen, cfg.HTTP.Listen, cfg.Media.Listen, cfg.Media.WebRTCListen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", ""
	furnish(tb, &cfg, devices)
	return cfg
}

// A server that comes back must be there before its devices miss it: 100,000 of
// them within 5 s on one core, so 20,000 within one second of a core, whatever else
// the machine does. Slow machines get four times that; the race detector makes
// everything slower than any machine.
func TestTwentyThousandDevicesAreLoadedBeforeTheFirstAnswer(t *testing.T) {
	devices := 20_000
	if raceDetector() {
		devices = 2_000
	}
	cfg := filledFolder(t, devices)
	before := cpuTime(t)
	a := run(t, cfg)
	if took := cpuTime(t) - before; took > 4*time.Second && !raceDetector() {
		t.Errorf("ready after %v of a core", took)
	}
	if _, _, unknown := a.table.Counts(); unknown != devices {
		t.Errorf("%d devices are there", unknown)
	}
	id := gb28181.ID("34020007001320000007")
	d, _ := a.table.Device(id)
	account, _ := a.accounts().Account(id)
	remote := netip.MustParseAddrPort("10.0.0.7:5060")
	if d.Channels != 1 || d.Remote != remote.String() || account.Password != "secret-7" || !a.guard.Known(remote.Addr()) {
		t.Errorf("%+v with the password %q, known %v", d, account.Password, a.guard.Known(remote.Addr()))
	}
	if n := total(t, a, "fengsui_store_written_rows_total"); n > 0 {
		t.Errorf("%v rows are written that were only read", n)
	}
	items := map[string]int{}
	for _, s := range a.Facts().Start {
		items[s.Name] = s.Items
		t.Logf("%s: %d in %v", s.Name, s.Items, s.Took)
	}
	want := map[string]int{stepStore: 1, stepUsers: 1, stepBans: 0, stepCredentials: devices, stepShadows: devices, stepChannels: devices, stepTotal: devices}
	if !maps.Equal(items, want) || len(a.Loading()) > 0 {
		t.Errorf("steps %v, left %v", items, a.Loading())
	}
}

// cpuTime is what this process has had of the processors.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// raceDetector reports whether the test was built with -race.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// total sums the series of a metric, once all that is told has been told.
func total(t *testing.T, a *App, name string) (sum float64) {
	t.Helper()
	time.Sleep(300 * time.Millisecond) // longer than the store lets anything wait
	families, err := a.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// Before the credentials are there nothing can be answered rightly: neither a
// REGISTER nor a question of the API.
func TestNothingIsAnsweredBeforeAllIsLoaded(t *testing.T) {
	cfg := filledFolder(t, 1)
	cfg.SIP.Listen, cfg.HTTP.Listen = free(t), free(t)
	a, err := New(t.Context(), cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := sql.Open("sqlite", "file:"+filepath.Join(cfg.DataDir, "fengsui.db")+"?_txlock=exclusive")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Close() }()
	hold, err := lock.BeginTx(t.Context(), nil) // the first administrator waits for it
	if err != nil {
		t.Fatal(err)
	}
	ask := func(path string) (int, string) {
		res, err := http.Get("http://" + cfg.HTTP.Listen + path)
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Error(err)
		}
		return res.StatusCode, string(body)
	}
	serveUntilDone(t, a)
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if code, _ := ask("/healthz"); code == 200 {
			break
		}
	}
	if code, body := ask("/readyz"); code != 503 || !strings.Contains(body, "start: users") {
		t.Errorf("/readyz answers %d %s", code, body)
	}
	if code, body := ask("/api/v1/devices"); code != 503 || !strings.Contains(body, "users") {
		t.Errorf("the API answers %d %s", code, body)
	}
	if code, _ := ask("/healthz"); code != 200 {
		t.Errorf("/healthz answers %d", code)
	}
	d := siptest.NewDevice(t, siptest.Config{Server: netip.MustParseAddrPort(cfg.SIP.Listen), Transport: flow.UDP})
	m := d.Request("REGISTER", "")
	d.Send(m.Bytes())
	d.Silence(200*time.Millisecond, func(m *siptest.Message) bool { return m.Status > 0 })
	if err := hold.Rollback(); err != nil {
		t.Fatal(err)
	}
	if got := d.ExpectAnswer(m); got.Status != 401 {
		t.Errorf("the REGISTER that waited is answered %d", got.Status)
	}
	<-a.Listening()
	if code, body := ask("/readyz"); code != 200 {
		t.Errorf("/readyz answers %d %s", code, body)
	}
}

// free is an address of the loopback that nobody has.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestWhatCannotBeLoadedEndsTheStartByName(t *testing.T) {
	cfg := filledFolder(t, 1)
	a, err := New(t.Context(), cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(cfg.DataDir, "fengsui.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "DROP TABLE channels"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	err = a.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "start: channels: read channels") {
		t.Errorf("Run = %v", err)
	}
	c, err := net.ListenPacket("udp", a.endpoint.Addrs()[0].Local.String())
	if err != nil {
		t.Fatalf("the socket is still bound: %v", err)
	}
	_ = c.Close()
}

// BenchmarkStart is the time from the first line to served devices, all that
// 100,000 devices left behind loaded.
func BenchmarkStart(b *testing.B) {
	cfg := filledFolder(b, 100_000)
	took := map[string]time.Duration{}
	for b.Loop() {
		a, err := New(b.Context(), cfg, io.Discard)
		if err != nil {
			b.Fatal(err)
		}
		if err := a.load(b.Context()); err != nil {
			b.Fatal(err)
		}
		for _, s := range a.start.steps() {
			took[s.Name] += s.Took
		}
		b.StopTimer()
		if err := a.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	for name, d := range took {
		b.ReportMetric(float64(d.Milliseconds())/float64(b.N), name+"-ms")
	}
}
