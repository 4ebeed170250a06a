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
	"fengsui/internal/reuse"
)

// limitMemory gives the runtime the configured limit, or 75 % of what the
// cgroup or the machine has. It returns the limit in bytes, 0 when none is known.
func limitMemory(configured configs.Size) int64 {
	limit := memoryLimit(configured)
	if limit > 0 {
		debug.SetMemoryLimit(limit)
	}
	return limit
}

func memoryLimit(configured configs.Size) int64 {
	if configured != 0 {
		return int64(configured)
	}
	return machineMemory() / 4 * 3
}

// assumedMemory stands for a limit that is not known, bytes.
const assumedMemory = 1 << 30

// A small heap is kept small, a large one is collected less often: what the
// collector's headroom costs in memory, it saves in time.
const (
	tightPercent, tightBelow = 30, 384 << 20 // GC percent up to this live heap, which 100,000 devices need
	looseAbove               = 1 << 30       // from here on Go's own 100
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

// tickEvery is how often what is in use is looked at, for the sizes of pools.
const tickEvery = time.Second

// tuneMemory follows the heap and the pools until ctx ends. An operator's GOGC
// is left alone.
func (a *App) tuneMemory(ctx context.Context) error {
	if os.Getenv("GOGC") == "" {
		before := debug.SetGCPercent(tightPercent)
		defer debug.SetGCPercent(before)
	}
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	t, past := tuner{percent: tightPercent, last: readHeap(), at: time.Now()}, debug.GCStats{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			debug.ReadGCStats(&past)
			a.reuse.Tick(now, a.devices(), collector(past.PauseEnd, now))
			if now.Sub(t.at) >= tuneEvery {
				t.tune(now)
			}
		}
	}
}

// devices are those that may send: all but those known to be gone.
func (a *App) devices() int {
	online, _, unknown := a.table.Counts()
	return online + unknown
}

// rhythm is how many periods of the collector make its mean.
const rhythm = 8

// collector is what past collections, the latest first, tell of the next. The
// time since the latest counts as a period once it is longer than the mean: then
// a burst is over.
func collector(ends []time.Time, now time.Time) reuse.GC {
	if len(ends) == 0 {
		return reuse.GC{}
	}
	gc := reuse.GC{Last: ends[0]}
	n := min(len(ends)-1, rhythm)
	sum, open := ends[0].Sub(ends[n]), now.Sub(ends[0])
	if n == 0 || open > sum/time.Duration(n) {
		n++
		sum += open
	}
	gc.Period = min(sum/time.Duration(n), reuse.LongestPeriod)
	return gc
}

// tuner sets how far the heap may grow, and gives memory back. It belongs to
// tuneMemory.
type tuner struct {
	percent  int
	last     heap
	at, gave time.Time
}

func (t *tuner) tune(now time.Time) {
	h := readHeap()
	if p := gcPercent(h.live); p != t.percent && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(p)
		t.percent = p
	}
	quiet := h.allocated-t.last.allocated < quietRate*uint64(tuneEvery/time.Second)
	if quiet && h.held > h.live+worthGiving && now.Sub(t.gave) >= giveBackLast {
		debug.FreeOSMemory()
		t.gave = now
	}
	t.last, t.at = h, now
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
