//go:build !race

package app

import (
	"fmt"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/gb28181/device"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/subscribe"
	"fengsui/sip/flow"
	"fengsui/sip/siptest"
)

// What a device takes that answered: a catalog of one channel came over a job,
// and the subscription to it stands in a dialog of its own.
func TestADeviceThatIsSubscribedTakesLessThanThreeAndAHalfKilobytes(t *testing.T) {
	a := serve(t, func(c *configs.Config) { c.SIP.QueryRate = 10_000 })
	const devices, limit = 5_000, 7 << 9
	d := siptest.NewDevice(t, siptest.Config{Server: a.endpoint.Addrs()[0].Local, Transport: flow.UDP})
	d.React(func(m *siptest.Message) []byte { // for all of them
		switch query, err := manscdp.Decode(m.Body); {
		case err != nil:
			return nil
		case m.Method == "SUBSCRIBE":
			contact := siptest.Header{Name: "Contact", Value: "<" + m.URI + ">"}
			return d.Response(m, 200, "OK", "", contact).Bytes()
		case m.Method == "MESSAGE" && query.CmdType == "Catalog":
			answer := fmt.Sprintf(`<?xml version="1.0"?><Response><CmdType>Catalog</CmdType><SN>%d</SN><DeviceID>%s</DeviceID><SumNum>1</SumNum>
<DeviceList Num="1"><Item><DeviceID>%[2]s</DeviceID><Name>Camera</Name><Manufacturer>Example</Manufacturer><Model>DS-2CD2T47</Model>
<CivilCode>340200</CivilCode><Address>Gate</Address><ParentID>%[2]s</ParentID><Status>ON</Status></Item></DeviceList></Response>`, query.SN, query.DeviceID)
			if told, err := manscdp.Decode([]byte(answer)); err == nil {
				a.catalog.Response(gb28181.ID(query.DeviceID), told)
			}
			return d.Response(m, 200, "OK", "").Bytes()
		}
		return d.Response(m, 403, "Forbidden", "").Bytes()
	})
	way := flow.Flow{Transport: flow.UDP, Local: a.endpoint.Addrs()[0].Local, Remote: d.Local()}
	// The first half fills what is bounded: journal, trace, transcript.
	a.subscribedDevices(t, way, 0, devices)
	before := resting()
	a.subscribedDevices(t, way, devices, 2*devices)
	each := (resting() - before) / devices
	t.Logf("%d bytes each", each)
	if each > limit {
		t.Errorf("more than %d bytes", limit)
	}
}

// subscribedDevices binds devices and waits for the channel and the subscription
// of each.
func (a *App) subscribedDevices(t *testing.T, way flow.Flow, from, to int) {
	t.Helper()
	now := time.Now()
	for i := from; i < to; i++ {
		id := gb28181.ID(fmt.Sprintf("3402%04d00132%07d", i%100, i))
		_, err := a.table.Bind(device.Registration{
			ID: id, Flow: way, Contact: fmt.Sprintf("sip:%s@%s", id, way.Remote), CallID: fmt.Sprintf("%032x@%s", i, way.Remote.Addr()),
			UserAgent: fmt.Sprintf("Camera V5.5.%d", i%50), Expires: time.Hour, Edition: gb28181.Edition2016, At: now,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ready := func() (channels, subscribed int) {
		for d := range a.table.All() {
			n, _ := a.catalog.Counts(d.ID)
			channels += n
			if s, ok := a.subscribe.Subscription(d.ID, subscribe.Catalog); ok && s.State == subscribe.Active {
				subscribed++
			}
		}
		return channels, subscribed
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(250 * time.Millisecond) {
		channels, subscribed := ready()
		if channels == to && subscribed == to {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d channels and %d subscriptions of %d", channels, subscribed, to)
		}
	}
}

// resting are the bytes of living objects once they fall no more: transactions
// end some seconds after their answer.
func resting() int64 {
	heap := heapInUse()
	for still := 0; still < 6; {
		time.Sleep(time.Second)
		now := heapInUse()
		if still++; now < heap-heap/500 {
			still = 0
		}
		heap = min(heap, now)
	}
	return heap
}
