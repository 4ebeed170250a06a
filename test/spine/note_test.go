package spine_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/internal/sim"
	"fengsui/media"
	"fengsui/sip/note"
	"fengsui/sip/siptest"
)

const seed = "Shared-Seed-7"

// sign gives a request of a device of plain text its Date and Note.
func sign(m *siptest.Message, a note.Algorithm) {
	p := note.Parts{From: m.Get("From"), To: m.Get("To"), CallID: m.Get("Call-ID"),
		Date: time.Now().In(time.FixedZone("", 8*3600)).Format(note.DateLayout), Body: m.Body}
	m.Set("Date", p.Date)
	m.Set("Note", note.Sign(a, p, seed))
}

// Devices that sign their requests, and refuse ones that are not signed, work as
// others do, by each hash of the standard and over both transports (signalling
// reference 2.10).
func TestSignedRequestsGoBothWays(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *configs.Config) { c.SIP.Note.Mode, c.SIP.Note.Seed = "enforce", seed })
	for i, c := range []sim.Config{
		{Edition: gb28181.Edition2016, Note: note.MD5}, {Edition: gb28181.Edition2022, Note: note.SM3, Transport: sim.TCP},
		{Edition: gb28181.Edition2016, Note: note.SHA1}, {Edition: gb28181.Edition2016, Note: note.SHA256},
	} {
		t.Run(string(c.Note), func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			c.FirstID, c.NoteSeed, c.Keepalive = number(camera, 800+i), seed, 300*time.Millisecond
			h.must("POST", "/api/v1/devices", map[string]any{"id": c.FirstID, "note_algorithm": c.Note}, nil)
			s := h.run(c)
			d := s.Device(0)
			h.complete(d.ID, 1)
			eventually(t, "keepalives", func() bool { return s.Stats().Keepalives > 1 })
			stream := h.plays(d.ID, d.ID, "")
			h.picture(stream, media.H264, media.PCMA)
			h.stop(stream)
			eventually(t, "a BYE at the device", func() bool { return s.Stats().Byes == 1 })
			var config json.RawMessage
			h.get("/api/v1/devices/"+string(d.ID)+"/config/BasicParam", &config)
		})
	}
	if metric := h.metricLines("fengsui_note_requests_total"); strings.Contains(metric, `verdict="digest"} 1`) {
		t.Errorf("a request did not fit:\n%s", metric)
	}
}

// metricLines are the lines of a metric.
func (h *house) metricLines(name string) string {
	h.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, h.base+"/metrics", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	res, err := h.http.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	var text strings.Builder
	buf := make([]byte, 1<<16)
	for {
		n, err := res.Body.Read(buf)
		text.Write(buf[:n])
		if err != nil {
			break
		}
	}
	var lines []string
	for line := range strings.Lines(text.String()) {
		if strings.HasPrefix(line, name) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// A body that was changed on its way, a request sent again and one that is not
// signed are logged or refused, as is set for the device.
func TestChangedRequestsAreLoggedOrRefusedAsSet(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *configs.Config) { c.SIP.Note.Seed = seed })
	for i, mode := range []string{"off", "log", "enforce"} {
		id := number(camera, 820+i)
		h.must("POST", "/api/v1/devices", map[string]any{"id": id, "note": mode, "note_algorithm": "SM3"}, nil)
		d := h.camera(siptest.Config{ID: string(id)})
		d.React(okToMessages(d))
		register(d)
		want := func(what string, m *siptest.Message, status int) {
			t.Helper()
			d.Send(m.Bytes())
			if got := d.ExpectAnswer(m).Status; got != status {
				t.Errorf("mode %s: %s is answered %d, want %d", mode, what, got, status)
			}
		}
		bad := map[string]int{"off": 200, "log": 200, "enforce": 403}[mode]
		for _, body := range []string{keepaliveOf(string(id)),
			"<Notify><CmdType>MobilePosition</CmdType><SN>7</SN><Time>2024-05-01T10:20:30</Time><Longitude>118.36</Longitude><Latitude>31.33</Latitude></Notify>"} {
			good := d.Request("MESSAGE", body)
			sign(good, note.SM3)
			want("a good one", good, 200)
			changed := d.Request("MESSAGE", body)
			sign(changed, note.SM3)
			changed.Body = []byte(strings.Replace(body, "</SN>", "1</SN>", 1))
			changed.Set("Content-Length", "")
			changed.Remove("Content-Length")
			want("a changed body", changed, bad)
			want("an unsigned one", d.Request("MESSAGE", body), bad)
			again(good, 3)
			want("one sent again", good, bad)
		}
		if logged := strings.Contains(h.log.tail(1<<20), `"device":"`+string(id)+`","call_id"`); logged != (mode != "off") {
			t.Errorf("mode %s: logged %v", mode, logged)
		}
	}
	if v := h.metricLines("fengsui_note_requests_total"); !strings.Contains(v, `verdict="digest"} 4`) || !strings.Contains(v, `verdict="replay"} 4`) || !strings.Contains(v, `verdict="missing"} 4`) {
		t.Errorf("counted as\n%s", v)
	}
	var shown json.RawMessage
	h.get("/api/v1/devices/"+string(number(camera, 821)), &shown)
	untold(t, "the device", string(shown), seed)
	untold(t, "the log", h.log.tail(1<<20), seed)
}

// A request that a user asked for says for whom it is sent; what a caller of
// another domain brings is kept whole behind our gateway (signalling reference
// 2.11).
func TestRequestsSayForWhomTheyAreSent(t *testing.T) {
	t.Parallel()
	const gateway = "34020000002110000001"
	h := open(t, func(c *configs.Config) { c.SIP.Gateway = gateway })
	d := h.run(sim.Config{}).Device(0)
	h.complete(d.ID, 1)
	since := time.Now()
	var config json.RawMessage
	h.get("/api/v1/devices/"+string(d.ID)+"/config/BasicParam", &config)
	if h.sent(d.ID, since, "Monitor-User-Identity: "+gateway+"-key spine") == 0 {
		t.Error("the question does not say that the key asked it")
	}
	h.stop(h.plays(d.ID, d.ID, ""))
	if h.sent(d.ID, since, "INVITE sip:") == 0 || h.sent(d.ID, since, "Monitor-User-Identity: "+gateway+"-key spine") < 2 {
		t.Error("the INVITE does not say who watches")
	}
	const brought = "65010000002110000001-65010000003000000007,rank=2"
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, h.base+"/api/v1/devices/"+string(d.ID)+"/config/BasicParam", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	r.Header.Set("Monitor-User-Identity", brought)
	res, err := h.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if h.sent(d.ID, since, "Monitor-User-Identity: "+gateway+"-"+brought) == 0 {
		t.Error("the identity that was brought is not passed on")
	}
}
