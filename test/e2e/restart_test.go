package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"fengsui/internal/sim"
)

func TestPowerCutShowsNoMassOffline(t *testing.T) {
	t.Parallel()
	s := start(t)
	const many = 20
	devices := simulate(t, s, sim.Config{Devices: many, Keepalive: time.Second, Audio: sim.NoAudio})
	recorder := simulate(t, s, sim.Config{Channels: 5, Keepalive: time.Second, Transport: sim.TCP})
	id := devices.id(0)
	s.live(t, id, id)
	time.Sleep(2 * time.Second) // what is kept is written behind the answers

	// The devices fall silent, so that they cannot be heard before we look.
	for i := range many {
		if err := devices.Drop(i); err != nil {
			t.Fatal(err)
		}
	}
	if err := recorder.Drop(0); err != nil {
		t.Fatal(err)
	}
	s.kill(t)
	s.run(t)
	if n := s.system(t).Counts.Devices; n.Total != many+1 || n.Unknown != n.Total {
		t.Errorf("after the restart %+v, want all %d unknown", n, many+1)
	}
	if d := s.device(t, id); d.State != "unknown" || d.StateReason == "" || d.Channels != 1 {
		t.Errorf("%+v, want it unknown with a reason and its channel", d)
	}
	nvr := string(recorder.Device(0).ID)
	if list := get[page[struct{ ID, Name string }]](t, s.client, "/api/v1/devices/"+nvr+"/channels"); list.Total != 5 || list.Items[0].Name == "" {
		t.Errorf("channels of the recorder %+v, want five with names", list)
	}
	if held := s.mediaLeases(t); len(held) != 0 {
		t.Errorf("leases %v after the restart", held)
	}
	time.Sleep(3 * time.Second)
	if n := s.system(t).Counts.Devices; n.Offline != 0 || n.Online != 0 {
		t.Errorf("3 s after the restart %+v, want none offline before it can be told", n)
	}

	registrations := devices.Stats().Registrations
	for i := range many {
		if err := devices.Restore(i); err != nil {
			t.Fatal(err)
		}
	}
	if err := recorder.Restore(0); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, func() string {
		if n := s.system(t).Counts.Devices; n.Online != many+1 {
			return fmt.Sprintf("%+v, want all online", n)
		}
		return ""
	})
	if n := devices.Stats().Registrations; n != registrations {
		t.Errorf("the cameras had to register %d times more: their keepalives were refused", n-registrations)
	}
	decode(t, s.live(t, id, id).URLs["flv"], 25)
}
