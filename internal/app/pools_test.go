package app

import (
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/internal/reuse"
	"fengsui/sip"
	"fengsui/sip/flow"
	"fengsui/sip/siptest"
)

// slow registers a device by UDP that thinks for a while before it refuses a
// question.
func slow(t *testing.T, a *App, id string, thinks time.Duration) {
	d := siptest.NewDevice(t, siptest.Config{Server: a.endpoint.Addrs()[0].Local, Transport: flow.UDP, ID: id})
	var mu sync.Mutex // guards both below
	asked, closed := map[string]bool{}, false
	t.Cleanup(func() { mu.Lock(); closed = true; mu.Unlock() })
	d.React(func(m *siptest.Message) []byte {
		mu.Lock()
		defer mu.Unlock()
		if branch := m.Param("Via", "branch"); m.Status == 0 && !asked[branch] {
			asked[branch] = true
			time.AfterFunc(thinks, func() {
				mu.Lock()
				defer mu.Unlock()
				if !closed {
					d.Send(d.Response(m, 403, "Forbidden", "").Bytes())
				}
			})
		}
		return nil
	})
	enrol(t, d)
}

// pool is what the metrics tell of one pool.
func pool(t *testing.T, a *App, name string) map[string]float64 {
	t.Helper()
	families, err := a.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		what, ours := strings.CutPrefix(f.GetName(), "fengsui_pool_")
		for _, m := range f.GetMetric() {
			if ours && len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == name {
				out[what] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return out
}

// The first questions to many devices find an empty pool. Once the model knows
// the devices and how long they think, all that is asked of them finds its memory.
func TestABurstMissesNothingOnceTheModelHasGrown(t *testing.T) {
	const devices, thinks = 60, 4 * time.Second
	t.Setenv("GOGC", "800") // an operator's, which the server leaves alone: the collections are the test's
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for tick := time.NewTicker(2500 * time.Millisecond); ; {
			select {
			case <-tick.C:
				runtime.GC()
			case <-stop:
				tick.Stop()
				return
			}
		}
	}()
	a := serve(t, func(c *configs.Config) { c.SIP.QueryRate = 2000 })
	ids := make([]string, devices)
	for i := range ids {
		ids[i] = string(gb28181.ID("340200000013200001" + string(rune('0'+i/10)) + string(rune('0'+i%10))))
		slow(t, a, ids[i], thinks)
	}
	const name = "sip_outgoing"
	burst := func() (missed float64) {
		before := pool(t, a, name)["missed_total"]
		var all sync.WaitGroup
		for _, id := range ids {
			f, err := a.table.Flow(gb28181.ID(id))
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				if _, err := a.endpoint.Do(t.Context(), sip.Peer{User: id, Flow: f}, sip.Outgoing{Method: "OPTIONS"}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		p := pool(t, a, name)
		if kept := p["size"] * 512; kept > p["share_bytes"] {
			t.Fatalf("%v bytes kept in a share of %v", kept, p["share_bytes"])
		}
		return p["missed_total"] - before
	}
	missed := []float64{burst()}
	for last := missed[0]; last > 3; {
		if len(missed) == 12 {
			t.Fatalf("missed in bursts to %d devices: %v; %+v", devices, missed, a.reuse.State())
		}
		last = burst()
		missed = append(missed, last)
	}
	p := pool(t, a, name)
	if missed[0] < devices-reuse.Floor || p["size"] < devices || p["returned_twice_total"] != 0 {
		t.Errorf("missed in bursts: %v, then %v", missed, p)
	}
	t.Logf("missed in bursts to %d devices: %v; the pool keeps %v", devices, missed, p["size"])
}
