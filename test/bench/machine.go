//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// describeMachine says what the figures were measured on.
func describeMachine(c cores) (string, error) {
	cpu := "unknown CPU"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				cpu = strings.TrimSpace(value)
				break
			}
		}
	}
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
	return fmt.Sprintf("%s, %d CPUs (server on %d, driver on %d), %.0f GB, Linux %s, %s", cpu, cpus, c.server, c.driver,
		float64(mem)/1e9, unix.ByteSliceToString(u.Release[:]), runtime.Version()), nil
}

// commit is what the working tree is at, empty outside one.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=10").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
