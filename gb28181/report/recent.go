package report

import (
	"time"

	"fengsui/gb28181"
)

const (
	remember  = time.Minute // at least
	maxRecent = 1 << 16     // sights in one generation
)

// sight is what tells an alarm from another.
type sight struct {
	device, source gb28181.ID
	method, kind   int
	at             string // AlarmTime as sent
	sn             int    // only without a time
}

// recent remembers sights for a minute or two, or less when there are more than
// it holds: two generations, of which the older is forgotten at a time. The zero
// value is ready.
type recent struct {
	young, old map[sight]struct{}
	since      time.Time // of young
}

// seen reports whether s is remembered, and remembers it.
func (r *recent) seen(s sight, now time.Time) bool {
	if age := now.Sub(r.since); r.young == nil || age >= remember || len(r.young) >= maxRecent {
		if r.old = r.young; age >= 2*remember {
			r.old = nil
		}
		r.young, r.since = make(map[sight]struct{}), now
	}
	if _, ok := r.young[s]; ok {
		return true
	}
	_, ok := r.old[s]
	r.young[s] = struct{}{}
	return ok
}
