package trace_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"

	"fengsui/sip/trace"
)

func peer(t *testing.T, s string) trace.Peer {
	t.Helper()
	p, err := trace.ParsePeer(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// beat is one keepalive exchange.
func beat(r *trace.Ring, id, remote, callID string) {
	r.Exchange(time.Now(), trace.Keepalive, []byte(id), udp(remote), request(id, server, callID, strings.Repeat("x", 8<<10)), answer(id, server, callID, "200 OK"), 200, false)
}

func TestAWatchedPeersExchangesAreKeptWholeUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := trace.NewRing(8<<20, 0)
		for i := range 5 {
			beat(r, device, "192.0.2.20:5060", fmt.Sprint("before", i))
		}
		if _, err := r.Watch(peer(t, device), "operator", 10*time.Minute); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			time.Sleep(time.Minute)
			beat(r, device, "192.0.2.20:5060", fmt.Sprint("k", i))
			beat(r, channel, "192.0.2.21:5060", "other")
		}
		r.Repeated(time.Now(), udp("192.0.2.20:5060"), request(device, server, "again", ""), answer(device, server, "again", "200 OK"))
		r.Repeated(time.Now(), udp("192.0.2.21:5060"), request(channel, server, "other", ""), nil)

		want := []string{"k0", "k0", "k1", "k1", "k2", "k2", "k3", "k3", "k4", "k4", "again", "again"}
		all := r.Find(trace.Query{})
		if diff := cmp.Diff(want, callIDs(all)); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
		if m := all[0]; len(m.Raw) != m.Size || m.Size < 8<<10 {
			t.Errorf("of %d bytes %d are kept", m.Size, len(m.Raw))
		}
		if diff := cmp.Diff(want, callIDs(r.Find(trace.Query{Device: device}))); diff != "" {
			t.Errorf("of the device, none twice (-want +got):\n%s", diff)
		}
		if c, _ := r.Routine(device); c.Keepalives != 10 {
			t.Errorf("%d are counted", c.Keepalives)
		}
		w := r.Watches()
		if len(w) != 1 || w[0].Peer.Device != device || w[0].Kept != 6 || w[0].By != "operator" || time.Until(w[0].Until) != 5*time.Minute {
			t.Errorf("watches %+v", w)
		}

		time.Sleep(5 * time.Minute)
		beat(r, device, "192.0.2.20:5060", "late")
		if n := len(r.Find(trace.Query{})); n != len(want) {
			t.Errorf("%d messages after its end", n)
		}
		if w := r.Watches(); len(w) != 0 {
			t.Errorf("watches %+v", w)
		}
	})
}

func TestASourceIsWatchedAtAnyPortAndUnderAnyName(t *testing.T) {
	r := trace.NewRing(8<<20, 0)
	if _, err := r.Watch(peer(t, "::ffff:192.0.2.20"), "", time.Minute); err != nil {
		t.Fatal(err)
	}
	beat(r, device, "192.0.2.20:5060", "a")
	beat(r, channel, "192.0.2.20:7000", "b")
	beat(r, device, "192.0.2.21:5060", "c")
	if diff := cmp.Diff([]string{"a", "a", "b", "b"}, callIDs(r.Find(trace.Query{}))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a", "a"}, callIDs(r.Find(trace.Query{Device: device, Source: netip.MustParseAddr("192.0.2.20")}))); diff != "" {
		t.Errorf("of the device there (-want +got):\n%s", diff)
	}
	if n := len(r.Find(trace.Query{Source: netip.MustParseAddr("192.0.2.21")})); n != 0 {
		t.Errorf("%d messages of another source", n)
	}
	if !r.Unwatch(peer(t, "192.0.2.20")) || r.Unwatch(peer(t, "192.0.2.20")) {
		t.Error("a watch ends once")
	}
	beat(r, device, "192.0.2.20:5060", "d")
	if n := len(r.Find(trace.Query{})); n != 4 {
		t.Errorf("%d messages after its end", n)
	}
}

func TestWatchesAreBoundedInNumberAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := trace.NewRing(1<<20, 0)
		for i := range trace.MaxWatches {
			if _, err := r.Watch(peer(t, fmt.Sprint("198.51.100.", i)), "", 48*time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.Watch(peer(t, device), "", time.Minute); !errors.Is(err, trace.ErrTooManyWatches) {
			t.Errorf("one more: %v", err)
		}
		if w, err := r.Watch(peer(t, "198.51.100.7"), "b", time.Minute); err != nil || time.Until(w.Until) != time.Minute {
			t.Errorf("watched again: %+v, %v", w, err)
		}
		all := r.Watches()
		if len(all) != trace.MaxWatches || all[0].Peer.String() != "198.51.100.7" || time.Until(all[1].Until) != trace.LongestTime {
			t.Errorf("watches %+v", all)
		}
		time.Sleep(2 * time.Minute)
		if _, err := r.Watch(peer(t, device), "", time.Minute); err != nil {
			t.Errorf("in the place of one that is over: %v", err)
		}
	})
}

func TestPeersAreAddressesOrNames(t *testing.T) {
	for in, want := range map[string]trace.Peer{
		device:                  {Device: device},
		"NVR_1.a-b":             {Device: "NVR_1.a-b"},
		"192.0.2.20":            {Source: netip.MustParseAddr("192.0.2.20")},
		"fe80::1%eth0":          {Source: netip.MustParseAddr("fe80::1")},
		"":                      {},
		"192.0.2.20:506":        {},
		"a b":                   {},
		"大门":                    {},
		strings.Repeat("1", 65): {},
	} {
		got, err := trace.ParsePeer(in)
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" || (err == nil) != (want != trace.Peer{}) || err != nil && !errors.Is(err, trace.ErrBadPeer) {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}

func TestWatchingWhileOthersTalk(t *testing.T) {
	r := trace.NewRing(4<<20, 0)
	r.Register(prometheus.NewRegistry())
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 500 {
				beat(r, fmt.Sprint("d", i), "192.0.2.20:5060", "k")
			}
		})
	}
	for i := range 200 {
		p := peer(t, fmt.Sprint("d", i%4))
		if _, err := r.Watch(p, "", time.Duration(i)*time.Microsecond); err != nil {
			t.Error(err)
		}
		r.Watches()
		r.Unwatch(p)
	}
	all.Wait()
	if w := r.Watches(); len(w) != 0 {
		t.Errorf("left: %+v", w)
	}
}

// BenchmarkExchange shows what it costs to ask whether a peer is watched.
func BenchmarkExchange(b *testing.B) {
	for _, watched := range []int{0, 1, trace.MaxWatches} {
		b.Run(fmt.Sprintf("watches=%d", watched), func(b *testing.B) {
			r := trace.NewRing(1<<20, 0)
			for i := range watched {
				if _, err := r.Watch(trace.Peer{Device: fmt.Sprint("other", i)}, "", time.Hour); err != nil {
					b.Fatal(err)
				}
			}
			id, f, in, out := []byte(device), udp("192.0.2.20:5060"), request(device, server, "k", ""), answer(device, server, "k", "200 OK")
			b.ReportAllocs()
			for b.Loop() {
				r.Exchange(time.Now(), trace.Keepalive, id, f, in, out, 200, false)
			}
		})
	}
}
