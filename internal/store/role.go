package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"fengsui/internal/rights"
)

// Role is a named list of grants that people made. The roles of
// [rights.BuiltinRoles] are not kept.
type Role struct {
	Name      string
	About     string
	Grants    []rights.Grant
	CreatedAt time.Time
	UpdatedAt time.Time
}

const roleColumns = "name, about, grants, created_at, updated_at"

// AddRole keeps a new role, or reports [ErrExists].
func (s *Store) AddRole(ctx context.Context, r Role) (Role, error) {
	r.CreatedAt = time.Now().Truncate(time.Millisecond)
	r.UpdatedAt = r.CreatedAt
	_, err := s.write.ExecContext(ctx, "INSERT INTO roles ("+roleColumns+") VALUES (?, ?, ?, ?, ?)",
		r.Name, r.About, grantsText(r.Grants), millis(r.CreatedAt), millis(r.UpdatedAt))
	if unique(err) {
		return Role{}, fmt.Errorf("role %q: %w", r.Name, ErrExists)
	}
	if err != nil {
		return Role{}, fmt.Errorf("keep role %q: %w", r.Name, err)
	}
	return r, nil
}

// PutRole gives a role other words and grants, or reports [ErrNotFound]. They
// hold from the next request of those who have it.
func (s *Store) PutRole(ctx context.Context, r Role) error {
	res, err := s.write.ExecContext(ctx, "UPDATE roles SET about = ?, grants = ?, updated_at = ? WHERE name = ?",
		r.About, grantsText(r.Grants), millis(time.Now()), r.Name)
	return one(res, err, "role", r.Name)
}

// RemoveRole deletes a role, or reports [ErrNotFound].
func (s *Store) RemoveRole(ctx context.Context, name string) error {
	res, err := s.write.ExecContext(ctx, "DELETE FROM roles WHERE name = ?", name)
	return one(res, err, "role", name)
}

// Role returns a role that people made, or [ErrNotFound].
func (s *Store) Role(ctx context.Context, name string) (Role, error) {
	r, err := scanRole(s.read.QueryRowContext(ctx, "SELECT "+roleColumns+" FROM roles WHERE name = ?", name))
	if errors.Is(err, sql.ErrNoRows) {
		return Role{}, fmt.Errorf("role %q: %w", name, ErrNotFound)
	}
	if err != nil {
		return Role{}, fmt.Errorf("read role %q: %w", name, err)
	}
	return r, nil
}

// Roles returns all roles that people made, by name.
func (s *Store) Roles(ctx context.Context) ([]Role, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+roleColumns+" FROM roles ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}
	defer rows.Close()
	var all []Role
	for rows.Next() {
		r, err := scanRole(rows)
		if err != nil {
			return nil, fmt.Errorf("read roles: %w", err)
		}
		all = append(all, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}
	return all, nil
}

func scanRole(r row) (Role, error) {
	var v Role
	var grants string
	var created, updated int64
	if err := r.Scan(&v.Name, &v.About, &grants, &created, &updated); err != nil {
		return v, err
	}
	v.CreatedAt, v.UpdatedAt = fromMillis(created), fromMillis(updated)
	return v, parseGrants(grants, &v.Grants)
}

func grantsText(g []rights.Grant) string {
	if g == nil {
		g = []rights.Grant{}
	}
	text, err := json.Marshal(g)
	if err != nil {
		panic("store: grants are not JSON: " + err.Error()) // names and strings always are
	}
	return string(text)
}

func parseGrants(text string, to *[]rights.Grant) error {
	if err := json.Unmarshal([]byte(text), to); err != nil {
		return fmt.Errorf("stored grants: %w", err)
	}
	return nil
}
