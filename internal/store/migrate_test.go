package store

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rs/zerolog"
)

// with returns the embedded migrations and a second one of the test's.
func with(t *testing.T, second string) fs.FS {
	t.Helper()
	first, err := fs.ReadFile(migrations, "migrations/00001_spine.sql")
	if err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{
		"00001_spine.sql":  {Data: first},
		"00002_second.sql": {Data: []byte("-- +goose Up\n" + second)},
	}
}

func TestOlderDatabaseIsCopiedBeforeItIsMigrated(t *testing.T) {
	cfg := Config{Path: filepath.Join(t.TempDir(), "fengsui.db"), Key: make([]byte, 32)}
	s, err := Open(t.Context(), cfg, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetSetting(t.Context(), "kept", "yes"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(cfg.Path + ".*"); err != nil || len(left) != 0 {
		t.Fatalf("a new database was backed up: %v, %v", left, err)
	}

	// A migration that fails half-way leaves the copy and the old version.
	_, err = openWith(t.Context(), cfg, with(t, "CREATE TABLE more (x);\nNONSENSE;\n"), nil, zerolog.Nop())
	if err == nil || !strings.Contains(err.Error(), "from version 1 to 2") {
		t.Fatalf("open with a broken migration = %v", err)
	}

	s, err = openWith(t.Context(), cfg, with(t, "DELETE FROM settings;\n"), nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	// The binary of version 1 refuses the result, names the copy, and runs on it.
	_, err = Open(t.Context(), cfg, nil, zerolog.Nop())
	if err == nil || !strings.Contains(err.Error(), cfg.Path+".v1.bak") {
		t.Fatalf("open of a newer database = %v, want the copy named", err)
	}
	if err := os.Rename(cfg.Path+".v1.bak", cfg.Path); err != nil {
		t.Fatal(err)
	}
	s, err = Open(t.Context(), cfg, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if v, err := s.Setting(t.Context(), "kept"); err != nil || v != "yes" {
		t.Errorf("Setting = %q, %v in the copy", v, err)
	}
}
