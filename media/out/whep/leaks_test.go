package whep_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/internal/lease"
	"fengsui/media"
	"fengsui/media/mediatest"
	"fengsui/media/out/whep"
)

// A reader that was never told of its stream's end would wait for ever.
func TestAViewerThatOutlivesItsStreamIsReclaimed(t *testing.T) {
	book := lease.New(prometheus.NewRegistry(), zerolog.Nop())
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); _ = book.Run(ctx) }()
	defer func() { cancel(); <-stopped }()
	var running atomic.Bool
	running.Store(true)
	frames := mediatest.H264()
	r := mediatest.NewReader([]*media.Track{frames[0].Track}, fresh(frames[:1])...)
	s := serve(t, whep.Config{Leases: book, Wanted: func(media.Key) bool { return running.Load() }}, one(r))
	b := newBrowser(t, false, h264(104, "42e01f"))
	b.watch(t, s)
	eventually(t, "the key frame comes", func() bool { return len(b.pictures()) == 1 })
	if n := book.Mark(); n != 0 {
		t.Fatalf("%d orphaned", n)
	}
	if list := book.List(); len(list) != 1 || list[0].Kind != lease.WebRTCViewer || list[0].Owner != "stream:live/1_2" || list[0].Used.IsZero() {
		t.Errorf("listed: %+v", list)
	}
	running.Store(false)
	if n := book.Mark(); n != 1 || s.Count() != 1 {
		t.Fatalf("%d orphaned, %d sessions", n, s.Count())
	}
	time.Sleep(9 * time.Second)
	if s.Count() != 1 {
		t.Error("closed before its ten seconds")
	}
	eventually(t, "the session ends", func() bool { return s.Count() == 0 && r.Closed() && len(book.List()) == 0 })
	if s.metric(t, "fengsui_whep_ended_total", "orphaned") != 1 {
		t.Error("ended for another reason")
	}
}
