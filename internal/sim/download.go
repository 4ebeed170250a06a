package sim

import (
	"fmt"
	"strings"
	"time"

	"fengsui/gb28181"
	"fengsui/internal/sim/stream"
	"fengsui/internal/sim/wire"
)

const (
	toldEarly = 2 * time.Second
	cutOver   = 6 * time.Second // shorter recordings are not cut
)

func (o *offer) download() bool { return strings.EqualFold(o.session, "Download") }

func (o *offer) length() time.Duration { return time.Duration(o.end-o.start) * time.Second }

// downloadLines are what the answer to a download says of it: the speed and, in
// the 2022 edition, how large it will be (media.md section 1.2).
func (g *dialog) downloadLines() (lines []string) {
	s := g.device.sim
	if !g.offer.download() {
		return nil
	}
	if g.offer.speed > 0 {
		lines = append(lines, fmt.Sprintf("downloadspeed:%d", g.offer.speed))
	}
	prog, err := s.program(g.offer.profile, s.quirks.has(bareES))
	switch {
	case s.quirks.has(sizeOdd):
		lines = append(lines, "filesize:-1")
	case s.cfg.Edition >= gb28181.Edition2022 && err == nil:
		lines = append(lines, fmt.Sprintf("filesize:%d", prog.Bytes(g.offer.length())))
	}
	return lines
}

// recording is what the stream plays, nil of live pictures.
func (g *dialog) recording() *stream.Recording {
	if !g.offer.recorded() {
		return nil
	}
	d, q := g.device, g.device.sim.quirks
	r := &stream.Recording{Length: g.offer.length()}
	end := d.sentAll
	if q.has(endByBye) {
		end = d.hangUp
	}
	if q.has(statusEarly) {
		r.Early = toldEarly
	}
	if q.has(recordingCut) && r.Length > cutOver {
		r.Length, end = r.Length/2, d.hangUp
	}
	r.Done = func() { d.shard.do(d, func(now instant) { end(now, g) }) }
	return r
}

// hangUp ends a dialog by the device.
func (d *device) hangUp(now instant, g *dialog) {
	if g.over {
		return
	}
	d.bye(now, g)
	g.end()
	d.sweep()
}

// sentAll says that all of a recording is sent: in the dialog (signalling.md
// section 6.6), or as devices do who know it otherwise (section 9 row 29).
func (d *device) sentAll(now instant, g *dialog) {
	q := d.sim.quirks
	if g.over || d.path == nil || q.has(noMediaStatus) {
		return
	}
	m := g.invite
	if q.has(statusStray) {
		d.sendMessage(now, &tx{done: func(instant, *wire.Message) {}}, d.notify("MediaStatus", d.id, "<NotifyType>121</NotifyType>\r\n"))
		return
	}
	target := wire.URI(m.Get("Contact"))
	if target == "" {
		target = "sip:" + string(d.sim.cfg.ServerID) + "@" + d.sim.cfg.Domain
	}
	method := "MESSAGE"
	if q.has(statusInfo) {
		method = "INFO"
	}
	g.cseq++
	d.send(now, &tx{done: func(instant, *wire.Message) {}}, head{
		method: method, uri: target, from: m.Get("To") + ";tag=" + d.tag(m.Get("Call-ID")), to: m.Get("From"),
		callID: m.Get("Call-ID"), cseq: g.cseq, extra: []wire.Header{{Name: "Content-Type", Value: xmlType}},
	}, d.encode(d.notify("MediaStatus", wire.User(m.URI), "<NotifyType>121</NotifyType>\r\n")))
}
