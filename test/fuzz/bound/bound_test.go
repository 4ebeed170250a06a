package bound_test

import (
	"runtime"
	"testing"

	"fengsui/test/fuzz/bound"
)

// kept makes the memory escape.
var kept []byte

// told is a test that only says whether it failed.
type told struct {
	testing.TB
	failed bool
}

func (t *told) Helper()               {}
func (t *told) Fatalf(string, ...any) { t.failed = true }

func TestTooMuchMemoryFails(t *testing.T) {
	for size, want := range map[int]bool{1 << 10: false, 4 << 20: true} {
		got := &told{TB: t}
		bound.Bytes(got, 1<<20, func() { kept = make([]byte, size) })
		if got.failed != want {
			t.Errorf("%d bytes: failed %v, want %v", size, got.failed, want)
		}
	}
	runtime.KeepAlive(kept)
}
