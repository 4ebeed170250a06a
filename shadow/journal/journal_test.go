package journal_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"fengsui/shadow/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fill(j *journal.Journal, n int) (first, last uint64) {
	for i := range n {
		id := j.Append(journal.Event{Type: "device.online", Data: map[string]any{"n": i}})
		if i == 0 {
			first = id
		}
		last = id
	}
	return first, last
}

func TestSinceReplaysInOrder(t *testing.T) {
	j := journal.New(10)
	before := j.Last()
	first, last := fill(j, 5)
	events, lost := j.Since(before, 100)
	if lost || len(events) != 5 || events[0].ID != first || events[4].ID != last || events[0].At.IsZero() {
		t.Fatalf("%+v, lost %v", events, lost)
	}
	if events, lost = j.Since(first, 2); lost || len(events) != 2 || events[0].ID != first+1 {
		t.Fatalf("%+v, lost %v", events, lost)
	}
	if events, lost = j.Since(last, 100); lost || len(events) != 0 {
		t.Fatalf("after the last: %+v, lost %v", events, lost)
	}
}

func TestSinceSaysWhatWasLost(t *testing.T) {
	j := journal.New(4)
	first, last := fill(j, 10)
	events, lost := j.Since(first, 100)
	if !lost || len(events) != 4 || events[0].ID != last-3 {
		t.Fatalf("%+v, lost %v", events, lost)
	}
	if events, lost = j.Since(last-4, 100); lost || len(events) != 4 {
		t.Fatalf("just still whole: %+v, lost %v", events, lost)
	}
	if events, lost = j.Since(0, 100); lost || len(events) != 4 {
		t.Fatalf("a newcomer: %+v, lost %v", events, lost)
	}
	if events, lost = j.Since(last+1000, 100); !lost || len(events) != 4 {
		t.Fatalf("an ID we never gave: %+v, lost %v", events, lost)
	}
	if events, lost = j.Since(first, -1); !lost || len(events) != 0 {
		t.Fatalf("a negative limit: %+v, lost %v", events, lost)
	}
}

func TestEventsOfAnEarlierProcessAreOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, old := fill(journal.New(4), 3)
		time.Sleep(time.Second)
		j := journal.New(4)
		fill(j, 4)
		if _, lost := j.Since(old, 10); !lost {
			t.Error("an ID of another journal passed for one of ours")
		}
	})
}

func TestSlowWatcherMissesAndHoldsNobody(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	j := journal.New(1000)
	slow := j.Watch(ctx)
	_, last := fill(j, 300)
	if j.Dropped() != 300-256 {
		t.Errorf("dropped %d", j.Dropped())
	}
	cancel()
	n, seen := 0, uint64(0)
	for e := range slow {
		n, seen = n+1, e.ID
	}
	rest, lost := j.Since(seen, 1000)
	if n != 256 || lost || len(rest) != 44 || rest[43].ID != last {
		t.Errorf("%d watched, %d replayed, lost %v", n, len(rest), lost)
	}
	fill(j, 1) // to no watcher
}

func TestAppendFromManyGivesConsecutiveIDs(t *testing.T) {
	j := journal.New(4000)
	before := j.Last()
	ctx, cancel := context.WithCancel(t.Context())
	var wg, readers sync.WaitGroup
	for range 4 {
		wg.Go(func() { fill(j, 500) })
		readers.Go(func() {
			var last uint64
			for e := range j.Watch(ctx) {
				if e.ID <= last {
					t.Errorf("event %d after %d", e.ID, last)
				}
				last = e.ID
			}
		})
	}
	wg.Wait()
	cancel()
	readers.Wait()
	events, _ := j.Since(before, 4000)
	for i, e := range events {
		if e.ID != before+1+uint64(i) {
			t.Fatalf("event %d at position %d", e.ID, i)
		}
	}
	if len(events) != 2000 {
		t.Fatalf("%d events", len(events))
	}
}
