package agenda_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"fengsui/gb28181/agenda"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestKeysComeWhenTheyAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := agenda.New[string]()
		start := time.Now()
		a.Set("late", start.Add(time.Minute))
		a.Set("gone", start.Add(time.Second))
		a.Set("moved", start.Add(time.Hour))
		a.Set("same 1", start.Add(3*time.Second))
		a.Set("same 2", start.Add(3*time.Second))
		a.Set("moved", start.Add(2*time.Second))
		a.Drop("gone")
		a.Drop("never")
		go func() {
			time.Sleep(10 * time.Second)
			a.Set("sudden", time.Now())
		}()
		for _, want := range []struct {
			key string
			at  time.Duration
		}{{"moved", 2 * time.Second}, {"same 1", 3 * time.Second}, {"same 2", 3 * time.Second}, {"sudden", 10 * time.Second}, {"late", time.Minute}} {
			k, ok := a.Next(t.Context())
			if !ok || k != want.key || time.Since(start) != want.at {
				t.Errorf("Next = %q, %v after %v, want %q after %v", k, ok, time.Since(start), want.key, want.at)
			}
		}
		if a.Len() != 0 || a.Has("late") {
			t.Error("keys stay after they were due")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if k, ok := a.Next(ctx); ok {
			t.Errorf("empty: %v", k)
		}
	})
}

func TestBackoffGrowsInStagesToAMinute(t *testing.T) {
	for n, limit := range map[int]time.Duration{1: 2 * time.Second, 3: 2 * time.Second, 4: 4 * time.Second, 8: time.Minute, 1000: time.Minute} {
		for range 50 {
			if d := agenda.Backoff(n); d < limit/2 || d > limit {
				t.Fatalf("Backoff(%d) = %v, want %v to %v", n, d, limit/2, limit)
			}
		}
	}
}
