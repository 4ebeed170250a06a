package sim_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/internal/sim"
	"fengsui/internal/sim/wire"
	"fengsui/sip/digest"
)

func TestDevicesRegisterWithEveryDigest(t *testing.T) {
	for _, algo := range []digest.Algorithm{digest.MD5, digest.SHA256, digest.SM3} {
		for _, qop := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s qop %v", algo, qop), func(t *testing.T) {
				t.Parallel()
				s := newServer(t)
				s.script(func() { s.algo, s.qop = algo, qop })
				m := s.start(sim.Config{Devices: 3, Edition: gb28181.Edition2022})
				first := s.wait("REGISTER", func(r received) bool { return r.Method == "REGISTER" })
				second := s.wait("second REGISTER", func(r received) bool {
					return r.Method == "REGISTER" && r.Get("Call-ID") == first.Get("Call-ID") && r.Get("Authorization") != ""
				})
				a, _ := first.CSeq()
				b, _ := second.CSeq()
				if b != a+1 || second.Get("X-GB-Ver") != "3.0" || first.Get("Expires") != "3600" ||
					!strings.Contains(first.Get("Contact"), "@127.0.0.1:") {
					t.Errorf("REGISTERs:\n%s\n%s", first.Append(nil), second.Append(nil))
				}
				if st := m.Stats(); st.Registered != 3 || st.Registrations != 3 || st.Failed != 0 {
					t.Errorf("%s", st)
				}
				if d := m.Device(2); d.ID != "34020000001320000003" || !d.Registered || len(d.Channels) != 1 || d.Channels[0] != d.ID {
					t.Errorf("Device = %+v", d)
				}
			})
		}
	}
}

func TestDevicesUnregisterAtTheEnd(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	t.Cleanup(func() { // after the simulation ended
		s.mu.Lock()
		defer s.mu.Unlock()
		for i := range 5 {
			id := fmt.Sprintf("3402000000132000000%d", i+1)
			if got := s.registry[id].expires; got != "0" {
				t.Errorf("%s: last Expires is %q, want 0", id, got)
			}
		}
	})
	s.start(sim.Config{Devices: 5})
}

func TestAWrongPasswordIsReportedAndNotTriedInALoop(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := s.launch(sim.Config{Password: "wrong", Retry: 20 * time.Second, Expect: []string{"registered"}})
	eventually(t, "failure", func() bool { return m.Stats().Failed == 1 })
	st := m.Stats()
	if len(st.Errors) != 1 || st.Errors[0].Device != camera || !strings.HasPrefix(st.Errors[0].Reason, "register: 403") {
		t.Errorf("%s", st)
	}
	time.Sleep(50 * time.Millisecond)
	if n := s.has(func(r received) bool { return r.Method == "REGISTER" }); n != 2 {
		t.Errorf("%d REGISTERs, want 2", n)
	}
	if un := m.Unmet(); len(un) != 1 || !strings.Contains(un[0], "registered") {
		t.Errorf("Unmet = %q", un)
	}
}

func TestRegistrationIsRefreshedBeforeItExpires(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start(sim.Config{Expires: time.Second})
	registered := func() registration {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.registry[camera]
	}
	first := registered()
	eventually(t, "refresh", func() bool { return registered().count == 2 })
	if took := registered().at.Sub(first.at); took < 700*time.Millisecond || took > 990*time.Millisecond {
		t.Errorf("refreshed after %v of 1 s", took)
	}
	if registered().callID != first.callID {
		t.Error("the refresh has another Call-ID")
	}
}

func TestRequestsAreSentAgainUntilAnswered(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.script(func() { s.mute = true })
	m := s.launch(sim.Config{T1: 20 * time.Millisecond})
	eventually(t, "retransmissions", func() bool { return m.Stats().Retransmitted >= 3 })
	s.script(func() { s.mute = false })
	eventually(t, "registration", func() bool { return m.Stats().Registered == 1 })
}

// Conformance: simulator Notify/Keepalive 2016 2022
func TestKeepalivesComeAndTheirLossMakesTheDeviceRegisterAgain(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := s.start(sim.Config{Keepalive: 100 * time.Millisecond, Retry: 100 * time.Millisecond})
	_, body := s.message("MESSAGE", "Notify", "Keepalive")
	if k, err := body.AsKeepalive(); err != nil || k.DeviceID != camera || !k.OK {
		t.Errorf("keepalive %+v, %v", k, err)
	}
	eventually(t, "keepalives counted", func() bool { return m.Stats().Keepalives >= 3 })
	s.script(func() { s.fixed["MESSAGE"] = 403 })
	eventually(t, "registration after a refused keepalive", func() bool { return m.Stats().Registrations >= 2 })
	s.script(func() { delete(s.fixed, "MESSAGE"); s.mute = true })
	eventually(t, "loss noticed", func() bool { return m.Stats().Registered == 0 })
	s.script(func() { s.mute = false })
	eventually(t, "registration after silence", func() bool { return m.Stats().Registered == 1 })
}

func query(cmd string, sn int, id gb28181.ID) []byte {
	return manscdp.QueryBody(cmd, sn, id, manscdp.GB2312)
}

// collect asks for the catalog and reads parts until n came or none comes.
func (s *server) collect(m *sim.Sim, sn int, id gb28181.ID) (parts []manscdp.CatalogResponse) {
	s.t.Helper()
	before := m.Stats().CatalogParts
	if r := s.request("MESSAGE", string(id), "", "", nil, query("Catalog", sn, id)); r.Status != 200 || len(r.Body) != 0 {
		s.t.Fatalf("catalog query answered %d %q", r.Status, r.Body)
	}
	for items, sum := 0, 1; items < sum; {
		_, body := s.message("MESSAGE", "Response", "Catalog")
		part, err := body.AsCatalogResponse()
		if err != nil {
			s.t.Fatal(err)
		}
		if body.SN != sn || part.DeviceID != id {
			s.t.Errorf("part of query %d for %s, want %d for %s", body.SN, part.DeviceID, sn, id)
		}
		items, sum = items+len(part.Items), part.SumNum
		parts = append(parts, part)
	}
	eventually(s.t, "parts taken", func() bool { return m.Stats().CatalogParts == before+uint64(len(parts)) })
	return parts
}

func TestARecorderSendsItsCatalogInParts(t *testing.T) {
	t.Parallel()
	for _, edition := range []gb28181.Edition{gb28181.Edition2016, gb28181.Edition2022} {
		s := newServer(t)
		m := s.start(sim.Config{Channels: 5, Edition: edition})
		parts := s.collect(m, 248, recorder)
		if len(parts) != 3 || parts[0].SumNum != 5 {
			t.Fatalf("%d parts, SumNum %d", len(parts), parts[0].SumNum)
		}
		n := 0
		for _, p := range parts {
			for _, item := range p.Items {
				n++
				on, known := item.On()
				if want := fmt.Sprintf("3402000000132000000%d", n); string(item.DeviceID) != want || item.ParentID != recorder || !on || !known {
					t.Errorf("item %d = %+v", n, item)
				}
				if want := []string{"前门 01", "后门 02", "大厅 03", "车库 04", "走廊 05"}[n-1]; item.Name != want {
					t.Errorf("item %d is called %q, want %q", n, item.Name, want)
				}
			}
		}
		if one := s.collect(m, 249, "34020000001320000004"); len(one) != 1 || one[0].SumNum != 1 || one[0].Items[0].Name != "车库 04" {
			t.Errorf("catalog of one channel = %+v", one)
		}
	}
}

func TestQueriesAndControlsAreAnswered(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start(sim.Config{Channels: 2, Keepalive: time.Hour})
	ask := func(cmd string) *manscdp.Message {
		t.Helper()
		if r := s.request("MESSAGE", recorder, "", "", nil, query(cmd, 7, recorder)); r.Status != 200 {
			t.Fatalf("%s answered %d", cmd, r.Status)
		}
		_, body := s.message("MESSAGE", "Response", cmd)
		if body.SN != 7 || body.DeviceID != recorder {
			t.Errorf("%s: SN %d, DeviceID %s", cmd, body.SN, body.DeviceID)
		}
		return body
	}
	if info, err := ask("DeviceInfo").AsDeviceInfo(); err != nil || info.Name != "录像机 01" || info.Manufacturer != "Fengsui" {
		t.Errorf("DeviceInfo = %+v, %v", info, err)
	}
	if st, err := ask("DeviceStatus").AsDeviceStatus(); err != nil {
		t.Errorf("DeviceStatus = %+v, %v", st, err)
	}
	for _, cmd := range []string{"ConfigDownload", "PresetQuery", "PTZPosition", "SDCardStatus", "SomethingNew"} {
		ask(cmd)
	}
	control := func(inner string) {
		t.Helper()
		body := "<Control><CmdType>DeviceControl</CmdType><SN>9</SN><DeviceID>" + recorder + "</DeviceID>" + inner + "</Control>"
		if r := s.request("MESSAGE", recorder, "", "", nil, []byte(body)); r.Status != 200 {
			t.Fatalf("%s answered %d", inner, r.Status)
		}
	}
	control("<PTZCmd>A50F0101200000D6</PTZCmd>") // has no Response
	control("<GuardCmd>SetGuard</GuardCmd>")
	if _, body := s.message("MESSAGE", "Response", "DeviceControl"); body.SN != 9 {
		t.Errorf("SN %d", body.SN)
	}
	if n := s.has(func(r received) bool { return r.Method == "MESSAGE" && bytes.Contains(r.Body, []byte("DeviceControl")) }); n != 0 {
		t.Errorf("%d Responses too many", n)
	}
	if r := s.request("OPTIONS", recorder, "", "", nil, nil); r.Status != 200 || !strings.Contains(r.Get("Allow"), "INVITE") {
		t.Errorf("OPTIONS answered %d, Allow %q", r.Status, r.Get("Allow"))
	}
	if r := s.request("MESSAGE", recorder, "", "", nil, []byte("no XML")); r.Status != 400 {
		t.Errorf("junk answered %d", r.Status)
	}
	if r := s.request("PUBLISH", recorder, "", "", nil, nil); r.Status != 405 {
		t.Errorf("PUBLISH answered %d", r.Status)
	}
}

func TestARetransmittedQueryHasNoSecondEffect(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := s.start(sim.Config{Keepalive: time.Hour})
	s.request("MESSAGE", camera, "", "", nil, query("DeviceInfo", 1, camera))
	s.message("MESSAGE", "Response", "DeviceInfo")
	s.script(func() { s.cseq-- }) // the next request has the same branch
	s.request("MESSAGE", camera, "", "", nil, query("DeviceInfo", 1, camera))
	if st := m.Stats(); st.Queries != 1 {
		t.Errorf("%d queries, want 1", st.Queries)
	}
}

// Conformance: simulator Notify/Catalog 2016
func TestSubscribersHearOfChannels(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := s.start(sim.Config{Channels: 3, Keepalive: time.Hour})
	if err := m.SetChannel(0, 1, false); err != nil {
		t.Fatal(err)
	}
	event := []wire.Header{{Name: "Event", Value: "Catalog;id=4021"}, {Name: "Expires", Value: "600"}}
	ok := s.request("SUBSCRIBE", recorder, "sub@server", "", event, query("Catalog", 3, recorder))
	tag := wire.Param(ok.Get("To"), "tag")
	if ok.Status != 200 || ok.Get("Expires") != "600" || tag == "" {
		t.Fatalf("SUBSCRIBE answered\n%s", ok.Append(nil))
	}
	notify := func(channel gb28181.ID, change string) received {
		t.Helper()
		r, body := s.message("NOTIFY", "Notify", "Catalog")
		n, err := body.AsCatalogNotify()
		if err != nil || len(n.Items) != 1 || n.Items[0].DeviceID != channel || n.Items[0].Event != change {
			t.Fatalf("notified %+v, %v, want %s %s", n, err, channel, change)
		}
		if r.Get("Event") != "Catalog;id=4021" || r.Get("Call-ID") != "sub@server" || wire.Param(r.Get("From"), "tag") != tag ||
			wire.Param(r.Get("To"), "tag") != "server" || !strings.HasPrefix(r.Get("Subscription-State"), "active;expires=") {
			t.Errorf("NOTIFY\n%s", r.Append(nil))
		}
		return r
	}
	notify("34020000001320000002", "OFF") // what is off is told at once
	for _, change := range []string{"OFF", "ON"} {
		for range 2 { // the second time nothing changes
			if err := m.SetChannel(0, 2, change == "ON"); err != nil {
				t.Fatal(err)
			}
		}
		notify("34020000001320000003", change)
	}
	if n := s.has(func(r received) bool { return r.Method == "NOTIFY" }); n != 0 {
		t.Errorf("%d NOTIFYs too many", n)
	}
	if r := s.request("SUBSCRIBE", recorder, "sub@server", tag, []wire.Header{event[0], {Name: "Expires", Value: "0"}}, nil); r.Status != 200 {
		t.Fatalf("end of subscription answered %d", r.Status)
	}
	s.wait("last NOTIFY", func(r received) bool { return r.Method == "NOTIFY" && r.Get("Subscription-State") == "terminated" })
	if r := s.request("SUBSCRIBE", recorder, "other@server", "stale", event, nil); r.Status != 481 {
		t.Errorf("SUBSCRIBE in an unknown dialog answered %d", r.Status)
	}
}
