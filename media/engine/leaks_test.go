package engine_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/internal/lease"
	"fengsui/media"
	"fengsui/media/engine"
)

// watched starts an engine whose leases a book watches.
func watched(t *testing.T, wanted func(media.Key) bool) (*engine.Engine, *lease.Book) {
	t.Helper()
	book := lease.New(prometheus.NewRegistry(), zerolog.Nop())
	done := make(chan struct{})
	go func() { defer close(done); _ = book.Run(t.Context()) }()
	t.Cleanup(func() { <-done })
	return start(t, engine.Config{IdleClose: -1, Leases: book, Wanted: wanted}), book
}

func TestAReceiverThatNobodyWantsAnyMoreIsReclaimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wanted atomic.Bool
		wanted.Store(true)
		e, book := watched(t, func(k media.Key) bool { return k == key && wanted.Load() })
		r := receive(t, e, engine.Want{})
		s, rd := newStream(t, e, r), attach(t, e)
		flow := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); _, _ = ready(rd) {
				s.play(25)
			}
		}
		flow(10 * time.Minute)
		if list := book.List(); r.Err() != nil || len(list) != 1 || list[0].Owner != "stream:"+string(key) || list[0].Remote != camera.String() {
			t.Fatalf("a healthy stream: %v, %+v", r.Err(), list)
		}
		wanted.Store(false)
		lost := time.Now()
		for r.Err() == nil && time.Since(lost) < 5*time.Minute {
			flow(time.Second)
		}
		if took := time.Since(lost); took < 10*time.Second || took > 73*time.Second || !errors.Is(r.Err(), engine.ErrOrphaned) {
			t.Errorf("after %v it ended with %v", took, r.Err())
		}
		if c := e.Counts(); c != (engine.Counts{}) || len(book.List()) != 0 {
			t.Errorf("left over: %+v, %+v", c, book.List())
		}
	})
}

func TestAPausedStreamIsNoLeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, book := watched(t, func(media.Key) bool { return true })
		r := receive(t, e, engine.Want{History: true})
		newStream(t, e, r).play(5)
		r.Pause()
		for range 29 {
			time.Sleep(10 * time.Second)
			if n := book.Mark(); n != 0 || r.Err() != nil {
				t.Fatalf("%d orphaned, %v", n, r.Err())
			}
		}
	})
}

func TestAReceiverThatWaitsForAnAnswerIsNoLeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, book := watched(t, nil)
		r := receive(t, e, engine.Want{})
		time.Sleep(59 * time.Second)
		if n := book.Mark(); n != 0 || r.Err() != nil {
			t.Errorf("%d orphaned, %v", n, r.Err())
		}
	})
}
