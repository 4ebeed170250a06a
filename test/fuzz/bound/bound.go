// Package bound lets a fuzz target ask how much memory a parser takes, so that a
// short message that costs much is found as one that panics is.
package bound

import (
	"runtime/metrics"
	"testing"
)

// Bytes fails the test when f allocates more than limit bytes. What others
// allocate at the same time counts too, so the least of several runs is judged;
// sizes under some 100 KiB cannot be told apart.
func Bytes(t testing.TB, limit int, f func()) {
	t.Helper()
	least := allocated(f)
	for range 3 {
		if least <= uint64(limit) {
			return
		}
		least = min(least, allocated(f))
	}
	if least > uint64(limit) {
		t.Fatalf("allocates %d bytes, more than %d", least, limit)
	}
}

func allocated(f func()) uint64 {
	sample := [1]metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample[:])
	before := sample[0].Value.Uint64()
	f()
	metrics.Read(sample[:])
	return sample[0].Value.Uint64() - before
}
