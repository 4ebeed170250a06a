package app

import "testing"

func TestAGrowingHeapIsCollectedLessOften(t *testing.T) {
	last := 0
	for _, live := range []uint64{0, 1 << 20, 128 << 20, 200 << 20, 400 << 20, 512 << 20, 8 << 30} {
		p := gcPercent(live)
		if p < last || p < 30 || p > 100 {
			t.Errorf("%d MiB live: %d %% after %d %%", live>>20, p, last)
		}
		last = p
	}
	if gcPercent(100<<20) != 30 || gcPercent(1<<30) != 100 {
		t.Errorf("ends are %d and %d, want 30 and 100", gcPercent(100<<20), gcPercent(1<<30))
	}
}
