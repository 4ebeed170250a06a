package sim

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"time"

	"fengsui/gb28181/manscdp"
	"fengsui/internal/sim/wire"
	"fengsui/sip/note"
)

const allow = "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, SUBSCRIBE, NOTIFY"

// maxSubscriptions of a device; one more replaces the oldest.
const maxSubscriptions = 4

// request answers a request from the server. m was sent to this device.
func (d *device) request(now instant, m *wire.Message) {
	if m.Method != "ACK" && m.Method != "CANCEL" && !d.signed(m) {
		d.reply(m, 403, nil, nil)
		return
	}
	switch m.Method {
	case "INVITE":
		if bytes.Contains(m.Body, []byte("\nm=audio")) {
			d.inviteTalk(now, m)
			return
		}
		d.invite(now, m)
	case "ACK":
		d.ack(now, m)
	case "BYE":
		d.takeBye(m)
	case "CANCEL":
		d.cancel(now, m)
	default:
		key := maphash.String(d.sim.seed, m.Branch()+m.Method)
		for _, was := range d.seen {
			if was.key == key && was.status != 0 {
				if sub := d.subscriptionOf(m); sub != nil && m.Method == "SUBSCRIBE" {
					d.reply(m, 200, sub.headers(d, now), nil)
					return
				}
				d.reply(m, int(was.status), nil, nil)
				return
			}
		}
		status := d.answerOther(now, m)
		d.seen[d.seenAt] = seen{key, uint16(status)}
		d.seenAt = (d.seenAt + 1) % uint8(len(d.seen))
	}
}

// signed reports whether a request of the server has a Note that fits, where
// devices ask for one (signalling.md section 2.10).
func (d *device) signed(m *wire.Message) bool {
	a := d.sim.cfg.Note
	if a == "" {
		return true
	}
	p := note.Parts{From: m.Get("From"), To: m.Get("To"), CallID: m.Get("Call-ID"), Date: m.Get("Date"), Body: m.Body}
	if p.Date != "" && m.Get("Note") == note.Sign(a, p, d.sim.cfg.NoteSeed) {
		return true
	}
	d.sim.counters.fail(d.id, m.Method+": the Note does not fit")
	return false
}

// answerOther answers a request outside INVITE dialogs and returns its status.
func (d *device) answerOther(now instant, m *wire.Message) int {
	switch m.Method {
	case "MESSAGE":
		return d.takeMessage(now, m)
	case "SUBSCRIBE":
		return d.subscribe(now, m)
	case "OPTIONS":
		return d.reply(m, 200, []wire.Header{{Name: "Allow", Value: allow}}, nil)
	case "INFO":
		return d.steer(m)
	case "NOTIFY":
		return d.reply(m, 200, nil, nil)
	}
	return d.reply(m, 405, []wire.Header{{Name: "Allow", Value: allow}}, nil)
}

func (d *device) takeMessage(now instant, m *wire.Message) int {
	r, ok := readRequest(m.Body)
	if !ok || !d.accepts(m.Body) {
		return d.reply(m, 400, nil, nil)
	}
	announces := r.root == "Notify" && r.cmd == manscdp.CmdBroadcast
	if announces && d.sim.quirks.has(broadcastBusy) {
		return d.reply(m, 486, nil, nil)
	}
	status := d.reply(m, 200, nil, nil)
	if r.root == "Query" || r.root == "Control" {
		d.sim.counters.queries.Add(1)
	}
	if d.sim.quirks.has(noAnswer) {
		return status
	}
	if announces {
		d.announced(now, &r)
		return status
	}
	if r.root == "Control" && r.cmd == manscdp.CmdDeviceControl {
		if c, err := manscdp.Decode(m.Body); err == nil {
			if j := d.control(now, c); j != nil {
				d.enqueue(now, *j)
			}
		}
		return status
	}
	if j := d.answer(&r); j != nil {
		d.enqueue(now, *j)
	}
	return status
}

// reply sends a response and returns its status. A To without a tag gets ours.
func (d *device) reply(m *wire.Message, status int, extra []wire.Header, content []byte) int {
	d.emit(d.response(m, status, extra, content))
	return status
}

func (d *device) response(m *wire.Message, status int, extra []wire.Header, content []byte) []byte {
	b := make([]byte, 0, 512+len(content))
	b = wire.Join(b, "SIP/2.0 ", strconv.Itoa(status), " ", reason(status), "\r\n")
	for _, v := range m.All("Via") {
		b = wire.Join(b, "Via: ", v, "\r\n")
	}
	to := m.Get("To")
	if wire.Param(to, "tag") == "" && status != 100 {
		to += ";tag=" + d.tag(m.Get("Call-ID"))
	}
	b = wire.Join(b, "From: ", m.Get("From"), "\r\nTo: ", to, "\r\nCall-ID: ", m.Get("Call-ID"),
		"\r\nCSeq: ", m.Get("CSeq"), "\r\nUser-Agent: ", userAgent, "\r\n")
	for _, x := range extra {
		b = wire.Join(b, x.Name, ": ", x.Value, "\r\n")
	}
	return d.finish(b, content)
}

// tag is our tag in a dialog: the same for every answer to it until a reboot.
func (d *device) tag(callID string) string {
	return strconv.FormatUint(maphash.String(d.sim.seed, callID+d.callID), 16)
}

func (d *device) contact() string { return "<sip:" + d.id + "@" + d.path.local().String() + ">" }

// version is the X-GB-Ver of the device; before 2022 there was none.
func (d *device) version() string {
	if v := d.sim.cfg.Edition.Version(); v >= "3.0" {
		return v
	}
	return ""
}

func reason(status int) string {
	switch status {
	case 100:
		return "Trying"
	case 180:
		return "Ringing"
	case 200:
		return "OK"
	case 400:
		return "Bad Request"
	case 403:
		return "Forbidden"
	case 404:
		return "Not Found"
	case 405:
		return "Method Not Allowed"
	case 480:
		return "Temporarily Unavailable"
	case 481:
		return "Call/Transaction Does Not Exist"
	case 486:
		return "Busy Here"
	case 487:
		return "Request Terminated"
	case 488:
		return "Not Acceptable Here"
	}
	return "Server Internal Error"
}

// subscription is what the server wants to hear of (signalling.md section 5).
type subscription struct {
	cmd                string // CmdType: Catalog, Alarm, MobilePosition
	subject            string // DeviceID asked for
	callID, event      string
	target, self, peer string // Request-URI, From and To of our NOTIFYs
	cseq               uint32
	until              instant
	ended              bool
}

// subscribe starts, refreshes or ends a subscription.
func (d *device) subscribe(now instant, m *wire.Message) int {
	expires := 3600
	if n, err := strconv.Atoi(m.Get("Expires")); err == nil {
		expires = n
	}
	sub := d.subscriptionOf(m)
	if sub == nil && wire.Param(m.Get("To"), "tag") != "" {
		return d.reply(m, 481, nil, nil) // a dialog from before a reboot
	}
	if sub == nil {
		r, ok := readRequest(m.Body)
		if !ok || !d.accepts(m.Body) {
			return d.reply(m, 400, nil, nil)
		}
		sub = &subscription{
			cmd: r.cmd, subject: cmp.Or(r.id, d.id), callID: m.Get("Call-ID"), event: m.Get("Event"),
			self: m.Get("To") + ";tag=" + d.tag(m.Get("Call-ID")), peer: m.Get("From"), target: wire.URI(m.Get("Contact")),
		}
		// A second subscription of the same subject replaces the first.
		d.subs = slices.DeleteFunc(d.subs, func(s *subscription) bool { return s.cmd == sub.cmd && s.subject == sub.subject })
		if len(d.subs) >= maxSubscriptions {
			d.subs = d.subs[1:]
		}
		d.subs = append(d.subs, sub)
		d.sim.counters.subscriptions.Add(1)
	}
	sub.until = now + instant(expires)*time.Second
	status := d.reply(m, 200, sub.headers(d, now), nil)
	switch {
	case expires == 0:
		sub.ended = true
		d.unsubscribe(sub)
		d.enqueue(now, job{sub: sub, next: once(d.notify(sub.cmd, sub.subject, ""))})
	case sub.cmd == "Catalog" && sub.cseq == 0:
		// All that is off is told at once (2022 N.2).
		off := make([]int, 0, len(d.off))
		for ch := range d.off {
			off = append(off, ch)
		}
		slices.Sort(off)
		d.enqueue(now, job{sub: sub, next: once(d.catalogEvents(sub.subject, off, "OFF"))})
	}
	return status
}

func (sub *subscription) headers(d *device, now instant) []wire.Header {
	left := max(0, (sub.until - now).Round(time.Second))
	return []wire.Header{{Name: "Contact", Value: d.contact()}, {Name: "Expires", Value: strconv.Itoa(int(left.Seconds()))}, {Name: "Event", Value: sub.event}}
}

func (d *device) subscriptionOf(m *wire.Message) *subscription {
	id := m.Get("Call-ID")
	for _, sub := range d.subs {
		if sub.callID == id {
			return sub
		}
	}
	return nil
}

func (d *device) unsubscribe(sub *subscription) {
	d.subs = slices.DeleteFunc(d.subs, func(s *subscription) bool { return s == sub })
}

// publish notifies the subscribers of a subject.
func (d *device) publish(now instant, cmd string, text func() string) {
	d.subs = slices.DeleteFunc(d.subs, func(s *subscription) bool { return s.until <= now })
	for _, sub := range d.subs {
		if sub.cmd == cmd {
			d.enqueue(now, job{sub: sub, next: once(text())})
		}
	}
}

func (d *device) sendNotify(now instant, t *tx, sub *subscription, text string) {
	sub.cseq++
	state := fmt.Sprintf("active;expires=%d", int(max(0, sub.until-now).Seconds()))
	if sub.ended {
		state = "terminated"
	}
	target := sub.target
	if !strings.HasPrefix(target, "sip:") {
		target = "sip:" + string(d.sim.cfg.ServerID) + "@" + d.sim.cfg.Domain
	}
	d.send(now, t, head{
		method: "NOTIFY", uri: target, from: sub.self, to: sub.peer, callID: sub.callID, cseq: sub.cseq,
		extra: []wire.Header{
			{Name: "Contact", Value: d.contact()}, {Name: "Event", Value: sub.event},
			{Name: "Subscription-State", Value: state}, {Name: "Content-Type", Value: xmlType},
		},
	}, d.encode(text))
}
