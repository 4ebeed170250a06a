package intake_test

import (
	"bytes"
	"context"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/internal/lease"
	"fengsui/sip/flow"
	"fengsui/sip/intake"
)

// leased serves TCP on a running book; bound is the device of every connection.
func leased(t *testing.T, bound *atomic.Value) (*rig, *lease.Book) {
	book := lease.New(prometheus.NewRegistry(), zerolog.Nop())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = book.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	bound.Store("")
	r := newRig(t, intake.Config{Leases: book, Device: func(flow.Flow) string { return bound.Load().(string) }})
	r.streams()
	return r, book
}

func TestAConnectionWithoutADeviceIsReclaimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bound atomic.Value
		r, book := leased(t, &bound)
		c := r.dial(camera)
		time.Sleep(20 * time.Second)
		send(t, c, register("1", "")) // is answered 401, and not asked again
		heard := time.Now()
		<-r.closed
		if took := time.Since(heard); took < 70*time.Second || took > 132*time.Second {
			t.Errorf("closed after %v, want a minute without a message, up to one more to see that, and 10 s", took)
		}
		synctest.Wait()
		if r.count("connections_closed_total", "reason=orphaned") != 1 || len(book.List()) != 0 {
			t.Errorf("not counted, or listed still: %+v", book.List())
		}
	})
}

func TestAConnectionOfADeviceIsNoLeak(t *testing.T) {
	for name, every := range map[string]time.Duration{"with keepalives": time.Minute, "silent": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var bound atomic.Value
				r, book := leased(t, &bound)
				c := r.dial(camera)
				send(t, c, register("1", ""))
				bound.Store(id)
				began := time.Now()
				for last := began; time.Since(began) < 9*time.Minute; time.Sleep(7 * time.Second) {
					if time.Since(last) >= every {
						last = time.Now()
						send(t, c, post("2", keepaliveBody))
					}
					if n := book.Mark(); n != 0 {
						t.Fatalf("orphaned after %v", time.Since(began))
					}
				}
				if list := book.List(); len(list) != 1 || list[0].Owner != "device:"+id || list[0].Remote != camera || len(r.closed) != 0 {
					t.Errorf("listed: %+v", list)
				}
				bound.Store("") // its registration ended
				gone := time.Now()
				<-r.closed
				if took := time.Since(gone); took > 132*time.Second {
					t.Errorf("closed %v after its device went", took)
				}
			})
		})
	}
}

func TestWhoeverSpeaksKeepsItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bound atomic.Value
		r, book := leased(t, &bound)
		c := r.dial(camera)
		for range 20 { // a wrong password, tried again
			send(t, c, register("1", ""))
			time.Sleep(50 * time.Second)
			if n := book.Mark(); n != 0 {
				t.Fatal("orphaned")
			}
		}
		if len(r.closed) != 0 {
			t.Error("closed")
		}
	})
}

func TestTheGoroutineOfAConnectionShowsItsDevice(t *testing.T) {
	stacks := func() string {
		var b bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	const nobody, ours = `"kind":"sip_connection", "owner":""`, `"kind":"sip_connection", "owner":"device:` + id + `"`
	synctest.Test(t, func(t *testing.T) {
		var bound atomic.Value
		r, _ := leased(t, &bound)
		c := r.dial(camera)
		synctest.Wait()
		if s := stacks(); !strings.Contains(s, nobody) || strings.Contains(s, ours) {
			t.Errorf("before it registered:\n%s", s)
		}
		bound.Store(id)
		send(t, c, register("1", ""))
		synctest.Wait()
		if s := stacks(); strings.Contains(s, nobody) || strings.Count(s, ours) != 1 {
			t.Errorf("after it registered:\n%s", s)
		}
		bound.Store(other)
		send(t, c, post("2", keepaliveBody))
		synctest.Wait()
		if s := stacks(); !strings.Contains(s, ours) {
			t.Error("a keepalive looks its device up again")
		}
		send(t, c, register("3", ""))
		synctest.Wait()
		if s := stacks(); !strings.Contains(s, other) {
			t.Error("another device registered, and the goroutine does not show it")
		}
	})
}

const other = "34020000001320000002"
