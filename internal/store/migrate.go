package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

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
		return fmt.Errorf("%w: it has version %d, this binary knows %d; start the newer binary, or restore a backup made before the upgrade (fengsui restore)", ErrNewer, have, want)
	case have == want:
		return nil
	case have > 0 && s.cfg.BeforeMigration != nil:
		if err := s.cfg.BeforeMigration(ctx, have, want); err != nil {
			return fmt.Errorf("back up before migrating from version %d to %d: %w", have, want, err)
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
