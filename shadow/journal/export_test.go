package journal

import (
	"context"
	"os"
	"time"
)

// LimitFile has the file refuse to grow over so many bytes, as a full disk does; 0 ends it.
func (j *Journal) LimitFile(most int) { j.disk.db.MaxSize = most }

// Prune deletes what is too old or too much at a time.
func (j *Journal) Prune(now time.Time) error { return j.disk.prune(context.Background(), now) }

// Hold has every write wait until release is called.
func (j *Journal) Hold() (release func() error, err error) {
	tx, err := j.disk.db.Begin(true)
	if err != nil {
		return nil, err
	}
	return tx.Rollback, nil
}

// Crash copies what a crash of the process would leave.
func (j *Journal) Crash(to string) error {
	b, err := os.ReadFile(j.disk.cfg.Path)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}
