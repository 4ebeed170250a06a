package sim_test

import (
	"bytes"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/gbsdp"
	"fengsui/internal/sim"
	"fengsui/internal/sim/wire"
	"fengsui/media"
)

func TestEveryQuirkHasANameAndADescription(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	var all []string
	for _, q := range sim.Quirks() {
		if q.Name == "" || q.Description == "" || names[q.Name] {
			t.Errorf("quirk %+v", q)
		}
		names[q.Name] = true
		all = append(all, q.Name)
	}
	if _, err := sim.New(sim.Config{Server: "127.0.0.1:5060", Quirks: all}); err != nil {
		t.Error(err)
	}
}

func TestNewReportsEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	_, err := sim.New(sim.Config{
		Server: "nowhere", ServerID: "1", FirstID: "2", Transport: "sctp", Video: "vp8", Audio: "mp3", Loss: 2,
		Quirks: []string{"no-such"}, Expect: []string{"wonder"}, Devices: -1,
	})
	if err == nil {
		t.Fatal("New took it")
	}
	for _, part := range []string{"nowhere", "server ID", "first ID", "sctp", "VP8", "MP3", "loss", "no-such", "wonder", "devices"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no word of %s in %v", part, err)
		}
	}
	if _, err := sim.New(sim.Config{Server: "127.0.0.1:5060", FirstID: "34020000001329999999", Devices: 2}); err == nil {
		t.Error("IDs beyond the last sequence were taken")
	}
}

// streamQuirk starts one stream of a camera with a quirk.
func streamQuirk(t *testing.T, quirk string, c sim.Config) (*call, *viewer) {
	t.Helper()
	s := newServer(t)
	c.Quirks, c.Keepalive = []string{quirk}, time.Hour
	s.start(c)
	v := newViewer(t)
	g := s.invite(camera, live(false, "", v.listen()))
	g.ack()
	return g, v
}

func TestSSRCQuirks(t *testing.T) {
	t.Parallel()
	for quirk, check := range map[string]func(answer string, rtp uint32) bool{
		"own-ssrc": func(answer string, rtp uint32) bool {
			n, err := strconv.ParseUint(answer, 10, 32)
			return err == nil && len(answer) == 10 && answer != ssrc && uint32(n) == rtp
		},
		"rtp-ssrc":  func(answer string, rtp uint32) bool { return answer == ssrc && rtp != 200000001 && rtp != 0 },
		"ssrc-zero": func(answer string, rtp uint32) bool { return answer == ssrc && rtp == 0 },
		"no-y":      func(answer string, rtp uint32) bool { return answer == "" && rtp == 200000001 },
	} {
		g, v := streamQuirk(t, quirk, sim.Config{})
		v.watch(1)
		if !check(g.answer.SSRC, v.ssrc) {
			t.Errorf("%s: answered %q, sends %d", quirk, g.answer.SSRC, v.ssrc)
		}
	}
}

func TestSilentCamerasAnswerAndSendNothing(t *testing.T) {
	t.Parallel()
	_, v := streamQuirk(t, "silent", sim.Config{})
	if err := v.packet(300 * time.Millisecond); err == nil {
		t.Error("a packet came")
	}
}

func TestTheFirstKeyPictureComesThreeSecondsLate(t *testing.T) {
	t.Parallel()
	_, v := streamQuirk(t, "late-key", sim.Config{Audio: sim.NoAudio})
	start := time.Now()
	for len(v.frames) == 0 {
		if err := v.packet(4 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took < 2500*time.Millisecond || !v.frames[0].Key {
		t.Errorf("first frame (key %v) after %v", v.frames[0].Key, took)
	}
}

func TestBareStreamsSayTheirFormat(t *testing.T) {
	t.Parallel()
	for codec, pt := range map[media.Codec]byte{media.H264: 98, media.H265: 99} {
		g, v := streamQuirk(t, "bare-es", sim.Config{Video: codec})
		if err := v.packet(time.Second); err != nil {
			t.Fatal(err)
		}
		rx := g.answer.First("video")
		if v.pt != pt || rx.Payloads[0] != pt || !strings.HasPrefix(rx.RTPMap[pt], string(codec)) {
			t.Errorf("%s: sends %d, answered %v %v", codec, v.pt, rx.Payloads, rx.RTPMap)
		}
		if first := v.first[0]; codec == media.H264 && first&0x1f != 7 || codec == media.H265 && first>>1 != 32 {
			t.Errorf("%s: first unit begins %#x", codec, first)
		}
	}
}

func TestABusyCameraRefuses(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start(sim.Config{Quirks: []string{"BUSY"}, Keepalive: time.Hour})
	if r := s.request("INVITE", camera, "", "", inviteHeaders(camera), live(false, "", 40000)); r.Status != 486 {
		t.Errorf("INVITE answered %d", r.Status)
	}
}

func TestAnAnswerCanLackSetup(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start(sim.Config{Quirks: []string{"no-setup"}, Keepalive: time.Hour})
	g := s.invite(camera, live(true, gbsdp.Passive, 40000))
	if rx := g.answer.First("video"); !rx.TCP || rx.Setup != "" || rx.Connection != "" {
		t.Errorf("answer\n%s", g.ok.Body)
	}
}

// name asks for the catalog and returns the raw first part.
func (s *server) firstPart() []byte {
	s.t.Helper()
	s.request("MESSAGE", camera, "", "", nil, query("Catalog", 1, camera))
	r, _ := s.message("MESSAGE", "Response", "Catalog")
	return r.Body
}

func TestCharsetQuirks(t *testing.T) {
	t.Parallel()
	gbk, utf8 := []byte{0xc7, 0xb0, 0xc3, 0xc5}, []byte("前门")
	for _, c := range []struct {
		quirks  []string
		edition gb28181.Edition
		label   string
		bytes   []byte
	}{
		{nil, gb28181.Edition2016, `"GB2312"`, gbk},
		{nil, gb28181.Edition2022, `"GB18030"`, gbk},
		{[]string{"gbk-as-utf8"}, 0, `"UTF-8"`, gbk},
		{[]string{"utf8-as-gb2312"}, 0, `"GB2312"`, utf8},
	} {
		s := newServer(t)
		s.start(sim.Config{Quirks: c.quirks, Edition: c.edition, Keepalive: time.Hour})
		if part := s.firstPart(); !bytes.Contains(part, []byte(c.label)) || !bytes.Contains(part, c.bytes) {
			t.Errorf("%v %v: %q", c.quirks, c.edition, part)
		}
	}
}

func TestCatalogQuirks(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := s.start(sim.Config{Channels: 3, Quirks: []string{"catalog-lost", "catalog-double", "self-item", "online-words"}, Keepalive: time.Hour})
	s.request("MESSAGE", recorder, "", "", nil, query("Catalog", 1, recorder))
	_, body := s.message("MESSAGE", "Response", "Catalog")
	part, err := body.AsCatalogResponse()
	if err != nil || part.SumNum != 7 || len(part.Items) != 5 || part.Items[0].DeviceID != recorder ||
		part.Items[1].DeviceID != part.Items[2].DeviceID || part.Items[1].Status != "ONLINE" {
		t.Errorf("first part %+v, %v", part, err)
	}
	eventually(t, "first part taken", func() bool { return m.Stats().CatalogParts == 1 })
	time.Sleep(30 * time.Millisecond)
	if n := s.has(func(r received) bool { return bytes.Contains(r.Body, []byte("<SumNum>")) }); n != 0 {
		t.Error("the last part came")
	}
	if parts := s.collect(m, 2, recorder); len(parts) != 2 { // the second time it is whole
		t.Errorf("%d parts, want 2", len(parts))
	}
}

func TestHeaderQuirks(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start(sim.Config{Quirks: []string{"no-contact", "no-rport", "same-cseq", "expires-in-contact"}, Keepalive: 50 * time.Millisecond})
	r := s.wait("REGISTER", func(r received) bool { return r.Method == "REGISTER" })
	if r.Get("Contact") != "" || r.Get("Expires") != "" || strings.Contains(r.Get("Via"), "rport") {
		t.Errorf("REGISTER\n%s", r.Append(nil))
	}
	for range 2 {
		if k, _ := s.message("MESSAGE", "Notify", "Keepalive"); k.Get("CSeq") != "20 MESSAGE" {
			t.Errorf("CSeq %q", k.Get("CSeq"))
		}
	}
	other := newServer(t)
	other.start(sim.Config{Quirks: []string{"expires-in-contact"}})
	r = other.wait("REGISTER", func(r received) bool { return r.Method == "REGISTER" })
	if wire.Param(r.Get("Contact"), "expires") != "3600" {
		t.Errorf("Contact %q", r.Get("Contact"))
	}
}

func TestAWrongLengthCountsCharacters(t *testing.T) {
	t.Parallel()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := &server{t: t, addr: c.LocalAddr().String()}
	s.launch(sim.Config{Quirks: []string{"wrong-length"}, Keepalive: time.Hour})
	buf := make([]byte, 4096)
	seen := false
	for !seen {
		if err := c.SetReadDeadline(time.Now().Add(3 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			t.Fatal(err)
		}
		m, err := wire.Parse(buf[:n])
		if err != nil {
			t.Fatal(err)
		}
		answer := respond(m, 200, wire.Header{Name: "Expires", Value: "3600"})
		if _, err := c.WriteToUDPAddrPort(answer, from); err != nil {
			t.Fatal(err)
		}
		if m.Method == "REGISTER" && m.Get("Expires") != "0" {
			q := &wire.Message{Method: "MESSAGE", URI: "sip:" + camera + "@x", Body: query("DeviceInfo", 1, camera), Headers: []wire.Header{
				{Name: "Via", Value: "SIP/2.0/UDP x;branch=z9hG4bKq"}, {Name: "Call-ID", Value: "q"}, {Name: "CSeq", Value: "1 MESSAGE"},
				{Name: "To", Value: "<sip:" + camera + "@x>"}, {Name: "From", Value: "<sip:s@x>;tag=1"},
			}}
			if _, err := c.WriteToUDPAddrPort(q.Append(nil), from); err != nil {
				t.Fatal(err)
			}
		}
		if m.Method == "MESSAGE" {
			length, _ := strconv.Atoi(m.Get("Content-Length"))
			_, whole, _ := bytes.Cut(buf[:n], []byte("\r\n\r\n"))
			if length != len(whole)-2 { // "前门" has two characters in four bytes
				t.Errorf("Content-Length %d of %d bytes", length, len(whole))
			}
			seen = true
		}
	}
}

func TestPortChangeAndMove(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]sim.Config{"own": {}, "shared": {Sockets: 2}} {
		s := newServer(t)
		c.Quirks, c.Keepalive = []string{"port-change"}, 50*time.Millisecond
		m := s.start(c)
		keepalive := func() peer {
			r, _ := s.message("MESSAGE", "Notify", "Keepalive")
			return r.from
		}
		first := keepalive()
		if keepalive() != first {
			t.Errorf("%s: moved too early", name)
		}
		moved := keepalive()
		if moved == first || m.Device(0).Addr != moved.addr {
			t.Errorf("%s: still at %v", name, first)
		}
		if err := m.Move(0); err != nil {
			t.Fatal(err)
		}
		eventually(t, "second move", func() bool { return keepalive() != moved })
		if m.Stats().Registrations != 1 {
			t.Errorf("%s: %d registrations", name, m.Stats().Registrations)
		}
	}
}

func TestAMovedDeviceIsDeafAtItsOldAddress(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := s.start(sim.Config{Sockets: 2, Keepalive: time.Hour})
	old := m.Device(0).Addr
	if err := m.Move(0); err != nil {
		t.Fatal(err)
	}
	now := m.Device(0).Addr
	s.send("OPTIONS", camera, "", "", nil, nil) // to the address of the registration
	s.script(func() { r := s.registry[camera]; r.from.addr = now; s.registry[camera] = r })
	if r := s.request("OPTIONS", camera, "", "", nil, nil); r.from.addr != now || old == now {
		t.Errorf("answer from %v, want %v", r.from.addr, now)
	}
	if n := s.has(func(r received) bool { return r.Status != 0 }); n != 0 {
		t.Error("it answered at its old address")
	}
}

func TestADroppedDeviceIsGoneUntilItIsRestored(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := s.start(sim.Config{Keepalive: 50 * time.Millisecond})
	v := newViewer(t)
	s.invite(camera, live(false, "", v.listen())).ack()
	v.watch(1)
	if err := m.Drop(0); err != nil {
		t.Fatal(err)
	}
	for v.packet(100*time.Millisecond) == nil { // what was on the way
	}
	keepalives := func() int { return s.has(func(r received) bool { return r.Method == "MESSAGE" }) }
	before := keepalives()
	s.send("OPTIONS", camera, "", "", nil, nil)
	time.Sleep(150 * time.Millisecond)
	if n := keepalives(); n != before {
		t.Errorf("%d keepalives while dropped", n-before)
	}
	if n := s.has(func(r received) bool { return strings.HasSuffix(r.Get("CSeq"), "OPTIONS") }); n != 0 {
		t.Error("it answered while dropped")
	}
	if err := m.Restore(0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "keepalives again", func() bool { return keepalives() > before })
	if err := m.Drop(1); !errors.Is(err, sim.ErrNoDevice) {
		t.Errorf("Drop of no device = %v", err)
	}
}

func TestARebootedDeviceRegistersWithANewCallID(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{sim.UDP, sim.TCP} {
		s := newServer(t)
		m := s.start(sim.Config{Transport: transport, Keepalive: time.Hour})
		registered := func() registration {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.registry[camera]
		}
		first := registered()
		boot := "<Control><CmdType>DeviceControl</CmdType><SN>9</SN><DeviceID>" + camera + "</DeviceID><TeleBoot>Boot</TeleBoot></Control>"
		s.request("MESSAGE", camera, "", "", nil, []byte(boot))
		eventually(t, "registration", func() bool { return registered().count == 2 && m.Stats().Registered == 1 })
		if registered().callID == first.callID {
			t.Errorf("%s: same Call-ID", transport)
		}
	}
}

func TestADeviceThatRejoinsKeepsItsStreams(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := s.start(sim.Config{Keepalive: time.Hour})
	v := newViewer(t)
	s.invite(camera, live(false, "", v.listen())).ack()
	v.watch(1)
	registered := func() registration {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.registry[camera]
	}
	first := registered()
	if err := m.Rejoin(0); err != nil {
		t.Fatal(err)
	}
	s.wait("REGISTER", func(r received) bool { return r.Method == "REGISTER" && r.Get("Expires") == "0" })
	eventually(t, "registration", func() bool { return m.Stats().Registered == 1 && m.Stats().Registrations == 2 })
	if registered().callID == first.callID || m.Device(0).Streams != 1 {
		t.Errorf("registration %+v after %+v, %d streams", registered(), first, m.Device(0).Streams)
	}
}

func TestADeafCameraEndsAtTheSecondBye(t *testing.T) {
	t.Parallel()
	g, v := streamQuirk(t, "deaf-bye", sim.Config{})
	v.watch(1)
	if status := g.bye(); status != 200 {
		t.Errorf("first BYE answered %d", status)
	}
	v.watch(3)
	if status := g.bye(); status != 200 {
		t.Errorf("second BYE answered %d", status)
	}
	for v.packet(100*time.Millisecond) == nil { // what was on the way
	}
}

func TestADeviceOverTCPReconnects(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := s.start(sim.Config{
		Transport: sim.TCP, Devices: 4, Keepalive: 50 * time.Millisecond, Retry: 50 * time.Millisecond, Quirks: []string{"split-crlf"},
	})
	s.message("MESSAGE", "Notify", "Keepalive")
	s.request("MESSAGE", camera, "", "", nil, query("Catalog", 5, camera))
	if _, body := s.message("MESSAGE", "Response", "Catalog"); body.SN != 5 {
		t.Errorf("SN %d", body.SN)
	}
	s.closeConns()
	eventually(t, "registered anew", func() bool { st := m.Stats(); return st.Registered == 4 && st.Registrations == 8 })
	if err := m.Move(1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "registered after the move", func() bool { st := m.Stats(); return st.Registered == 4 && st.Registrations == 9 })
}

// Conformance: simulator Notify/Alarm 2016
func TestAlarmsAreReported(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := s.start(sim.Config{Channels: 2, Keepalive: time.Hour})
	if err := m.Alarm(0, 1, 6); err != nil {
		t.Fatal(err)
	}
	if _, body := s.message("MESSAGE", "Notify", "Alarm"); body.DeviceID != "34020000001320000002" {
		t.Errorf("alarm of %s", body.DeviceID)
	}
	if err := m.Alarm(0, 2, 6); err == nil {
		t.Error("alarm of no channel")
	}
}

func TestManyDevicesShareFewSockets(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := s.start(sim.Config{Devices: 300, Channels: 2, Keepalive: 200 * time.Millisecond, Rate: 3000})
	from := map[peer]bool{}
	s.script(func() {
		for _, r := range s.registry {
			from[r.from] = true
		}
	})
	if len(from) != 16 {
		t.Errorf("%d source addresses, want 16", len(from))
	}
	eventually(t, "keepalives", func() bool { return m.Stats().Keepalives > 300 })
	id := "34020000001180000300"
	s.request("MESSAGE", id, "", "", nil, query("Catalog", 11, gb28181.ID(id)))
	r, body := s.message("MESSAGE", "Response", "Catalog")
	part, err := body.AsCatalogResponse()
	if err != nil || part.SumNum != 2 || part.Items[0].DeviceID != "34020000001320000599" || wire.User(r.Get("From")) != id {
		t.Errorf("%+v, %v", part, err)
	}
	if r := s.request("INVITE", "34020000001329999999", "", "", inviteHeaders(camera), live(false, "", 40000)); r.Status != 404 {
		t.Errorf("INVITE of an unknown channel answered %d", r.Status)
	}
	if m.Unmet() != nil {
		t.Error(m.Unmet())
	}
}

func TestLostDatagramsAreMadeGood(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := s.start(sim.Config{Devices: 50, SIPLoss: 0.2, T1: 10 * time.Millisecond, Retry: 100 * time.Millisecond})
	if st := m.Stats(); st.Retransmitted == 0 {
		t.Errorf("%s", st)
	}
}
