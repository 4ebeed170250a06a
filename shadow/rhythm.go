package shadow

import "time"

// Bounds for the rhythm a device reports of itself (signalling.md section
// 2.12): some report 0 or absurd values, which would make them flap.
const (
	MinInterval = 5 * time.Second
	MaxInterval = time.Hour
	MaxMissed   = 255
)

// Rhythm is how often a device is heard while it is well.
type Rhythm struct {
	Interval time.Duration // between keepalives
	Missed   int           // that may be missed, at least 1
}

// Clamp returns the rhythm with each value that is out of bounds replaced by
// that of def.
func (r Rhythm) Clamp(def Rhythm) Rhythm {
	if r.Interval < MinInterval || r.Interval > MaxInterval {
		r.Interval = def.Interval
	}
	if r.Missed < 1 || r.Missed > MaxMissed {
		r.Missed = def.Missed
	}
	return r
}

// DoubtAfter is the silence after which the device may be gone: one and a half
// intervals, one where a single miss is death.
func (r Rhythm) DoubtAfter() time.Duration {
	return min(r.Interval*3/2, r.Interval*time.Duration(r.Missed))
}

// DeadAfter is the silence after which the device is gone: the misses and 10 s
// for a keepalive on its way.
func (r Rhythm) DeadAfter() time.Duration {
	return r.Interval*time.Duration(r.Missed) + 10*time.Second
}
