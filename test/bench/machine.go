//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"fengsui/test/bench/report"
)

// describeMachine says what the figures were measured on.
func describeMachine(c cores) (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("name of the system: %w", err)
	}
	mem := int64(0)
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		mem, _ = parseStatus(string(b), "MemTotal")
	}
	cpus := 0
	if b, err := os.ReadFile("/proc/stat"); err == nil {
		cpus = len(parseMachine(string(b)))
	}
	return fmt.Sprintf("%s, %d CPUs (server on %d, driver on %d), %.0f GB, Linux %s, %s", report.CPU(), cpus, c.server, c.driver,
		float64(mem)/1e9, unix.ByteSliceToString(u.Release[:]), runtime.Version()), nil
}
