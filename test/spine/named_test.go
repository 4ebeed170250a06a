package spine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/gb28181/quirk"
	"fengsui/internal/sim"
	"fengsui/sip/digest"
	"fengsui/sip/siptest"
)

type traitsView struct {
	Quirks []struct {
		Name string `json:"name"`
		Why  string `json:"why"`
	} `json:"quirks"`
	ByHand []string `json:"quirks_by_hand"`
	Vendor []struct {
		In    string `json:"in"`
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"vendor"`
	Edition   string    `json:"edition"`
	Remote    string    `json:"remote"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (h *house) traits(id string) (v traitsView) {
	h.t.Helper()
	h.get("/api/v1/devices/"+id, &v)
	return v
}

func (v traitsView) has(n quirk.Name) bool {
	for _, q := range v.Quirks {
		if q.Name == n.String() {
			return true
		}
	}
	return false
}

// namedRows has one row for each named quirk: what it changes for the device of
// plain text that is given it by the first digits of its ID.
var namedRows = map[quirk.Name]func(h *house, id string){
	quirk.AnyRealm: func(h *house, id string) {
		d := h.camera(siptest.Config{ID: id})
		d.React(okToMessages(d))
		m := d.Request("REGISTER", "", siptest.Header{Name: "Expires", Value: "3600"})
		d.Send(m.Bytes())
		c, _, _ := digest.ParseChallenge([]byte(d.ExpectStatus(401).Get("WWW-Authenticate")))
		c.Realm, c.Username, c.URI = "my.own.domain", id, m.URI
		c.Sign("REGISTER", password)
		again(m, 2)
		m.Set("Authorization", c.String())
		d.Send(m.Bytes())
		d.ExpectStatus(200)
	},
	quirk.FollowAny: func(h *house, id string) {
		d := h.camera(siptest.Config{ID: id})
		d.React(okToMessages(d))
		register(d)
		moved := h.camera(siptest.Config{ID: id, Local: "127.0.0.2:0"})
		moved.React(okToMessages(moved))
		eventually(h.t, "binding at the other address", func() bool {
			q := moved.Request("MESSAGE", keepaliveOf(id))
			moved.Send(q.Bytes())
			return moved.ExpectAnswer(q).Status == 200 && h.traits(id).Remote == moved.Local().String()
		})
	},
	quirk.KeepaliveExtends: func(h *house, id string) {
		d := h.camera(siptest.Config{ID: id})
		d.React(okToMessages(d))
		register(d)
		first := h.traits(id).ExpiresAt
		eventually(h.t, "a registration that a keepalive renewed", func() bool {
			q := d.Request("MESSAGE", keepaliveOf(id))
			d.Send(q.Bytes())
			return d.ExpectAnswer(q).Status == 200 && h.traits(id).ExpiresAt.After(first)
		})
	},
	quirk.WriteUTF8:    func(h *house, id string) { asked(h, id, `encoding="UTF-8"`) },
	quirk.WriteGB18030: func(h *house, id string) { asked(h, id, `encoding="GB18030"`) },
	quirk.URIDomain:    func(h *house, id string) { asked(h, id, "MESSAGE sip:"+id+"@3402000000 SIP/2.0") },
	quirk.InviteAnyChannel: func(h *house, id string) {
		d := h.camera(siptest.Config{ID: id})
		d.React(okToMessages(d))
		register(d)
		odd := "34020000001190000009"
		q := d.Request("MESSAGE", `<Response><CmdType>Catalog</CmdType><SN>9999999</SN><DeviceID>`+id+`</DeviceID><SumNum>1</SumNum><DeviceList Num="1"><Item><DeviceID>`+odd+
			`</DeviceID><Name>c</Name><Status>ON</Status></Item></DeviceList></Response>`)
		d.Send(q.Bytes())
		eventually(h.t, "the channel of another type", func() bool {
			list := h.channels(gb28181.ID(id))
			return len(list) == 1 && list[0].ID == odd && list[0].Invitable
		})
	},
	quirk.UTCTime: func(h *house, id string) {
		d := h.camera(siptest.Config{ID: id})
		d.React(okToMessages(d))
		register(d)
		d.Send(d.Request("MESSAGE", `<Notify><CmdType>Alarm</CmdType><SN>5</SN><DeviceID>`+id+`</DeviceID><AlarmPriority>1</AlarmPriority>`+
			`<AlarmMethod>2</AlarmMethod><AlarmTime>2024-05-01T10:20:30</AlarmTime></Notify>`).Bytes())
		var list struct {
			Items []struct {
				At time.Time `json:"at"`
			} `json:"items"`
		}
		eventually(h.t, "the alarm", func() bool { h.get("/api/v1/alarms?device="+id, &list); return len(list.Items) == 1 })
		if want := time.Date(2024, 5, 1, 10, 20, 30, 0, time.UTC); !list.Items[0].At.Equal(want) {
			h.t.Errorf("the alarm is of %v, want %v", list.Items[0].At, want)
		}
	},
	quirk.ConfigToDevice: func(h *house, id string) {
		s := h.run(sim.Config{FirstID: gb28181.ID(id), Channels: 2})
		h.complete(s.Device(0).ID, 2)
		h.must("PUT", "/api/v1/devices/"+id+"/config/BasicParam?channel="+string(s.Device(0).Channels[1]), map[string]any{"values": map[string]any{"heart_beat_count": 4}}, nil)
		if h.sent(gb28181.ID(id), time.Time{}, "<CmdType>DeviceConfig</CmdType>") == 0 || h.sent(gb28181.ID(id), time.Time{}, "<DeviceID>"+string(s.Device(0).Channels[1])+"</DeviceID>\r\n<BasicParam>") != 0 {
			h.t.Error("the configuration went to the channel")
		}
	},
	quirk.MediaTCP:   func(h *house, id string) { invited(h, id, "TCP/RTP/AVP", "a=setup:passive") },
	quirk.MediaRange: func(h *house, id string) { invited(h, id, "m=video "+h.cfg.Media.Ports.String()[:1]) },
	quirk.Edition2016: func(h *house, id string) {
		spoken(h, id, "3.0", "2016")
	},
	quirk.Edition2022: func(h *house, id string) {
		spoken(h, id, "2.0", "2022")
	},
	quirk.KeyFrameIFame:  nil, // gb28181/command TestKeyFrameRequestHasTheSpellingThatThePeerKnows
	quirk.KeyFrameIFrame: nil,
}

func keepaliveOf(id string) string {
	return "<Notify><CmdType>Keepalive</CmdType><SN>1</SN><DeviceID>" + id + "</DeviceID><Status>OK</Status></Notify>"
}

// asked waits for a question with a text in it to a device that writes in another
// charset than it is to be written to.
func asked(h *house, id, text string) {
	d := h.camera(siptest.Config{ID: id})
	register(d)
	eventually(h.t, "a question with "+text, func() bool {
		q := d.Request("MESSAGE", `<?xml version="1.0" encoding="GB2312"?><Notify><CmdType>Keepalive</CmdType><SN>1</SN><DeviceID>`+id+"</DeviceID><Status>OK</Status><Info/><X>\xb4\xf3\xc3\xc5</X></Notify>")
		d.Send(q.Bytes())
		m := d.Expect("MESSAGE")
		d.Answer(m, 200, "OK", "")
		return strings.Contains(string(m.Raw), text)
	})
}

// invited waits for an offer with all texts in it.
func invited(h *house, id string, texts ...string) {
	s := h.run(sim.Config{FirstID: gb28181.ID(id)})
	h.complete(s.Device(0).ID, 1)
	stream := h.plays(gb28181.ID(id), gb28181.ID(id), "")
	for _, text := range texts {
		if h.sent(gb28181.ID(id), time.Time{}, text) == 0 {
			h.t.Errorf("no offer with %q:\n%+v", text, stream.Stages)
		}
	}
	h.stop(stream)
}

func spoken(h *house, id, announced, want string) {
	d := h.camera(siptest.Config{ID: id})
	d.React(okToMessages(d))
	register(d, siptest.Header{Name: "X-GB-Ver", Value: announced})
	eventually(h.t, "edition "+want, func() bool { return h.traits(id).Edition == want })
	register(d, siptest.Header{Name: "X-GB-Ver", Value: announced})
	if got := h.traits(id).Edition; got != want {
		h.t.Errorf("after it registered again its edition is %s", got)
	}
}

// Each named quirk is given by a rule in the data folder, shown with its reason,
// and changes what the server does.
//
// Quirk: 1 5 7 14 21 23 26 27 30 39 44 49
func TestNamedQuirksChangeWhatTheServerDoes(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("rules:\n")
	id := func(n quirk.Name) string { return string(number(camera, 700+int(n))) }
	for _, b := range quirk.All() {
		text.WriteString("  - {match: {id: \"" + id(b.Name) + "\"}, quirks: [" + b.Word + "], because: of this test}\n")
	}
	h := open(t, func(c *configs.Config) {
		if err := os.WriteFile(filepath.Join(c.DataDir, "quirks.yaml"), []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	for _, b := range quirk.All() {
		act, known := namedRows[b.Name]
		if !known {
			t.Errorf("%s has no row", b.Word)
		}
		if act == nil {
			continue
		}
		t.Run(b.Word, func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			act(h, id(b.Name))
			v := h.traits(id(b.Name))
			if !v.has(b.Name) || !strings.Contains(v.Quirks[0].Why, "of this test") {
				t.Errorf("shown as %+v", v.Quirks)
			}
		})
	}
}

// By hand a device gets a quirk and loses one that a rule gives it; what is
// unknown is refused with the names that there are. A file that is read again
// counts at once, and one with a fault changes nothing.
func TestQuirksAreSetByHandAndReadAgain(t *testing.T) {
	t.Parallel()
	h := open(t)
	file := filepath.Join(h.cfg.DataDir, "quirks.yaml")
	d := h.camera(siptest.Config{ID: string(camera)})
	d.React(okToMessages(d))
	register(d, siptest.Header{Name: "User-Agent", Value: "Odd/1"}, siptest.Header{Name: "X-Vendor-Serial", Value: "A1-77"})
	path := "/api/v1/devices/" + d.ID()

	p := h.refused(104002, "PATCH", path, map[string]any{"quirks": []string{"media-tpc"}})
	if !strings.Contains(p.Detail, "media-tpc") || !strings.Contains(p.Detail, "media-tcp") {
		t.Errorf("refused with %q", p.Detail)
	}
	h.must("PATCH", path, map[string]any{"quirks": []string{"media-tcp"}}, nil)
	if v := h.traits(d.ID()); !v.has(quirk.MediaTCP) || v.Quirks[0].Why != "set by hand" {
		t.Errorf("by hand: %+v", v)
	}
	rewrite := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rewrite("rules:\n  - {match: {user_agent: odd}, quirks: [utc-time, keepalive-extends]}\n")
	if _, err := h.app.Reload(h.cfg); err != nil {
		t.Fatal(err)
	}
	if v := h.traits(d.ID()); !v.has(quirk.UTCTime) || !v.has(quirk.MediaTCP) {
		t.Errorf("read again: %+v", v.Quirks)
	}
	h.must("PATCH", path, map[string]any{"quirks": []string{"-utc-time"}}, nil)
	if v := h.traits(d.ID()); v.has(quirk.UTCTime) || v.has(quirk.MediaTCP) || !v.has(quirk.KeepaliveExtends) || len(v.ByHand) != 1 {
		t.Errorf("taken away by hand: %+v", v)
	}
	rewrite("rules:\n  - {match: {user_agent: odd}, quirks: [nonsense]}\n")
	if _, err := h.app.Reload(h.cfg); err == nil || !strings.Contains(err.Error(), `unknown quirk "nonsense"`) {
		t.Errorf("a faulty file: %v", err)
	}
	if v := h.traits(d.ID()); !v.has(quirk.KeepaliveExtends) {
		t.Errorf("after a faulty file: %+v", v.Quirks)
	}
	if v := h.traits(d.ID()); len(v.Vendor) != 1 || v.Vendor[0].Name != "X-Vendor-Serial" || v.Vendor[0].Value != "A1-77" || v.Vendor[0].In != "REGISTER" {
		t.Errorf("vendor fields %+v", v.Vendor)
	}
	q := d.Request("MESSAGE", `<Response><CmdType>DeviceInfo</CmdType><SN>1</SN><DeviceID>`+d.ID()+`</DeviceID><Result>OK</Result><ExtraInfo>chip 9</ExtraInfo></Response>`,
		siptest.Header{Name: "X-Net", Value: "4g"})
	d.Send(q.Bytes())
	d.ExpectAnswer(q)
	eventually(t, "what it says beyond the standard", func() bool { return len(h.traits(d.ID()).Vendor) == 3 })

	// After a restart the lists are there, before the device is heard.
	rewrite("rules:\n  - {match: {user_agent: odd}, quirks: [keepalive-extends]}\n")
	h.close()
	h.start()
	if v := h.traits(d.ID()); !v.has(quirk.KeepaliveExtends) || len(v.ByHand) != 1 {
		t.Errorf("after a restart: %+v", v)
	}
	var known struct {
		Items []struct{ Name, Does string } `json:"items"`
	}
	h.get("/api/v1/quirks", &known)
	if len(known.Items) != len(quirk.All()) {
		t.Errorf("%d quirks are listed", len(known.Items))
	}
}
