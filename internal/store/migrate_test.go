package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
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

func TestAnOlderDatabaseCanBeCopiedBeforeItIsMigrated(t *testing.T) {
	cfg := Config{Path: filepath.Join(t.TempDir(), "fengsui.db"), Key: make([]byte, 32)}
	var asked []int64
	backup := cfg.Path + ".copy"
	cfg.BeforeMigration = func(ctx context.Context, from, to int64) error {
		asked = append(asked, from, to)
		return errors.Join(os.RemoveAll(backup), Copy(ctx, cfg.Path, backup))
	}
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
	if len(asked) > 0 {
		t.Fatalf("a new database was to be backed up: %v", asked)
	}
	newest, err := Newest()
	if err != nil {
		t.Fatal(err)
	}

	// A copy that fails keeps the database from being changed.
	dir, now := with(t, "DELETE FROM settings;\n")
	refusing := cfg
	refusing.BeforeMigration = func(context.Context, int64, int64) error { return errors.New("disk full") }
	if _, err := openWith(t.Context(), refusing, dir, nil, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Fatalf("open without room for the copy = %v", err)
	}
	if v, err := Version(t.Context(), cfg.Path); err != nil || v != newest {
		t.Fatalf("version %d, %v; want %d still", v, err, newest)
	}

	// A migration that fails half-way leaves the copy and the old version.
	broken, _ := with(t, "CREATE TABLE more (x);\nNONSENSE;\n")
	_, err = openWith(t.Context(), cfg, broken, nil, zerolog.Nop())
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("from version %d to %d", now, now+1)) {
		t.Fatalf("open with a broken migration = %v", err)
	}

	s, err = openWith(t.Context(), cfg, dir, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if want := []int64{newest, newest + 1, newest, newest + 1}; !slices.Equal(asked, want) {
		t.Errorf("asked before %v, want %v", asked, want)
	}

	// The binary of the version before refuses the result, and runs on the copy.
	if _, err = Open(t.Context(), cfg, nil, zerolog.Nop()); !errors.Is(err, ErrNewer) {
		t.Fatalf("open of a newer database = %v, want %v", err, ErrNewer)
	}
	if err := Check(t.Context(), cfg.Path, cfg.Key); !errors.Is(err, ErrNewer) {
		t.Fatalf("check of a newer database = %v, want %v", err, ErrNewer)
	}
	if err := Check(t.Context(), backup, make([]byte, 20)); !errors.Is(err, ErrWrongKey) {
		t.Fatalf("check with another key = %v, want %v", err, ErrWrongKey)
	}
	if err := Check(t.Context(), backup, cfg.Key); err != nil {
		t.Fatal(err)
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

func TestADamagedDatabaseIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fengsui.db")
	cfg := Config{Path: path, Key: make([]byte, 32)}
	s, err := Open(t.Context(), cfg, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		if err := s.SetSetting(t.Context(), fmt.Sprintf("key-%d", i), strings.Repeat("x", 100)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[len(b)-3*4096:]) // pages of the settings
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Check(t.Context(), path, cfg.Key); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Check = %v, want the database named as damaged", err)
	}
}
