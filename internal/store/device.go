package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"time"

	"fengsui/gb28181"
)

// How a device proves who it is.
const (
	AuthDigest = "digest"
	AuthNone   = "none" // by its address alone; Allow must not be empty
)

// Device is a provisioned device: what people decided about it.
type Device struct {
	ID       gb28181.ID
	Name     string
	Kind     gb28181.Kind
	Password string // in clear here, sealed in the database; "" = the common password
	Auth     string // AuthDigest or AuthNone
	Allow    []netip.Prefix
	// Transport is the one it must register by, udp, tcp or tls; "" = any.
	Transport string
	// Edition overrides what the device announces; unknown = as announced.
	Edition gb28181.Edition
	// MediaTransport is udp, tcp-passive or tcp-active; "" = as configured.
	MediaTransport string
	// MediaMode is single or range; "" = as configured.
	MediaMode string
	// Algorithms are the digest algorithms offered, in order; none = as configured.
	Algorithms []string
	// Follow is port, probe or any; "" = as configured.
	Follow string
	Tenant string
	// Quirks are names of package quirk, "-" before one that it is not to have.
	Quirks []string
	// Note is off, log or enforce, for the digests of its requests; "" = as
	// configured. NoteAlgorithm is MD5, SHA-1, SHA-256 or SM3, "" = that of its
	// edition. NoteSeed is the secret of them, "" = the common one.
	Note, NoteAlgorithm, NoteSeed string
	// Approved is false for one that must not register yet.
	Approved  bool
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Provisioned returns a device from memory; it never blocks on the disk.
func (s *Store) Provisioned(id gb28181.ID) (Device, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d, ok := s.devices[id]
	return d, ok
}

// OwnAlgorithms tells how many provisioned devices have algorithms of their own,
// by these, separated by blanks, in the order of the text; and how many devices
// there are. It is nil when none has.
func (s *Store) OwnAlgorithms() (own []AlgorithmCount, devices int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for names, n := range s.own {
		own = append(own, AlgorithmCount{names, n})
	}
	slices.SortFunc(own, func(a, b AlgorithmCount) int { return cmp.Compare(a.Names, b.Names) })
	return own, len(s.devices)
}

// AlgorithmCount is how many devices have the same algorithms of their own.
type AlgorithmCount struct {
	Names   string // as "SM3 MD5"
	Devices int
}

// keep puts a device into memory, forget takes it out. Hold mu.
func (s *Store) keep(d Device) {
	s.forget(d.ID)
	s.devices[d.ID] = d
	if len(d.Algorithms) > 0 {
		s.own[strings.Join(d.Algorithms, " ")]++
	}
}

func (s *Store) forget(id gb28181.ID) {
	if d, ok := s.devices[id]; ok && len(d.Algorithms) > 0 {
		names := strings.Join(d.Algorithms, " ")
		if s.own[names]--; s.own[names] == 0 {
			delete(s.own, names)
		}
	}
	delete(s.devices, id)
}

// Devices returns all provisioned devices from memory, by ID.
func (s *Store) Devices() []Device {
	s.mu.RLock()
	all := make([]Device, 0, len(s.devices))
	for _, d := range s.devices {
		all = append(all, d)
	}
	s.mu.RUnlock()
	sort.Slice(all, func(i, j int) bool { return all[i].ID < all[j].ID })
	return all
}

// AddDevice keeps a new device, or reports [ErrExists]. It sets both times.
func (s *Store) AddDevice(ctx context.Context, d Device) (Device, error) {
	d.CreatedAt = time.Now().Truncate(time.Millisecond)
	d.UpdatedAt = d.CreatedAt
	err := s.putDevice(ctx, "INSERT", d)
	if unique(err) {
		return Device{}, fmt.Errorf("device %s: %w", d.ID, ErrExists)
	}
	if err != nil {
		return Device{}, fmt.Errorf("keep device %s: %w", d.ID, err)
	}
	return d, nil
}

// PutDevice keeps a device, new or changed. It sets UpdatedAt, and CreatedAt if that is zero.
func (s *Store) PutDevice(ctx context.Context, d Device) (Device, error) {
	d.UpdatedAt = time.Now().Truncate(time.Millisecond)
	if d.CreatedAt.IsZero() {
		d.CreatedAt = d.UpdatedAt
	}
	if err := s.putDevice(ctx, "INSERT OR REPLACE", d); err != nil {
		return Device{}, fmt.Errorf("keep device %s: %w", d.ID, err)
	}
	return d, nil
}

func (s *Store) putDevice(ctx context.Context, verb string, d Device) error {
	allow := make([]string, len(d.Allow))
	for i, p := range d.Allow {
		allow[i] = p.String()
	}
	s.mu.Lock() // over the write, so that memory and disk change in the same order
	defer s.mu.Unlock()
	_, err := s.write.ExecContext(ctx, verb+` INTO devices (id, name, kind, password, auth, allow, transport, edition,
		media_transport, media_mode, algorithms, follow, tenant, approved, created_at, updated_at,
		quirks, note, note_algorithm, note_seed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		string(d.ID), d.Name, string(d.Kind), s.seal.seal(d.Password, "device "+string(d.ID)), d.Auth, strings.Join(allow, " "), d.Transport,
		d.Edition.String(), d.MediaTransport, d.MediaMode, strings.Join(d.Algorithms, " "), d.Follow, d.Tenant, flag(d.Approved),
		millis(d.CreatedAt), millis(d.UpdatedAt),
		strings.Join(d.Quirks, " "), d.Note, d.NoteAlgorithm, s.seal.seal(d.NoteSeed, "note of "+string(d.ID)))
	if err == nil {
		s.keep(d)
	}
	return err
}

// RemoveDevice deletes the device with its registration and channels, what is
// queued of them included. It reports [ErrNotFound] when nothing of it was kept.
func (s *Store) RemoveDevice(ctx context.Context, id gb28181.ID) error {
	s.queue.flushing.Lock() // nothing of it is on its way to the disk
	defer s.queue.flushing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	var gone int64
	err := s.tx(ctx, func(t *sql.Tx) error {
		for _, query := range []string{"DELETE FROM devices WHERE id = ?", deleteRegistration, deleteChannels} {
			res, err := t.ExecContext(ctx, query, string(id))
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			gone += n
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove device %s: %w", id, err)
	}
	s.forget(id)
	if gone+int64(s.queue.discard(id)) == 0 {
		return fmt.Errorf("device %s: %w", id, ErrNotFound)
	}
	return nil
}

// sealCheck is a setting sealed at the first start. It tells at every later one
// whether the key is still the same.
const sealCheck = "seal_check"

// checkKey reports [ErrWrongKey] when what is kept was sealed with another key.
func (s *Store) checkKey(ctx context.Context) error {
	if _, err := s.SecretOnce(ctx, sealCheck, func() string { return "fengsui" }); err != nil {
		return fmt.Errorf("%w; was cluster.secret changed, or the key file in the data folder?", err)
	}
	return nil
}

// LoadDevices reads all provisioned devices into memory, from where
// [Store.Provisioned] and [Store.Devices] take them, and returns how many there
// are. Call it once, after Open and before anything asks for a device.
func (s *Store) LoadDevices(ctx context.Context) (int, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, name, kind, password, auth, allow, transport, edition,
		media_transport, media_mode, algorithms, follow, tenant, approved, created_at, updated_at,
		quirks, note, note_algorithm, note_seed FROM devices`)
	if err != nil {
		return 0, fmt.Errorf("read devices: %w", err)
	}
	defer rows.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for rows.Next() {
		d, err := s.scanDevice(rows)
		if err != nil {
			return 0, fmt.Errorf("read devices: %w", err)
		}
		s.keep(d)
	}
	if err := rows.Err(); err != nil {
		return 0, fmt.Errorf("read devices: %w", err)
	}
	return len(s.devices), nil
}

func (s *Store) scanDevice(rows *sql.Rows) (Device, error) {
	var d Device
	var sealed, seed []byte
	var allow, edition, algorithms, quirks string
	var created, updated int64
	err := rows.Scan(&d.ID, &d.Name, &d.Kind, &sealed, &d.Auth, &allow, &d.Transport, &edition, &d.MediaTransport, &d.MediaMode,
		&algorithms, &d.Follow, &d.Tenant, &d.Approved, &created, &updated, &quirks, &d.Note, &d.NoteAlgorithm, &seed)
	if err != nil {
		return d, err
	}
	d.Edition = gb28181.ParseEdition(edition)
	d.CreatedAt, d.UpdatedAt = fromMillis(created), fromMillis(updated)
	if algorithms != "" {
		d.Algorithms = strings.Fields(algorithms)
	}
	if quirks != "" {
		d.Quirks = strings.Fields(quirks)
	}
	var errs []error
	for _, text := range strings.Fields(allow) {
		p, err := netip.ParsePrefix(text)
		errs = append(errs, err)
		d.Allow = append(d.Allow, p)
	}
	d.Password, err = s.seal.open(sealed, "device "+string(d.ID))
	errs = append(errs, err)
	d.NoteSeed, err = s.seal.open(seed, "note of "+string(d.ID))
	return d, errors.Join(append(errs, err)...)
}
