package app

import (
	"testing"
	"time"
)

func TestAGrowingHeapIsCollectedLessOften(t *testing.T) {
	last := 0
	for _, live := range []uint64{0, 1 << 20, 128 << 20, 200 << 20, 400 << 20, 700 << 20, 8 << 30} {
		p := gcPercent(live)
		if p < last || p < 30 || p > 100 {
			t.Errorf("%d MiB live: %d %% after %d %%", live>>20, p, last)
		}
		last = p
	}
	if gcPercent(320<<20) != 30 || gcPercent(1<<30) != 100 {
		t.Errorf("ends are %d and %d, want 30 with 100,000 devices and 100", gcPercent(320<<20), gcPercent(1<<30))
	}
}

func TestNextCollectionIsExpectedAfterTheMeanOfTheLast(t *testing.T) {
	now := time.Now()
	ago := func(seconds ...float64) (ends []time.Time) {
		for _, s := range seconds {
			ends = append(ends, now.Add(-time.Duration(s*float64(time.Second))))
		}
		return ends
	}
	for name, c := range map[string]struct {
		ends   []time.Time
		period time.Duration
	}{
		"none yet":                      {nil, 0},
		"one":                           {ago(3), 3 * time.Second},
		"a rhythm":                      {ago(1, 5, 9, 13), 4 * time.Second},
		"only the last eight":           {ago(1, 2, 3, 4, 5, 6, 7, 8, 9, 900), time.Second},
		"a burst that is over":          {ago(9, 10, 11), (9 + 2) * time.Second / 3},
		"never more than the runtime's": {ago(900, 901), 2 * time.Minute},
	} {
		gc := collector(c.ends, now)
		if gc.Period != c.period {
			t.Errorf("%s: period %v, want %v", name, gc.Period, c.period)
		}
		if c.ends != nil && !gc.Next().Equal(c.ends[0].Add(c.period)) {
			t.Errorf("%s: next at %v", name, gc.Next())
		}
	}
}
