package app

import (
	"context"
	"io"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/gb28181/device"
	"fengsui/shadow"
	"fengsui/sip/digest"
	"fengsui/sip/flow"
	"fengsui/sip/siptest"
)

// serve runs a whole server on free ports of the loopback.
func serve(t *testing.T, change func(*configs.Config)) *App {
	t.Helper()
	cfg, password := configs.Default(), "12345678"
	cfg.DataDir, cfg.SIP.Password = t.TempDir(), &password
	cfg.SIP.Listen, cfg.HTTP.Listen, cfg.Media.Listen, cfg.Media.WebRTCListen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", ""
	if change != nil {
		change(&cfg)
	}
	return run(t, cfg)
}

// run runs a whole server until the test ends, and returns when it serves.
func run(t *testing.T, cfg configs.Config) *App {
	t.Helper()
	a, err := New(t.Context(), cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ended := serveUntilDone(t, a)
	select {
	case <-a.Listening():
	case err := <-ended:
		t.Fatal(err)
	}
	return a
}

// serveUntilDone runs a server until the test ends.
func serveUntilDone(t *testing.T, a *App) (ended <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() {
		ran <- a.Run(ctx)
		close(ran)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	return ran
}

// register registers a device by UDP that refuses every question.
func register(t *testing.T, a *App) *siptest.Device {
	t.Helper()
	d := siptest.NewDevice(t, siptest.Config{Server: a.endpoint.Addrs()[0].Local, Transport: flow.UDP})
	d.React(func(m *siptest.Message) []byte {
		if m.Method != "MESSAGE" {
			return nil
		}
		return d.Response(m, 403, "Forbidden", "").Bytes()
	})
	enrol(t, d)
	return d
}

// enrol registers a device with the password of these tests.
func enrol(t *testing.T, d *siptest.Device) {
	t.Helper()
	first := d.Request("REGISTER", "")
	d.Send(first.Bytes())
	c, _, err := digest.ParseChallenge([]byte(d.ExpectAnswer(first).Get("WWW-Authenticate")))
	if err != nil {
		t.Fatal(err)
	}
	c.Username, c.URI = d.ID(), first.URI
	c.Sign("REGISTER", "12345678")
	second := d.Request("REGISTER", "", siptest.Header{Name: "Authorization", Value: c.String()})
	d.Send(second.Bytes())
	if m := d.ExpectAnswer(second); m.Status != 200 {
		t.Fatalf("REGISTER is answered %d", m.Status)
	}
}

func TestSubscriptionIsMadeWithADeviceThatChallengesIt(t *testing.T) {
	d := register(t, serve(t, nil))
	first := d.Expect("SUBSCRIBE")
	d.Answer(first, 401, "Unauthorized", "", siptest.Header{Name: "WWW-Authenticate", Value: `Digest realm="3402000000",nonce="n1",algorithm=MD5`})
	again := d.Expect("SUBSCRIBE")
	c, err := digest.Parse([]byte(again.Get("Authorization")))
	if err != nil || again.Get("Call-ID") != first.Get("Call-ID") || !c.Verify("SUBSCRIBE", "12345678") {
		t.Errorf("the challenge is answered by %+v, %v", c, err)
	}
	d.Answer(again, 200, "OK", "", siptest.Header{Name: "Expires", Value: "600"})
}

// A message says more than any probe that the device is back.
func TestMessageOfADeviceThatFellSilentIsTaken(t *testing.T) {
	a := serve(t, nil)
	d := register(t, a)
	saved, _ := a.table.Saved(gb28181.ID(d.ID()))
	a.table.Remove(saved.Device.ID)
	saved.Device.Presence = shadow.Presence{State: shadow.Offline, Evidence: shadow.BySilence, At: time.Now()}
	if n := a.table.Restore([]device.Saved{saved}); n != 1 {
		t.Fatal("not restored")
	}
	alarm := d.Request("MESSAGE", "<Notify><CmdType>Alarm</CmdType><SN>1</SN><DeviceID>"+d.ID()+"</DeviceID></Notify>")
	d.Send(alarm.Bytes())
	if m := d.ExpectAnswer(alarm); m.Status != 200 {
		t.Errorf("answered %d %s", m.Status, m.Reason)
	}
	for range 100 {
		if dev, _ := a.table.Device(saved.Device.ID); dev.Presence.State == shadow.Online {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("still offline")
}
