package flv_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/internal/lease"
	"fengsui/media"
	"fengsui/media/mediatest"
	"fengsui/media/out/flv"
)

// A reader that was never told of its stream's end would wait for ever.
func TestAViewerThatOutlivesItsStreamIsReclaimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		book := lease.New(reg, zerolog.Nop())
		ctx, cancel := context.WithCancel(t.Context())
		var running, gone atomic.Bool
		running.Store(true)
		stopped := make(chan struct{})
		go func() { defer close(stopped); _ = book.Run(ctx) }()
		frames := mediatest.H264()[:3]
		r := mediatest.NewReader([]*media.Track{frames[0].Track}, frames...)
		h := flv.New(mediatest.Opener(func(context.Context, media.Key) (media.Reader, error) { return r, nil }),
			flv.Config{Leases: book, Wanted: func(k media.Key) bool { return k == key && running.Load() }}, reg, zerolog.Nop())
		go func() {
			h.ServeStream(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/x.flv", nil), key)
			gone.Store(true)
		}()
		time.Sleep(10 * time.Minute) // of a camera that pauses
		list := book.List()
		if gone.Load() || len(list) != 1 || list[0].Kind != lease.FLVViewer || list[0].Owner != "stream:"+string(key) ||
			!list[0].Orphaned.IsZero() || list[0].Remote == "" || list[0].Used.IsZero() {
			t.Fatalf("gone %v, listed: %+v", gone.Load(), list)
		}
		running.Store(false)
		time.Sleep(72 * time.Second)
		if !gone.Load() || !r.Closed() || len(book.List()) != 0 {
			t.Errorf("gone %v, listed: %+v", gone.Load(), book.List())
		}
		wantEnded(t, reg, "orphaned")
		cancel()
		<-stopped
	})
}
