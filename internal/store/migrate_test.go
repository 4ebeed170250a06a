package store

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rs/zerolog"
)

// with returns the embedded migrations and one more, the test's, and the version
// before it.
func with(t *testing.T, next string) (dir fs.FS, version int) {
	t.Helper()
	embedded, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(path.Base(embedded[len(embedded)-1]), "%05d", &version); err != nil {
		t.Fatal(err)
	}
	all := fstest.MapFS{fmt.Sprintf("%05d_next.sql", version+1): {Data: []byte("-- +goose Up\n" + next)}}
	for _, name := range embedded {
		data, err := fs.ReadFile(migrations, name)
		if err != nil {
			t.Fatal(err)
		}
		all[path.Base(name)] = &fstest.MapFile{Data: data}
	}
	return all, version
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
	dir, now := with(t, "CREATE TABLE more (x);\nNONSENSE;\n")
	_, err = openWith(t.Context(), cfg, dir, nil, zerolog.Nop())
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("from version %d to %d", now, now+1)) {
		t.Fatalf("open with a broken migration = %v", err)
	}

	dir, _ = with(t, "DELETE FROM settings;\n")
	s, err = openWith(t.Context(), cfg, dir, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	// The binary of the version before refuses the result, names the copy, and runs on it.
	backup := fmt.Sprintf("%s.v%d.bak", cfg.Path, now)
	_, err = Open(t.Context(), cfg, nil, zerolog.Nop())
	if err == nil || !strings.Contains(err.Error(), backup) {
		t.Fatalf("open of a newer database = %v, want the copy named", err)
	}
	if err := os.Rename(backup, cfg.Path); err != nil {
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
