package trace

import (
	"bytes"
	"net/netip"
	"slices"
	"time"
)

const defaultLimit = 500

// Query says which messages to show. A field at its zero value does not
// restrict.
type Query struct {
	// Device is the user part of From or To.
	Device string
	// Remote is a peer's address. With Device set, messages match by either:
	// an INVITE names a channel, only its address tells the device.
	Remote netip.AddrPort
	// Source is a peer's address at any port, and restricts all of the above.
	Source netip.Addr
	CallID string
	Since  time.Time // not before
	Limit  int       // the newest so many; 500 when 0
	// Secrets are shown, but passwords in XML elements: for administrators who ask
	// for them.
	Secrets bool
}

// Find returns the messages that match, oldest first, redacted unless it is asked
// for otherwise. The last REGISTER and keepalive exchanges are among them when
// Device or CallID is set. It scans the
// whole ring, without stopping those who add.
func (r *Ring) Find(q Query) []Message {
	if r == nil {
		return nil
	}
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	if r.keep > 0 {
		if oldest := time.Now().Add(-r.keep); q.Since.Before(oldest) {
			q.Since = oldest
		}
	}
	var found []Message
	take := func(m Message, own bool) {
		if !own {
			m.Raw = bytes.Clone(m.Raw)
		}
		if q.Secrets {
			redactAlways(m.Raw)
		} else {
			Redact(m.Raw)
		}
		found = append(found, m)
		if len(found) >= 2*q.Limit { // of the ring, the later is the newer
			found = slices.Delete(found, 0, len(found)-q.Limit)
		}
	}
	r.scan(func(m Message) {
		if q.matches(&m) {
			take(m, false)
		}
	})
	if q.Device != "" || q.CallID != "" {
		ring := found
		found = nil
		there := make(map[moment]bool, len(ring)) // of a peer that is watched
		for i := range ring {
			there[ring[i].moment()] = true
		}
		r.routine.find(q.Device, q.CallID, func(m Message) {
			m.describe()
			if !m.At.Before(q.Since) && (!q.Source.IsValid() || q.from(&m)) && (q.CallID == "" || m.CallID == q.CallID) && !there[m.moment()] {
				take(m, true)
			}
		})
		found = append(ring, found...)
	}
	slices.SortStableFunc(found, func(a, b Message) int { return a.At.Compare(b.At) })
	return found[max(0, len(found)-q.Limit):]
}

// moment tells a message from all others, but for repeats within a nanosecond.
type moment struct {
	at     int64 // ns of the Unix epoch
	dir    Direction
	remote netip.AddrPort
	callID string
	size   int
}

func (m *Message) moment() moment {
	return moment{m.At.UnixNano(), m.Dir, m.Flow.Remote, m.CallID, m.Size}
}

func (q *Query) from(m *Message) bool {
	return m.Flow.Remote.Addr().Unmap().WithZone("") == q.Source
}

// matches fills in m's description when it comes so far.
func (q *Query) matches(m *Message) bool {
	if m.At.Before(q.Since) || q.Source.IsValid() && !q.from(m) {
		return false
	}
	m.describe()
	if q.CallID != "" && m.CallID != q.CallID {
		return false
	}
	switch byRemote := q.Remote.IsValid() && m.Flow.Remote == q.Remote; {
	case q.Device != "":
		return byRemote || m.Device == q.Device || m.other == q.Device
	case q.Remote.IsValid():
		return byRemote
	}
	return true
}
