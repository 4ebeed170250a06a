package device_test

import (
	"testing"
	"time"
	"unsafe"

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

// The texts of a registration may be parts of a datagram that is overwritten.
func TestWhatIsKeptOfARegistrationIsACopy(t *testing.T) {
	run(t, device.Config{}, nil, func(b *bench) {
		datagram := []byte(string(camera) + "sip:cam@192.0.2.20 call-1 IP Camera")
		text := func(from, to int) string { return unsafe.String(&datagram[from], to-from) }
		if _, err := b.Bind(device.Registration{
			ID: gb28181.ID(text(0, 20)), Flow: home, Contact: text(20, 38), CallID: text(39, 45), UserAgent: text(46, 55), Expires: time.Minute, At: time.Now(),
		}); err != nil {
			t.Fatal(err)
		}
		for i := range datagram {
			datagram[i] = 'x'
		}
		s, ok := b.Saved(camera)
		if d := s.Device; !ok || d.ID != camera || d.Contact != "sip:cam@192.0.2.20" || s.CallID != "call-1" || d.UserAgent != "IP Camera" {
			t.Errorf("kept is %+v, %s", d, s.CallID)
		}
	})
}
