package device_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181/device"
	"fengsui/sip/flow"
)

func TestMovedIsToldWhereARegistrationIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		tab := device.New(device.Config{
			Follow: device.FollowAny,
			Moved:  func(from, to netip.Addr) { told = append(told, fmt.Sprint(from, ">", to)) },
		}, nil, nil, zerolog.Nop(), prometheus.NewRegistry())
		at := func(s string) flow.Flow {
			return flow.Flow{Transport: flow.UDP, Remote: netip.MustParseAddrPort(s)}
		}
		const id = "34020000001320000001"
		bind := func(s string) {
			if _, err := tab.Bind(device.Registration{ID: id, Flow: at(s), CallID: "1", Expires: time.Hour, At: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		expect := func(want ...string) {
			t.Helper()
			if fmt.Sprint(told) != fmt.Sprint(want) {
				t.Errorf("told %q, want %q", told, want)
			}
			told = nil
		}
		bind("192.0.2.20:5060")
		expect("invalid IP>192.0.2.20")
		bind("192.0.2.20:6060") // another port
		expect()
		if err := tab.Keepalive(id, at("192.0.2.21:5060"), true, time.Now()); err != nil {
			t.Fatal(err)
		}
		expect("192.0.2.20>192.0.2.21")
		time.Sleep(time.Second)
		tab.Unbind(id, at("192.0.2.21:5060"), time.Now())
		expect("192.0.2.21>invalid IP")
		time.Sleep(time.Second)
		bind("192.0.2.21:5060")
		saved, _ := tab.Saved(id)
		tab.Remove(id)
		expect("invalid IP>192.0.2.21", "192.0.2.21>invalid IP")
		tab.Restore([]device.Saved{saved})
		expect("invalid IP>192.0.2.21")
	})
}
