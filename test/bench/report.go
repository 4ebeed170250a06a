//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// row is one line of the report's table.
type row struct{ what, value, must, met string }

// result is what a figure found.
type result struct {
	title string
	rows  []row
	notes []string
}

// verdict says whether a bar is met.
func verdict(met bool) string {
	if met {
		return "yes"
	}
	return "**no**"
}

type report struct {
	when                             time.Time
	machine, binary, commit, command string
	rounds                           int
	results                          []result
}

// String is docs/benchmarks.md.
func (r *report) String() string {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\nWritten by `test/bench` (`make bench`); do not edit by hand.\n\n")
	fmt.Fprintf(&b, "| | |\n|---|---|\n| date | %s |\n| commit | %s |\n| binary | %s |\n| machine | %s |\n| command | `%s` |\n\n",
		r.when.Format("2006-01-02 15:04 MST"), r.commit, r.binary, r.machine, r.command)
	fmt.Fprintf(&b, "The server runs on one core with its defaults (all pacing, tracing and storing on), what loads it on another, over loopback. Each figure is the median of %d rounds. "+
		"A round does not count, and is repeated, when the host stole more than %.0f %% of a core, others used more than %.0f %% of the server's core or %.0f %% of the driver's, or the driver was the bottleneck.\n\n",
		r.rounds, 100*maxSteal, 100*maxOthers, 200*maxOthers)
	b.WriteString("| figure | measured | must | met |\n|---|---|---|---|\n")
	for _, res := range r.results {
		for _, row := range res.rows {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row.what, row.value, row.must, row.met)
		}
	}
	for _, res := range r.results {
		fmt.Fprintf(&b, "\n## %s\n\n", res.title)
		for _, n := range res.notes {
			b.WriteString("- " + n + "\n")
		}
	}
	return b.String()
}

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
