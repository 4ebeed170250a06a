package app

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fengsui/configs"
	"fengsui/internal/reuse"
	"fengsui/internal/store"
)

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestDoctorAsksTheServerThatRunsForItsPools(t *testing.T) {
	var cfg configs.Config
	a := serve(t, func(c *configs.Config) {
		c.HTTP.Listen = freePort(t)
		cfg = *c
	})
	register(t, a)
	deadline := time.Now().Add(10 * time.Second)
	var out strings.Builder
	for !strings.Contains(out.String(), "1 devices, ") && time.Now().Before(deadline) {
		time.Sleep(200 * time.Millisecond)
		out.Reset()
		_ = Doctor(t.Context(), cfg, &out) // what it thinks of this machine does not matter
	}
	for _, want := range []string{"1 devices, ", "ports are its own", "pool sip_request", "ok      audit"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "sip.listen") {
		t.Errorf("ports of a running server were tried:\n%s", &out)
	}
	// With another secret it is another's server.
	if err := os.WriteFile(filepath.Join(cfg.DataDir, clusterSecretFile), []byte("another secret of another one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := askRunning(t.Context(), &cfg); !errors.Is(err, errNotRunning) {
		t.Errorf("asked with another secret: %+v, %v", r, err)
	}
}

func TestDoctorOfAServerThatDoesNotRunSaysWhatPoolsMayTake(t *testing.T) {
	cfg := configs.Default()
	cfg.DataDir, cfg.Memory.Limit = t.TempDir(), 800<<20
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	_ = Doctor(ctx, cfg, &out) // no port can be tried
	if !strings.Contains(out.String(), "at most 100 MiB of memory.limit") {
		t.Errorf("said\n%s", &out)
	}
}

func TestDoctorTriesWhetherSinksAreReached(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	cfg := configs.Default()
	cfg.Sinks = []configs.Sink{{Name: "ops", Kind: "webhook", URL: "http://" + address + "/hook?token=secret"}}
	if f := checkSinks(t.Context(), &cfg); len(f) != 1 || f[0].state != "ok" || strings.Contains(f[0].seen, "secret") {
		t.Errorf("while it listens: %+v", f)
	}
	l.Close()
	if f := checkSinks(t.Context(), &cfg); f[0].state != "warn" || !strings.Contains(f[0].remedy, "sinks[0].url") {
		t.Errorf("while nobody listens: %+v", f)
	}
}

func TestDoctorFindsAnAuditThatOtherHandsChanged(t *testing.T) {
	cfg := configs.Default()
	cfg.DataDir, cfg.Cluster.Secret = t.TempDir(), "a secret of this test, long enough"
	if f := checkAudit(t.Context(), &cfg); f.state != "ok" || !strings.Contains(f.seen, "nothing") {
		t.Errorf("before the first start: %+v", f)
	}
	path := databasePath(&cfg)
	s, err := store.Open(t.Context(), store.Config{Path: path, Key: []byte(cfg.Cluster.Secret)}, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.AddAudit(t.Context(), store.Audit{At: time.Now(), Who: "admin", Route: "DELETE /api/v1/devices/{device}"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if f := checkAudit(t.Context(), &cfg); f.state != "ok" || !strings.Contains(f.seen, "3 rows") {
		t.Errorf("untouched: %+v", f)
	}
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.ExecContext(t.Context(), "DELETE FROM audit WHERE id = 2")
	}
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if f := checkAudit(t.Context(), &cfg); f.state != "broken" || !strings.Contains(f.seen, "breaks at 3") || f.remedy == "" {
		t.Errorf("with a row taken out: %+v", f)
	}
}

func TestPoolThatItsShareKeepsSmallIsNamed(t *testing.T) {
	f := (&poolRow{Name: "x", Size: 10, Least: 100, Taken: 20_000, HitRate: 0.5, Share: 1 << 20}).finding()
	if f.state != "warn" || !strings.Contains(f.remedy, "1024 KiB") {
		t.Errorf("%+v", f)
	}
	if f := (&poolRow{Name: "x", Size: 100, Least: 100, Taken: 20_000, HitRate: 0.5}).finding(); f.state != "ok" {
		t.Errorf("a pool as large as it should be: %+v", f)
	}
	if f := (&poolRow{Name: "x", Twice: 1}).finding(); f.state != "warn" {
		t.Errorf("an item returned twice: %+v", f)
	}
}

func TestPoolsTogetherMayKeepAnEighthOfTheLimit(t *testing.T) {
	a := serve(t, func(c *configs.Config) { c.Memory.Limit = 1 << 30 })
	sum := 0.0
	for _, r := range a.reuse.State().Kept {
		sum += r.Share
		if int64(r.Size)*int64(r.Bytes) > r.Limit {
			t.Errorf("%s keeps %d × %d bytes, its share is %d", r.Name, r.Size, r.Bytes, r.Limit)
		}
	}
	if sum > reuse.MostShare || sum == 0 {
		t.Errorf("shares are %v of the limit together, want at most %v", sum, reuse.MostShare)
	}
}
