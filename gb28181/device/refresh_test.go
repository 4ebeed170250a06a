package device_test

import (
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/device"
)

// A device that registers every second must not have every watcher, and the
// database, work every second.
func TestARefreshIsToldWhenItMatters(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		b.register(camera, home, "a")
		b.expectTold("registered unknown>online")
		for range 29 {
			time.Sleep(time.Second)
			b.register(camera, home, "a")
		}
		b.expectTold()
		if d, _ := b.Device(camera); !d.ExpiresAt.Equal(b.start.Add(29*time.Second + time.Hour)) {
			t.Errorf("the table has the end at %v", d.ExpiresAt)
		}
		time.Sleep(time.Second)
		b.register(camera, home, "a")
		b.expectTold("refreshed online>online")
		b.register(camera, udp("192.0.2.20:5062"), "a") // anything else is told at once
		b.expectTold("refreshed online>online")
		if _, err := b.Bind(device.Registration{
			ID: camera, Flow: udp("192.0.2.20:5062"), CallID: "a", Expires: time.Minute, At: time.Now(), UserAgent: "IP Camera", Edition: gb28181.Edition2022,
		}); err != nil {
			t.Fatal(err)
		}
		b.expectTold("refreshed online>online")
	})
}
