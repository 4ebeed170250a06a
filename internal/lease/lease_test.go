package lease_test

import (
	"bytes"
	"context"
	"io"
	"runtime/pprof"
	"runtime/trace"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/internal/lease"
)

// thing is held open by a test.
type thing struct {
	lease.Lease
	mu     sync.Mutex
	dead   bool // its owner
	stuck  bool // it does not close
	closes int
}

func (h *thing) Living(time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.dead
}

func (h *thing) Reclaim() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closes++; !h.stuck {
		h.Release()
	}
}

func (h *thing) Held() lease.Facts { return lease.Facts{Owner: "stream:a", Local: "l", Remote: "r"} }

func (h *thing) set(dead bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dead = dead
}

func (h *thing) closed() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closes
}

// house is a running book.
type house struct {
	t    *testing.T
	book *lease.Book
	reg  *prometheus.Registry
	log  bytes.Buffer
}

func run(t *testing.T, test func(h *house)) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, reg: prometheus.NewRegistry()}
		h.book = lease.New(h.reg, zerolog.New(&h.log))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- h.book.Run(ctx) }()
		test(h)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// after lets time pass and checks what the metrics then say.
func (h *house) after(d time.Duration, orphaned, reclaimed, open int) {
	h.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	got := map[string]int{}
	families, err := h.reg.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got[f.GetName()] += int(m.GetGauge().GetValue() + m.GetCounter().GetValue())
		}
	}
	if o, r, n := got["fengsui_leaks_orphaned"], got["fengsui_leaks_reclaimed_total"], got["fengsui_leaks_open"]; o != orphaned || r != reclaimed || n != open {
		h.t.Errorf("%d orphaned, %d reclaimed, %d open; want %d, %d, %d", o, r, n, orphaned, reclaimed, open)
	}
}

func (h *house) reclaimed(kind string) int {
	h.t.Helper()
	families, err := h.reg.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "fengsui_leaks_reclaimed_total" && m.GetLabel()[0].GetValue() == kind {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	return -1
}

func TestWhatHasNoOwnerIsMarkedEachMinuteAndClosedTenSecondsLater(t *testing.T) {
	run(t, func(h *house) {
		leaked, healthy := &thing{}, &thing{}
		h.book.Open(&leaked.Lease, lease.MediaReceiver, leaked)
		h.book.Open(&healthy.Lease, lease.MediaReceiver, healthy)
		h.after(59*time.Second, 0, 0, 2)
		leaked.set(true)
		h.after(2*time.Second, 1, 0, 2)
		list := h.book.List()
		if len(list) != 2 || list[0].Orphaned.IsZero() == list[1].Orphaned.IsZero() {
			t.Errorf("listed: %+v", list)
		}
		h.after(8*time.Second, 1, 0, 2)
		if leaked.closed() != 0 {
			t.Error("closed before ten seconds")
		}
		h.after(2*time.Second, 0, 1, 1)
		h.after(time.Hour, 0, 1, 1)
		if leaked.closed() != 1 || healthy.closed() != 0 {
			t.Errorf("closed %d and %d times", leaked.closed(), healthy.closed())
		}
		if n := strings.Count(h.log.String(), "orphaned: it has no living owner"); n != 1 || !strings.Contains(h.log.String(), `"owner":"stream:a"`) {
			t.Errorf("told %d times:\n%s", n, &h.log)
		}
		if n := h.reclaimed("media_receiver"); n != 1 {
			t.Errorf("reclaimed %d of its kind", n)
		}
	})
}

func TestWhatFindsAnOwnerAgainStays(t *testing.T) {
	run(t, func(h *house) {
		late, early := &thing{dead: true}, &thing{dead: true}
		h.book.Open(&late.Lease, lease.SIPConnection, late)
		h.book.Open(&early.Lease, lease.SIPConnection, early)
		h.after(61*time.Second, 2, 0, 2)
		early.set(false)
		if n := h.book.Mark(); n != 1 {
			t.Errorf("%d are orphaned, want 1", n)
		}
		h.after(8*time.Second, 1, 0, 2)
		late.set(false)
		h.after(10*time.Minute, 0, 0, 2)
		if late.closed()+early.closed() != 0 {
			t.Error("closed though it has an owner")
		}
	})
}

func TestWhatIsClosedByItsHolderIsNotCountedAsReclaimed(t *testing.T) {
	run(t, func(h *house) {
		h1 := &thing{dead: true}
		h.book.Open(&h1.Lease, lease.FLVViewer, h1)
		h.after(61*time.Second, 1, 0, 1)
		h1.Release()
		h1.Release()
		h.after(time.Minute, 0, 0, 0)
		if h1.closed() != 0 {
			t.Error("closed again")
		}
	})
}

func TestWhatDoesNotCloseIsTriedAgain(t *testing.T) {
	run(t, func(h *house) {
		h1 := &thing{dead: true, stuck: true}
		h.book.Open(&h1.Lease, lease.WebRTCViewer, h1)
		h.after(75*time.Second, 1, 0, 1)
		if h1.closed() < 2 {
			t.Errorf("tried %d times", h1.closed())
		}
		h1.Release()
		h.after(2*time.Second, 0, 1, 0)
	})
}

func TestManyOrphansFillNoLog(t *testing.T) {
	run(t, func(h *house) {
		for range 1000 {
			one := &thing{dead: true}
			h.book.Open(&one.Lease, lease.SIPConnection, one)
		}
		h.after(61*time.Second, 1000, 0, 1000)
		if n := strings.Count(h.log.String(), "\n"); n > 30 || !strings.Contains(h.log.String(), `"more":980`) {
			t.Errorf("%d lines:\n%s", n, &h.log)
		}
		h.after(11*time.Second, 0, 1000, 0)
	})
}

func TestLeasesComeAndGoWhileTheyAreJudged(t *testing.T) {
	reg := prometheus.NewRegistry()
	book := lease.New(reg, zerolog.Nop())
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for range 2000 {
				a, b := &thing{dead: true}, &thing{}
				book.Open(&a.Lease, lease.SIPConnection, a)
				book.Open(&b.Lease, lease.MediaConnection, b)
				b.Release()
				a.Release()
			}
		})
	}
	for range 50 {
		book.Mark()
		book.List()
	}
	work.Wait()
	if n := book.Mark(); n != 0 || len(book.List()) != 0 {
		t.Errorf("%d orphaned, %d open", n, len(book.List()))
	}
}

// 100,000 connections carry one each.
func TestALeaseIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(lease.Lease{}); n > 64 {
		t.Errorf("%d bytes, want 64 at most", n)
	}
}

func TestAGoroutineShowsWhomItServes(t *testing.T) {
	stay, ready := make(chan struct{}), make(chan struct{}, 3)
	var work sync.WaitGroup
	work.Go(func() {
		lease.Label(lease.SIPConnection, "device:1")
		work.Go(func() { // what it starts is labelled too
			ready <- struct{}{}
			<-stay
		})
		ready <- struct{}{}
		<-stay
	})
	lease.Do(t.Context(), lease.FLVViewer, "stream:2", func() {
		work.Go(func() {
			ready <- struct{}{}
			<-stay
		})
	})
	for range 3 {
		<-ready
	}
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		t.Fatal(err)
	}
	close(stay)
	work.Wait()
	for label, want := range map[string]int{
		`labels: {"kind":"sip_connection", "owner":"device:1"}`: 2, `labels: {"kind":"flv_viewer", "owner":"stream:2"}`: 1,
	} {
		if n := strings.Count(b.String(), label); n != want {
			t.Errorf("%d times %s in\n%s", n, label, &b)
		}
	}
}

func TestARegionNamesItsOwner(t *testing.T) {
	var b bytes.Buffer
	if err := trace.Start(&b); err != nil {
		t.Fatalf("no trace can be taken: %v; run this test without -trace", err)
	}
	lease.Region(lease.MediaReceiver, "stream:live/7").End()
	trace.Stop()
	if !bytes.Contains(b.Bytes(), []byte("media_receiver stream:live/7")) {
		t.Error("the trace has no such region")
	}
}

func BenchmarkRegionUntraced(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		lease.Region(lease.MediaReceiver, "stream:live/7").End()
	}
}

func BenchmarkOpenAndRelease(b *testing.B) {
	book := lease.New(prometheus.NewRegistry(), zerolog.New(io.Discard))
	var l thing
	b.ReportAllocs()
	for b.Loop() {
		book.Open(&l.Lease, lease.SIPConnection, &l)
		l.Release()
	}
}

func BenchmarkMark100k(b *testing.B) {
	book := lease.New(prometheus.NewRegistry(), zerolog.New(io.Discard))
	for range 100_000 {
		one := &thing{}
		book.Open(&one.Lease, lease.SIPConnection, one)
	}
	b.ReportAllocs()
	for b.Loop() {
		book.Mark()
	}
}
