package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// User is someone who signs in.
type User struct {
	ID    int64
	Name  string
	Roles []string // names without blanks
	Hash  string   // argon2id, PHC string; never a password
	// Epoch rises when the user's sessions must end: a new password, other roles.
	Epoch      int64
	Disabled   bool
	CreatedAt  time.Time
	PasswordAt time.Time
}

const userColumns = "id, name, roles, hash, epoch, disabled, created_at, password_at"

// AddUser keeps a new user and returns it with its ID, or reports [ErrExists].
func (s *Store) AddUser(ctx context.Context, u User) (User, error) {
	u, err := addUser(ctx, s.write, u)
	if unique(err) {
		return User{}, fmt.Errorf("user %q: %w", u.Name, ErrExists)
	}
	if err != nil {
		return User{}, fmt.Errorf("keep user %q: %w", u.Name, err)
	}
	return u, nil
}

// AddFirstUser keeps the user if there is none at all, and reports whether it did.
func (s *Store) AddFirstUser(ctx context.Context, u User) (added bool, err error) {
	err = s.tx(ctx, func(t *sql.Tx) error {
		var n int
		if err := t.QueryRowContext(ctx, "SELECT count(*) FROM users").Scan(&n); err != nil || n > 0 {
			return err
		}
		added = true
		_, err := addUser(ctx, t, u)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("keep first user %q: %w", u.Name, err)
	}
	return added, nil
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func addUser(ctx context.Context, db execer, u User) (User, error) {
	u.CreatedAt = time.Now().Truncate(time.Millisecond)
	u.PasswordAt, u.Epoch = u.CreatedAt, 1
	res, err := db.ExecContext(ctx, "INSERT INTO users (name, roles, hash, epoch, disabled, created_at, password_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
		u.Name, strings.Join(u.Roles, " "), u.Hash, u.Epoch, flag(u.Disabled), millis(u.CreatedAt), millis(u.PasswordAt))
	if err != nil {
		return u, err
	}
	u.ID, err = res.LastInsertId()
	return u, err
}

// User returns a user by ID, or [ErrNotFound].
func (s *Store) User(ctx context.Context, id int64) (User, error) {
	return s.user(ctx, "id = ?", id)
}

// UserByName returns a user by name, or [ErrNotFound].
func (s *Store) UserByName(ctx context.Context, name string) (User, error) {
	return s.user(ctx, "name = ?", name)
}

func (s *Store) user(ctx context.Context, where string, arg any) (User, error) {
	u, err := scanUser(s.read.QueryRowContext(ctx, "SELECT "+userColumns+" FROM users WHERE "+where, arg))
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, fmt.Errorf("user %v: %w", arg, ErrNotFound)
	}
	if err != nil {
		return User{}, fmt.Errorf("read user %v: %w", arg, err)
	}
	return u, nil
}

// Users returns all users by name.
func (s *Store) Users(ctx context.Context) ([]User, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+userColumns+" FROM users ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	defer rows.Close()
	var all []User
	for rows.Next() {
		u, err := scanUser(rows)
		if err != nil {
			return nil, fmt.Errorf("read users: %w", err)
		}
		all = append(all, u)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	return all, nil
}

// SetPassword gives a user another hash and ends its sessions.
func (s *Store) SetPassword(ctx context.Context, id int64, hash string) error {
	return s.changeUser(ctx, id, "hash = ?, epoch = epoch + 1, password_at = ?", hash, millis(time.Now()))
}

// SetRoles gives a user other roles, disables it or not, and ends its sessions.
func (s *Store) SetRoles(ctx context.Context, id int64, roles []string, disabled bool) error {
	return s.changeUser(ctx, id, "roles = ?, disabled = ?, epoch = epoch + 1", strings.Join(roles, " "), flag(disabled))
}

func (s *Store) changeUser(ctx context.Context, id int64, set string, args ...any) error {
	res, err := s.write.ExecContext(ctx, "UPDATE users SET "+set+" WHERE id = ?", append(args, id)...)
	return one(res, err, "user", id)
}

// RemoveUser deletes a user, or reports [ErrNotFound].
func (s *Store) RemoveUser(ctx context.Context, id int64) error {
	res, err := s.write.ExecContext(ctx, "DELETE FROM users WHERE id = ?", id)
	return one(res, err, "user", id)
}

// RevokeSession keeps the ID of a session that was signed out until it would
// have expired anyway.
func (s *Store) RevokeSession(ctx context.Context, id string, expires time.Time) error {
	err := s.tx(ctx, func(t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, "DELETE FROM revoked_sessions WHERE expires_at < ?", millis(time.Now())); err != nil {
			return err
		}
		_, err := t.ExecContext(ctx, "INSERT OR REPLACE INTO revoked_sessions (id, expires_at) VALUES (?, ?)", id, millis(expires))
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke session: %w", err)
	}
	return nil
}

// SessionRevoked reports whether the session was signed out.
func (s *Store) SessionRevoked(ctx context.Context, id string) (bool, error) {
	var n int
	if err := s.read.QueryRowContext(ctx, "SELECT count(*) FROM revoked_sessions WHERE id = ?", id).Scan(&n); err != nil {
		return false, fmt.Errorf("look up session: %w", err)
	}
	return n > 0, nil
}

type row interface{ Scan(dest ...any) error }

func scanUser(r row) (User, error) {
	var u User
	var created, password int64
	var roles string
	err := r.Scan(&u.ID, &u.Name, &roles, &u.Hash, &u.Epoch, &u.Disabled, &created, &password)
	u.Roles = strings.Fields(roles)
	u.CreatedAt, u.PasswordAt = fromMillis(created), fromMillis(password)
	return u, err
}

// one turns the outcome of changing one row into an error.
func one(res sql.Result, err error, what string, id any) error {
	if err != nil {
		return fmt.Errorf("change %s %v: %w", what, id, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return fmt.Errorf("change %s %v: %w", what, id, err)
	}
	if n == 0 {
		return fmt.Errorf("%s %v: %w", what, id, ErrNotFound)
	}
	return nil
}
