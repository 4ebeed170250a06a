//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"fengsui/test/bench/report"
)

// head is what all sections of one run say alike.
type head struct {
	date                     time.Time
	commit, command, machine string
}

func (b *bench) head(ctx context.Context, args []string) (h head, err error) {
	h = head{date: time.Now(), command: strings.Join(append([]string{"go run ./test/bench"}, args...), " ")}
	if h.machine, err = describeMachine(b.cores); err != nil {
		return h, err
	}
	version, err := exec.CommandContext(ctx, b.binary, "version").Output()
	if err != nil {
		return h, fmt.Errorf("run %s: %w", b.binary, err)
	}
	tree, err := report.Commit(ctx)
	if err != nil {
		return h, err
	}
	h.commit = measured(tree, strings.TrimSpace(string(version)))
	return h, nil
}

// measured names what was measured: the commit of the working tree, and the
// binary where it says that it was built from another.
func measured(tree, version string) string {
	_, rest, _ := strings.Cut(version, "(commit ")
	built, _, _ := strings.Cut(rest, ",")
	if built != "" && strings.HasPrefix(tree, built) {
		return tree
	}
	return tree + " with the binary of " + version
}

func (h *head) section(f figure, res *result) report.Section {
	return report.Section{
		Name: f.name, Title: f.title, Date: h.date, Commit: h.commit, Command: h.command, Machine: h.machine,
		Rows: res.rows, Notes: res.notes,
	}
}

// method is the section that says what holds for all figures.
func (h *head) method(b *bench) report.Section {
	return h.section(figure{name: "method", title: "How `make bench` measures"}, &result{notes: []string{
		"The server is the shipped binary with its defaults: guard, pacing, trace, store and metrics on. Only addresses, ports, data folder, passwords and what a section names are set. " +
			"It runs on one core, what loads it on another, over loopback.",
		fmt.Sprintf("Each figure is the median of %d rounds. A round does not count, and is repeated, when the host stole more than %.0f %% of a core, others used more than %.0f %% of the "+
			"server's core or %.0f %% of the driver's, or the driver was the bottleneck.", b.rounds, 100*maxSteal, 100*maxOthers, 200*maxOthers),
	}})
}
