//go:build linux

package main

import (
	"strings"
	"testing"

	"fengsui/test/bench/report"
)

func TestTheMedianRatioDecides(t *testing.T) {
	once := func(ours, theirs float64) []round[contest] {
		return []round[contest]{{value: contest{ours: rate{PerSec: ours}, theirs: rate{PerSec: theirs}}}}
	}
	s := beside{gathered: once(3000, 2000), fast: once(2000, 1600)}
	for _, ours := range []float64{2500, 1900, 2100} {
		s.rounds = append(s.rounds, round[contest]{value: contest{ours: rate{PerSec: ours}, theirs: rate{PerSec: 1000}, theirsEqual: rate{Asked: 800}}})
	}
	for _, tt := range []struct {
		times float64
		met   report.Verdict
	}{{2, report.Yes}, {2.2, report.No}} {
		rows := s.rows("Pairs", "5.6.3", tt.times, rate{PerSec: 4200})
		if !strings.HasPrefix(rows[0].Value, "2100/s") || !strings.HasPrefix(rows[1].Value, "1000/s") || !strings.Contains(rows[1].What, "5.6.3") {
			t.Errorf("not the round of the median: %+v", rows[:2])
		}
		if r := rows[2]; r.Value != "2.10 (rounds: 1.90, 2.10, 2.50)" || r.Met != tt.met {
			t.Errorf("ratio %+v, want %v", r, tt.met)
		}
		if !strings.Contains(rows[3].What, "800/s") || !strings.HasSuffix(rows[4].Value, "; 1.50") ||
			!strings.HasSuffix(rows[5].Value, "; 1.25") || !strings.Contains(rows[6].Value, "2.00 times") {
			t.Errorf("rows %+v", rows[3:])
		}
	}
}

func TestADriverAtItsLimitIsTold(t *testing.T) {
	s := beside{rounds: []round[contest]{{value: contest{ours: rate{PerSec: 1000}, theirs: rate{PerSec: 500}}}}}
	if n := s.limited("Pairs", rate{PerSec: 1100}); n != nil {
		t.Errorf("a driver with time to spare: %v", n)
	}
	if n := s.limited("Pairs", rate{PerSec: 1010}); len(n) != 1 || !strings.Contains(n[0], "driver") {
		t.Errorf("a driver at its limit: %v", n)
	}
}

func TestTurnsAreTakenInOrder(t *testing.T) {
	for _, first := range []bool{true, false} {
		var order string
		err := inTurn(first, func() error { order += "a"; return nil }, func() error { order += "b"; return nil })
		if want := map[bool]string{true: "ab", false: "ba"}[first]; err != nil || order != want {
			t.Errorf("order %q, %v, want %q", order, err, want)
		}
	}
}

func TestMemoryIsSharedOutAmongDevices(t *testing.T) {
	m := multitude{Count: 100_000, Empty: memory{RSS: 70 << 20}, Complete: memory{RSS: 300 << 20}, Later: memory{RSS: 460 << 20}}
	if got := m.perDevice(); got != 4089 {
		t.Errorf("%d B each, want that of the worse moment", got)
	}
}
