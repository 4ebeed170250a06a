package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"time"

	"fengsui/gb28181"
)

// maxReports bounds the alarms, and the positions, that wait to be written.
const maxReports = 1 << 16

// reports are what devices have reported and waits to be written, in order.
type reports struct {
	mu           sync.Mutex // guards all below
	alarms       []gb28181.Alarm
	positions    []gb28181.Position
	nextAlarm    int64
	nextPosition int64
}

// openReports finds the numbers that go on from those ever given.
func (s *Store) openReports(ctx context.Context) error {
	for table, next := range map[string]*int64{"alarms": &s.reports.nextAlarm, "positions": &s.reports.nextPosition} {
		err := s.read.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = ?", table).Scan(next)
		if err != nil {
			return fmt.Errorf("read the last number of %s: %w", table, err)
		}
	}
	return nil
}

// SaveAlarm keeps an alarm soon and returns the ID it has from now on. It never
// blocks. It reports false when too many wait and this one was dropped.
func (s *Store) SaveAlarm(a gb28181.Alarm) (id int64, kept bool) {
	r := &s.reports
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.alarms) >= maxReports {
		s.m.dropped.WithLabelValues("alarms").Inc()
		return 0, false
	}
	a.ID = r.nextAlarm
	r.nextAlarm++
	r.alarms = append(r.alarms, a)
	s.queue.rouse()
	return a.ID, true
}

// SavePosition keeps a position soon, as [Store.SaveAlarm] does an alarm.
func (s *Store) SavePosition(p gb28181.Position) (kept bool) {
	r := &s.reports
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.positions) >= maxReports {
		s.m.dropped.WithLabelValues("positions").Inc()
		return false
	}
	p.ID = r.nextPosition
	r.nextPosition++
	r.positions = append(r.positions, p)
	s.queue.rouse()
	return true
}

// head is up to a batch of each, which stays until it is written.
func (r *reports) head() ([]gb28181.Alarm, []gb28181.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.alarms[:min(len(r.alarms), batchRows)], r.positions[:min(len(r.positions), batchRows)]
}

// drop forgets what was written.
func (r *reports) drop(alarms, positions int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.alarms = r.alarms[alarms:]; len(r.alarms) == 0 {
		r.alarms = nil
	}
	if r.positions = r.positions[positions:]; len(r.positions) == 0 {
		r.positions = nil
	}
}

// flushReports writes all that waits. The caller holds queue.flushing.
func (s *Store) flushReports(ctx context.Context) error {
	for {
		alarms, positions := s.reports.head()
		if len(alarms)+len(positions) == 0 {
			return nil
		}
		err := s.tx(ctx, func(t *sql.Tx) error {
			if err := insertAlarms(ctx, t, alarms); err != nil {
				return err
			}
			return insertPositions(ctx, t, positions)
		})
		if err != nil {
			s.m.failures.Inc()
			s.log.Warn().Err(err).Int("alarms", len(alarms)).Int("positions", len(positions)).Msg("reports not written, kept in memory and tried again")
			return fmt.Errorf("write reports: %w", err)
		}
		s.m.rows.WithLabelValues("alarms").Add(float64(len(alarms)))
		s.m.rows.WithLabelValues("positions").Add(float64(len(positions)))
		s.reports.drop(len(alarms), len(positions))
	}
}

const (
	alarmColumns = `id, device, channel, priority, method, type, event_type, name, at, received_at, description,
		longitude, latitude, acknowledged_at, acknowledged_by`
	positionColumns = "id, device, channel, at, received_at, longitude, latitude, speed, direction, altitude, height"
)

func insertAlarms(ctx context.Context, t *sql.Tx, alarms []gb28181.Alarm) error {
	st, err := t.PrepareContext(ctx, "INSERT INTO alarms ("+alarmColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	defer func() { _ = st.Close() }() // the transaction's end closes it too
	for i := range alarms {
		a := &alarms[i]
		if _, err := st.ExecContext(ctx, a.ID, string(a.Device), string(a.Channel), a.Priority, a.Method, a.Type, a.EventType, a.Name,
			millis(a.At), millis(a.ReceivedAt), a.Description, a.Longitude, a.Latitude, millis(a.AcknowledgedAt), a.AcknowledgedBy); err != nil {
			return fmt.Errorf("alarm %d: %w", a.ID, err)
		}
	}
	return nil
}

func insertPositions(ctx context.Context, t *sql.Tx, positions []gb28181.Position) error {
	st, err := t.PrepareContext(ctx, "INSERT INTO positions ("+positionColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	defer func() { _ = st.Close() }() // the transaction's end closes it too
	for i := range positions {
		p := &positions[i]
		if _, err := st.ExecContext(ctx, p.ID, string(p.Device), string(p.Channel), millis(p.At), millis(p.ReceivedAt),
			p.Longitude, p.Latitude, p.Speed, p.Direction, p.Altitude, p.Height); err != nil {
			return fmt.Errorf("position %d: %w", p.ID, err)
		}
	}
	return nil
}

// ReportFilter narrows a list of reports. A zero field does not.
type ReportFilter struct {
	Device   gb28181.ID
	Channel  gb28181.ID
	Whole    bool      // with Channel: what is of the device as a whole too
	Since    time.Time // of receipt
	Until    time.Time // exclusive
	Before   int64     // IDs below it
	Priority int
	Method   int
	Open     bool // not acknowledged

	Limit, Offset int
}

// where is the condition. Positions have no priority, method and acknowledgement.
func (f *ReportFilter) where() (string, []any) {
	conds, args := []string{"1"}, []any(nil)
	add := func(cond string, arg ...any) { conds, args = append(conds, cond), append(args, arg...) }
	if f.Device != "" {
		add("device = ?", string(f.Device))
	}
	switch {
	case f.Channel != "" && f.Whole:
		add("channel IN (?, '')", string(f.Channel))
	case f.Channel != "":
		add("channel = ?", string(f.Channel))
	}
	if !f.Since.IsZero() {
		add("received_at >= ?", millis(f.Since))
	}
	if !f.Until.IsZero() {
		add("received_at < ?", millis(f.Until))
	}
	if f.Before != 0 {
		add("id < ?", f.Before)
	}
	if f.Priority != 0 {
		add("priority = ?", f.Priority)
	}
	if f.Method != 0 {
		add("method = ?", f.Method)
	}
	if f.Open {
		add("acknowledged_at = 0")
	}
	return strings.Join(conds, " AND "), args
}

// Alarms returns alarms that are written, newest first.
func (s *Store) Alarms(ctx context.Context, f ReportFilter) ([]gb28181.Alarm, error) {
	return list(ctx, s.read, "alarms", alarmColumns, f, func(a *gb28181.Alarm, scan func(...any) error) error {
		var at, received, acknowledged int64
		err := scan(&a.ID, &a.Device, &a.Channel, &a.Priority, &a.Method, &a.Type, &a.EventType, &a.Name, &at, &received,
			&a.Description, &a.Longitude, &a.Latitude, &acknowledged, &a.AcknowledgedBy)
		a.At, a.ReceivedAt, a.AcknowledgedAt = fromMillis(at), fromMillis(received), fromMillis(acknowledged)
		return err
	})
}

// Positions returns positions that are written, newest first.
func (s *Store) Positions(ctx context.Context, f ReportFilter) ([]gb28181.Position, error) {
	return list(ctx, s.read, "positions", positionColumns, f, func(p *gb28181.Position, scan func(...any) error) error {
		var at, received int64
		err := scan(&p.ID, &p.Device, &p.Channel, &at, &received, &p.Longitude, &p.Latitude, &p.Speed, &p.Direction, &p.Altitude, &p.Height)
		p.At, p.ReceivedAt = fromMillis(at), fromMillis(received)
		return err
	})
}

func list[T any](ctx context.Context, db *sql.DB, table, columns string, f ReportFilter, read func(*T, func(...any) error) error) ([]T, error) {
	where, args := f.where()
	rows, err := db.QueryContext(ctx, "SELECT "+columns+" FROM "+table+" WHERE "+where+" ORDER BY id DESC LIMIT ? OFFSET ?", append(args, f.Limit, f.Offset)...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var row T
		if err := read(&row, rows.Scan); err != nil {
			return nil, fmt.Errorf("read %s: %w", table, err)
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	return all, nil
}

// CountAlarms is how many alarms a filter lets through, whatever its limit.
func (s *Store) CountAlarms(ctx context.Context, f ReportFilter) (int, error) {
	return s.countReports(ctx, "alarms", f)
}

// CountPositions is how many positions a filter lets through.
func (s *Store) CountPositions(ctx context.Context, f ReportFilter) (int, error) {
	return s.countReports(ctx, "positions", f)
}

func (s *Store) countReports(ctx context.Context, table string, f ReportFilter) (n int, err error) {
	where, args := f.where()
	if err := s.read.QueryRowContext(ctx, "SELECT count(*) FROM "+table+" WHERE "+where, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count %s: %w", table, err)
	}
	return n, nil
}

// Acknowledge notes who has seen to an alarm and when, or with a zero time that
// nobody has, and returns the alarm; else [ErrNotFound].
func (s *Store) Acknowledge(ctx context.Context, id int64, by string, at time.Time) (gb28181.Alarm, error) {
	if err := s.Flush(ctx); err != nil { // it may wait to be written
		return gb28181.Alarm{}, err
	}
	res, err := s.write.ExecContext(ctx, "UPDATE alarms SET acknowledged_at = ?, acknowledged_by = ? WHERE id = ?", millis(at), by, id)
	if err := one(res, err, "alarm", id); err != nil {
		return gb28181.Alarm{}, err
	}
	return s.Alarm(ctx, id)
}

// Alarm returns one alarm, else [ErrNotFound].
func (s *Store) Alarm(ctx context.Context, id int64) (gb28181.Alarm, error) {
	if err := s.Flush(ctx); err != nil { // it may wait to be written
		return gb28181.Alarm{}, err
	}
	found, err := s.Alarms(ctx, ReportFilter{Before: id + 1, Limit: 1})
	if err != nil {
		return gb28181.Alarm{}, err
	}
	if len(found) == 0 || found[0].ID != id {
		return gb28181.Alarm{}, fmt.Errorf("alarm %d: %w", id, ErrNotFound)
	}
	return found[0], nil
}

// Retention says what is kept of a kind of reports.
type Retention struct {
	Keep time.Duration // from receipt
	Rows int           // the newest ones
}

// pruneRows is how many rows one transaction deletes, so that none waits long.
const pruneRows = 5000

// Prune deletes the reports that are too old or too many, and returns how many.
func (s *Store) Prune(ctx context.Context, now time.Time, alarms, positions Retention) (n int64, err error) {
	for table, r := range map[string]Retention{"alarms": alarms, "positions": positions} {
		for {
			res, err := s.write.ExecContext(ctx, `DELETE FROM `+table+` WHERE id IN (
				SELECT id FROM (SELECT id, received_at FROM `+table+` ORDER BY id LIMIT ?)
				WHERE received_at < ? OR id <= (SELECT max(id) FROM `+table+`) - ?)`, pruneRows, millis(now.Add(-r.Keep)), r.Rows)
			if err != nil {
				return n, fmt.Errorf("prune %s: %w", table, err)
			}
			gone, err := res.RowsAffected()
			if err != nil {
				return n, fmt.Errorf("prune %s: %w", table, err)
			}
			if n += gone; gone < pruneRows {
				break
			}
		}
	}
	return n, nil
}
