package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// audited is a store with so many rows of audit, one an hour.
func audited(t *testing.T, rows int, keep time.Duration) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "db"), Key: make([]byte, 32), AuditKeep: keep}, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for i := range rows {
		e := Audit{At: time.UnixMilli(1e12).Add(time.Duration(i) * time.Hour), Who: "admin", Via: "session", Remote: "192.0.2.7",
			Route: "PATCH /api/v1/users/{user}", Target: fmt.Sprintf("/api/v1/users/%d", i), Status: 200, Trace: "t"}
		if err := s.AddAudit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestAuditFindsWhatOtherHandsDidToIt(t *testing.T) {
	for name, c := range map[string]struct {
		sql    string
		broken int64
	}{
		"nothing":             {"SELECT 1", 0},
		"a changed row":       {"UPDATE audit SET who = 'eve' WHERE id = 4", 4},
		"a row taken out":     {"DELETE FROM audit WHERE id = 4", 5},
		"the newest taken":    {"DELETE FROM audit WHERE id = 10", 10},
		"the oldest taken":    {"DELETE FROM audit WHERE id = 1", 2},
		"all taken":           {"DELETE FROM audit", 1},
		"a row put in":        {"INSERT INTO audit SELECT 11, at, who, via, remote, route, target, status, code, trace, hash FROM audit WHERE id = 10", 11},
		"one under another":   {"UPDATE audit SET id = 99 WHERE id = 4", 5},
		"a hash of another":   {"UPDATE audit SET hash = (SELECT hash FROM audit WHERE id = 3) WHERE id = 4", 4},
		"the end set earlier": {"DELETE FROM settings WHERE key = 'audit.head'", 11},
	} {
		t.Run(name, func(t *testing.T) {
			s := audited(t, 10, time.Hour*1e4)
			if _, err := s.write.ExecContext(t.Context(), c.sql); err != nil {
				t.Fatal(err)
			}
			got, err := s.VerifyAudit(t.Context())
			if err != nil || got.Broken != c.broken || (got.Detail == "") != (c.broken == 0) {
				t.Errorf("VerifyAudit = %+v, %v, want %d", got, err, c.broken)
			}
		})
	}
}

func TestAuditOfAFileIsCheckedBesideTheServerThatHasItOpen(t *testing.T) {
	s := audited(t, 5, time.Hour*1e4)
	if c, err := CheckAudit(t.Context(), s.cfg.Path, s.cfg.Key); err != nil || c.Rows != 5 || c.Broken != 0 {
		t.Errorf("CheckAudit = %+v, %v, want 5 rows in order", c, err)
	}
	if _, err := s.write.ExecContext(t.Context(), "UPDATE audit SET who = 'eve' WHERE id = 4"); err != nil {
		t.Fatal(err)
	}
	if c, err := CheckAudit(t.Context(), s.cfg.Path, s.cfg.Key); err != nil || c.Broken != 4 {
		t.Errorf("CheckAudit = %+v, %v, want row 4 broken", c, err)
	}
	if c, err := CheckAudit(t.Context(), s.cfg.Path, []byte("another key of 32 bytes, another")); err != nil || c.Broken != 1 {
		t.Errorf("with another key: %+v, %v, want nothing to fit", c, err)
	}
	if _, err := CheckAudit(t.Context(), s.cfg.Path+"x", s.cfg.Key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no file: %v", err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := CheckAudit(t.Context(), empty, s.cfg.Key); !errors.Is(err, ErrNotFound) {
		t.Errorf("of an empty file: %v", err)
	}
}

func TestOldAuditIsForgottenAndTheRestStaysVerifiable(t *testing.T) {
	s := audited(t, auditSweep+10, 100*time.Hour)
	_, total, err := s.Audits(t.Context(), AuditFilter{}, 0, 10)
	if err != nil || total != 101+10 {
		t.Fatalf("%d rows are left, %v", total, err)
	}
	if c, err := s.VerifyAudit(t.Context()); err != nil || c.Broken != 0 || c.Rows != total {
		t.Errorf("VerifyAudit = %+v, %v", c, err)
	}
	if _, err := s.write.ExecContext(t.Context(), "DELETE FROM audit WHERE id = (SELECT min(id) FROM audit)"); err != nil {
		t.Fatal(err)
	}
	if c, err := s.VerifyAudit(t.Context()); err != nil || !strings.Contains(c.Detail, "gone") {
		t.Errorf("VerifyAudit = %+v, %v after the oldest was taken out", c, err)
	}
}

func TestAuditIsNarrowedByUserTargetAndTime(t *testing.T) {
	s := audited(t, 10, time.Hour*1e4)
	at := func(h int) time.Time { return time.UnixMilli(1e12).Add(time.Duration(h) * time.Hour) }
	for _, c := range []struct {
		f    AuditFilter
		want int
	}{
		{AuditFilter{}, 10},
		{AuditFilter{Who: "admin"}, 10},
		{AuditFilter{Who: "adm"}, 0},
		{AuditFilter{Target: "users/7"}, 1},
		{AuditFilter{Target: "PATCH"}, 10},
		{AuditFilter{Target: "%"}, 0},
		{AuditFilter{Since: at(3)}, 7},
		{AuditFilter{Since: at(3), Until: at(5)}, 2},
	} {
		page, total, err := s.Audits(t.Context(), c.f, 0, 1000)
		if err != nil || total != c.want || len(page) != c.want {
			t.Errorf("%+v = %d of %d, %v, want %d", c.f, len(page), total, err, c.want)
		}
	}
	page, total, err := s.Audits(t.Context(), AuditFilter{}, 2, 3)
	if err != nil || total != 10 || len(page) != 3 || page[0].ID != 8 {
		t.Errorf("the second page = %+v of %d, %v", page, total, err)
	}
}
