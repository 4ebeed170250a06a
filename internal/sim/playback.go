package sim

import (
	"fmt"
	"math"
	"strings"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/mansrtsp"
	"fengsui/internal/sim/wire"
)

// A device has recorded the last recordedSpan, all of it.
const recordedSpan = 30 * 24 * time.Hour

// recorded reports whether the offer is for a recording.
func (o *offer) recorded() bool {
	return strings.EqualFold(o.session, "Playback") || strings.EqualFold(o.session, "Download")
}

// refusal is the status for an offer that the device cannot serve, 0 if it can.
func (o *offer) refusal(now time.Time) int {
	switch {
	case strings.EqualFold(o.session, "Play"):
		return 0
	case !o.recorded(), o.end <= o.start:
		return 488
	case o.start < now.Add(-recordedSpan).Unix(), o.start > now.Unix():
		return 404 // nothing was recorded then
	}
	return 0
}

// steer obeys INFO with MANSRTSP in a playback's dialog (signalling.md section
// 6.7) and returns the status it answers.
func (d *device) steer(m *wire.Message) int {
	g := d.dialogOf(m)
	if g == nil || !g.offer.recorded() {
		return d.reply(m, 481, nil, nil)
	}
	r, _, err := mansrtsp.ParseRequest(m.Body)
	if err != nil {
		return d.reply(m, 400, nil, nil)
	}
	answer := mansrtsp.Answer{Status: 200, Reason: "OK", CSeq: r.CSeq}
	if r.Scale != 0 && (math.Abs(r.Scale) > 16 || r.Scale < 0 && d.sim.cfg.Edition < gb28181.Edition2022) {
		answer.Status, answer.Reason = 451, "Parameter Not Understood"
	} else if g.stream != nil {
		g.obey(r)
	}
	body, err := answer.Encode()
	if err != nil {
		d.sim.counters.fail(d.id, fmt.Sprintf("answer %s: %v", r.Method, err))
	}
	return d.reply(m, 200, []wire.Header{{Name: "Content-Type", Value: "Application/MANSRTSP"}}, body)
}

func (g *dialog) obey(r mansrtsp.Request) {
	if r.Method == mansrtsp.Pause {
		g.stream.Hold()
		return
	}
	if r.Method != mansrtsp.Play {
		return // TEARDOWN: a BYE follows
	}
	if r.Scale != 0 && !g.device.sim.quirks.has(ignoreScale) {
		g.stream.Scale(r.Scale)
	}
	if r.Range.Start == mansrtsp.At && !g.device.sim.quirks.has(ignoreRange) {
		g.stream.Seek(r.Range.From)
	}
	g.stream.Go()
}
