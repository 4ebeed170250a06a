package snapshot

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/shadow/journal"
)

// pruneEvery is how often the album looks for what is overdue or too old.
const pruneEvery = 5 * time.Second

// Album holds snapshots, their pictures as files. Its methods may be called from
// any goroutine.
type Album struct {
	// Set by New, never changed after.
	cfg     Config
	order   Order
	journal Journal
	log     zerolog.Logger
	m       *metrics

	mu    sync.Mutex // guards all below
	all   []*shot    // the oldest first
	byID  map[string]*shot
	open  map[string]*shot // by token
	bytes int64
}

// shot is a snapshot with what only the album knows. Album.mu guards it.
type shot struct {
	Snapshot
	token    string // "" once no picture is awaited
	deadline time.Time
	coming   int // pictures that are being uploaded
}

// New opens an album and reads what an earlier process kept. reg may be nil.
func New(cfg Config, order Order, j Journal, log zerolog.Logger, reg prometheus.Registerer) (*Album, error) {
	if cfg.Keep <= 0 {
		cfg.Keep = 7 * 24 * time.Hour
	}
	if cfg.Bytes <= 0 {
		cfg.Bytes = 1 << 30
	}
	a := &Album{cfg: cfg, order: order, journal: j, log: log, byID: map[string]*shot{}, open: map[string]*shot{}}
	a.m = newMetrics(reg, a.count)
	kept, err := read(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("read the snapshots: %w", err)
	}
	for _, s := range kept {
		if !s.State.Ended() { // the process that awaited it is gone
			s.State, s.EndedAt = ended(len(s.Pictures), s.Count), time.Now()
		}
		a.keep(&shot{Snapshot: s})
	}
	return a, nil
}

// Run ends what is overdue and deletes what is too old, until ctx ends. Call it
// exactly once.
func (a *Album) Run(ctx context.Context) error {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			a.prune(time.Now())
		}
	}
}

// Take has a channel take pictures and returns when the device has accepted that.
// The errors are ErrRange, ErrFull and those of the order; none of them leaves a
// snapshot behind.
func (a *Album) Take(ctx context.Context, r Request) (Snapshot, error) {
	if r.Count < 1 || r.Count > MaxCount || r.Interval < time.Second || r.Interval > MaxInterval || r.Interval%time.Second != 0 {
		return Snapshot{}, fmt.Errorf("%w: %d pictures every %v: want 1 to %d, every 1s to %v", ErrRange, r.Count, r.Interval, MaxCount, MaxInterval)
	}
	base, err := a.cfg.Base(r.Device)
	if err != nil {
		return Snapshot{}, err
	}
	now := time.Now()
	s := &shot{token: secret(), deadline: now.Add(time.Duration(r.Count)*r.Interval + grace),
		Snapshot: Snapshot{Request: r, ID: secret(), State: Ordered, StartedAt: now, Pictures: []Picture{}}}
	if err := a.await(s); err != nil {
		return Snapshot{}, err
	}
	err = a.order(ctx, r, s.ID, base+s.token)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err != nil && len(s.Pictures) == 0 && s.coming == 0:
		a.forget(s)
		return Snapshot{}, err
	case s.State == Ordered: // pictures are an answer too
		s.State = Taking
	}
	return s.copied(), nil
}

// await opens the address of a snapshot.
func (a *Album) await(s *shot) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.open) >= maxWaiting {
		a.m.refused.Inc()
		return fmt.Errorf("%w: %d", ErrFull, len(a.open))
	}
	a.open[s.token] = s
	a.keep(s)
	return nil
}

// keep enters a snapshot; mu is held, or nobody else is there yet.
func (a *Album) keep(s *shot) {
	a.all = append(a.all, s)
	a.byID[s.ID] = s
	for _, p := range s.Pictures {
		a.bytes += p.Bytes
	}
}

// forget drops a snapshot and its files; mu is held.
func (a *Album) forget(s *shot) {
	delete(a.open, s.token)
	delete(a.byID, s.ID)
	a.all = slices.DeleteFunc(a.all, func(other *shot) bool { return other == s })
	for _, p := range s.Pictures {
		a.bytes -= p.Bytes
	}
	if err := remove(a.cfg.Dir, s.ID); err != nil {
		a.log.Warn().Err(err).Str("snapshot", s.ID).Msg("pictures not deleted")
	}
}

// Finished takes Notify/UploadSnapShotFinished. Pictures that it names and that are
// still on their way are waited for.
func (a *Album) Finished(device gb28181.ID, m *manscdp.Message) {
	n, err := m.AsUploadSnapShotFinished()
	if err != nil {
		a.log.Debug().Err(err).Str("device", string(device)).Msg("end of a snapshot cannot be read")
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.byID[n.SessionID]
	if s == nil || s.Device != device || s.State.Ended() {
		return
	}
	if len(s.Pictures)+s.coming >= len(n.Files) {
		a.settle(s, s.coming == 0)
		return
	}
	s.deadline = time.Now().Add(pruneEvery)
}

// settle ends a snapshot when all its pictures are there, or when it is over; mu
// is held.
func (a *Album) settle(s *shot, over bool) {
	if s.State.Ended() || len(s.Pictures) < s.Count && !over {
		return
	}
	delete(a.open, s.token)
	s.token, s.State, s.EndedAt = "", ended(len(s.Pictures), s.Count), time.Now()
	if err := write(a.cfg.Dir, s.Snapshot); err != nil {
		a.log.Warn().Err(err).Str("snapshot", s.ID).Msg("snapshot not written")
	}
	a.m.ended.WithLabelValues(string(s.State)).Inc()
	a.journal.Append(journal.Event{At: s.EndedAt, Type: "snapshot.ended", Device: string(s.Device), Channel: string(s.Channel), Data: map[string]any{
		"id": s.ID, "state": string(s.State), "pictures": len(s.Pictures), "asked": s.Count,
	}})
}

func ended(have, asked int) State {
	switch {
	case have == 0:
		return Failed
	case have < asked:
		return Partial
	}
	return Done
}

// prune ends what is overdue, then deletes what is too old, or too much.
func (a *Album) prune(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range slices.Clone(a.all) {
		switch {
		case !s.State.Ended():
			a.settle(s, now.After(s.deadline) && s.coming == 0)
		case now.Sub(s.EndedAt) > a.cfg.Keep, len(a.all) > maxKept, a.bytes > a.cfg.Bytes:
			a.forget(s)
			a.m.deleted.Inc()
		}
	}
}

// Snapshot returns one.
func (a *Album) Snapshot(id string) (Snapshot, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.byID[id]; s != nil {
		return s.copied(), true
	}
	return Snapshot{}, false
}

// Snapshots returns all, the newest first.
func (a *Album) Snapshots() (list []Snapshot) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range slices.Backward(a.all) {
		list = append(list, s.copied())
	}
	return list
}

// Delete forgets a snapshot with its pictures.
func (a *Album) Delete(id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.byID[id]
	if s == nil {
		return fmt.Errorf("%w: %q", ErrUnknown, id)
	}
	a.forget(s)
	return nil
}

func (s *shot) copied() Snapshot {
	out := s.Snapshot
	out.Pictures = slices.Clone(s.Pictures)
	return out
}

func (a *Album) count() (waiting, bytes float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return float64(len(a.open)), float64(a.bytes)
}

// secret is 128 random bits.
func secret() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// named is what of a device's name for a picture can be shown.
func named(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '/' || r == '\\' || r == '"' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), 128)]
}

type metrics struct {
	ended   *prometheus.CounterVec
	uploads *prometheus.CounterVec
	refused prometheus.Counter
	deleted prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, count func() (waiting, bytes float64)) *metrics {
	m := &metrics{
		ended:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "fengsui_snapshot_ended_total", Help: "Snapshots that ended: all pictures came, some, none."}, []string{"state"}),
		uploads: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "fengsui_snapshot_uploads_total", Help: "Uploads by devices: kept, to no open address, no JPEG, too large, broken off."}, []string{"result"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{Name: "fengsui_snapshot_refused_total", Help: "Snapshots that were refused because too many wait for their pictures."}),
		deleted: prometheus.NewCounter(prometheus.CounterOpts{Name: "fengsui_snapshot_deleted_total", Help: "Snapshots deleted because they were too old or took too much room."}),
	}
	for _, s := range []State{Done, Partial, Failed} {
		m.ended.WithLabelValues(string(s))
	}
	for _, r := range []string{"kept", "token", "picture", "large", "failed"} {
		m.uploads.WithLabelValues(r)
	}
	if reg != nil {
		reg.MustRegister(m.ended, m.uploads, m.refused, m.deleted,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "fengsui_snapshot_waiting", Help: "Snapshots that wait for pictures."}, func() float64 { n, _ := count(); return n }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "fengsui_snapshot_bytes", Help: "Bytes of all pictures that are kept."}, func() float64 { _, n := count(); return n }))
	}
	return m
}
