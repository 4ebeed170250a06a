package store

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Audit is one thing that someone did, or tried to.
type Audit struct {
	ID     int64     // rises by one
	At     time.Time // to the millisecond
	Who    string    // user name, "key <name>"
	Via    string    // session, key, local; "" for a sign-in
	Remote string    // IP address
	Route  string    // "PATCH /api/v1/users/{user}"
	Target string    // "/api/v1/users/3"
	Status int       // HTTP
	Code   int       // of the fault, 0 when there was none
	Trace  string
}

const auditColumns = "id, at, who, via, remote, route, target, status, code, trace"

// AuditFilter narrows a list of the audit. Zero fields narrow nothing.
type AuditFilter struct {
	Who          string // exactly
	Target       string // part of route or target
	Since, Until time.Time
}

// AuditChain is what checking the audit found.
type AuditChain struct {
	Rows   int
	Broken int64  // ID of the first row that was changed, or whose forerunner is gone; 0 = none
	Detail string // what is wrong, "" when nothing is
}

// The audit is chained: the hash of a row is
//
//	HMAC-SHA256(key derived from Config.Key, hash of the row before ‖ JSON of the row)
//
// so who can write the file, but has not the key, can neither change a row nor
// take one out unseen. The setting audit.anchor is the last row that was removed
// for its age, audit.head the newest; each as "<id> <hex of hash>". Putting the
// whole file back to an earlier moment is not found: compare with a backup.
const (
	auditAnchor = "audit.anchor"
	auditHead   = "audit.head"
)

// auditSweep is how many rows are written between two removals of old ones.
const auditSweep = 256

// AddAudit keeps what someone did, chained to what was kept before, and removes
// what is older than Config.AuditKeep each auditSweep rows.
func (s *Store) AddAudit(ctx context.Context, e Audit) error {
	err := s.tx(ctx, func(t *sql.Tx) error {
		id, hash, err := auditMark(ctx, t, auditHead)
		if err != nil {
			return err
		}
		e.ID = id + 1
		hash = s.auditHash(hash, e)
		if _, err := t.ExecContext(ctx, "INSERT INTO audit ("+auditColumns+", hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			e.ID, millis(e.At), e.Who, e.Via, e.Remote, e.Route, e.Target, e.Status, e.Code, e.Trace, hash); err != nil {
			return err
		}
		if err := setAuditMark(ctx, t, auditHead, e.ID, hash); err != nil || e.ID%auditSweep != 0 {
			return err
		}
		return forgetAudit(ctx, t, e.At.Add(-s.cfg.AuditKeep))
	})
	if err != nil {
		return fmt.Errorf("keep audit: %w", err)
	}
	return nil
}

// forgetAudit removes the oldest rows up to the last one before a time, and has
// the chain begin after them.
func forgetAudit(ctx context.Context, t *sql.Tx, before time.Time) error {
	var id int64
	var hash []byte
	err := t.QueryRowContext(ctx, `SELECT id, hash FROM audit WHERE id <
		coalesce((SELECT min(id) FROM audit WHERE at >= ?), 1 << 62) ORDER BY id DESC LIMIT 1`, millis(before)).Scan(&id, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := t.ExecContext(ctx, "DELETE FROM audit WHERE id <= ?", id); err != nil {
		return err
	}
	return setAuditMark(ctx, t, auditAnchor, id, hash)
}

// Audits returns one page of the audit, the newest first, and how many rows the
// filter fits.
func (s *Store) Audits(ctx context.Context, f AuditFilter, offset, limit int) ([]Audit, int, error) {
	where, args := f.where()
	var total int
	if err := s.read.QueryRowContext(ctx, "SELECT count(*) FROM audit"+where, args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("read audit: %w", err)
	}
	rows, err := s.read.QueryContext(ctx, "SELECT "+auditColumns+", hash FROM audit"+where+" ORDER BY id DESC LIMIT ? OFFSET ?", append(args, limit, offset)...)
	if err != nil {
		return nil, 0, fmt.Errorf("read audit: %w", err)
	}
	defer rows.Close()
	var page []Audit
	for rows.Next() {
		e, _, err := scanAudit(rows)
		if err != nil {
			return nil, 0, fmt.Errorf("read audit: %w", err)
		}
		page = append(page, e)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("read audit: %w", err)
	}
	return page, total, nil
}

func (f AuditFilter) where() (string, []any) {
	var terms []string
	var args []any
	add := func(term string, values ...any) { terms, args = append(terms, term), append(args, values...) }
	if f.Who != "" {
		add("who = ?", f.Who)
	}
	if f.Target != "" {
		add("(instr(target, ?) > 0 OR instr(route, ?) > 0)", f.Target, f.Target)
	}
	if !f.Since.IsZero() {
		add("at >= ?", millis(f.Since))
	}
	if !f.Until.IsZero() {
		add("at < ?", millis(f.Until))
	}
	if terms == nil {
		return "", nil
	}
	return " WHERE " + strings.Join(terms, " AND "), args
}

// VerifyAudit walks the whole chain. A row that was changed, taken out or put in
// by other hands is found; an error is one of reading.
func (s *Store) VerifyAudit(ctx context.Context) (AuditChain, error) {
	var c AuditChain
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // one moment: writers go on
	if err != nil {
		return c, fmt.Errorf("check audit: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it has only read
	id, hash, err := auditMark(ctx, tx, auditAnchor)
	if err != nil {
		return c, fmt.Errorf("check audit: %w", err)
	}
	rows, err := tx.QueryContext(ctx, "SELECT "+auditColumns+", hash FROM audit ORDER BY id")
	if err != nil {
		return c, fmt.Errorf("check audit: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		e, kept, err := scanAudit(rows)
		if err != nil {
			return c, fmt.Errorf("check audit: %w", err)
		}
		c.Rows++
		switch {
		case e.ID != id+1:
			c.Broken, c.Detail = e.ID, fmt.Sprintf("the rows between %d and %d are gone", id, e.ID)
		case !hmac.Equal(kept, s.auditHash(hash, e)):
			c.Broken, c.Detail = e.ID, fmt.Sprintf("row %d was changed", e.ID)
		}
		if c.Broken != 0 {
			return c, nil
		}
		id, hash = e.ID, kept
	}
	if err := rows.Err(); err != nil {
		return c, fmt.Errorf("check audit: %w", err)
	}
	last, head, err := auditMark(ctx, tx, auditHead)
	if err != nil {
		return c, fmt.Errorf("check audit: %w", err)
	}
	if last != id || !bytes.Equal(head, hash) {
		c.Broken, c.Detail = id+1, fmt.Sprintf("the rows after %d up to %d are gone", id, last)
	}
	return c, nil
}

// CheckAudit walks the chain in a database file without changing it, whether a
// server has it open or not; key is that server's Config.Key. It reports
// [fs.ErrNotExist] when there is no such file, and [ErrNotFound] when it is of a
// version that kept no audit.
func CheckAudit(ctx context.Context, path string, key []byte) (c AuditChain, err error) {
	if _, err := os.Stat(path); err != nil {
		return c, fmt.Errorf("check audit: %w", err)
	}
	s := &Store{}
	if s.auditKey, err = newAuditKey(key); err != nil {
		return c, err
	}
	if s.read, err = open(path, 1, "_pragma=query_only(1)"); err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, s.closeHandles()) }()
	var there int
	if err := s.read.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'audit'").Scan(&there); err != nil {
		return c, fmt.Errorf("check audit: %w", err)
	}
	if there == 0 {
		return c, fmt.Errorf("check audit: table audit: %w", ErrNotFound)
	}
	return s.VerifyAudit(ctx)
}

// auditHash is the hash of a row after one with the hash before.
func (s *Store) auditHash(before []byte, e Audit) []byte {
	text, err := json.Marshal([]any{e.ID, millis(e.At), e.Who, e.Via, e.Remote, e.Route, e.Target, e.Status, e.Code, e.Trace})
	if err != nil {
		panic("store: audit is not JSON: " + err.Error()) // numbers and strings always are
	}
	h := hmac.New(sha256.New, s.auditKey)
	h.Write(before)
	h.Write(text)
	return h.Sum(nil)
}

func newAuditKey(key []byte) ([]byte, error) {
	derived, err := hkdf.Key(sha256.New, key, nil, "fengsui store audit v1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive audit key: %w", err)
	}
	return derived, nil
}

// auditMark reads one of the two ends of the chain: 0 and nothing before the
// first row.
func auditMark(ctx context.Context, t *sql.Tx, key string) (id int64, hash []byte, err error) {
	var text string
	err = t.QueryRowContext(ctx, "SELECT value FROM settings WHERE key = ?", key).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, err
	}
	var hexed string
	if _, err := fmt.Sscanf(text, "%d %s", &id, &hexed); err != nil {
		return 0, nil, fmt.Errorf("setting %s is %q: %w", key, text, err)
	}
	hash, err = hex.DecodeString(hexed)
	return id, hash, err
}

func setAuditMark(ctx context.Context, t *sql.Tx, key string, id int64, hash []byte) error {
	_, err := t.ExecContext(ctx, "INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", key, fmt.Sprintf("%d %x", id, hash))
	return err
}

func scanAudit(r row) (e Audit, hash []byte, err error) {
	var at int64
	err = r.Scan(&e.ID, &at, &e.Who, &e.Via, &e.Remote, &e.Route, &e.Target, &e.Status, &e.Code, &e.Trace, &hash)
	e.At = fromMillis(at)
	return e, hash, err
}
