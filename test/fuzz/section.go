//go:build linux

package main

import (
	"fmt"
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
