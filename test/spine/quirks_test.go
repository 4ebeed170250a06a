package spine_test

import (
	"strings"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/internal/sim"
	"fengsui/media"
)

// quirkRow is what becomes of a device with one quirk.
type quirkRow struct {
	quirk     string
	row       string // of signalling.md section 9, or where else the quirk is described
	device    sim.Config
	transport string // of media

	// Where the picture does not come: the stage, the API's name for it and a
	// word of the remedy.
	stage, problem, remedy string

	check     func(h *house, s *sim.Sim, d deviceView) // after the catalog
	noCatalog bool                                     // it never comes
	noSound   bool
	deaf      bool // a BYE does not end its stream
	onlyUDP   bool // over TCP it is another story
}

// quirkRows has one row for each of sim.Quirks.
var quirkRows = []quirkRow{
	{quirk: "own-ssrc", row: "30"},
	{quirk: "rtp-ssrc", row: "30"},
	{quirk: "ssrc-zero", row: "30"},
	{quirk: "no-y", row: "30"},
	{quirk: "no-setup", row: "51", transport: "tcp-passive"},
	{quirk: "bare-es", row: "media.md 1.3", noSound: true},
	{quirk: "late-key", row: "media.md 1.3"},
	{quirk: "late-answer", row: "12"},
	{quirk: "busy", row: "34", stage: "offer", problem: "stream_busy", remedy: "sub stream"},
	{quirk: "silent", row: "6.5", stage: "first_packet", problem: "no_packet", remedy: "media.advertise"},
	{quirk: "gbk-as-utf8", row: "14", device: sim.Config{Channels: 3}, check: namesAreRight},
	{quirk: "utf8-as-gb2312", row: "14", device: sim.Config{Channels: 3}, check: namesAreRight},
	{quirk: "catalog-lost", row: "19, 39", device: sim.Config{Channels: 5}},
	{quirk: "catalog-double", row: "18", device: sim.Config{Channels: 3}},
	{quirk: "self-item", row: "17", device: sim.Config{Channels: 3}, check: noChannelIsTheDevice},
	{quirk: "online-words", row: "16", device: sim.Config{Channels: 3}, check: statusWords},
	{quirk: "no-contact", row: "2"},
	{quirk: "no-rport", row: "4"},
	{quirk: "expires-in-contact", row: "3"},
	{quirk: "wrong-length", row: "38", device: sim.Config{Channels: 3}, check: namesAreRight},
	{quirk: "split-crlf", row: "38", device: sim.Config{Channels: 3}},
	{quirk: "port-change", row: "5", device: sim.Config{Keepalive: 500 * time.Millisecond}, check: hasMoved, onlyUDP: true},
	{quirk: "no-keepalive", row: "9"},
	{quirk: "same-cseq", row: "37", device: sim.Config{Channels: 5, PartSize: 1, Keepalive: 200 * time.Millisecond}},
	{quirk: "config-password", row: "52", check: passwordIsDropped},
	{quirk: "config-renamed", row: "28", check: configIsRead},
	{quirk: "config-split", row: "3.12", check: configIsRead},
	{quirk: "config-rejoin", row: "27", check: configRejoins},
	// Their lists and playbacks are in records_test.go and playback_test.go; here they are cameras like others.
	{quirk: "records-double", row: "25"},
	{quirk: "records-sum", row: "25"},
	{quirk: "records-stall", row: "25"},
	{quirk: "records-once", row: "39"},
	{quirk: "records-end", row: "25"},
	{quirk: "no-media-status", row: "29"},
	{quirk: "ignore-range", row: "6.7"},
	{quirk: "ignore-scale", row: "6.7"},
	// Their downloads are in download_test.go.
	{quirk: "status-stray", row: "29"},
	{quirk: "status-early", row: "6.6"},
	{quirk: "status-info", row: "6.6"},
	{quirk: "end-by-bye", row: "6.6"},
	{quirk: "recording-cut", row: "34"},
	{quirk: "one-speed", row: "6.1"},
	{quirk: "size-odd", row: "6.1"},
	// How they speak and hear is in talk_test.go.
	{quirk: "no-speaker", row: "6.9"},
	{quirk: "broadcast-busy", row: "6.9"},
	{quirk: "broadcast-unheard", row: "6.9"},
	{quirk: "broadcast-late", row: "6.9"},
	{quirk: "broadcast-early", row: "6.9"},
	{quirk: "broadcast-wordless", row: "6.9"},
	{quirk: "ps-sound", row: "6.9"},
	{quirk: "mu-law-sound", row: "6.9"},
	{quirk: "no-subject", row: "36"},
	{quirk: "sound-before-ack", row: "35"},
	{quirk: "ack-before-sound", row: "35"},
	{quirk: "hangs-up", row: "6.9"},
	{quirk: "no-talk", row: "6.10"},
	{quirk: "talk-two-lines", row: "6.10"},
	{quirk: "no-answer", row: "2.13", noCatalog: true, check: catalogIsAwaited},
	{quirk: "deaf-bye", row: "32", deaf: true},
	{quirk: "strict", row: "49", device: sim.Config{Channels: 3, Edition: gb28181.Edition2022}, check: namesAreRight},
}

func TestEveryQuirkHasARow(t *testing.T) {
	rows := map[string]int{}
	for _, r := range quirkRows {
		rows[r.quirk]++
	}
	for _, q := range sim.Quirks() {
		if rows[q.Name] != 1 {
			t.Errorf("quirk %s has %d rows, want one", q.Name, rows[q.Name])
		}
		delete(rows, q.Name)
	}
	for name := range rows {
		t.Errorf("row %s is of no quirk", name)
	}
}

// Over UDP and TCP, each device with a quirk ends online, with its catalog, and its picture plays
// or fails with what a person needs to know.
//
// Quirk: 2 3 4 5 9 12 14 16 17 18 19 25 27 28 30 32 34 37 38 39 45 49 51 52
func TestDevicesWithQuirksWork(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *configs.Config) { c.Media.PacketTimeout = 8 * time.Second })
	for i := range 2 * len(quirkRows) {
		row, transport := quirkRows[i/2], []string{sim.UDP, sim.TCP}[i%2]
		if row.onlyUDP && transport == sim.TCP {
			continue
		}
		t.Run(row.quirk+" "+transport, func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			c := row.device
			c.Quirks, c.Transport = []string{row.quirk}, transport
			kind := camera
			if c.Channels > 1 {
				kind = recorder
			}
			c.FirstID = number(kind, 100*(i+1))
			s := h.run(c)
			device := s.Device(0)
			h.becomes(device.ID, "online")
			if !row.noCatalog {
				h.complete(device.ID, max(c.Channels, 1))
			}
			if row.check != nil {
				row.check(h, s, h.device(device.ID))
			}
			channel := device.Channels[len(device.Channels)-1]
			if row.problem != "" {
				h.failsAs(row, device.ID, channel)
				return
			}
			stream := h.plays(device.ID, channel, row.transport)
			sound := media.PCMA
			if row.noSound {
				sound = ""
			}
			h.picture(stream, media.H264, sound)
			h.stop(stream)
			eventually(t, "a BYE at the device", func() bool { return s.Stats().Byes == 1 && (row.deaf || s.Device(0).Streams == 0) })
			if d := h.device(device.ID); d.State != "online" {
				t.Errorf("afterwards the device is %s: %s", d.State, d.StateReason)
			}
		})
	}
}

func (h *house) failsAs(row quirkRow, device, channel gb28181.ID) {
	h.t.Helper()
	p := h.refuses(device, channel, row.transport)
	if p.failedAt() != row.stage || p.Name != row.problem || !strings.Contains(p.Remedy, row.remedy) {
		h.t.Errorf("failed at %q as %q with remedy %q, want %q as %q with %q in it\nstages %+v",
			p.failedAt(), p.Name, p.Remedy, row.stage, row.problem, row.remedy, p.Stages)
	}
}

func namesAreRight(h *house, s *sim.Sim, d deviceView) {
	for _, ch := range h.channels(gb28181.ID(d.ID)) {
		if place, _, _ := strings.Cut(ch.Name, " "); !strings.Contains("前门后门大厅车库走廊电梯仓库围墙停车场食堂", place) || place == "" {
			h.t.Errorf("channel %s is called %q", ch.ID, ch.Name)
		}
	}
	eventually(h.t, "name of the device", func() bool { return h.device(gb28181.ID(d.ID)).Name == s.Device(0).Name })
}

func noChannelIsTheDevice(h *house, s *sim.Sim, d deviceView) {
	for _, ch := range h.channels(gb28181.ID(d.ID)) {
		if ch.ID == d.ID && ch.Invitable {
			h.t.Errorf("the recorder is a channel of its own: %+v", ch)
		}
	}
}

func statusWords(h *house, s *sim.Sim, d deviceView) {
	if err := s.SetChannel(0, 1, false); err != nil {
		h.t.Fatal(err)
	}
	h.must("POST", "/api/v1/devices/"+d.ID+"/catalog", nil, nil)
	want := map[gb28181.ID]string{}
	for i, id := range s.Device(0).Channels {
		want[id] = "online"
		if i == 1 {
			want[id] = "offline"
		}
	}
	eventually(h.t, "channel 1 off by its catalog", func() bool {
		for _, ch := range h.channels(gb28181.ID(d.ID)) {
			if ch.State != want[gb28181.ID(ch.ID)] {
				return false
			}
		}
		return true
	})
}

func hasMoved(h *house, s *sim.Sim, d deviceView) {
	first := d.Remote
	eventually(h.t, "the device at its new port", func() bool {
		d := h.device(gb28181.ID(d.ID))
		return d.Remote == s.Device(0).Addr.String() && s.Stats().Keepalives > 2 && d.State == "online"
	})
	if n := s.Stats().Registrations; n != 1 {
		h.t.Errorf("registered %d times from %s on, want once", n, first)
	}
}

// A catalog that does not come is shown as what it is.
func catalogIsAwaited(h *house, s *sim.Sim, d deviceView) {
	var c struct {
		catalogView
		Job struct {
			State   string `json:"state"`
			Attempt int    `json:"attempt"`
		} `json:"job"`
	}
	eventually(h.t, "a catalog query that was taken", func() bool {
		h.get("/api/v1/devices/"+d.ID+"/catalog", &c)
		return c.Job.Attempt > 0
	})
	if c.Complete || c.Received != 0 || c.Job.State != "running" {
		h.t.Errorf("catalog is %+v", c)
	}
}
