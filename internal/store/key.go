package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"fengsui/internal/rights"
)

// Key is an API key. The key itself is not kept, only its hash.
type Key struct {
	ID         string
	Name       string
	Grants     []rights.Grant
	CreatedBy  string // name of the user
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero = never
	LastUsedAt time.Time // zero = never used
}

const keyColumns = "id, name, grants, created_by, created_at, expires_at, last_used_at"

// AddKey keeps a new key under the hash of its secret. The secret must be
// random, at least 128 bits, since SHA-256 alone protects it. ID must be set.
func (s *Store) AddKey(ctx context.Context, k Key, secret string) (Key, error) {
	k.CreatedAt = time.Now().Truncate(time.Millisecond)
	hash := sha256.Sum256([]byte(secret))
	_, err := s.write.ExecContext(ctx, "INSERT INTO api_keys (id, name, grants, hash, created_by, created_at, expires_at, last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
		k.ID, k.Name, grantsText(k.Grants), hash[:], k.CreatedBy, millis(k.CreatedAt), millis(k.ExpiresAt))
	if unique(err) {
		return Key{}, fmt.Errorf("key %s: %w", k.ID, ErrExists)
	}
	if err != nil {
		return Key{}, fmt.Errorf("keep key %s: %w", k.ID, err)
	}
	return k, nil
}

// KeyBySecret returns the key with this secret, expired or not, or [ErrNotFound].
func (s *Store) KeyBySecret(ctx context.Context, secret string) (Key, error) {
	hash := sha256.Sum256([]byte(secret))
	k, err := scanKey(s.read.QueryRowContext(ctx, "SELECT "+keyColumns+" FROM api_keys WHERE hash = ?", hash[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return Key{}, fmt.Errorf("key: %w", ErrNotFound)
	}
	if err != nil {
		return Key{}, fmt.Errorf("read key: %w", err)
	}
	return k, nil
}

// Keys returns all keys by name.
func (s *Store) Keys(ctx context.Context) ([]Key, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+keyColumns+" FROM api_keys ORDER BY name, id")
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	defer rows.Close()
	var all []Key
	for rows.Next() {
		k, err := scanKey(rows)
		if err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		all = append(all, k)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return all, nil
}

// TouchKey keeps when the key was last used. Once a minute is enough.
func (s *Store) TouchKey(ctx context.Context, id string, at time.Time) error {
	res, err := s.write.ExecContext(ctx, "UPDATE api_keys SET last_used_at = ? WHERE id = ?", millis(at), id)
	return one(res, err, "key", id)
}

// RemoveKey deletes a key, or reports [ErrNotFound].
func (s *Store) RemoveKey(ctx context.Context, id string) error {
	res, err := s.write.ExecContext(ctx, "DELETE FROM api_keys WHERE id = ?", id)
	return one(res, err, "key", id)
}

func scanKey(r row) (Key, error) {
	var k Key
	var created, expires, used int64
	var grants string
	if err := r.Scan(&k.ID, &k.Name, &grants, &k.CreatedBy, &created, &expires, &used); err != nil {
		return k, err
	}
	k.CreatedAt, k.ExpiresAt, k.LastUsedAt = fromMillis(created), fromMillis(expires), fromMillis(used)
	return k, parseGrants(grants, &k.Grants)
}
