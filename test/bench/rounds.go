//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// afterDisturbed is the wait for whoever disturbed a round to be done.
const afterDisturbed = 3 * time.Second

// round is one measurement of a figure and how undisturbed it was.
type round[T any] struct {
	value     T
	span      span
	disturbed string
}

// wrong is what a check found. In a round that was disturbed it may come from
// that, and the round is repeated; else it ends the run.
type wrong struct{ error }

func wrongf(format string, args ...any) error { return &wrong{fmt.Errorf(format, args...)} }

func (w *wrong) Unwrap() error { return w.error }

// repeat measures until enough rounds were undisturbed, but at most twice as
// often; what is missing then is made up from the least disturbed ones, and the
// report says so. d says what can spoil a round.
func repeat[T any](ctx context.Context, b *bench, what string, d demand, one func(ctx context.Context) (T, span, error)) ([]round[T], []string, error) {
	var good, bad []round[T]
	failed := 0
	for try := 1; len(good) < b.rounds && try <= 2*b.rounds; try++ {
		v, s, err := one(ctx)
		r := round[T]{value: v, span: s}
		if !b.lax {
			r.disturbed = s.disturbed(d)
		}
		var w *wrong
		switch {
		case errors.As(err, &w) && r.disturbed != "":
			b.say("%s: round discarded, %s: %v", what, r.disturbed, err)
			failed++
			if err := sleep(ctx, afterDisturbed); err != nil {
				return nil, nil, err
			}
			continue
		case err != nil:
			return nil, nil, fmt.Errorf("%s, round %d: %w", what, try, err)
		}
		if r.disturbed == "" {
			good = append(good, r)
			b.say("%s: round %d of %d: %v", what, len(good), b.rounds, v)
			continue
		}
		bad = append(bad, r)
		b.say("%s: round discarded, %s: %v", what, r.disturbed, v)
		if err := sleep(ctx, afterDisturbed); err != nil {
			return nil, nil, err
		}
	}
	notes := []string(nil)
	if failed > 0 {
		notes = append(notes, fmt.Sprintf("%s: %d disturbed rounds failed their checks.", what, failed))
	}
	if len(bad) > 0 {
		notes = append(notes, fmt.Sprintf("%s: %d rounds were disturbed, the worst because %s.", what, len(bad),
			slices.MaxFunc(bad, func(a, b round[T]) int { return cmp.Compare(a.span.badness(), b.span.badness()) }).disturbed))
	}
	if len(good)+len(bad) == 0 {
		return nil, nil, fmt.Errorf("%s: all rounds were disturbed and failed their checks: the machine is too busy", what)
	}
	if missing := b.rounds - len(good); missing > 0 {
		slices.SortFunc(bad, func(a, b round[T]) int { return cmp.Compare(a.span.badness(), b.span.badness()) })
		good = append(good, bad[:min(missing, len(bad))]...)
		notes = append(notes, fmt.Sprintf("%s: **only %d of %d rounds were undisturbed**, the least disturbed others count too: the machine was not ours alone.",
			what, b.rounds-missing, b.rounds))
	}
	return good, notes, nil
}

// middle is the round whose key is the median; of an even number the worse, that
// is the greater.
func middle[T any](rounds []round[T], key func(T) float64) round[T] {
	sorted := slices.Clone(rounds)
	slices.SortFunc(sorted, func(a, b round[T]) int { return cmp.Compare(key(a.value), key(b.value)) })
	return sorted[len(sorted)/2]
}

// percentile of sorted values by the nearest rank; p is 0 to 1.
func percentile[T cmp.Ordered](sorted []T, p float64) (v T) {
	if len(sorted) == 0 {
		return v
	}
	return sorted[min(len(sorted)-1, max(0, int(math.Ceil(p*float64(len(sorted))))-1))]
}

// spread are median, 95th percentile and maximum.
type spread struct{ Median, P95, Max time.Duration }

func spreadOf(d []time.Duration) spread {
	d = slices.Sorted(slices.Values(d))
	return spread{percentile(d, 0.5), percentile(d, 0.95), percentile(d, 1)}
}

func (s spread) String() string {
	return fmt.Sprintf("%s / %s / %s", millis(s.Median), millis(s.P95), millis(s.Max))
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }
func megabytes(n int64) string      { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// until asks again and again whether something is so, at most for d.
func until(ctx context.Context, d, pause time.Duration, what string, is func() (bool, string, error)) error {
	deadline := time.Now().Add(d)
	for {
		ok, how, err := is()
		switch {
		case err != nil:
			return err
		case ok:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("%s did not happen within %v: %s", what, d, how)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}
