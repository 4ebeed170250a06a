package sim

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"fengsui/internal/sim/wire"
	"fengsui/sip/note"
)

const (
	t2        = 4 * time.Second
	userAgent = "Fengsui simulated camera"
	xmlType   = "Application/MANSCDP+xml"
)

// tx is a client transaction (RFC 3261 section 17.1.2); of an INVITE too, which is
// repeated until its final answer.
type tx struct {
	// Set by the maker.
	done    func(now instant, m *wire.Message) // the final answer, or nil when none came
	timeout time.Duration                      // 0: 64*T1

	// Set by send.
	id       uint32
	raw      []byte
	interval time.Duration
	end      instant
	at       instant // when to send again or give up
}

// head is what a request's header needs.
type head struct {
	method, uri, from, to, callID string
	cseq                          uint32
	extra                         []wire.Header
}

// send starts a transaction.
func (d *device) send(now instant, t *tx, h head, body []byte) {
	if d.path == nil {
		return
	}
	d.txSerial++
	t.id = d.txSerial
	t.raw = d.render(t.id, h, body)
	if t.timeout == 0 {
		t.timeout = 64 * d.sim.cfg.T1
	}
	t.interval, t.end = d.sim.cfg.T1, now+t.timeout
	t.at = min(now+t.interval, t.end)
	if d.path.reliable() {
		t.at = t.end
	}
	d.txs = append(d.txs, t)
	d.emit(t.raw)
}

// emit writes to the network. A broken path is noticed by who reads it.
func (d *device) emit(b []byte) {
	if err := d.path.write(b); err != nil {
		d.sim.counters.fail(d.id, "send: "+plain(err))
	}
}

// render writes a request.
func (d *device) render(id uint32, h head, body []byte) []byte {
	local := d.path.local().String()
	via, rport := "SIP/2.0/UDP ", ";rport"
	if d.path.reliable() {
		via = "SIP/2.0/TCP "
	}
	q := d.sim.quirks
	if q.has(noRport) {
		rport = ""
	}
	cseq := h.cseq
	if h.method == "MESSAGE" && q.has(sameCSeq) {
		cseq = 20
	}
	b := make([]byte, 0, 512+len(body))
	if q.has(splitCRLF) {
		b = append(b, "\r\n"...)
	}
	b = wire.Join(b, h.method, " ", h.uri, " SIP/2.0\r\nVia: ", via, local, rport, ";branch=", d.sim.branch(d.index, id),
		"\r\nFrom: ", h.from, "\r\nTo: ", h.to, "\r\nCall-ID: ", h.callID,
		"\r\nCSeq: ", strconv.FormatUint(uint64(cseq), 10), " ", h.method,
		"\r\nMax-Forwards: 70\r\nUser-Agent: ", userAgent, "\r\n")
	for _, x := range h.extra {
		b = wire.Join(b, x.Name, ": ", x.Value, "\r\n")
	}
	if a := d.sim.cfg.Note; a != "" && h.method != "REGISTER" {
		p := note.Parts{From: h.from, To: h.to, CallID: h.callID, Date: time.Now().In(beijing()).Format(note.DateLayout), Body: body}
		b = wire.Join(b, "Date: ", p.Date, "\r\nNote: ", note.Sign(a, p, d.sim.cfg.NoteSeed), "\r\n")
	}
	return d.finish(b, body)
}

// finish writes Content-Length and the body.
func (d *device) finish(b, body []byte) []byte {
	length := len(body)
	if d.sim.quirks.has(wrongLength) {
		length = d.characters(body)
	}
	b = wire.Join(b, "Content-Length: ", strconv.Itoa(length), "\r\n\r\n")
	return append(b, body...)
}

// characters counts what an encoder that confuses bytes and characters counts.
func (d *device) characters(body []byte) int {
	if utf8.Valid(body) {
		return utf8.RuneCount(body)
	}
	n := 0
	for i := 0; i < len(body); i++ {
		if body[i] >= 0x80 {
			i++ // two bytes of GBK are one character
		}
		n++
	}
	return n
}

// branch names a device and its transaction, so that an answer on a shared
// socket finds its way.
func (s *Sim) branch(device int, id uint32) string {
	return "z9hG4bK" + s.mark + "." + strconv.FormatInt(int64(device), 16) + "." + strconv.FormatUint(uint64(id), 16)
}

func (s *Sim) readBranch(branch string) (device int, id uint32, ok bool) {
	rest, ok := strings.CutPrefix(branch, "z9hG4bK"+s.mark+".")
	if !ok {
		return 0, 0, false
	}
	a, b, _ := strings.Cut(rest, ".")
	i, err1 := strconv.ParseUint(a, 16, 31)
	n, err2 := strconv.ParseUint(b, 16, 32)
	if err1 != nil || err2 != nil || int(i) >= len(s.devices) {
		return 0, 0, false
	}
	return int(i), uint32(n), true
}

// answered gives a response to its transaction.
func (d *device) answered(now instant, id uint32, m *wire.Message) {
	for i, t := range d.txs {
		if t.id != id {
			continue
		}
		if m.Status < 200 {
			return
		}
		d.txs = append(d.txs[:i], d.txs[i+1:]...)
		t.done(now, m)
		return
	}
	d.again(m)
}

// tickTransactions sends again what is due and gives up what is too old.
func (d *device) tickTransactions(now instant) {
	for i := 0; i < len(d.txs); i++ {
		t := d.txs[i]
		if t.at > now {
			continue
		}
		if t.end <= now || d.path == nil {
			d.txs = append(d.txs[:i], d.txs[i+1:]...)
			i = -1 // done may change the list: begin again
			t.done(now, nil)
			continue
		}
		t.interval = min(2*t.interval, t2)
		t.at = min(now+t.interval, t.end)
		d.sim.counters.retransmitted.Add(1)
		d.emit(t.raw)
	}
}

// sendMessage sends a MESSAGE to the server.
func (d *device) sendMessage(now instant, t *tx, text string) {
	s := d.sim
	d.send(now, t, head{
		method: "MESSAGE",
		uri:    "sip:" + string(s.cfg.ServerID) + "@" + s.cfg.Domain,
		from:   "<sip:" + d.id + "@" + s.cfg.Domain + ">;tag=" + random(),
		to:     "<sip:" + string(s.cfg.ServerID) + "@" + s.cfg.Domain + ">",
		callID: random() + "@" + d.id,
		cseq:   d.txSerial + 1,
		extra:  []wire.Header{{Name: "Content-Type", Value: xmlType}},
	}, d.encode(text))
}

// job is something to tell the server, in one or several messages, each sent
// when the one before was answered (2022 Annex M).
type job struct {
	next    func() (text string, more bool)
	sub     *subscription // nil: MESSAGE
	catalog bool          // counts as catalog parts
	once    bool          // its messages are sent once each, whatever becomes of them
}

// once is a job's only message.
func once(text string) func() (string, bool) {
	return func() (string, bool) { return text, false }
}

func (d *device) enqueue(now instant, j job) {
	if len(d.jobs) >= maxJobs {
		d.sim.counters.fail(d.id, "too many answers waiting")
		return
	}
	d.jobs = append(d.jobs, j)
	d.jobAt = max(d.jobAt, now)
	if d.jobAt == never {
		d.jobAt = now
	}
	d.work(now)
}

// work sends the next message of the first job.
func (d *device) work(now instant) {
	if d.busy || len(d.jobs) == 0 || d.jobAt > now || d.path == nil {
		return
	}
	j := d.jobs[0]
	text, more := j.next()
	if !more {
		d.jobs = d.jobs[1:]
		if len(d.jobs) == 0 {
			d.jobs = nil
		}
	}
	if text == "" {
		d.jobAt = now + d.sim.cfg.PartInterval
		return
	}
	d.busy = true
	t := &tx{done: func(now instant, m *wire.Message) { d.worked(now, j, m) }}
	if j.once {
		t.timeout = d.sim.cfg.T1 // before which it would be repeated
	}
	if j.sub != nil {
		d.sendNotify(now, t, j.sub, text)
		return
	}
	d.sendMessage(now, t, text)
}

func (d *device) worked(now instant, j job, m *wire.Message) {
	d.busy, d.jobAt = false, now+d.sim.cfg.PartInterval
	c := &d.sim.counters
	switch {
	case m == nil:
		c.fail(d.id, "message: no answer")
	case m.Status/100 != 2:
		c.fail(d.id, "message: "+strconv.Itoa(m.Status)+" "+m.Reason)
		if j.sub != nil {
			d.unsubscribe(j.sub)
		}
	case j.sub != nil:
		c.notifies.Add(1)
	case j.catalog:
		c.catalogParts.Add(1)
	}
}
