package app

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"fengsui/configs"
	"fengsui/internal/backup"
	"fengsui/internal/store"
)

// usedFolder is a data folder that a server has used, with a setting to know it by.
func usedFolder(t *testing.T, mark string) configs.Config {
	t.Helper()
	c := configs.Default()
	c.DataDir = t.TempDir()
	write(t, &c, mark)
	return c
}

func write(t *testing.T, c *configs.Config, mark string) {
	t.Helper()
	secrets, err := loadSecrets(c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Config{Path: databasePath(c), Key: secrets.cluster}, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.SetSetting(t.Context(), "mark", mark), s.Close()); err != nil {
		t.Fatal(err)
	}
}

func mark(t *testing.T, c *configs.Config) string {
	t.Helper()
	secrets, err := loadSecrets(c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Config{Path: databasePath(c), Key: secrets.cluster}, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v, err := s.Setting(t.Context(), "mark")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// made is the only file that a pattern of the data folder's backups matches.
func made(t *testing.T, c *configs.Config, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(c.DataDir, backupFolder, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("backups %v, %v; want one", found, err)
	}
	return found[0]
}

func TestABackupIsRestoredAndWhatWasThereIsKept(t *testing.T) {
	c := usedFolder(t, "first")
	var out bytes.Buffer
	if err := Backup(t.Context(), c, "", &out); err != nil {
		t.Fatal(err)
	}
	path := made(t, &c, "*by-hand*")
	if !strings.Contains(out.String(), path) || !strings.Contains(out.String(), "secrets") {
		t.Errorf("said %q", out.String())
	}
	write(t, &c, "second")
	if err := Restore(t.Context(), c, path, true, &out); err != nil {
		t.Fatal(err)
	}
	if got := mark(t, &c); got != "second" {
		t.Fatalf("a check changed the database to %q", got)
	}

	// Into the same folder: what was there can be had again.
	if err := Restore(t.Context(), c, path, false, &out); err != nil {
		t.Fatal(err)
	}
	if got := mark(t, &c); got != "first" {
		t.Errorf("restored %q, want first", got)
	}
	if err := Restore(t.Context(), c, made(t, &c, "*before-restore*"), false, &out); err != nil {
		t.Fatal(err)
	}
	if got := mark(t, &c); got != "second" {
		t.Errorf("restored %q, want second", got)
	}

	// Into an empty one: with the secrets, without which the database is shut.
	fresh := configs.Default()
	fresh.DataDir = filepath.Join(t.TempDir(), "new")
	if err := Restore(t.Context(), fresh, path, false, &out); err != nil {
		t.Fatal(err)
	}
	if got := mark(t, &fresh); got != "first" {
		t.Errorf("restored %q into an empty folder, want first", got)
	}
	if left, err := filepath.Glob(filepath.Join(fresh.DataDir, ".restore-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestWhatCannotBeRestoredChangesNothing(t *testing.T) {
	c := usedFolder(t, "first")
	path := filepath.Join(t.TempDir(), "one.tar.gz")
	if err := Backup(t.Context(), c, path, new(bytes.Buffer)); err != nil {
		t.Fatal(err)
	}
	write(t, &c, "second")
	refused := func(c configs.Config, path, says string) {
		t.Helper()
		err := Restore(t.Context(), c, path, false, new(bytes.Buffer))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("Restore = %v, want it to say %q", err, says)
		}
	}

	// While a server runs.
	held, err := takeFolder(c.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	refused(c, path, "stop it first")
	if err := held.release(); err != nil {
		t.Fatal(err)
	}
	// With another key.
	other := c
	other.Cluster.Secret = "another-secret-of-some-length-0123456789"
	refused(other, path, "cluster.secret")
	// Damaged.
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.tar.gz")
	if err := os.WriteFile(cut, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	refused(c, cut, "damaged")
	refused(c, filepath.Join(t.TempDir(), "none"), "no such file")
	// Of a newer program.
	later := filepath.Join(t.TempDir(), "later.tar.gz")
	if _, err := backup.Write(later, backup.Manifest{Version: "v99", Schema: 9999}, backup.Source{Database: databasePath(&c)}); err != nil {
		t.Fatal(err)
	}
	refused(c, later, "use the program that made it, version v99")
	// Without the secret that opens it.
	shut := filepath.Join(t.TempDir(), "shut.tar.gz")
	if _, err := backup.Write(shut, backup.Manifest{Schema: 1}, backup.Source{Database: databasePath(&c)}); err != nil {
		t.Fatal(err)
	}
	refused(c, shut, "cluster.secret configured")

	if got := mark(t, &c); got != "second" {
		t.Errorf("the database says %q, want second", got)
	}
	if err := Backup(t.Context(), configs.Config{DataDir: t.TempDir()}, "", new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "nothing to back up") {
		t.Errorf("Backup of an empty folder = %v", err)
	}
}

func TestADowngradeIsRefusedWithTheBackupThatHelps(t *testing.T) {
	c := usedFolder(t, "first")
	if err := beforeMigration(&c)(t.Context(), 3, 4); err != nil {
		t.Fatal(err)
	}
	path := made(t, &c, "*version-3*")
	m, err := backup.Inspect(path)
	if err != nil || m.Reason != "before migrating from version 3 to 4" {
		t.Errorf("manifest %+v, %v", m, err)
	}
	later := namedBackup(&c, "later", m.Made.AddDate(1, 0, 0))
	if _, err := backup.Write(later, backup.Manifest{Schema: 9999}, backup.Source{Database: databasePath(&c)}); err != nil {
		t.Fatal(err)
	}
	if err := newerDatabase(&c, store.ErrNewer); !errors.Is(err, store.ErrNewer) || !strings.HasSuffix(err.Error(), "fengsui restore "+path) {
		t.Errorf("refused with %v, want %s named", err, path)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := newerDatabase(&c, store.ErrNewer); err == nil || !strings.Contains(err.Error(), "no backup") {
		t.Errorf("refused with %v", err)
	}
}

func TestTwoServersCannotShareADataFolder(t *testing.T) {
	dir := t.TempDir()
	first, err := takeFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := takeFolder(dir); err == nil || !strings.Contains(err.Error(), "in use by process") {
		t.Errorf("taken twice: %v", err)
	}
	if err := errors.Join(first.release(), first.release()); err != nil {
		t.Fatal(err)
	}
	second, err := takeFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.release(); err != nil {
		t.Fatal(err)
	}
}
