package spine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/internal/rights"
	"fengsui/internal/sim"
	"fengsui/media"
	"fengsui/media/voice"
)

// wav is a file of G.711 A-law, and what it sounds like.
func wav(length time.Duration) (file, sound []byte) {
	sound = make([]byte, int(length/time.Millisecond)*voice.Rate/1000)
	for i := range sound {
		sound[i] = byte(i*7 + i>>8)
	}
	var b bytes.Buffer
	b.WriteString("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00")
	for _, v := range []any{uint16(6), uint16(1), uint32(voice.Rate), uint32(voice.Rate), uint16(1), uint16(8)} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	b.WriteString("data")
	_ = binary.Write(&b, binary.LittleEndian, uint32(len(sound)))
	b.Write(sound)
	return b.Bytes(), sound
}

type talkView struct {
	ID        string      `json:"id"`
	State     string      `json:"state"`
	Way       string      `json:"way"`
	By        string      `json:"by"`
	Speaker   string      `json:"speaker"`
	Codec     string      `json:"codec"`
	Packing   string      `json:"packing"`
	Transport string      `json:"transport"`
	Reason    string      `json:"reason"`
	Packets   int         `json:"packets"`
	Heard     int         `json:"heard"`
	Stages    []stageView `json:"stages"`
}

// say plays a file on a channel.
func (h *house) say(d sim.Device, query string, file []byte) (v talkView, p *problem) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "POST", h.base+channelURL(d)+"/talks"+query, bytes.NewReader(file))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "audio/wav")
	r.Header.Set("Authorization", "Bearer "+h.token)
	res, err := h.http.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if res.StatusCode == http.StatusCreated {
		err = json.Unmarshal(b, &v)
	} else {
		p = &problem{}
		err = json.Unmarshal(b, p)
	}
	if err != nil {
		h.t.Fatalf("%s: %q: %v", res.Status, b, err)
	}
	return v, p
}

// ended waits until a talk is over.
func (h *house) talkEnded(id string) (v talkView) {
	h.t.Helper()
	eventually(h.t, "the talk ends", func() bool {
		h.get("/api/v1/talks/"+id, &v)
		return v.State == "ended"
	})
	return v
}

// heard is the last call that the first device heard, when it is over.
func heard(t testing.TB, s *sim.Sim) (last sim.Heard) {
	t.Helper()
	eventually(t, "the device has heard it", func() bool {
		all := s.Heard(0)
		if len(all) > 0 {
			last = all[len(all)-1]
		}
		return last.Over
	})
	return last
}

// Conformance: server Notify/Broadcast 2016 2022
// Conformance: simulator Notify/Broadcast 2016 2022
// Conformance: server Response/Broadcast 2016 2022
// Conformance: simulator Response/Broadcast 2016 2022
func TestAFileIsHeardByteForByte(t *testing.T) {
	everyWay(t, func(t *testing.T, h *house, c sim.Config) {
		file, sound := wav(700 * time.Millisecond)
		for i, hear := range []string{sim.HearUDP, sim.HearTCPActive, sim.HearTCPPassive} {
			c.Hear, c.FirstID = hear, number("34020000001320000001", i+1)
			s := h.run(c)
			d := s.Device(0)
			h.complete(d.ID, 1)
			v, p := h.say(d, "", file)
			if p != nil {
				t.Fatalf("%s: %+v", hear, p)
			}
			want := map[string]string{sim.HearUDP: "udp", sim.HearTCPActive: "tcp-passive", sim.HearTCPPassive: "tcp-active"}[hear]
			if v.State == "starting" || v.Way != "broadcast" || v.By != "key spine" || v.Codec != "PCMA" || v.Transport != want {
				t.Errorf("%s: %+v", hear, v)
			}
			got := heard(t, s)
			if !bytes.HasPrefix(got.Audio, sound) || got.Packing != "PCMA" || got.Lost != 0 || got.Steps != 0 || got.Markers != 1 || got.By != "server" {
				got.Audio = nil
				t.Errorf("%s: the device heard %+v", hear, got)
			}
			if v := h.talkEnded(v.ID); v.Reason != "the sound is over" || v.Packets-got.Packets > 1 || v.Packets < got.Packets { // the last may cross the BYE
				t.Errorf("%s: %+v, the device heard %d packets", hear, v, got.Packets)
			}
		}
		eventually(t, "nothing is leased", func() bool { l := h.leases(); return l.Ports == 0 && l.SSRCs == 0 && l.Dialogs == 0 })
	})
}

// signalling.md section 6.10; quirk 51 of section 9.
func TestATalkGoesBothWays(t *testing.T) {
	t.Parallel()
	h := open(t)
	file, sound := wav(700 * time.Millisecond)
	for i, transport := range []string{"udp", "tcp-passive", "tcp-active"} {
		for j, quirks := range [][]string{nil, {"talk-two-lines"}} {
			s := h.run(sim.Config{Edition: gb28181.Edition2016, Keepalive: time.Hour, FirstID: number("34020000001320000001", 10*i+j+1), Quirks: quirks})
			d := s.Device(0)
			h.complete(d.ID, 1)
			v, p := h.say(d, "?way=talk&transport="+transport, file)
			if p != nil {
				t.Fatalf("%s %v: %+v", transport, quirks, p)
			}
			got := heard(t, s)
			if !bytes.HasPrefix(got.Audio, sound) || !got.Talk {
				got.Audio = nil
				t.Errorf("%s %v: the device heard %+v", transport, quirks, got)
			}
			if v := h.talkEnded(v.ID); v.Way != "talk" || v.Transport != transport || v.Heard < 20 {
				t.Errorf("%s %v: %+v", transport, quirks, v)
			}
		}
	}
	s := h.run(sim.Config{Edition: gb28181.Edition2022, Keepalive: time.Hour, FirstID: "34020000001320000900"})
	h.complete(s.Device(0).ID, 1)
	if _, p := h.say(s.Device(0), "?way=talk", file); p == nil || p.Code != 124006 {
		t.Errorf("a device of 2022 was called with s=Talk: %+v", p)
	}
	if n := s.Stats().Invites; n != 0 {
		t.Errorf("%d INVITEs were sent", n)
	}
}

// What devices in the field do, signalling.md sections 6.9 and 9 (row 35).
func TestOddLoudspeakersHear(t *testing.T) {
	t.Parallel()
	file, sound := wav(700 * time.Millisecond)
	for _, q := range []string{"broadcast-late", "broadcast-early", "broadcast-wordless", "no-subject", "no-y", "sound-before-ack", "ack-before-sound", "ps-sound", "mu-law-sound"} {
		t.Run(q, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			s := h.run(sim.Config{Keepalive: time.Hour, Edition: gb28181.Edition2022, Quirks: []string{q}})
			d := s.Device(0)
			h.complete(d.ID, 1)
			v, p := h.say(d, "", file)
			if p != nil {
				t.Fatalf("%+v", p)
			}
			got, want := heard(t, s), bytes.Clone(sound)
			voice.Convert(media.PCMA, got.Law, want)
			if !bytes.HasPrefix(got.Audio, want) || got.By != "server" {
				got.Audio = nil
				t.Errorf("heard %+v, the talk is %+v", got, v)
			}
			if n := len(s.Stats().Errors); n != 0 {
				t.Errorf("%s", s.Stats())
			}
		})
	}
}

func TestATalkThatFailsSaysWhere(t *testing.T) {
	t.Parallel()
	file, _ := wav(time.Second)
	for _, c := range []struct {
		quirk, stage string
		code         int
	}{
		{"no-speaker", "notice", 216001}, {"broadcast-busy", "notice", 216001}, {"broadcast-unheard", "invite", 216002}, {"no-answer", "notice", 216003},
	} {
		t.Run(c.quirk, func(t *testing.T) {
			t.Parallel()
			h := open(t, func(cfg *configs.Config) { cfg.Media.AnswerTimeout = 2 * time.Second })
			s := h.run(sim.Config{Keepalive: time.Hour, Edition: gb28181.Edition2022})
			q := h.run(sim.Config{Keepalive: time.Hour, Edition: gb28181.Edition2022, Quirks: []string{c.quirk}, FirstID: "34020000001320000500"})
			d := q.Device(0)
			_ = s
			v, p := h.say(sim.Device{ID: d.ID, Channels: []gb28181.ID{d.ID}}, "", file)
			if p == nil || p.Code != c.code || len(p.Stages) == 0 || p.Remedy == "" {
				t.Fatalf("%+v, %+v", v, p)
			}
			if last := p.Stages[len(p.Stages)-1]; last.Name != c.stage || !last.Failed {
				t.Errorf("failed at %+v", last)
			}
			eventually(t, "nothing is leased", func() bool { l := h.leases(); return l.Ports == 0 && l.SSRCs == 0 && l.Dialogs == 0 })
		})
	}
}

func TestADeviceThatRefusesABroadcastIsCalledInstead(t *testing.T) {
	t.Parallel()
	h := open(t)
	file, sound := wav(500 * time.Millisecond)
	s := h.run(sim.Config{Keepalive: time.Hour, Edition: gb28181.Edition2016, Quirks: []string{"no-speaker"}})
	d := s.Device(0)
	h.complete(d.ID, 1)
	for i, stages := range []string{"device notice offer answer", "device offer answer"} { // the second time it is known
		v, p := h.say(d, "", file)
		if p != nil {
			t.Fatalf("%+v", p)
		}
		var names []string
		for _, st := range v.Stages {
			names = append(names, st.Name)
		}
		if got := strings.Join(names, " "); got != stages || v.Way != "talk" {
			t.Errorf("time %d: %s by %s", i, got, v.Way)
		}
		h.talkEnded(v.ID)
		if got := heard(t, s); !bytes.HasPrefix(got.Audio, sound) {
			t.Errorf("time %d: other sound", i)
		}
	}
}

func TestAChannelHasOneSpeaker(t *testing.T) {
	t.Parallel()
	h := open(t)
	file, _ := wav(20 * time.Second)
	s := h.run(sim.Config{Keepalive: time.Hour, Channels: 2})
	d := s.Device(0)
	h.complete(d.ID, 2)
	first, p := h.say(d, "", file)
	if p != nil {
		t.Fatalf("%+v", p)
	}
	if _, p := h.say(d, "", file); p == nil || p.Code != 214001 || !strings.Contains(p.Detail, "key spine since ") || !strings.Contains(p.Detail, first.ID) {
		t.Errorf("the second speaker: %+v", p)
	}
	other := d
	other.Channels = d.Channels[1:]
	second, p := h.say(other, "", file)
	if p != nil {
		t.Errorf("another channel: %+v", p)
	}
	h.must("DELETE", "/api/v1/talks/"+first.ID, nil, nil)
	if v := h.talkEnded(first.ID); v.Reason != "ended by a caller" {
		t.Errorf("%+v", v)
	}
	if err := s.HangUp(0); err != nil {
		t.Fatal(err)
	}
	if v := h.talkEnded(second.ID); !strings.HasPrefix(v.Reason, "the device ended it") {
		t.Errorf("%+v", v)
	}
	third, p := h.say(d, "", file)
	if p != nil {
		t.Fatalf("%+v", p)
	}
	if err := s.Reboot(0); err != nil {
		t.Fatal(err)
	}
	h.must("DELETE", "/api/v1/talks/"+third.ID, nil, nil)
	h.refused(214003, "GET", "/api/v1/talks/none", nil)
}

func TestADeviceThatWasNotAskedToInviteIsRefused(t *testing.T) {
	t.Parallel()
	h := open(t)
	file, _ := wav(time.Second)
	s := h.run(sim.Config{Keepalive: time.Hour, Edition: gb28181.Edition2022, Quirks: []string{"broadcast-late"}})
	d := s.Device(0)
	h.complete(d.ID, 1)
	ctx, leave := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "POST", h.base+channelURL(d)+"/talks", bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "audio/wav")
	r.Header.Set("Authorization", "Bearer "+h.token)
	left := make(chan struct{})
	go func() {
		defer close(left)
		if res, err := h.http.Do(r); err == nil {
			res.Body.Close()
			t.Errorf("answered %s", res.Status)
		}
	}()
	eventually(t, "the device has agreed", func() bool {
		var list struct {
			Items []talkView `json:"items"`
		}
		h.get("/api/v1/talks", &list)
		return len(list.Items) == 1 && len(list.Items[0].Stages) == 3
	})
	leave()
	<-left
	if got := heard(t, s); got.Packets != 0 || got.By != "the server answered 403 Not asked to invite" {
		t.Errorf("%+v", got)
	}
}

func TestOnlyWhoMaySpeakSpeaks(t *testing.T) {
	t.Parallel()
	h := open(t)
	file, _ := wav(200 * time.Millisecond)
	s := h.run(sim.Config{Keepalive: time.Hour, Channels: 2})
	d := s.Device(0)
	h.complete(d.ID, 2)
	var key struct {
		Key string `json:"key"`
	}
	grants := []rights.Grant{{Act: rights.Talk, Subtree: string(d.ID) + "/" + string(d.Channels[1])}, {Act: rights.Look, Subtree: rights.Everywhere}}
	h.must("POST", "/api/v1/keys", map[string]any{"name": "speaker", "grants": grants}, &key)
	speaker := *h
	speaker.token = key.Key
	if _, p := speaker.say(d, "", file); p == nil || p.Code != 114004 {
		t.Errorf("without the right: %+v", p)
	}
	other := d
	other.Channels = d.Channels[1:]
	v, p := speaker.say(other, "", file)
	if p != nil || v.By != "key speaker" {
		t.Fatalf("with the right: %+v", p)
	}
	if _, p := h.say(d, "", []byte("no sound at all")); p == nil || p.Code != 214002 || !strings.Contains(p.Detail, "RIFF") {
		t.Errorf("%+v", p)
	}
	h.talkEnded(v.ID)
}
