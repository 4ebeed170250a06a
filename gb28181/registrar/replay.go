package registrar

import (
	"math"
	"strconv"
	"sync"
	"time"

	"fengsui/gb28181"
	"fengsui/sip/digest"
)

// replay remembers the newest nonce with which each device changed its binding,
// for as long as a nonce lives. Since the nonces of an ID are ordered by their
// time of issue, one entry for each device says of any nonce whether it may be
// used again: not if it is older; if it is the same, only with qop and a higher
// nc. Entries exist only for devices that proved their password, so there are
// never more than devices.
type replay struct {
	keep time.Duration // an entry is kept at least this long, at most twice

	mu     sync.Mutex
	turned time.Time
	young  map[fixedID]used
	old    map[fixedID]used
}

// fixedID is an ID of at most 20 digits, whose memory is its own.
type fixedID [20]byte

type used struct {
	issued int64 // ns of the Unix epoch
	nc     int64 // highest; spent when no other may follow
}

const spent = math.MaxInt64

// take uses up the credentials and reports whether they were still good.
func (p *replay) take(id gb28181.ID, issued time.Time, c *digest.Credentials, now time.Time) bool {
	next := used{issued.UnixNano(), spent}
	if c.QOP != "" {
		if nc, err := strconv.ParseUint(c.NC, 16, 32); err == nil {
			next.nc = int64(nc)
		}
	}
	var key fixedID
	copy(key[:], id)
	p.mu.Lock()
	defer p.mu.Unlock()
	if age := now.Sub(p.turned); age >= p.keep || p.young == nil {
		p.old, p.young, p.turned = p.young, make(map[fixedID]used, len(p.young)/2), now
		if age >= 2*p.keep {
			p.old = nil
		}
	}
	last, seen := p.young[key]
	if !seen {
		last, seen = p.old[key]
	}
	if seen {
		if next.issued < last.issued {
			return false
		}
		if next.issued == last.issued && (last.nc == spent || next.nc == spent || next.nc <= last.nc) {
			return false
		}
	}
	p.young[key] = next
	return true
}
