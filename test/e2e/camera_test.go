package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/internal/sim"
)

// cameras are simulated devices that live as long as the test.
type cameras struct {
	*sim.Sim
	stop func() // makes them unregister and go
}

// simulate registers devices at a server, and waits until their catalogs are
// there unless they answer nothing.
func simulate(t *testing.T, s *server, cfg sim.Config) *cameras {
	t.Helper()
	cfg.Server, cfg.Password = s.sip, sipPassword
	devices, err := sim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- devices.Run(ctx) }()
	stopped := false
	c := &cameras{Sim: devices, stop: func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("simulated devices: %v", err)
		}
	}}
	t.Cleanup(func() {
		c.stop()
		if t.Failed() {
			t.Logf("simulated devices:\n%s", devices.Stats())
		}
	})
	wait, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	if err := devices.WaitRegistered(wait, max(1, cfg.Devices)); err != nil {
		t.Fatalf("%v\n%s", err, devices.Stats())
	}
	for i := range max(1, cfg.Devices) {
		d := devices.Device(i)
		eventually(t, 30*time.Second, func() string {
			if got := s.device(t, string(d.ID)); got.State != "online" || got.Channels < len(d.Channels) {
				return fmt.Sprintf("device %+v, want it online with %d channels", got, len(d.Channels))
			}
			return ""
		})
	}
	return c
}

// id is the ID of a simulated device that is its own channel.
func (c *cameras) id(i int) string { return string(c.Device(i).ID) }

type gbID = gb28181.ID
