package app

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"

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
