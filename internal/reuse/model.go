package reuse

import (
	"math"
	"time"
)

// Floor is the least that anything keeps.
const Floor = 8

// LongestPeriod is how long the runtime goes without a collection at the most.
const LongestPeriod = 2 * time.Minute

// Load is what the size of a pool follows from.
type Load struct {
	Devices int
	Session time.Duration // how long an item is out, on average
	Period  time.Duration // of the collector; 0 or less: not known, [LongestPeriod]
}

// Least is how many items must be kept: devices × session ÷ period, rounded up,
// and never under [Floor].
func (l Load) Least() int {
	period := l.Period
	if period <= 0 {
		period = LongestPeriod
	}
	n := math.Ceil(float64(max(l.Devices, 0)) * l.Session.Seconds() / period.Seconds())
	return int(min(max(n, Floor), math.MaxInt32))
}

// Fit is how many items of so many bytes are kept: least, or what share bytes
// hold if that is less.
func Fit(least, bytes int, share int64) int {
	return int(min(int64(least), share/int64(max(bytes, 1))))
}

// GC is what is known of the collector.
type GC struct {
	Last   time.Time     // when the last collection ended; zero: none yet
	Period time.Duration // between collections, lately; 0: not known
}

// Next is when the next collection is expected; zero if nothing is known.
func (g GC) Next() time.Time {
	if g.Last.IsZero() || g.Period <= 0 {
		return time.Time{}
	}
	return g.Last.Add(g.Period)
}
