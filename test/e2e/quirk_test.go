package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"fengsui/internal/sim"
)

// Faults of real firmware that must not keep a picture away. A quirk is tried
// with the transports it has to do with. On the one port, media of an unknown
// SSRC can be told apart only by the address they come from, and all cameras here
// have the same: those that send such are tried one by one, and beside each other
// with ports of their own.
func TestFaultyFirmwareShowsItsPictureAllTheSame(t *testing.T) {
	t.Parallel()
	s := start(t, "media.packet_timeout=4s", "keepalive.interval=5s")
	cases := []struct {
		quirk     string
		sip       string
		transport string // of media; "" leaves the choice to the server
		mode      string // of media; "" is single
	}{
		{"own-ssrc", sim.UDP, "udp", ""}, {"own-ssrc", sim.UDP, "tcp-passive", ""},
		{"rtp-ssrc", sim.UDP, "udp", ""}, {"rtp-ssrc", sim.UDP, "tcp-passive", ""},
		{"ssrc-zero", sim.UDP, "udp", ""}, {"ssrc-zero", sim.UDP, "tcp-passive", ""},
		{"rtp-ssrc", sim.UDP, "udp", "range"}, {"rtp-ssrc", sim.UDP, "tcp-passive", "range"},
		{"ssrc-zero", sim.UDP, "udp", "range"}, {"ssrc-zero", sim.UDP, "tcp-passive", "range"},
		{"no-y", sim.UDP, "udp", ""},
		{"no-setup", sim.UDP, "tcp-passive", ""}, {"no-setup", sim.UDP, "tcp-active", ""},
		{"bare-es", sim.UDP, "udp", ""}, {"bare-es", sim.UDP, "tcp-passive", ""},
		{"late-key", sim.UDP, "udp", ""},
		{"late-answer", sim.UDP, "udp", ""},
		{"gbk-as-utf8", sim.UDP, "", ""}, {"utf8-as-gb2312", sim.UDP, "", ""},
		{"catalog-lost", sim.UDP, "", ""}, {"catalog-double", sim.UDP, "", ""}, {"self-item", sim.UDP, "", ""}, {"online-words", sim.UDP, "", ""},
		{"no-contact", sim.UDP, "", ""}, {"no-rport", sim.UDP, "", ""}, {"expires-in-contact", sim.UDP, "", ""},
		{"wrong-length", sim.UDP, "", ""}, {"wrong-length", sim.TCP, "", ""}, {"split-crlf", sim.UDP, "", ""}, {"split-crlf", sim.TCP, "", ""},
		{"port-change", sim.UDP, "", ""}, {"same-cseq", sim.UDP, "", ""}, {"same-cseq", sim.TCP, "", ""},
	}
	for i, c := range cases {
		t.Run(strings.TrimSpace(c.quirk+" "+c.sip+" "+c.transport+" "+c.mode), func(t *testing.T) {
			if c.quirk != "rtp-ssrc" && c.quirk != "ssrc-zero" || c.mode == "range" {
				t.Parallel()
			}
			cfg := sim.Config{FirstID: gbID(fmt.Sprintf("3402000000132%07d", 100*(i+1))), Transport: c.sip, Quirks: []string{c.quirk}, Keepalive: time.Second}
			if c.quirk == "catalog-lost" || c.quirk == "catalog-double" || c.quirk == "self-item" {
				cfg.Channels, cfg.FirstID = 5, gbID(fmt.Sprintf("3402000000118%07d", 100*(i+1)))
			}
			devices := simulate(t, s, cfg)
			d := devices.Device(0)
			device, channel := string(d.ID), string(d.Channels[0])
			if c.quirk == "port-change" {
				eventually(t, 15*time.Second, func() string {
					got, now := s.device(t, device), devices.Device(0).Addr.String()
					if devices.Stats().Keepalives < 4 || got.Remote != now || got.State != "online" {
						return fmt.Sprintf("%+v, want it online at %s", got, now)
					}
					return ""
				})
			}
			list := get[page[struct{ ID, Name, State string }]](t, s.client, "/api/v1/devices/"+device+"/channels")
			if list.Total != max(1, cfg.Channels) {
				t.Errorf("%d channels, want %d: %+v", list.Total, max(1, cfg.Channels), list.Items)
			}
			for _, ch := range list.Items {
				if !han(ch.Name) || ch.State != "online" {
					t.Errorf("channel %+v, want it online with its Chinese name", ch)
				}
			}
			choice := []string{}
			if c.transport != "" {
				choice = []string{"transport", c.transport}
			}
			if c.mode != "" {
				want[deviceInfo](t, s.call(t, http.MethodPatch, "/api/v1/devices/"+device, map[string]string{"media_mode": c.mode}), http.StatusOK)
			}
			st := s.live(t, device, channel, choice...)
			watch(t, st.URLs["flv"], "avc", 30)
			if devices.Stats().Unreadable > 0 {
				t.Errorf("the device could not read %d messages", devices.Stats().Unreadable)
			}
		})
	}
}

func TestCallerWhoLeavesGivesTheStartUp(t *testing.T) {
	t.Parallel()
	s := start(t)
	devices := simulate(t, s, sim.Config{Quirks: []string{"late-answer"}})
	id := devices.id(0)
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	if _, err := connect(ctx, s.base+"/live/"+id+"_"+id+".flv", s.token); err == nil {
		t.Fatal("a picture came before the device answered")
	}
	eventually(t, 10*time.Second, func() string {
		held := s.mediaLeases(t)
		delete(held, "dialogs")
		if n := get[page[streamInfo]](t, s.client, "/api/v1/streams").Total; n != 0 || len(held) != 0 || devices.Stats().Streaming != 0 {
			return fmt.Sprintf("%d streams, leases %v, %d sent", n, held, devices.Stats().Streaming)
		}
		return ""
	})
	methods := capture(t, s, "?device="+id)
	if methods["INVITE"] != 1 || methods["CANCEL"] != 1 {
		t.Errorf("sent %v, want one INVITE and one CANCEL", methods)
	}
}

func TestStoppedStreamEndsForAll(t *testing.T) {
	t.Parallel()
	s := start(t)
	devices := simulate(t, s, sim.Config{})
	id := devices.id(0)
	st := s.live(t, id, id)
	v := view(t.Context(), st.URLs["flv"], "", 2)
	defer v.end()
	eventually(t, 15*time.Second, func() string { return v.all(10) })
	if a := s.call(t, http.MethodDelete, "/api/v1/streams/"+st.ID, nil); a.status != http.StatusNoContent {
		t.Errorf("DELETE: %d %s", a.status, a.body)
	}
	v.wg.Wait()
	if n := devices.Stats(); n.Byes != 1 || n.Streaming != 0 {
		t.Errorf("%d BYEs, %d streams go on", n.Byes, n.Streaming)
	}
	refused(t, s.call(t, http.MethodGet, "/api/v1/streams/"+st.ID, nil), http.StatusNotFound)
}

func TestMovedCameraIsFollowed(t *testing.T) {
	t.Parallel()
	s := start(t)
	devices := simulate(t, s, sim.Config{})
	id := devices.id(0)
	before := s.device(t, id).Remote
	if err := devices.Move(0); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, func() string {
		if d := s.device(t, id); d.Remote == before || d.State != "online" {
			return fmt.Sprintf("%+v, want it followed from %s", d, before)
		}
		return ""
	})
	decode(t, s.live(t, id, id).URLs["flv"], 10)
	names := []string{}
	for _, m := range get[page[messageInfo]](t, s.client, "/api/v1/trace?device="+id).Items {
		if m.Method == "INVITE" && m.Dir == "out" {
			names = append(names, m.Label)
		}
	}
	if !slices.Contains(names, "INVITE") {
		t.Errorf("the ladder shows %v, want the INVITE at the new address", names)
	}
}
