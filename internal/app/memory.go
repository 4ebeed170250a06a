package app

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"fengsui/configs"
)

// limitMemory gives the runtime the configured limit, or 75 % of what the
// cgroup or the machine has. It returns the limit in bytes, 0 when none is known.
func limitMemory(configured configs.Size) int64 {
	limit := int64(configured)
	if limit == 0 {
		limit = machineMemory() / 4 * 3
	}
	if limit > 0 {
		debug.SetMemoryLimit(limit)
	}
	return limit
}

// A small heap is kept small, a large one is collected less often: what the
// collector's headroom costs in memory, it saves in time.
const (
	tightPercent, tightBelow = 30, 128 << 20 // GC percent up to this live heap
	looseAbove               = 512 << 20     // from here on Go's own 100
	tuneEvery                = 10 * time.Second
)

// gcPercent is how far the heap may grow over what is live before it is
// collected, for a live heap of so many bytes.
func gcPercent(live uint64) int {
	switch {
	case live <= tightBelow:
		return tightPercent
	case live >= looseAbove:
		return 100
	}
	return tightPercent + int((100-tightPercent)*(live-tightBelow)/(looseAbove-tightBelow))
}

// What a burst left is given back to the system when it is over: while less
// than quietRate is allocated, and there is at least so much to give.
const (
	quietRate    = 2 << 20 // bytes a second
	worthGiving  = 12 << 20
	giveBackLast = time.Minute // at most once in
)

// tuneCollector follows the heap until ctx ends. An operator's GOGC is left alone.
func tuneCollector(ctx context.Context) error {
	if os.Getenv("GOGC") == "" {
		before := debug.SetGCPercent(tightPercent)
		defer debug.SetGCPercent(before)
	}
	tick := time.NewTicker(tuneEvery)
	defer tick.Stop()
	percent, gave, last := tightPercent, time.Time{}, readHeap()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			h := readHeap()
			if p := gcPercent(h.live); p != percent && os.Getenv("GOGC") == "" {
				debug.SetGCPercent(p)
				percent = p
			}
			quiet := h.allocated-last.allocated < quietRate*uint64(tuneEvery/time.Second)
			if quiet && h.held > h.live+worthGiving && now.Sub(gave) >= giveBackLast {
				debug.FreeOSMemory()
				gave = now
			}
			last = h
		}
	}
}

// heap is the Go heap at one moment, bytes.
type heap struct {
	live      uint64 // marked by the last collection
	held      uint64 // taken from the system
	allocated uint64 // ever
}

func readHeap() heap {
	s := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	return heap{
		live: s[0].Value.Uint64(), allocated: s[1].Value.Uint64(),
		held: s[2].Value.Uint64() + s[3].Value.Uint64() + s[4].Value.Uint64(),
	}
}

// machineMemory is the smaller of the cgroup's limit and the machine's memory.
func machineMemory() int64 {
	total := meminfo()
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 && (total == 0 || n < total) {
			return n
		}
	}
	return total
}

func meminfo() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kb << 10
		}
	}
	return 0
}
