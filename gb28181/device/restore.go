package device

import (
	"iter"
	"math/rand/v2"
	"time"

	"fengsui/gb28181"
	"fengsui/shadow"
)

// Saved is what to keep of a device over a restart.
func (t *Table) Saved(id gb28181.ID) (Saved, bool) {
	r := t.lock(id)
	if r == nil {
		return Saved{}, false
	}
	defer r.mu.Unlock()
	return Saved{
		Device: r.present(time.Now()), Flow: r.flow, CallID: r.callID,
		Follow: r.follow, KeepaliveExtends: r.extends, KeepTransport: r.stays, Rhythm: r.rhythm,
	}, true
}

// AllSaved is [Table.Saved] for every device.
func (t *Table) AllSaved() iter.Seq[Saved] {
	return func(yield func(Saved) bool) {
		for id := range t.rows.All() {
			if s, ok := t.Saved(id); ok && !yield(s) {
				return
			}
		}
	}
}

// Restore enters what an earlier process saved; call it before anything is
// served. Who was online is unknown until it is heard or its registration ends,
// and silence is no reason to call it offline: the server was away, not the
// device. Devices on UDP are probed over the following interval. IDs already
// there and those beyond the table's size are passed over; watchers are told
// nothing. It returns how many were entered.
func (t *Table) Restore(saved []Saved) int {
	n, now := 0, time.Now()
	for i := range saved {
		if t.restore(&saved[i], now) {
			n++
		}
	}
	return n
}

func (t *Table) restore(s *Saved, now time.Time) bool {
	if _, there := t.rows.Load(s.Device.ID); there {
		return false
	}
	r, _, err := t.lockOrMake(s.Device.ID)
	if err != nil {
		return false // counted
	}
	defer r.mu.Unlock()
	d := s.Device
	if d.Kind == "" {
		d.Kind = gb28181.KindGB28181
	}
	p := &d.Presence
	// A clock set back must not make all new evidence look old.
	p.At, d.KeepaliveAt, d.RegisteredAt = earlier(p.At, now), earlier(d.KeepaliveAt, now), earlier(d.RegisteredAt, now)
	if p.Evidence == shadow.BySilence {
		p.Reason = "" // said from its age
	}
	if p.Since.IsZero() {
		p.Since = now
	}
	t.counts[shadow.Unknown].Add(-1)
	t.counts[p.State].Add(1)
	r.dev, r.callID, r.rhythm = d, s.CallID, s.Rhythm
	r.follow, r.extends, r.stays = s.Follow, s.KeepaliveExtends, s.KeepTransport
	r.granted = d.ExpiresAt.Sub(d.RegisteredAt)
	r.heard = later(d.KeepaliveAt, d.RegisteredAt)
	registered := !d.RegisteredAt.IsZero() && !s.Flow.IsZero()
	if !registered {
		if p.State != shadow.Offline {
			t.step(r, shadow.Sign{Meaning: shadow.Restart, At: now, Reason: neverRegistered})
		}
		return true
	}
	if p.State == shadow.Offline && (now.After(r.expires()) || p.Evidence == shadow.ByUnregister || p.Evidence == shadow.ByExpiry) {
		r.flow = s.Flow
		return true
	}
	r.unheard, r.care().since = true, now
	t.bind(r, s.Flow)
	t.step(r, shadow.Sign{Meaning: shadow.Restart, By: shadow.ByRestart, At: now, Reason: "server restarted, not heard yet"})
	if r.dev.Presence.State == shadow.Unknown && !s.Flow.Stream() {
		r.care().probe.next = now.Add(t.rhythm.DoubtAfter() + rand.N(t.rhythm.Interval))
	}
	t.rearm(r)
	return true
}

// RestoreChannels enters how many channels are kept of a device, and how many of
// them are On. As with Restore, it comes before anything is served and nobody is
// told. A device that is not there is passed over.
func (t *Table) RestoreChannels(id gb28181.ID, channels, on int) {
	if r := t.lock(id); r != nil {
		r.dev.Channels, r.dev.OnlineChannels = channels, on
		r.mu.Unlock()
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
