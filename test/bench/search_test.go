//go:build linux

package main

import (
	"errors"
	"testing"
	"time"
)

func TestSearchFindsTheLimit(t *testing.T) {
	for name, guess := range map[string]float64{"a good guess": 100_000, "one far too low": 20_000, "one far too high": 900_000} {
		t.Run(name, func(t *testing.T) {
			const limit = 100_000
			probes, proofs := 0, 0
			got, err := search(guess,
				func(rate float64) (bool, error) { probes++; return rate <= limit, nil },
				func(rate float64) (bool, error) { proofs++; return rate <= limit, nil })
			if err != nil || got > limit || got < limit*(1-2*searchWithin) {
				t.Errorf("search = %.0f, %v", got, err)
			}
			if probes > 40 || proofs != 1 {
				t.Errorf("%d probes, %d proofs", probes, proofs)
			}
		})
	}
}

func TestSearchReturnsOnlyWhatIsProved(t *testing.T) {
	proved := 0.0
	got, err := search(100, func(rate float64) (bool, error) { return rate <= 100, nil }, func(rate float64) (bool, error) {
		if rate <= 90 {
			proved = rate
			return true, nil
		}
		return false, nil
	})
	if err != nil || got != proved || got > 90 || got < 85 {
		t.Errorf("search = %v, %v; proved %v", got, err, proved)
	}
}

func TestSearchForgivesOneHiccup(t *testing.T) {
	hiccups := map[float64]int{}
	hold := func(rate float64) (bool, error) {
		hiccups[rate]++
		return rate <= 100 && hiccups[rate] > 1, nil // the first try of each rate fails
	}
	if got, err := search(100, hold, hold); err != nil || got > 100 || got < 96 {
		t.Errorf("search = %v, %v", got, err)
	}
}

func TestSearchGivesUp(t *testing.T) {
	never := func(float64) (bool, error) { return false, nil }
	always := func(float64) (bool, error) { return true, nil }
	if _, err := search(100, never, never); !errors.Is(err, errNoRate) {
		t.Errorf("nothing holds: %v", err)
	}
	if _, err := search(100, always, never); !errors.Is(err, errNoRate) {
		t.Errorf("nothing is proved: %v", err)
	}
	broken := errors.New("broken")
	if _, err := search(100, func(float64) (bool, error) { return false, broken }, always); !errors.Is(err, broken) {
		t.Errorf("a failed try: %v", err)
	}
}

func TestSustainedIsLossLatencyAndOffer(t *testing.T) {
	good := rate{Asked: 1000, Offered: 1000, PerSec: 1000, P99: 50 * time.Millisecond, Loss: 0.001}
	for name, tt := range map[string]struct {
		change func(*rate)
		want   bool
	}{
		"good":                  {func(*rate) {}, true},
		"lost too many":         {func(r *rate) { r.Loss = 0.0011 }, false},
		"too slow":              {func(r *rate) { r.P99 = 51 * time.Millisecond }, false},
		"driver offered less":   {func(r *rate) { r.Offered = 980 }, false},
		"driver a little short": {func(r *rate) { r.Offered = 995 }, true},
	} {
		r := good
		tt.change(&r)
		if got := r.sustained(); got != tt.want {
			t.Errorf("%s: sustained = %v", name, got)
		}
	}
}
