package spine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"sync"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/internal/sim"
)

// failure is a way in which plays fail.
type failure struct {
	name    string
	devices sim.Config // Devices is also how many plays are tried at a time
	rounds  int        // for each device
	down    bool       // provisioned, but it never registers
	drop    bool       // its cable is pulled after it registered

	channel    func(device gb28181.ID) gb28181.ID // nil: the device is its own channel
	transports []string                           // in turn; nil: as configured
	leaveAfter time.Duration                      // the caller gives up

	stage   string
	problem string
}

// User pain 7: SSRCs, ports and dialogs come back on every path, not only the
// good one. It does not run beside others: it counts the goroutines of the
// process.
func TestFailedPlaysLeaveNothingBehind(t *testing.T) {
	h := open(t, func(c *configs.Config) {
		c.Media.AnswerTimeout, c.Media.PacketTimeout = 8*time.Second, time.Second
		c.Media.Ports = freeRange(t, 512) // more than are used within their quarantine of 5 s
	})
	failures := []failure{ // 1,080 plays
		{name: "busy", devices: sim.Config{Devices: 20, Quirks: []string{"busy"}}, rounds: 10, stage: "offer", problem: "stream_busy"},
		{
			name: "silent", devices: sim.Config{Devices: 40, Quirks: []string{"silent"}}, rounds: 4,
			transports: []string{"", "udp", "tcp-passive", "tcp-active"}, stage: "first_packet", problem: "no_packet",
		},
		{name: "offline", devices: sim.Config{Devices: 20}, rounds: 10, down: true, stage: "device", problem: "device_offline"},
		{
			name: "unknown channel", devices: sim.Config{Devices: 20}, rounds: 10,
			channel: func(id gb28181.ID) gb28181.ID { return number(id, 900000) }, stage: "device", problem: "unknown_channel",
		},
		{name: "no answer", devices: sim.Config{Devices: 120}, rounds: 1, drop: true, stage: "offer", problem: "no_answer"},
		{
			name: "stopped", devices: sim.Config{Devices: 10}, rounds: 8, // these play
			transports: []string{"udp", "tcp-passive", "tcp-active", ""},
		},
		{name: "caller leaves", devices: sim.Config{Devices: 30, AnswerDelay: time.Hour}, rounds: 4, leaveAfter: 500 * time.Millisecond},
	}
	plays := 0
	for i := range failures {
		f := &failures[i]
		f.devices.FirstID = number(camera, 1000*(i+1))
		plays += f.devices.Devices * f.rounds
		if f.down {
			for d := range f.devices.Devices {
				h.must("POST", "/api/v1/devices", map[string]any{"id": number(camera, 1000*(i+1)+d)}, nil)
			}
			continue
		}
		s := h.run(f.devices)
		// All that the server asks a new device for.
		eventually(t, "the survey of "+f.name, func() bool {
			st, n := s.Stats(), uint64(f.devices.Devices)
			return st.Subscriptions >= n && st.Queries >= 3*n // Catalog, DeviceInfo, DeviceStatus
		})
		if f.drop {
			time.Sleep(time.Second) // for the last answers: who owes one is asked again
		}
		for d := range f.devices.Devices {
			if d%4 == 0 { // these have ports of their own
				h.must("PATCH", "/api/v1/devices/"+string(s.Device(d).ID), map[string]any{"media_mode": "range"}, nil)
			}
			if f.drop {
				if err := s.Drop(d); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	h.released(patience)
	h.http.CloseIdleConnections()
	time.Sleep(time.Second)
	before := runtime.NumGoroutine()

	began := time.Now()
	var work sync.WaitGroup
	for i := range failures {
		f := &failures[i]
		for d := range f.devices.Devices {
			work.Go(func() {
				for round := range f.rounds {
					if err := h.fail(f, number(camera, 1000*(i+1)+d), round); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	work.Wait()
	t.Logf("%d plays were over in %v", plays, time.Since(began).Round(time.Millisecond))

	// What the media side holds is back at once; an INVITE that nobody answered
	// lives for 32 s (RFC 3261, timer B).
	if l := h.leases(); l.Ports+l.SSRCs+l.Receivers != 0 {
		t.Errorf("after the last play: %+v", l)
	}
	h.released(45 * time.Second)
	h.http.CloseIdleConnections()
	now, given := 0, 0
	for range 100 {
		if now = runtime.NumGoroutine(); now <= before+3 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if now > before+3 {
		b := make([]byte, 1<<20)
		t.Errorf("%d goroutines, had been %d\n%s", now, before, b[:runtime.Stack(b, true)])
	}
	// What callers gave up was cancelled, each INVITE that had left.
	leavers := failures[len(failures)-1].devices
	for d := range leavers.Devices {
		id := number(leavers.FirstID, 7000+d)
		invited, cancelled := h.calls(id, began, "INVITE"), h.calls(id, began, "CANCEL")
		if !maps.Equal(invited, cancelled) {
			t.Errorf("%s: INVITEs %v, CANCELs %v", id, invited, cancelled)
		}
		given += len(invited)
	}
	if given < leavers.Devices {
		t.Errorf("only %d INVITEs left before the callers", given)
	}
	// All of it can be used again.
	good := h.run(sim.Config{FirstID: number(camera, 9000)})
	h.picture(h.plays(good.Device(0).ID, good.Device(0).ID, ""), "H264", "PCMA")
}

// released waits until nothing is leased.
func (h *house) released(within time.Duration) {
	h.t.Helper()
	var l leases
	for end := time.Now().Add(within); ; time.Sleep(100 * time.Millisecond) {
		if l = h.leases(); l == (leases{}) {
			return
		}
		if time.Now().After(end) {
			h.t.Fatalf("after %v still leased: %+v", within, l)
		}
	}
}

// fail plays once and checks how that fails.
func (h *house) fail(f *failure, device gb28181.ID, round int) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if f.leaveAfter > 0 {
		ctx, cancel = context.WithTimeout(ctx, f.leaveAfter)
		defer cancel()
	}
	channel, transport := device, ""
	if f.channel != nil {
		channel = f.channel(device)
	}
	if f.transports != nil {
		transport = f.transports[round%len(f.transports)]
	}
	stream, p, err := h.play(ctx, device, channel, transport)
	if f.stage == "" && f.leaveAfter == 0 && p == nil && err == nil {
		p, err = h.call(ctx, "DELETE", "/api/v1/streams/"+stream.ID, nil, nil)
		if p == nil {
			return err
		}
	}
	switch {
	case f.leaveAfter > 0 && errors.Is(err, context.DeadlineExceeded):
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", f.name, err)
	case p == nil:
		return fmt.Errorf("%s: %s plays", f.name, device)
	case p.Name != f.problem || p.failedAt() != f.stage || p.Remedy == "":
		return fmt.Errorf("%s over %q: %s at %q: %s", f.name, transport, p.Name, p.failedAt(), p.Detail)
	}
	return nil
}
