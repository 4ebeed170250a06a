package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the database to the newest version in dir.
func (s *Store) migrate(ctx context.Context, dir fs.FS) error {
	p, err := goose.NewProvider(goose.DialectSQLite3, s.write, dir, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("prepare migrations: %w", err)
	}
	have, err := version(ctx, s.write)
	if err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	sources := p.ListSources()
	want := sources[len(sources)-1].Version
	switch {
	case have > want:
		return fmt.Errorf("%w: it has version %d, this binary knows %d; start the newer binary, or restore the copy made before the upgrade (%s)",
			ErrNewer, have, want, s.backupPath(want))
	case have == want:
		return nil
	case have > 0:
		if err := s.backup(ctx, have); err != nil {
			return err
		}
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate from version %d to %d: %w", have, want, err)
	}
	s.log.Info().Int64("from", have).Int64("to", want).Msg("database migrated")
	return nil
}

// version reads goose's table without making it, so that looking changes nothing.
func version(ctx context.Context, db *sql.DB) (int64, error) {
	var there int
	err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'").Scan(&there)
	if err != nil || there == 0 {
		return 0, err
	}
	var v sql.NullInt64
	err = db.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version WHERE is_applied = 1").Scan(&v)
	return v.Int64, err
}

func (s *Store) backupPath(version int64) string {
	return fmt.Sprintf("%s.v%d.bak", s.cfg.Path, version)
}

// backup copies the database as it stands, WAL included. A copy of the same
// version that is already there is kept: it is older, so from before any
// migration that failed half-way.
func (s *Store) backup(ctx context.Context, version int64) error {
	path := s.backupPath(version)
	if _, err := os.Stat(path); err == nil {
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("back up before migrating: %w", err)
	}
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("back up before migrating: %w", err)
	}
	if _, err := s.write.ExecContext(ctx, "VACUUM INTO ?", part); err != nil {
		return fmt.Errorf("back up before migrating to %s: %w", path, err)
	}
	if err := os.Chmod(part, 0o600); err != nil {
		return fmt.Errorf("back up before migrating: %w", err)
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("back up before migrating: %w", err)
	}
	s.log.Info().Str("path", path).Int64("version", version).Msg("database copied before migrating")
	return nil
}
