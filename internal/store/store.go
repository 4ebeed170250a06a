package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"fengsui/gb28181"
)

// What callers decide on.
var (
	ErrNotFound = errors.New("not in the store")
	ErrExists   = errors.New("already in the store")
	// ErrNewer is reported for a database that a newer binary has written.
	ErrNewer = errors.New("database is newer than this binary")
	// ErrWrongKey is reported when a stored password cannot be opened: the key
	// is not the one it was sealed with.
	ErrWrongKey = errors.New("stored secret cannot be opened with this key")
)

// Config says where the store is and how it writes.
type Config struct {
	// Path is the database file. Its folder is made if need be.
	Path string
	// Key seals passwords (AES-256-GCM by HKDF-SHA256); at least 16 bytes. With
	// another key the passwords sealed before are lost.
	Key []byte
	// FlushEvery is the longest that a record written behind waits. Default
	// 200 ms; shorter costs more transactions, longer loses more at a crash.
	FlushEvery time.Duration
	// QueueRows bounds what waits to be written, in rows. Default 262,144 (some
	// 100 MiB of channels). Full, further rows are dropped and counted.
	QueueRows int
	// AuditKeep is how long the audit is kept. Default 365 days.
	AuditKeep time.Duration
	// BeforeMigration is told before a database that is not new is changed to
	// another version; an error leaves it as it is. nil asks nobody.
	BeforeMigration func(ctx context.Context, from, to int64) error
}

// Store is one database. All methods may be called from several goroutines.
type Store struct {
	// Set by Open, never changed after.
	cfg      Config
	write    *sql.DB // one connection
	read     *sql.DB
	seal     *sealer
	auditKey []byte // of the audit's chain
	log      zerolog.Logger
	m        *metrics
	queue    *queue
	reports  reports

	mu      sync.RWMutex // guards what follows
	devices map[gb28181.ID]Device
	own     map[string]int // how many devices have algorithms of their own, by these

	closing sync.Once
	closed  error
}

// Open opens or makes the database and brings it to this binary's version. A
// file of a newer version is refused with [ErrNewer] and not touched. Call
// LoadDevices and Run next.
func Open(ctx context.Context, cfg Config, reg prometheus.Registerer, log zerolog.Logger) (*Store, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("embedded migrations: %w", err)
	}
	return openWith(ctx, cfg, dir, reg, log)
}

func openWith(ctx context.Context, cfg Config, migrations fs.FS, reg prometheus.Registerer, log zerolog.Logger) (*Store, error) {
	if cfg.FlushEvery <= 0 {
		cfg.FlushEvery = 200 * time.Millisecond
	}
	if cfg.QueueRows <= 0 {
		cfg.QueueRows = 1 << 18
	}
	if cfg.AuditKeep <= 0 {
		cfg.AuditKeep = 365 * 24 * time.Hour
	}
	seal, err := newSealer(cfg.Key)
	if err != nil {
		return nil, err
	}
	auditKey, err := newAuditKey(cfg.Key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o750); err != nil {
		return nil, fmt.Errorf("make folder of database: %w", err)
	}
	f, err := os.OpenFile(cfg.Path, os.O_CREATE|os.O_RDWR, 0o600) // SQLite would let all read it
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s := &Store{
		cfg: cfg, seal: seal, auditKey: auditKey, log: log, m: newMetrics(reg),
		queue:   newQueue(cfg.QueueRows),
		devices: map[gb28181.ID]Device{},
		own:     map[string]int{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.closeHandles())
		}
	}()
	if s.write, err = open(cfg.Path, 1, "_txlock=immediate"); err != nil {
		return nil, err
	}
	if err = s.migrate(ctx, migrations); err != nil {
		return nil, fmt.Errorf("database %s: %w", cfg.Path, err)
	}
	if s.read, err = open(cfg.Path, 4, "_pragma=query_only(1)"); err != nil {
		return nil, err
	}
	if err = s.checkKey(ctx); err != nil {
		return nil, err
	}
	if err = s.openReports(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// open opens one handle. WAL with synchronous=NORMAL: a power cut may lose the
// last transactions, never the database.
func open(path string, conns int, more string) (*sql.DB, error) {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=foreign_keys(1)&" + more
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// Run writes what is queued until ctx ends. Call it exactly once; Close after
// it writes the rest.
func (s *Store) Run(ctx context.Context) error {
	s.queue.run(ctx, s.cfg.FlushEvery, s.flushQueued)
	return nil
}

// Close writes what is still queued and closes the database.
func (s *Store) Close() error {
	s.closing.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s.closed = errors.Join(s.Flush(ctx), s.closeHandles())
	})
	return s.closed
}

func (s *Store) closeHandles() error {
	var errs []error
	for _, db := range []*sql.DB{s.read, s.write} { // the last one truncates the WAL
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.read.PingContext(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	var one int
	if err := s.read.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// tx runs fn in one write transaction (BEGIN IMMEDIATE).
func (s *Store) tx(ctx context.Context, fn func(*sql.Tx) error) error {
	t, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := fn(t); err != nil {
		return errors.Join(err, t.Rollback())
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

type metrics struct {
	rows     *prometheus.CounterVec
	dropped  *prometheus.CounterVec
	failures prometheus.Counter
	flush    prometheus.Histogram
	queued   prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_store_written_rows_total", Help: "Rows written behind, by table.",
		}, []string{"table"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_store_dropped_rows_total", Help: "Rows not kept because the write queue was full, by table.",
		}, []string{"table"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_store_flush_failures_total", Help: "Batches that could not be written and are tried again.",
		}),
		flush: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "fengsui_store_flush_seconds", Help: "Time to write one batch.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3},
		}),
		queued: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fengsui_store_queued_rows", Help: "Rows waiting to be written.",
		}),
	}
	for _, table := range []string{"registrations", "channels", "alarms", "positions"} {
		m.rows.WithLabelValues(table)
		m.dropped.WithLabelValues(table)
	}
	if reg != nil {
		reg.MustRegister(m.rows, m.dropped, m.failures, m.flush, m.queued)
	}
	return m
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// unique reports whether err is a violated PRIMARY KEY or UNIQUE constraint.
func unique(err error) bool {
	return err != nil && strings.Contains(err.Error(), "UNIQUE constraint failed")
}
