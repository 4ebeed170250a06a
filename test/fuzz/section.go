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

	"fengsui/test/bench/report"
)

// section is the outcome as the page has it.
func section(results []result, began time.Time, commit, machine, command string) report.Section {
	s := report.Section{Name: "fuzz", Title: "Fuzzing", Date: began, Commit: commit, Machine: machine, Command: command}
	var total int64
	for _, r := range results {
		total += r.execs
		s.Rows = append(s.Rows, report.Bar(r.target.String(), r.numbers(), "no failure", !r.failed))
		if r.failed {
			s.Notes = append(s.Notes, fmt.Sprintf("`%s` %s", r.target, r.outcome()))
		}
	}
	s.Notes = append(s.Notes, fmt.Sprintf("%d targets, each on one core, tried %s inputs. An input is new and interesting when it reaches code that none before it reached; "+
		"those of earlier runs are in Go's build cache and are tried first.", len(results), grouped(total)))
	return s
}

// here says what is tested, and on what.
func here(ctx context.Context) (commit, machine string, err error) {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=10").Output()
	if err != nil {
		return "", "", fmt.Errorf("commit of the working tree: %w", err)
	}
	cpu := "unknown CPU"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	return strings.TrimSpace(string(out)), fmt.Sprintf("%s, %d CPUs, %s", cpu, runtime.NumCPU(), runtime.Version()), nil
}
