package app

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/gb28181/device"
	"fengsui/sip/flow"
)

// Under 4 KiB of resident memory for each device leaves 3 KiB of heap: row,
// waiting commands, catalog, the guard's view of it, and what the collector needs
// beside. The survey has barely begun, so each device has the most that it ever has.
func TestADeviceWithItsCameraTakesLessThanElevenQuartersOfAKilobyte(t *testing.T) {
	a := serve(t, func(c *configs.Config) { c.SIP.QueryRate = 1 })
	const devices = 20_000
	before, now := heapInUse(), time.Now()
	for i := range devices {
		id := gb28181.ID(fmt.Sprintf("3402%04d00132%07d", i%100, i))
		remote := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 5060)
		_, err := a.table.Bind(device.Registration{
			ID: id, Flow: flow.Flow{Transport: flow.UDP, Local: netip.MustParseAddrPort("127.0.0.1:5060"), Remote: remote},
			Contact: fmt.Sprintf("sip:%s@%s", id, remote), CallID: fmt.Sprintf("%032x@%s", i, remote.Addr()),
			UserAgent: fmt.Sprintf("Camera V5.5.%d", i%50), Expires: time.Hour, Edition: gb28181.Edition2016, At: now,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.catalog.Restore([]gb28181.Channel{{
			Device: id, ID: id, Name: fmt.Sprintf("Camera %d", i), Manufacturer: "Example", Model: "DS-2CD2T47", CivilCode: "340200",
			Address: "Gate", ParentID: string(id), On: true, PTZType: 1, Longitude: 118.3, Latitude: 31.3,
		}}); err != nil {
			t.Fatal(err)
		}
	}
	settled(t, before, devices, 11<<8)
}

// settled fails the test unless the heap grows by less than limit for each
// device once what waits to be told and written is gone.
func settled(t *testing.T, before, devices, limit int64) {
	t.Helper()
	each := int64(1 << 62)
	for end := time.Now().Add(20 * time.Second); each > limit && time.Now().Before(end); {
		time.Sleep(250 * time.Millisecond)
		each = (heapInUse() - before) / devices
	}
	t.Logf("%d bytes each", each)
	if each > limit {
		t.Errorf("more than %d bytes", limit)
	}
}

// heapInUse are the bytes of living objects.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // what the first one finalised
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
