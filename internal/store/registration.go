package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"fengsui/gb28181"
)

// Flow is the way back to a device. It has the fields of flow.Flow, so that one
// converts to the other.
type Flow struct {
	Transport string
	Listener  int
	Local     netip.AddrPort
	Remote    netip.AddrPort
}

// Registration is what is needed to restore a device after a restart, as
// unknown until it is heard, or as offline if it was. Times have milliseconds.
type Registration struct {
	ID        gb28181.ID
	Flow      Flow
	Contact   string
	CallID    string
	UserAgent string
	Edition   gb28181.Edition
	Charset   string

	Name         string
	Manufacturer string
	Model        string
	Firmware     string

	RegisteredAt time.Time
	ExpiresAt    time.Time
	KeepaliveAt  time.Time

	Offline       string // a shadow.Evidence; "" for one that is not offline
	OfflineReason string // in words
	OfflineAt     time.Time
}

// SaveRegistration keeps a registration soon (see [Config.FlushEvery]); of
// several for one device the last one counts. It never blocks. It reports false
// when the queue is full and the row was dropped; a later save repairs that.
func (s *Store) SaveRegistration(r Registration) bool {
	return s.put("registrations", r.ID, 1, func(p *pending, _ int, room bool) bool {
		return p.register(&r, room)
	})
}

// ForgetRegistration deletes a registration soon.
func (s *Store) ForgetRegistration(id gb28181.ID) bool {
	return s.put("registrations", id, 1, func(p *pending, _ int, room bool) bool {
		return p.register(nil, room)
	})
}

// SaveChannels keeps channels of a device soon, new or changed. It never blocks;
// false when some were dropped because the queue is full.
func (s *Store) SaveChannels(device gb28181.ID, channels []gb28181.Channel) bool {
	return s.put("channels", device, len(channels), func(p *pending, i int, room bool) bool {
		ch := channels[i]
		ch.Device = device
		return p.set(ch.ID, &ch, room)
	})
}

// DropChannels deletes channels of a device soon.
func (s *Store) DropChannels(device gb28181.ID, ids []gb28181.ID) bool {
	return s.put("channels", device, len(ids), func(p *pending, i int, room bool) bool {
		return p.set(ids[i], nil, room)
	})
}

// ReplaceChannels makes the given channels the only ones of the device, soon.
func (s *Store) ReplaceChannels(device gb28181.ID, channels []gb28181.Channel) bool {
	return s.put("channels", device, 1+len(channels), func(p *pending, i int, room bool) bool {
		if i == 0 {
			return p.reset(room)
		}
		ch := channels[i-1]
		ch.Device = device
		return p.set(ch.ID, &ch, room)
	})
}

func (s *Store) put(table string, device gb28181.ID, n int, step func(*pending, int, bool) bool) bool {
	taken := s.queue.put(device, n, step)
	if taken < n {
		s.m.dropped.WithLabelValues(table).Add(float64(n - taken))
	}
	return taken == n
}

// Flush writes what is queued now and returns when it is kept.
func (s *Store) Flush(ctx context.Context) error { return s.flushQueued(ctx) }

func (s *Store) flushQueued(ctx context.Context) error {
	s.queue.flushing.Lock()
	defer s.queue.flushing.Unlock()
	defer func() { s.m.queued.Set(float64(s.queue.len())) }()
	return errors.Join(s.flushRecords(ctx), s.flushReports(ctx))
}

// flushRecords writes the newest state of what changed. The caller holds
// queue.flushing.
func (s *Store) flushRecords(ctx context.Context) error {
	for {
		batch := s.queue.take(batchRows)
		if len(batch) == 0 {
			return nil
		}
		start := time.Now()
		err := s.tx(ctx, func(t *sql.Tx) error { return writeBatch(ctx, t, batch) })
		if err != nil {
			s.queue.putBack(batch)
			s.m.failures.Inc()
			s.log.Warn().Err(err).Int("rows", s.queue.len()).Msg("records not written, kept in memory and tried again")
			return fmt.Errorf("write queued records: %w", err)
		}
		s.m.flush.Observe(time.Since(start).Seconds())
		for _, p := range batch {
			s.m.rows.WithLabelValues("channels").Add(float64(len(p.channels)))
			if p.registration != nil || p.forget {
				s.m.rows.WithLabelValues("registrations").Inc()
			}
		}
	}
}

const (
	upsertRegistration = `INSERT OR REPLACE INTO registrations (id, transport, listener, local, remote, contact, call_id,
		user_agent, edition, charset, name, manufacturer, model, firmware, registered_at, expires_at, keepalive_at,
		offline, offline_reason, offline_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	deleteRegistration = "DELETE FROM registrations WHERE id = ?"
	upsertChannel      = `INSERT OR REPLACE INTO channels (device, id, name, manufacturer, model, civil_code, address,
		parental, parent_id, business_group, is_on, off_reason, ptz_type, longitude, latitude, streams, secrecy)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	deleteChannel  = "DELETE FROM channels WHERE device = ? AND id = ?"
	deleteChannels = "DELETE FROM channels WHERE device = ?"
)

// writeBatch writes the rows with statements prepared once each.
func writeBatch(ctx context.Context, t *sql.Tx, batch map[gb28181.ID]*pending) error {
	prepared := map[string]*sql.Stmt{}
	defer func() {
		for _, st := range prepared {
			_ = st.Close() // the transaction's end closes them too
		}
	}()
	exec := func(query string, args ...any) error {
		st := prepared[query]
		if st == nil {
			var err error
			if st, err = t.PrepareContext(ctx, query); err != nil {
				return fmt.Errorf("prepare: %w", err)
			}
			prepared[query] = st
		}
		_, err := st.ExecContext(ctx, args...)
		return err
	}
	for device, p := range batch {
		if err := p.write(device, exec); err != nil {
			return fmt.Errorf("device %s: %w", device, err)
		}
	}
	return nil
}

func (p *pending) write(device gb28181.ID, exec func(string, ...any) error) error {
	var errs []error
	if r := p.registration; r != nil {
		errs = append(errs, exec(upsertRegistration, string(r.ID), r.Flow.Transport, r.Flow.Listener, addr(r.Flow.Local), addr(r.Flow.Remote),
			r.Contact, r.CallID, r.UserAgent, r.Edition.String(), r.Charset, r.Name, r.Manufacturer, r.Model, r.Firmware,
			millis(r.RegisteredAt), millis(r.ExpiresAt), millis(r.KeepaliveAt),
			r.Offline, r.OfflineReason, millis(r.OfflineAt)))
	} else if p.forget {
		errs = append(errs, exec(deleteRegistration, string(device)))
	}
	if p.clear {
		errs = append(errs, exec(deleteChannels, string(device)))
	}
	for id, c := range p.channels {
		if c == nil {
			errs = append(errs, exec(deleteChannel, string(device), string(id)))
			continue
		}
		errs = append(errs, exec(upsertChannel, string(device), string(id), c.Name, c.Manufacturer, c.Model, c.CivilCode, c.Address,
			flag(c.Parental), c.ParentID, string(c.BusinessGroup), flag(c.On), c.OffReason, c.PTZType, c.Longitude, c.Latitude, c.Streams, flag(c.Secrecy)))
	}
	return errors.Join(errs...)
}

// EachRegistration calls fn for every registration that is kept and written,
// until fn returns an error, which it returns.
func (s *Store) EachRegistration(ctx context.Context, fn func(Registration) error) error {
	rows, err := s.read.QueryContext(ctx, `SELECT id, transport, listener, local, remote, contact, call_id, user_agent,
		edition, charset, name, manufacturer, model, firmware, registered_at, expires_at, keepalive_at,
		offline, offline_reason, offline_at FROM registrations`)
	if err != nil {
		return fmt.Errorf("read registrations: %w", err)
	}
	defer rows.Close()
	var r Registration // every column is read again for each row
	var local, remote, edition string
	var registered, expires, keepalive, offline int64
	columns := []any{&r.ID, &r.Flow.Transport, &r.Flow.Listener, &local, &remote, &r.Contact, &r.CallID, &r.UserAgent,
		&edition, &r.Charset, &r.Name, &r.Manufacturer, &r.Model, &r.Firmware, &registered, &expires, &keepalive,
		&r.Offline, &r.OfflineReason, &offline}
	for rows.Next() {
		if err := rows.Scan(columns...); err != nil {
			return fmt.Errorf("read registrations: %w", err)
		}
		r.Flow.Local, r.Flow.Remote = parseAddr(local), parseAddr(remote)
		r.Edition = gb28181.ParseEdition(edition)
		r.RegisteredAt, r.ExpiresAt, r.KeepaliveAt = fromMillis(registered), fromMillis(expires), fromMillis(keepalive)
		r.OfflineAt = fromMillis(offline)
		if err := fn(r); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read registrations: %w", err)
	}
	return nil
}

// EachChannel calls fn for every channel that is kept and written, device by
// device, until fn returns an error, which it returns.
func (s *Store) EachChannel(ctx context.Context, fn func(gb28181.Channel) error) error {
	rows, err := s.read.QueryContext(ctx, `SELECT device, id, name, manufacturer, model, civil_code, address, parental, parent_id,
		business_group, is_on, off_reason, ptz_type, longitude, latitude, streams, secrecy FROM channels ORDER BY device, id`)
	if err != nil {
		return fmt.Errorf("read channels: %w", err)
	}
	defer rows.Close()
	var c gb28181.Channel // every column is read again for each row
	columns := []any{&c.Device, &c.ID, &c.Name, &c.Manufacturer, &c.Model, &c.CivilCode, &c.Address, &c.Parental, &c.ParentID,
		&c.BusinessGroup, &c.On, &c.OffReason, &c.PTZType, &c.Longitude, &c.Latitude, &c.Streams, &c.Secrecy}
	for rows.Next() {
		if err := rows.Scan(columns...); err != nil {
			return fmt.Errorf("read channels: %w", err)
		}
		if err := fn(c); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read channels: %w", err)
	}
	return nil
}

func addr(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func parseAddr(s string) netip.AddrPort {
	a, _ := netip.ParseAddrPort(s) // "" and the unreadable are no address
	return a
}
