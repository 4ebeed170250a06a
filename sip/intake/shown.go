package intake

import (
	"sync/atomic"
	"time"
)

const shownPerSecond = 20

// shown lets a few things a second through.
type shown struct{ state atomic.Int64 } // second*1000 + how many in it

func (s *shown) take(now time.Time) bool {
	second := now.Unix() * 1000
	for {
		old := s.state.Load()
		next := max(old, second) + 1
		if old >= second && old-second >= shownPerSecond {
			return false
		}
		if s.state.CompareAndSwap(old, next) {
			return true
		}
	}
}
