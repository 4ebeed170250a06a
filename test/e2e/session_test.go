package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"fengsui/internal/sim"
)

// viewers watch one address until their context ends.
type viewers struct {
	stop   context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	counts []int   // pictures and runs of sound seen by each
	errs   []error // how each ended
}

func view(ctx context.Context, url, token string, n int) *viewers {
	ctx, stop := context.WithCancel(ctx)
	v := &viewers{stop: stop, counts: make([]int, n), errs: make([]error, n)}
	for i := range n {
		v.wg.Go(func() {
			r, err := connect(ctx, url, token)
			for err == nil {
				if _, err = r.NextUnit(); err == nil {
					v.mu.Lock()
					v.counts[i]++
					v.mu.Unlock()
				}
			}
			v.mu.Lock()
			v.errs[i] = err
			v.mu.Unlock()
		})
	}
	return v
}

// all reports why not every viewer has seen so much, "" when each has.
func (v *viewers) all(units int) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, n := range v.counts {
		if n < units {
			return fmt.Sprintf("viewers have seen %v, viewer %d ended with %v", v.counts, i, v.errs[i])
		}
	}
	return ""
}

func (v *viewers) end() {
	v.stop()
	v.wg.Wait()
}

// invites are the INVITEs to a device, without repeats.
func (s *server) invites(t *testing.T, device string) (calls []string) {
	t.Helper()
	for _, m := range get[page[messageInfo]](t, s.client, "/api/v1/trace?page_size=1000&device="+device).Items {
		if m.Dir == "out" && strings.HasPrefix(m.Text, "INVITE ") && !m.Repeat {
			calls = append(calls, m.CallID)
		}
	}
	return calls
}

func TestOneInviteHoweverManyWatchAndByeWhenNobodyDoes(t *testing.T) {
	t.Parallel()
	s := start(t, "media.idle_close=2s")
	devices := simulate(t, s, sim.Config{})
	id := devices.id(0)
	if held := s.mediaLeases(t); len(held) != 0 {
		t.Fatalf("leases %v before anything was asked for", held)
	}

	five := view(t.Context(), s.base+"/live/"+id+"_"+id+".flv", s.token, 5)
	defer five.end()
	eventually(t, 20*time.Second, func() string { return five.all(30) })
	if calls := s.invites(t, id); len(calls) != 1 || devices.Stats().Invites != 1 {
		t.Errorf("five viewers made INVITEs %v, and the camera saw %d; want one", calls, devices.Stats().Invites)
	}
	streams := get[page[streamInfo]](t, s.client, "/api/v1/streams")
	if streams.Total != 1 || streams.Items[0].Stats == nil || streams.Items[0].Stats.Readers != 5 {
		t.Errorf("streams %+v, want one with five readers", streams.Items)
	}
	if held := s.mediaLeases(t); held["receivers"] != 1 || held["ssrcs"] != 1 || held["dialogs"] < 1 {
		t.Errorf("leases %v while one stream plays", held)
	}
	dialogs := s.mediaLeases(t)["dialogs"]

	five.end()
	left := time.Now()
	eventually(t, 15*time.Second, func() string {
		if n := devices.Stats().Byes; n != 1 {
			return fmt.Sprintf("the camera got %d BYEs, want one", n)
		}
		return ""
	})
	if took := time.Since(left); took < 1500*time.Millisecond {
		t.Errorf("BYE %v after the last viewer left, before idle_close", took)
	}
	eventually(t, 5*time.Second, func() string {
		held := s.mediaLeases(t)
		delete(held, "dialogs")
		if n := s.mediaLeases(t)["dialogs"]; len(held) != 0 || n >= dialogs {
			return fmt.Sprintf("leases %v and %d dialogs after the stream ended", held, n)
		}
		return ""
	})
	if n := get[page[streamInfo]](t, s.client, "/api/v1/streams").Total; n != 0 {
		t.Errorf("%d streams are listed after all ended", n)
	}

	again := view(t.Context(), s.base+"/live/"+id+"_"+id+".flv", s.token, 1)
	defer again.end()
	eventually(t, 20*time.Second, func() string { return again.all(30) })
	if n := devices.Stats().Invites; n != 2 {
		t.Errorf("%d INVITEs after a viewer came back, want two", n)
	}
}

func TestStreamsEndWithByeWhenTheServerStops(t *testing.T) {
	t.Parallel()
	s := start(t)
	devices := simulate(t, s, sim.Config{Devices: 3})
	var watching []*viewers
	for i := range 3 {
		id := devices.id(i)
		v := view(t.Context(), s.base+"/live/"+id+"_"+id+".flv", s.token, 1)
		defer v.end()
		watching = append(watching, v)
	}
	eventually(t, 20*time.Second, func() string {
		for _, v := range watching {
			if why := v.all(10); why != "" {
				return why
			}
		}
		return ""
	})
	began := time.Now()
	s.terminate(t)
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("stopping took %v", took)
	}
	if st := devices.Stats(); st.Byes != 3 || st.Streaming != 0 {
		t.Errorf("the cameras got %d BYEs and %d still send, want 3 and none", st.Byes, st.Streaming)
	}
	for _, v := range watching {
		v.wg.Wait() // ended by the server
		if !errors.Is(v.errs[0], io.EOF) {
			t.Errorf("a viewer ended with %v, want the end of its stream", v.errs[0])
		}
	}
}

func TestPicturesComeBackAfterTheCameraReboots(t *testing.T) {
	t.Parallel()
	s := start(t)
	devices := simulate(t, s, sim.Config{})
	id := devices.id(0)
	url := s.base + "/live/" + id + "_" + id + ".flv"
	before := view(t.Context(), url, s.token, 1)
	defer before.end()
	eventually(t, 20*time.Second, func() string { return before.all(20) })

	registered := devices.Stats().Registrations
	if err := devices.Reboot(0); err != nil {
		t.Fatal(err)
	}
	rebooted := time.Now()
	eventually(t, 20*time.Second, func() string {
		if n := devices.Stats().Registrations; n == registered {
			return "the camera has not registered again"
		}
		return ""
	})
	// Whoever watches must not be left with a picture that stands still: the
	// stream ends, and the player that comes back gets a new one.
	ended := make(chan struct{})
	go func() { before.wg.Wait(); close(ended) }()
	select {
	case <-ended:
		t.Logf("the old stream ended %v after the reboot with %v", time.Since(rebooted), before.errs[0])
	case <-time.After(10 * time.Second):
		t.Fatalf("10 s after the reboot the viewer still waits, with %v units seen", before.counts)
	}
	after := view(t.Context(), url, s.token, 1)
	defer after.end()
	eventually(t, 20*time.Second, func() string { return after.all(20) })
	if calls := s.invites(t, id); len(calls) != 2 || calls[0] == calls[1] {
		t.Errorf("INVITEs %v, want two dialogs", calls)
	}
	if n := get[page[streamInfo]](t, s.client, "/api/v1/streams").Total; n != 1 {
		t.Errorf("%d streams, want one", n)
	}
}
