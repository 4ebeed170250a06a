package journal

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// schema is the layout that this binary writes; docs/journal.md has it.
const schema = 1

// Buckets and keys of the file.
var (
	metaBucket   = []byte("meta")
	eventsBucket = []byte("events")
	orderBucket  = []byte("order")
	startsBucket = []byte("starts")
	outboxBucket = []byte("outbox")

	schemaKey = []byte("schema")
	nameKey   = []byte("name")
	endedKey  = []byte("ended")
	bytesKey  = []byte("bytes")
)

// ErrNewer is reported for a file that a newer binary has written.
var ErrNewer = errors.New("journal is newer than this binary")

// errTorn says that the end of the file is missing.
var errTorn = errors.New("file is shorter than its contents")

// Sizes of what is written in one transaction, and how a failing disk is retried.
const (
	batchEvents = 4096
	retryMin    = time.Second
	retryMax    = 30 * time.Second
	pruneEvery  = time.Minute
	pruneEvents = 2000
)

// Config says where the journal is, how it writes and what it keeps.
type Config struct {
	// Path is the file. Its folder is made if need be.
	Path string
	// Ring is how many of the newest events are in memory. Default 16,384.
	Ring int
	// Queue bounds the events that wait to be written. Default 131,072, which is a
	// first registration of 100,000 devices at once. Full, further events are in the
	// ring only, and counted: time line, replay and outboxes miss them.
	Queue int
	// FlushEvery is the longest that an event waits. Default 100 ms; shorter costs
	// more transactions, each with a sync, longer loses more at a crash.
	FlushEvery time.Duration
	// Keep is for how long events are kept. Default 31 days.
	Keep time.Duration
	// Bytes bounds keys and values of the kept events, the oldest go first. Default
	// 1 GiB. The file may be twice as large, and never shrinks.
	Bytes int64
}

// disk is the file behind a journal. Its lock is taken inside that of the journal.
type disk struct {
	// Set by Open, never changed after.
	cfg  Config
	db   *bbolt.DB
	name string // of this file, in every idempotency key
	log  zerolog.Logger
	m    *metrics
	wake chan struct{} // capacity 1: something waits

	flushing sync.Mutex // held by the one that writes; guards trouble
	trouble  bool       // the last batch could not be written

	mu       sync.Mutex // guards all below
	queue    []entry    // those before the end are not changed: flush reads them without the lock
	settled  []settlement
	outboxes []*Outbox         // copied on change
	starts   map[uint64]uint64 // first ID of a process: last of the one before, which ended well

	closing sync.Once
	closed  error
}

// entry is an event that waits to be written.
type entry struct {
	event  Event
	passed bool // for outboxes only
}

// Open opens or makes the file. One that is damaged is put aside as
// "<path>.broken-<time>", and a new one begun: a journal that cannot be read must
// not keep devices from registering. One of a newer layout is refused with
// [ErrNewer] and not touched. Call Run next, and Close at the end.
func Open(cfg Config, reg prometheus.Registerer, log zerolog.Logger) (*Journal, error) {
	if cfg.Ring <= 0 {
		cfg.Ring = 16384
	}
	if cfg.Queue <= 0 {
		cfg.Queue = 1 << 17
	}
	if cfg.FlushEvery <= 0 {
		cfg.FlushEvery = 100 * time.Millisecond
	}
	if cfg.Keep <= 0 {
		cfg.Keep = 31 * 24 * time.Hour
	}
	if cfg.Bytes <= 0 {
		cfg.Bytes = 1 << 30
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o750); err != nil {
		return nil, fmt.Errorf("make folder of journal: %w", err)
	}
	db, err := openFile(cfg.Path)
	if errors.Is(err, bolterrors.ErrInvalid) || errors.Is(err, bolterrors.ErrChecksum) || errors.Is(err, bolterrors.ErrVersionMismatch) || errors.Is(err, errTorn) {
		aside := cfg.Path + ".broken-" + time.Now().UTC().Format("20060102T150405")
		log.Error().Err(err).Str("kept_as", aside).Msg("journal is damaged, a new one is begun; what happened before is in the old file only")
		if err = os.Rename(cfg.Path, aside); err == nil {
			db, err = openFile(cfg.Path)
		}
	}
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("journal %s is in use: stop the other process of this data folder", cfg.Path)
	}
	if err != nil {
		return nil, fmt.Errorf("open journal %s: %w", cfg.Path, err)
	}
	d := &disk{cfg: cfg, db: db, log: log, m: newMetrics(reg), wake: make(chan struct{}, 1)}
	j, err := d.begin()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal %s: %w", cfg.Path, err), db.Close())
	}
	d.m.watch(reg, j)
	return j, nil
}

func openFile(path string) (*bbolt.DB, error) {
	if err := checkWhole(path); err != nil {
		return nil, err
	}
	return bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType})
}

// checkWhole looks whether a file that exists has all its pages: to read one
// beyond the end would end the process.
func checkWhole(path string) (err error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bbolt.Tx) error {
		if tx.Size() > info.Size() {
			return fmt.Errorf("%d bytes of %d: %w", info.Size(), tx.Size(), errTorn)
		}
		return nil
	})
}

// begin lays the schema down in a new file, and makes the journal of this
// process: its IDs follow all that the file has.
func (d *disk) begin() (*Journal, error) {
	d.starts = map[uint64]uint64{}
	var j *Journal
	err := d.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{metaBucket, eventsBucket, orderBucket, startsBucket, outboxBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		meta, starts := tx.Bucket(metaBucket), tx.Bucket(startsBucket)
		switch v := number(meta.Get(schemaKey)); {
		case v == 0:
			if err := errors.Join(meta.Put(schemaKey, bytes8(schema)), meta.Put(nameKey, []byte(strings.ToLower(rand.Text()[:12])))); err != nil {
				return err
			}
		case v > schema:
			return fmt.Errorf("layout %d, this binary knows %d: %w; run the newer binary, or restore a backup of this one", v, schema, ErrNewer)
		}
		d.name = string(meta.Get(nameKey))
		newest, _ := tx.Bucket(orderBucket).Cursor().Last()
		ended := number(meta.Get(endedKey))
		start := uint64(time.Now().UnixMicro())
		if known := max(number(newest), ended); start <= known { // the clock was set back
			start = known + 1_000_000 // over what a crash has left unwritten
		}
		j = at(d.cfg.Ring, start)
		if ended != 0 {
			j.last = ended
			if err := errors.Join(starts.Put(bytes8(start), bytes8(ended)), meta.Delete(endedKey)); err != nil {
				return err
			}
		}
		return starts.ForEach(func(first, prev []byte) error {
			d.starts[number(first)] = number(prev)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	j.disk = d
	return j, nil
}

// put queues an event for the file. The caller holds the journal's lock, which
// keeps the order of IDs.
func (d *disk) put(e Event) { d.add(entry{event: e}) }

// pass queues an event for outboxes, if there are any.
func (d *disk) pass(e Event) { d.add(entry{event: e, passed: true}) }

func (d *disk) add(e entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case e.passed && len(d.outboxes) == 0:
		return
	case len(d.queue) >= d.cfg.Queue:
		d.m.dropped.Inc()
		return
	}
	d.queue = append(d.queue, e)
	d.rouse()
}

// rouse has what waits written soon.
func (d *disk) rouse() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// joins reports whether a process whose first ID is id followed one that ended
// well with prev.
func (d *disk) joins(prev, id uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.starts[id]
	return ok && p == prev
}

// Run writes what is appended and deletes what is too old until ctx ends. Call
// it exactly once; Close after it writes the rest.
func (j *Journal) Run(ctx context.Context) error {
	d := j.disk
	if d == nil {
		<-ctx.Done()
		return nil
	}
	prune := time.NewTicker(pruneEvery)
	defer prune.Stop()
	pause := d.cfg.FlushEvery
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-prune.C:
			if err := d.prune(ctx, time.Now()); err != nil {
				d.log.Warn().Err(err).Msg("old events not deleted, tried again in a minute")
			}
			continue
		case <-d.wake:
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		if d.flush() == nil {
			pause = d.cfg.FlushEvery
			continue
		}
		pause = min(max(2*pause, retryMin), retryMax)
		d.rouse() // what is left wakes us
	}
}

// Flush writes what waits now.
func (j *Journal) Flush() error {
	if j.disk == nil {
		return nil
	}
	return j.disk.flush()
}

// Close writes what still waits, notes that nothing is missing, and closes the file.
func (j *Journal) Close() error {
	d := j.disk
	if d == nil {
		return nil
	}
	d.closing.Do(func() {
		err := d.flush()
		if err == nil {
			last := j.Last()
			err = d.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(endedKey, bytes8(last)) })
		}
		d.closed = errors.Join(err, d.db.Close())
	})
	return d.closed
}

// flush writes all that waits. What cannot be written goes on waiting.
func (d *disk) flush() error {
	d.flushing.Lock()
	defer d.flushing.Unlock()
	for {
		d.mu.Lock()
		events := d.queue[:min(len(d.queue), batchEvents):len(d.queue)]
		settled, outboxes := d.settled, d.outboxes
		d.mu.Unlock()
		if len(events)+len(settled) == 0 {
			return nil
		}
		began := time.Now()
		if err := d.write(events, settled, outboxes); err != nil {
			d.m.failures.Inc()
			if !d.trouble {
				d.log.Error().Err(err).Str("file", d.cfg.Path).Msg("journal cannot be written: events wait in memory; look whether the disk is full or read only")
			}
			d.trouble = true
			return err
		}
		if d.trouble {
			d.trouble = false
			d.log.Info().Msg("journal can be written again")
		}
		_ = letGo(d.db) // else only memory is lost
		d.m.flush.Observe(time.Since(began).Seconds())
		d.mu.Lock()
		clear(events)
		d.queue, d.settled = d.queue[len(events):], slices.Clone(d.settled[len(settled):])
		if len(d.queue) == 0 {
			d.queue = nil
		}
		d.mu.Unlock()
	}
}

// row is an event as it is written.
type row struct {
	entry
	key    []byte // of events
	value  []byte
	takers []*Outbox
}

// write puts a batch into the file, all or nothing.
func (d *disk) write(events []entry, settled []settlement, outboxes []*Outbox) error {
	rows := make([]row, 0, len(events))
	for _, e := range events {
		r := row{entry: e}
		for _, o := range outboxes {
			if o.want(e.event) {
				r.takers = append(r.takers, o)
			}
		}
		if e.passed && r.takers == nil {
			continue
		}
		var err error
		if r.value, err = encode(e.event); err != nil {
			d.log.Error().Err(err).Str("type", e.event.Type).Msg("event cannot be encoded and is not kept")
			continue
		}
		r.key = eventKey(e.event)
		rows = append(rows, r)
	}
	if len(rows)+len(settled) == 0 {
		return nil
	}
	var c changes
	err := d.db.Update(func(tx *bbolt.Tx) error {
		c = changes{}
		if err := putEvents(tx, rows); err != nil {
			return err
		}
		for i := range rows {
			for _, o := range rows[i].takers {
				if err := o.put(tx, &rows[i], c); err != nil {
					return err
				}
			}
		}
		for i := range settled {
			if err := settled[i].outbox.settle(tx, &settled[i], c); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		c.apply()
	}
	return err
}

// putEvents writes what is to be kept. Rows that lie beside each other in the
// file are written together: first all by device, then by ID.
func putEvents(tx *bbolt.Tx, rows []row) error {
	events, order, meta := tx.Bucket(eventsBucket), tx.Bucket(orderBucket), tx.Bucket(metaBucket)
	order.FillPercent = 0.95 // only ever grows at its end
	size := number(meta.Get(bytesKey))
	byKey := make([]*row, 0, len(rows))
	for i := range rows {
		if !rows[i].passed {
			byKey = append(byKey, &rows[i])
		}
	}
	if len(byKey) == 0 {
		return nil
	}
	for _, r := range byKey {
		if err := order.Put(bytes8(r.event.ID), r.key); err != nil {
			return err
		}
	}
	slices.SortFunc(byKey, func(a, b *row) int { return slices.Compare(a.key, b.key) })
	for _, r := range byKey {
		if err := events.Put(r.key, r.value); err != nil {
			return err
		}
		size += rowBytes(r.key, r.value)
	}
	return meta.Put(bytesKey, bytes8(size))
}

// size is that of the file in bytes.
func (d *disk) size() int64 {
	info, err := os.Stat(d.cfg.Path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// rowBytes is what an event takes in both buckets.
func rowBytes(key, value []byte) uint64 { return uint64(8 + 2*len(key) + len(value)) }

func bytes8(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// number is what bytes8 wrote, 0 of anything else.
func number(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}
