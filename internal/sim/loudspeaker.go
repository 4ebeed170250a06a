package sim

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/gbsdp"
	"fengsui/internal/sim/wire"
)

// Media of sound, as Config.Hear names them.
const (
	HearUDP        = "udp"
	HearTCPActive  = "tcp-active"  // the device connects
	HearTCPPassive = "tcp-passive" // the server connects
)

const (
	lateInvite  = 3 * time.Second
	slowACK     = 250 * time.Millisecond
	hangUpAfter = 500 * time.Millisecond // of sound
	noACK       = 5 * time.Second        // how long sound-before-ack waits for sound
)

// call is one in which the device hears: of a broadcast, where it invites, or of
// a talk, where it was invited. It is guarded by the shard's mutex, but for ear.
type call struct {
	device  *device
	target  string // whose loudspeaker
	source  string // ID of who speaks
	talk    bool   // it was invited
	id      string // Call-ID
	from    string // our From of requests, with its tag
	to      string // our To, with the server's tag when that is known
	uri     string // where our requests go
	cseq    uint32
	at      instant // when to invite, acknowledge, answer again or hang up
	step    func(now instant)
	over    bool
	acked   bool
	ack     []byte // what to send again
	answer  []byte // of a talk, until its ACK
	giveUp  instant
	repeats time.Duration
	y       string
	ear     *ear
}

// announced takes a Broadcast: the device says whether it will listen, and calls
// (signalling.md section 6.9).
func (d *device) announced(now instant, r *request) {
	q := d.sim.quirks
	target := r.get("TargetID")
	say := func(result string) {
		if !q.has(broadcastWordless) || result != "OK" {
			d.enqueue(now, job{next: once(body("Response", "Broadcast", r.sn, target, "<Result>"+result+"</Result>\r\n"))})
		}
	}
	i, _, ok := d.sim.ids.find(target)
	if !ok || i != d.index || q.has(noSpeaker) || d.hearing(target) != nil {
		say("ERROR")
		return
	}
	if q.has(broadcastUnheard) {
		say("OK")
		return
	}
	c := &call{device: d, target: target, source: r.get("SourceID"), at: now}
	c.step = c.invite
	switch {
	case q.has(broadcastEarly):
		c.invite(now)
		say("OK")
	case q.has(broadcastLate):
		c.at = now + lateInvite
		say("OK")
	default:
		say("OK")
		c.at = now + d.sim.cfg.PartInterval // after its answer
	}
	d.calls = append(d.calls, c)
}

// hearing is the call of a loudspeaker that goes on.
func (d *device) hearing(target string) *call {
	for _, c := range d.calls {
		if !c.over && c.target == target {
			return c
		}
	}
	return nil
}

// invite sends the device's INVITE, offering to listen.
func (c *call) invite(now instant) {
	d, cfg := c.device, &c.device.sim.cfg
	q := d.sim.quirks
	c.at, c.step = never, nil
	if d.path == nil {
		c.end("")
		return
	}
	e, err := c.listen(cfg.Hear)
	if err != nil {
		d.sim.counters.fail(d.id, "open ear: "+plain(err))
		c.end("")
		return
	}
	c.ear = e
	if !q.has(noY) {
		c.y = fmt.Sprintf("0%s%04d", cfg.ServerID[3:8], 1+rand.IntN(9999))
	}
	payloads := []uint8{8}
	switch {
	case q.has(psSound):
		payloads = []uint8{96}
	case q.has(muLawSound):
		payloads = []uint8{0}
	case cfg.Hear != HearUDP:
		payloads = []uint8{8, 96} // as Hikvision offers
	}
	sdp := c.sound(gbsdp.Play, gbsdp.RecvOnly, payloads)
	server := "<sip:" + c.source + "@" + cfg.Domain + ">"
	c.id, c.cseq, c.uri = random()+"@"+d.id, 1, "sip:"+c.source+"@"+cfg.Domain
	c.from, c.to = "<sip:"+c.target+"@"+cfg.Domain+">;tag="+random(), server
	extra := []wire.Header{{Name: "Contact", Value: d.contact()}, {Name: "Content-Type", Value: "application/sdp"}}
	if !q.has(noSubject) {
		extra = append(extra, wire.Header{Name: "Subject", Value: c.source + ":" + c.y + "," + c.target + ":1"})
	}
	t := &tx{}
	t.done = func(now instant, m *wire.Message) { c.invited(now, m, t.id) }
	d.send(now, t, head{method: "INVITE", uri: c.uri, from: c.from, to: c.to, callID: c.id, cseq: c.cseq, extra: extra}, sdp)
}

// sound is the device's SDP.
func (c *call) sound(session, direction string, payloads []uint8) []byte {
	s := gbsdp.Sound{Owner: gb28181.ID(c.target), Session: session, Address: c.device.path.local().Addr(), Port: c.ear.port(),
		TCP: c.ear.transport != HearUDP, Direction: direction, Payloads: payloads, SSRC: c.y}
	if s.TCP {
		s.Setup = strings.TrimPrefix(c.ear.transport, "tcp-")
	}
	return s.Append(nil)
}

// invited hears how the server answered the INVITE of transaction id.
func (c *call) invited(now instant, m *wire.Message, id uint32) {
	d := c.device
	if c.over || m == nil || m.Status/100 != 2 {
		what := "no answer"
		if m != nil {
			what = strconv.Itoa(m.Status) + " " + m.Reason
			if d.path != nil {
				d.emit(d.render(id, head{method: "ACK", uri: c.uri, from: c.from, to: m.Get("To"), callID: c.id, cseq: 1}, nil))
			}
		}
		d.sim.counters.fail(d.id, "broadcast: "+what)
		c.end("the server answered " + what)
		return
	}
	c.to = m.Get("To")
	if contact := wire.URI(m.Get("Contact")); contact != "" {
		c.uri = contact
	}
	a, err := gbsdp.Parse(m.Body)
	line, ok := a.Sound()
	if err != nil || !ok || !line.TCP != (c.ear.transport == HearUDP) {
		d.sim.counters.fail(d.id, "broadcast: answer that cannot be used")
		c.sendACK(now)
		c.hangUp(now)
		return
	}
	c.ear.answered(m.Body)
	defer c.ear.hear(a.Remote(&line))
	switch q := d.sim.quirks; {
	case q.has(soundBeforeACK):
		c.at, c.step = now+noACK, c.sendACK // by then it has hung up unheard; the ear acknowledges sooner
		c.ear.onFirst(func() { d.shard.do(d, c.sendACK) })
	case q.has(ackBeforeSound):
		c.at, c.step = now+slowACK, c.sendACK
		c.ear.onFirst(func() {
			d.shard.do(d, func(now instant) {
				if !c.acked {
					d.sim.counters.fail(d.id, "broadcast: sound before the ACK")
					c.sendACK(now)
					c.hangUp(now)
				}
			})
		})
	default:
		c.sendACK(now)
	}
}

// sendACK acknowledges the server's 200; repeats of it are acknowledged again.
func (c *call) sendACK(now instant) {
	if c.over || c.acked {
		return
	}
	d := c.device
	d.txSerial++
	c.ack = d.render(d.txSerial, head{method: "ACK", uri: c.uri, from: c.from, to: c.to, callID: c.id, cseq: 1}, nil)
	c.acked, c.at, c.step = true, never, nil
	if d.path != nil {
		d.emit(c.ack)
	}
	if d.sim.quirks.has(hangsUp) {
		c.at, c.step = now+hangUpAfter, c.hangUp
	}
}

// again acknowledges a repeated 200 to an INVITE of the device.
func (d *device) again(m *wire.Message) {
	for _, c := range d.calls {
		if c.id == m.Get("Call-ID") && c.ack != nil && m.Status/100 == 2 && strings.HasSuffix(m.Get("CSeq"), "INVITE") {
			d.emit(c.ack)
		}
	}
}

// hangUp sends the device's BYE.
func (c *call) hangUp(now instant) {
	if c.over {
		return
	}
	c.cseq++
	c.device.send(now, &tx{done: func(instant, *wire.Message) {}},
		head{method: "BYE", uri: c.uri, from: c.from, to: c.to, callID: c.id, cseq: c.cseq}, nil)
	c.end("device")
}

// callOf is the call of a request of the server.
func (d *device) callOf(m *wire.Message) *call {
	id := m.Get("Call-ID")
	for _, c := range d.calls {
		if !c.over && c.id == id {
			return c
		}
	}
	return nil
}

// inviteTalk takes an INVITE of two-way speech (signalling.md section 6.10). A
// device of 2022 has none.
func (d *device) inviteTalk(now instant, m *wire.Message) {
	if c := d.callOf(m); c != nil {
		if c.answer != nil {
			d.emit(c.answer)
		}
		return
	}
	s := d.sim
	s.counters.invites.Add(1)
	refuse := func(status int) {
		s.counters.rejected.Add(1)
		d.reply(m, status, nil, nil)
	}
	target := wire.User(m.URI)
	i, _, ok := s.ids.find(target)
	o, err := gbsdp.Parse(m.Body)
	line, sound := o.Sound()
	switch {
	case !ok || i != d.index:
		refuse(404)
		return
	case s.quirks.has(noTalk) || s.cfg.Edition >= gb28181.Edition2022 || err != nil || !sound:
		refuse(488)
		return
	case d.hearing(target) != nil || s.quirks.has(busy):
		refuse(486)
		return
	}
	c := &call{device: d, target: target, source: wire.User(m.Get("From")), talk: true, id: m.Get("Call-ID"), y: o.SSRC, at: never,
		uri: wire.URI(m.Get("Contact")), to: m.Get("From"), from: m.Get("To") + ";tag=" + d.tag(m.Get("Call-ID"))}
	way := HearUDP
	if line.TCP {
		way = HearTCPActive // ours is the other role
		if line.Role("") == gbsdp.Active {
			way = HearTCPPassive
		}
	}
	if c.ear, err = c.listen(way); err != nil {
		s.counters.fail(d.id, "open ear: "+plain(err))
		refuse(500)
		return
	}
	c.ear.answered(m.Body)
	c.ear.sends = true
	d.reply(m, 100, nil, nil)
	sdp := c.sound("Embedded Net DVR", gbsdp.SendRecv, []uint8{8})
	if s.quirks.has(talkTwoLines) {
		sdp = twoLines(sdp)
	}
	c.answer = d.response(m, 200, append(d.inviteHeaders(), wire.Header{Name: "Content-Type", Value: "application/sdp"}), sdp)
	c.repeats, c.giveUp = s.cfg.T1, now+64*s.cfg.T1
	c.at, c.step = now+c.repeats, c.answerAgain
	d.calls = append(d.calls, c)
	d.emit(c.answer)
	c.ear.hear(o.Remote(&line))
}

// twoLines writes the audio line of an answer twice, as Dahua does.
func twoLines(sdp []byte) []byte {
	text := string(sdp)
	at, end := strings.Index(text, "m=audio"), strings.Index(text, "y=")
	line := text[at:end]
	return []byte(text[:at] + strings.Replace(line, "a=sendrecv", "a=recvonly", 1) + strings.Replace(line, "a=sendrecv", "a=sendonly", 1) + text[end:])
}

// answerAgain repeats the 200 of a talk until its ACK.
func (c *call) answerAgain(now instant) {
	if c.giveUp <= now {
		c.device.sim.counters.fail(c.device.id, "talk: no ACK")
		c.hangUp(now)
		return
	}
	c.repeats = min(2*c.repeats, t2)
	c.at = now + c.repeats
	if c.device.path != nil && !c.device.path.reliable() {
		c.device.emit(c.answer)
	}
}

// talkACK takes the ACK of a talk; false of any other.
func (d *device) talkACK(now instant, m *wire.Message) bool {
	c := d.callOf(m)
	if c == nil || !c.talk {
		return false
	}
	c.acked, c.at, c.step = true, never, nil
	if d.sim.quirks.has(hangsUp) {
		c.at, c.step = now+hangUpAfter, c.hangUp
	}
	return true
}

// endCall takes the server's BYE of a call; false where there is none.
func (d *device) endCall(m *wire.Message) bool {
	c := d.callOf(m)
	if c == nil {
		return false
	}
	d.sim.counters.byes.Add(1)
	d.reply(m, 200, nil, nil)
	c.end("server")
	return true
}

// tickCalls does what is due in the calls, and drops those that are over.
func (d *device) tickCalls(now instant) {
	for _, c := range d.calls {
		if c.at <= now && c.step != nil {
			c.step(now)
		}
	}
	kept := d.calls[:0]
	for _, c := range d.calls {
		if !c.over {
			kept = append(kept, c)
		}
	}
	clear(d.calls[len(kept):])
	if d.calls = kept; len(kept) == 0 {
		d.calls = nil
	}
}

// endCalls ends all without a word.
func (d *device) endCalls() {
	for _, c := range d.calls {
		c.end("")
	}
	d.calls = nil
}

// end closes the ear, which keeps what it heard. by is who ended the call.
func (c *call) end(by string) {
	if c.over {
		return
	}
	c.over, c.at, c.step = true, never, nil
	if c.ear != nil {
		c.ear.close(by)
	}
}

// listen opens an ear.
func (c *call) listen(transport string) (*ear, error) {
	d := c.device
	e, err := openEar(d.sim, d.path.local().Addr(), transport)
	if err != nil {
		return nil, err
	}
	e.heard = Heard{Channel: gb28181.ID(c.target), Talk: c.talk, Transport: transport}
	e.lost = func() { d.shard.do(d, func(now instant) { c.hangUp(now) }) }
	d.ears = append(d.ears, e)
	if len(d.ears) > maxEars {
		d.ears = append(d.ears[:0], d.ears[1:]...)
	}
	return e, nil
}

// maxEars are the calls of a device whose sound is kept.
const maxEars = 8

// Heard is what a device of an index heard in its last calls, the oldest first.
func (s *Sim) Heard(i int) []Heard {
	var ears []*ear
	if s.with(i, func(d *device, _ instant) error { ears = append(ears, d.ears...); return nil }) != nil {
		return nil
	}
	out := make([]Heard, len(ears))
	for n, e := range ears {
		out[n] = e.report()
	}
	return out
}

// HangUp ends the calls of a device with its BYE.
func (s *Sim) HangUp(i int) error {
	return s.with(i, func(d *device, now instant) error {
		for _, c := range d.calls {
			c.hangUp(now)
		}
		return nil
	})
}
