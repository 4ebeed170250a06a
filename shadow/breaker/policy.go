package breaker

import (
	"math"
	"time"
)

// Policy holds the settings that breakers share. A zero field takes its default.
type Policy struct {
	// Window is how far back calls are judged, default 60 s, and Calls how many at
	// most, default 100.
	Window time.Duration
	Calls  int
	// Least is how many calls there must be before they are judged, default 10.
	// Fewer open sooner, on less evidence.
	Least int
	// Success is the share of calls, 0 to 1, under which a breaker opens, default
	// 0.2.
	Success float64
	// Pause is how long the nth opening in a row lasts, n from 1; default
	// Doubling(100 ms, 5 s).
	Pause func(n int) time.Duration
	// Apart is the least time between the beginnings of two probes, default 1 s.
	Apart time.Duration
	// Lost is when a probe of which nothing is heard counts as failed, default 10 s.
	Lost time.Duration
}

// New makes a policy whole.
func (p Policy) New() *Policy {
	if p.Window <= 0 {
		p.Window = time.Minute
	}
	if p.Calls <= 0 {
		p.Calls = 100
	}
	if p.Least <= 0 {
		p.Least = 10
	}
	p.Least = min(p.Least, p.Calls)
	if p.Success <= 0 {
		p.Success = 0.2
	}
	p.Success = min(p.Success, 1)
	if p.Pause == nil {
		p.Pause = Doubling(100*time.Millisecond, 5*time.Second)
	}
	if p.Apart <= 0 {
		p.Apart = time.Second
	}
	if p.Lost <= 0 {
		p.Lost = 10 * time.Second
	}
	return &p
}

// Doubling begins with first, and doubles to longest.
func Doubling(first, longest time.Duration) func(n int) time.Duration {
	return func(n int) time.Duration {
		d := first
		for ; n > 1 && d < longest && d <= math.MaxInt64/2; n-- {
			d *= 2
		}
		return min(d, longest)
	}
}
