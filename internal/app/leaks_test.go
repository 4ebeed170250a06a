package app

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/media/engine"
)

// leaks are what the metrics say of leaks now.
func leaks(t *testing.T, a *App) (orphaned, reclaimed int) {
	t.Helper()
	families, err := a.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "fengsui_leaks_orphaned":
				orphaned += int(m.GetGauge().GetValue())
			case "fengsui_leaks_reclaimed_total":
				reclaimed += int(m.GetCounter().GetValue())
			}
		}
	}
	return orphaned, reclaimed
}

// A receiver without a session of play is what a start that forgot to undo one
// of its steps would leave: a pair of ports, an SSRC and a goroutine.
func TestAReceiverThatWasForgottenIsReclaimed(t *testing.T) {
	a := serve(t, func(c *configs.Config) { c.Media.Ports = configs.PortRange{First: 45000, Last: 45199} })
	r, err := a.engine.Receive(t.Context(), engine.Want{Key: "live/34020000001320000001_34020000001320000001", Mode: "range"})
	if err != nil {
		t.Fatal(err)
	}
	port := fmt.Sprintf("127.0.0.1:%d", r.Port())
	if c, err := net.ListenPacket("udp4", port); err == nil {
		_ = c.Close()
		t.Fatalf("%s is not held", port)
	}
	a.Reconcile(t.Context())
	marked := time.Now()
	if orphaned, reclaimed := leaks(t, a); orphaned != 1 || reclaimed != 0 {
		t.Fatalf("%d orphaned, %d reclaimed; want 1 and 0", orphaned, reclaimed)
	}
	select {
	case <-r.Done():
	case <-time.After(time.Minute):
		t.Fatal("not reclaimed")
	}
	if took := time.Since(marked); took < 10*time.Second || took > 13*time.Second || !errors.Is(r.Err(), engine.ErrOrphaned) {
		t.Errorf("after %v it ended with %v", took, r.Err())
	}
	_ = r.Close() // has ended, and waits until it is done
	if orphaned, reclaimed := leaks(t, a); orphaned != 0 || reclaimed != 1 {
		t.Errorf("%d orphaned, %d reclaimed; want 0 and 1", orphaned, reclaimed)
	}
	if c := a.engine.Counts(); c != (engine.Counts{}) {
		t.Errorf("left over: %+v", c)
	}
	c, err := net.ListenPacket("udp4", port)
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	_ = c.Close()
}
