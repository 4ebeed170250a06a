//go:build unix

package trace

import (
	"golang.org/x/sys/unix"
)

// newArena is memory outside of the Go heap: the collector would let the heap
// grow by as much again before it runs. Pages count when they are first
// written. free gives it back; it is nil when the arena is on the heap after all.
func newArena(n int) (b []byte, free func()) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return make([]byte, n), nil
	}
	return b, func() { _ = unix.Munmap(b) } // fails only for what is no mapping
}
