package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/rs/zerolog"
)

// Copy writes the database at a path as it stands, also while a server runs with
// it, to a new file of mode 0600.
func Copy(ctx context.Context, path, to string) (err error) {
	if _, err := os.Stat(path); err != nil { // SQLite would make one
		return fmt.Errorf("copy database: %w", err)
	}
	db, err := open(path, 1, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", to); err != nil {
		return fmt.Errorf("copy database %s to %s: %w", path, to, err)
	}
	if err := os.Chmod(to, 0o600); err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	return nil
}

// Version is that of the database at a path: how many migrations made it.
func Version(ctx context.Context, path string) (_ int64, err error) {
	if _, err := os.Stat(path); err != nil {
		return 0, fmt.Errorf("version of database: %w", err)
	}
	db, err := open(path, 1, "_pragma=query_only(1)")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	v, err := version(ctx, db)
	if err != nil {
		return 0, fmt.Errorf("version of database %s: %w", path, err)
	}
	return v, nil
}

// Newest is the version that this binary brings a database to.
func Newest() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql") // sorted
	if err != nil {
		return 0, fmt.Errorf("embedded migrations: %w", err)
	}
	var v int64
	if _, err := fmt.Sscanf(strings.TrimLeft(path.Base(names[len(names)-1]), "0"), "%d_", &v); err != nil {
		return 0, fmt.Errorf("embedded migration %s: %w", names[len(names)-1], err)
	}
	return v, nil
}

// Check opens a database that no server uses, looks at every page of it, and
// closes it. It reports [ErrNewer], and [ErrWrongKey] when the key is not the one
// its secrets were sealed with. An older one is brought to this binary's version.
func Check(ctx context.Context, path string, key []byte) (err error) {
	s, err := Open(ctx, Config{Path: path, Key: key}, nil, zerolog.Nop())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var found string
	if err := s.read.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&found); err != nil {
		return fmt.Errorf("check database %s: %w", path, err)
	}
	if found != "ok" {
		return fmt.Errorf("database %s is damaged: %s", path, found)
	}
	return nil
}
