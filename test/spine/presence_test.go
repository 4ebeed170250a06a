package spine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/internal/sim"
	"fengsui/media"
	"fengsui/sip/siptest"
)

const recorder = gb28181.ID("34020000001180000001")

// subscribed waits until the catalog of a device is subscribed.
func (h *house) subscribed(id gb28181.ID) {
	h.t.Helper()
	eventually(h.t, "subscription of "+string(id), func() bool {
		var sub struct {
			State string `json:"state"`
		}
		h.get("/api/v1/devices/"+string(id)+"/subscriptions/catalog", &sub)
		return sub.State == "active"
	})
}

// Section 2.9.3: a device that unregisters and comes back at once is not gone.
func TestADeviceThatRejoinsAtOnceLosesNothing(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{sim.UDP, sim.TCP} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			s := h.run(sim.Config{Channels: 5, Transport: transport})
			h.complete(recorder, 5)
			h.subscribed(recorder)
			stream := h.plays(recorder, s.Device(0).Channels[0], "")
			v := h.watch(stream)
			defer v.close()
			if err := s.Rejoin(0); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the second registration", func() bool { return s.Stats().Registrations == 2 })
			if d := h.becomes(recorder, "online"); d.Channels != 5 || d.Online != 5 {
				t.Errorf("%d channels, %d online", d.Channels, d.Online)
			}
			time.Sleep(4 * time.Second) // an unregistration that stands is told after three
			if list := types(h.events(recorder)); slices.Contains(list, "device.offline") || slices.Contains(list, "stream.ended") {
				t.Errorf("events %v", list)
			}
			h.subscribed(recorder)
			if st := h.stream(stream.ID).State; st != "playing" || s.Device(0).Streams != 1 {
				t.Errorf("stream is %s", st)
			}
			if _, _, err := v.goesOn(2 * time.Second); err != nil {
				t.Errorf("the viewer lost the picture: %v", err)
			}
			if err := s.SetChannel(0, 1, false); err != nil {
				t.Fatal(err)
			}
			h.channelBecomes(recorder, s.Device(0).Channels[1], "offline")
		})
	}
}

func TestADeviceThatUnregistersIsOffline(t *testing.T) {
	t.Parallel()
	h := open(t)
	d := h.camera(siptest.Config{})
	d.React(okToMessages(d))
	m := register(d)
	h.becomes(camera, "online")
	m.Set("Expires", "0")
	m.Remove("Authorization")
	again(m, 9)
	d.Send(m.Bytes())
	authorize(m, d.ExpectStatus(401))
	d.Send(m.Bytes())
	d.ExpectStatus(200)
	if v := h.device(camera); v.State != "offline" || v.StateEvidence != "unregister" {
		t.Errorf("it is %s by %s", v.State, v.StateEvidence)
	}
	if p := h.refuses(camera, camera, ""); p.Name != "device_offline" || p.failedAt() != "device" {
		t.Errorf("play fails as %s at %s", p.Name, p.failedAt())
	}
}

// Section 2.9.3: nobody else can end a registration.
func TestAStrangerCannotUnregisterADevice(t *testing.T) {
	t.Parallel()
	h := open(t)
	d := h.camera(siptest.Config{})
	d.React(okToMessages(d))
	m := register(d)
	m.Set("Expires", "0")
	m.Remove("Authorization")
	again(m, 9)
	d.Send(m.Bytes())
	d.ExpectStatus(401)
	if v := h.device(camera); v.State != "online" {
		t.Errorf("it is %s by %s", v.State, v.StateEvidence)
	}
}

// keepalive sends one and returns the status of its answer.
func keepalive(d *siptest.Device) int {
	m := d.Request("MESSAGE", "<?xml version=\"1.0\"?>\r\n<Notify>\r\n<CmdType>Keepalive</CmdType>\r\n<SN>1</SN>\r\n"+
		"<DeviceID>"+d.ID()+"</DeviceID>\r\n<Status>OK</Status>\r\n</Notify>\r\n")
	d.Send(m.Bytes())
	return d.ExpectAnswer(m).Status
}

// Section 9 row 5: the binding follows a keepalive as the rule says.
//
// Conformance: server Notify/Keepalive 2016 2022
// Quirk: 5
func TestBindingsFollowKeepalives(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule, from string
		first      int  // the answer to the first keepalive from there
		follows    bool // at once, or after the probe
	}{
		{"port", "127.0.0.1:0", 200, true},
		{"port", "127.0.0.2:0", 403, false},
		{"probe", "127.0.0.1:0", 200, true},
		{"probe", "127.0.0.2:0", 403, true},
		{"any", "127.0.0.1:0", 200, true},
		{"any", "127.0.0.2:0", 200, true},
	} {
		t.Run(c.rule+" from "+c.from, func(t *testing.T) {
			t.Parallel()
			h := open(t, func(cfg *configs.Config) { cfg.SIP.Follow = c.rule })
			old := h.camera(siptest.Config{})
			old.React(okToMessages(old))
			register(old)
			h.becomes(camera, "online")
			old.Close()
			d := h.camera(siptest.Config{Local: c.from})
			d.React(okToMessages(d))
			if got := keepalive(d); got != c.first {
				t.Errorf("keepalive answered %d, want %d", got, c.first)
			}
			if c.follows {
				eventually(t, "the device at "+d.Local().String(), func() bool { return h.device(camera).Remote == d.Local().String() })
				h.becomes(camera, "online")
				return
			}
			time.Sleep(time.Second)
			if v := h.device(camera); v.Remote != old.Local().String() {
				t.Errorf("it is at %s, want %s", v.Remote, old.Local())
			}
		})
	}
}

// While the old address answers, a keepalive from another one is a forgery.
func TestALivingDeviceIsNotTakenOver(t *testing.T) {
	t.Parallel()
	h := open(t)
	d := h.camera(siptest.Config{})
	d.React(okToMessages(d))
	register(d)
	thief := h.camera(siptest.Config{Local: "127.0.0.2:0"})
	thief.React(okToMessages(thief))
	if got := keepalive(thief); got != 403 {
		t.Errorf("keepalive answered %d", got)
	}
	eventually(t, "the probe", func() bool { return strings.Contains(d.Transcript(), "<CmdType>DeviceStatus</CmdType>") })
	time.Sleep(time.Second)
	if v := h.device(camera); v.Remote != d.Local().String() || v.State != "online" {
		t.Errorf("it is %s at %s", v.State, v.Remote)
	}
}

// A cut connection is doubt at once, long before a keepalive is missed.
func TestACutConnectionIsShownAtOnce(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.run(sim.Config{Transport: sim.TCP})
	h.complete(camera, 1)
	if err := s.Reboot(0); err != nil { // away for half a second
		t.Fatal(err)
	}
	eventually(t, "the registration after the boot", func() bool { return s.Stats().Registrations == 2 })
	if d := h.becomes(camera, "online"); d.Remote != s.Device(0).Addr.String() {
		t.Errorf("online at %s, the device is at %s", d.Remote, s.Device(0).Addr)
	}
	h.picture(h.plays(camera, camera, "tcp-passive"), media.H264, media.PCMA)
	events := h.events(camera)
	doubt := slices.IndexFunc(events, func(e eventView) bool { return e.Type == "device.unknown" })
	if doubt < 0 || events[doubt].Data["evidence"] != "connection" || slices.Contains(types(events), "device.offline") {
		t.Errorf("events %+v", events)
	}
}

func TestASilentDeviceIsDoubtedProbedAndGivenUp(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{sim.UDP, sim.TCP} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			fallSilent(t, transport)
		})
	}
}

func fallSilent(t *testing.T, transport string) {
	h := open(t, func(c *configs.Config) { c.Keepalive = configs.Keepalive{Interval: time.Second, Missed: 3} })
	s := h.run(sim.Config{Channels: 2, Keepalive: time.Second, Transport: transport})
	h.complete(recorder, 2)
	h.subscribed(recorder)
	eventually(t, "a keepalive", func() bool { return s.Stats().Keepalives > 0 })
	began := time.Now()
	if err := s.Drop(0); err != nil {
		t.Fatal(err)
	}
	d := h.becomes(recorder, "unknown")
	if took := time.Since(began); d.StateEvidence != "silence" || took > 8*time.Second {
		t.Errorf("unknown after %v by %s", took, d.StateEvidence)
	}
	for _, ch := range h.channels(recorder) {
		if ch.State != "unknown" || !strings.Contains(ch.StateReason, "device") {
			t.Errorf("channel %s is %s: %s", ch.ID, ch.State, ch.StateReason)
		}
	}
	d = h.becomes(recorder, "offline")
	// Three keepalives and ten seconds for one on its way (section 2.12).
	if took := time.Since(began); took < 11*time.Second || took > 25*time.Second || !strings.Contains(d.StateReason, "probes unanswered") {
		t.Errorf("offline after %v: %s", took, d.StateReason)
	}
	if probes := h.sent(recorder, began, "DeviceStatus"); probes < 2 {
		t.Errorf("%d probes", probes)
	}
	if options := h.sent(recorder, began, "OPTIONS "); options < 1 {
		t.Errorf("%d OPTIONS", options)
	}
	for _, ch := range h.channels(recorder) {
		if ch.State != "offline" {
			t.Errorf("channel %s is %s: %s", ch.ID, ch.State, ch.StateReason)
		}
	}
	if err := s.Restore(0); err != nil { // its registration has not expired: a keepalive is enough
		t.Fatal(err)
	}
	h.becomes(recorder, "online")
	h.subscribed(recorder)
}

// Section 9 row 9: registers, sends no keepalive, answers questions.
//
// Quirk: 9
func TestADeviceThatAnswersProbesStaysOnline(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *configs.Config) { c.Keepalive = configs.Keepalive{Interval: time.Second, Missed: 2} })
	s := h.run(sim.Config{Quirks: []string{"no-keepalive"}})
	h.complete(camera, 1)
	time.Sleep(14 * time.Second) // it would be offline after 12
	d := h.device(camera)
	if d.State != "online" || s.Stats().Keepalives != 0 {
		t.Errorf("it is %s (%s) after %d keepalives", d.State, d.StateReason, s.Stats().Keepalives)
	}
	doubts := 0
	for _, e := range types(h.events(camera)) {
		if e == "device.offline" {
			t.Error("it was offline")
		}
		if e == "device.unknown" {
			doubts++
		}
	}
	if doubts > 1 { // once it is known to answer it is asked quietly
		t.Errorf("it was doubted %d times", doubts)
	}
}

// channelBecomes waits until a channel is shown in a state and returns how long
// that took.
func (h *house) channelBecomes(device, channel gb28181.ID, state string) (took time.Duration) {
	h.t.Helper()
	began := time.Now()
	eventually(h.t, "channel "+string(channel)+" "+state, func() bool {
		var ch channelView
		h.get("/api/v1/devices/"+string(device)+"/channels/"+string(channel), &ch)
		return ch.State == state
	})
	return time.Since(began)
}

type message struct {
	Dir    string `json:"dir"`
	Status int    `json:"status"`
	Method string `json:"method"`
	CallID string `json:"call_id"`
	Text   string `json:"text"`
}

// trace are the newest SIP messages from and to a device.
func (h *house) trace(id gb28181.ID, since time.Time) []message {
	h.t.Helper()
	var trace struct {
		Items []message `json:"items"`
	}
	h.get("/api/v1/trace?page_size=1000&device="+string(id)+"&since="+since.UTC().Format("2006-01-02T15:04:05.000Z"), &trace)
	return trace.Items
}

// sent is how many requests the server sent to a device that have a word in them.
func (h *house) sent(id gb28181.ID, since time.Time, word string) (n int) {
	h.t.Helper()
	for _, m := range h.trace(id, since) {
		if m.Dir == "out" && m.Status == 0 && strings.Contains(m.Text, word) {
			n++
		}
	}
	return n
}

// calls are the Call-IDs of the requests of a method that the server sent.
func (h *house) calls(id gb28181.ID, since time.Time, method string) map[string]bool {
	h.t.Helper()
	calls := map[string]bool{}
	for _, m := range h.trace(id, since) {
		if m.Dir == "out" && m.Status == 0 && m.Method == method {
			calls[m.CallID] = true
		}
	}
	return calls
}

// User pain 4: a channel that goes off is shown at once, without a new catalog.
func TestAChannelThatGoesOffIsShownAtOnce(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.run(sim.Config{Channels: 4})
	h.complete(recorder, 4)
	h.subscribed(recorder)
	queries := h.sent(recorder, time.Time{}, "<CmdType>Catalog</CmdType>")
	channel := s.Device(0).Channels[2]
	for _, c := range []struct {
		on     bool
		state  string
		online int
	}{{false, "offline", 3}, {true, "online", 4}} {
		if err := s.SetChannel(0, 2, c.on); err != nil {
			t.Fatal(err)
		}
		if took := h.channelBecomes(recorder, channel, c.state); took > 3*time.Second {
			t.Errorf("%s after %v", c.state, took)
		}
		eventually(t, "count", func() bool { return h.device(recorder).Online == c.online })
	}
	if err := s.SetChannel(0, 2, false); err != nil {
		t.Fatal(err)
	}
	h.channelBecomes(recorder, channel, "offline")
	if p := h.refuses(recorder, channel, ""); p.Name != "stream_refused" || !strings.Contains(p.Remedy, "this channel is off") {
		t.Errorf("play fails as %s with remedy %q", p.Name, p.Remedy)
	}
	if n := h.sent(recorder, time.Time{}, "<CmdType>Catalog</CmdType>"); n != queries {
		t.Errorf("%d catalog queries, had been %d", n, queries)
	}
}

// A restart is no reason to call anybody offline, and no device has to register
// again for it (section 9 row 6).
//
// Quirk: 6
func TestARestartKeepsDevicesAndChannels(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.run(sim.Config{Channels: 30, PartSize: 10, Keepalive: 2 * time.Second})
	h.complete(recorder, 30)
	h.subscribed(recorder)
	before := h.channels(recorder)
	if err := s.Drop(0); err != nil { // so that nothing is heard too early
		t.Fatal(err)
	}
	h.close()
	h.start()
	d := h.device(recorder)
	if d.State != "unknown" || d.StateEvidence != "restart" || d.Channels != 30 {
		t.Errorf("after the restart it is %s by %s with %d channels", d.State, d.StateEvidence, d.Channels)
	}
	if after := h.channels(recorder); len(after) != len(before) || after[7].Name != before[7].Name || after[7].State != "unknown" {
		t.Errorf("%d channels, one is %+v", len(after), after[7])
	}
	if err := s.Restore(0); err != nil {
		t.Fatal(err)
	}
	if d := h.becomes(recorder, "online"); d.StateEvidence != "keepalive" {
		t.Errorf("online by %s", d.StateEvidence)
	}
	if n := s.Stats().Registrations; n != 1 {
		t.Errorf("registered %d times", n)
	}
	h.picture(h.plays(recorder, s.Device(0).Channels[3], ""), media.H264, media.PCMA)
	if list := types(h.events(recorder)); slices.Contains(list, "device.offline") {
		t.Errorf("events %v", list)
	}
	// Changes of channels are heard again too.
	h.subscribed(recorder)
}

// A stream that died with the reboot does not stand in the way of the next one.
func TestARebootedDevicePlaysAgainSoon(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{sim.UDP, sim.TCP} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			s := h.run(sim.Config{Transport: transport})
			h.complete(camera, 1)
			h.plays(camera, camera, "udp")
			if err := s.Reboot(0); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the registration after the boot", func() bool { return s.Stats().Registrations == 2 })
			began := time.Now()
			eventually(t, "a picture that goes on", func() bool {
				v := h.watch(h.plays(camera, camera, "udp"))
				defer v.close()
				_, _, err := v.goesOn(2 * time.Second)
				return err == nil
			})
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestARemovedDeviceIsToldToStopAndCanComeBack(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.run(sim.Config{Channels: 3, Keepalive: time.Second})
	h.complete(recorder, 3)
	h.plays(recorder, s.Device(0).Channels[0], "")
	h.must("DELETE", "/api/v1/devices/"+string(recorder), nil, nil)
	eventually(t, "a BYE", func() bool { return s.Stats().Byes == 1 && s.Device(0).Streams == 0 })
	eventually(t, "another registration", func() bool { return s.Stats().Registrations == 2 })
	h.complete(recorder, 3)
	h.picture(h.plays(recorder, s.Device(0).Channels[2], ""), media.H264, media.PCMA)
}

// Over TCP a restart cuts the connection: devices connect and register again.
func TestARestartIsOutlivedOverTCP(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.run(sim.Config{Channels: 5, PartSize: 5, Transport: sim.TCP})
	h.complete(recorder, 5)
	if err := s.Drop(0); err != nil { // so that it does not come back too early
		t.Fatal(err)
	}
	h.close()
	h.start()
	if d := h.device(recorder); d.State != "unknown" || d.Channels != 5 {
		t.Errorf("after the restart it is %s with %d channels", d.State, d.Channels)
	}
	if p := h.refuses(recorder, s.Device(0).Channels[0], ""); p.Name != "device_offline" {
		t.Errorf("play without a connection fails as %s: %s", p.Name, p.Detail)
	}
	if err := s.Restore(0); err != nil {
		t.Fatal(err)
	}
	if d := h.becomes(recorder, "online"); d.Remote != s.Device(0).Addr.String() {
		t.Errorf("online at %s, the device is at %s", d.Remote, s.Device(0).Addr)
	}
	h.subscribed(recorder)
	h.picture(h.plays(recorder, s.Device(0).Channels[0], ""), media.H264, media.PCMA)
}
