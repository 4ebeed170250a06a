package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Setting returns the value of a key, or [ErrNotFound].
func (s *Store) Setting(ctx context.Context, key string) (string, error) {
	var v []byte
	err := s.read.QueryRowContext(ctx, "SELECT value FROM settings WHERE key = ?", key).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("setting %s: %w", key, ErrNotFound)
	}
	if err != nil {
		return "", fmt.Errorf("read setting %s: %w", key, err)
	}
	return string(v), nil
}

// SetSetting keeps a value under a key.
func (s *Store) SetSetting(ctx context.Context, key, value string) error {
	return s.putSetting(ctx, key, []byte(value))
}

// Secret returns a value kept by [Store.SetSecret], or [ErrNotFound].
func (s *Store) Secret(ctx context.Context, key string) (string, error) {
	v, err := s.Setting(ctx, key)
	if err != nil {
		return "", err
	}
	return s.seal.open([]byte(v), "setting "+key)
}

// SetSecret keeps a value sealed under a key.
func (s *Store) SetSecret(ctx context.Context, key, value string) error {
	return s.putSetting(ctx, key, s.seal.seal(value, "setting "+key))
}

// SecretOnce returns the secret of a key, made and kept by the first call. Of
// several callers at once all get the same.
func (s *Store) SecretOnce(ctx context.Context, key string, create func() string) (string, error) {
	var kept []byte
	err := s.tx(ctx, func(t *sql.Tx) error {
		sealed := s.seal.seal(create(), "setting "+key)
		if _, err := t.ExecContext(ctx, "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING", key, sealed); err != nil {
			return err
		}
		return t.QueryRowContext(ctx, "SELECT value FROM settings WHERE key = ?", key).Scan(&kept)
	})
	if err != nil {
		return "", fmt.Errorf("keep secret %s: %w", key, err)
	}
	return s.seal.open(kept, "setting "+key)
}

func (s *Store) putSetting(ctx context.Context, key string, value []byte) error {
	_, err := s.write.ExecContext(ctx,
		"INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)
	if err != nil {
		return fmt.Errorf("keep setting %s: %w", key, err)
	}
	return nil
}
