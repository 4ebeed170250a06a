package sip

import (
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"fengsui/internal/reuse"
	"fengsui/sip/flow"
	"fengsui/sip/intake"
)

// Request is a request that was received. It is its handler's until that and what
// it left for after the answer have returned; then it is used for another. Its
// strings and its Body may be kept.
type Request struct {
	reuse.Mark

	Method            string // upper case
	URIUser           string // user part of the Request-URI
	FromUser, FromTag string
	ToUser, ToTag     string
	CallID            string
	CSeq              uint32
	Event             string // token and parameters as sent: "Catalog;id=4021"
	SubscriptionState string // "active;expires=590"
	ContentType       string
	UserAgent         string
	Body              []byte
	Flow              flow.Flow
	At                time.Time // when its handler began
	Seq               uint64    // order of receipt over all sockets

	msg      *gosip.Request // nil in one made by a test
	accepted *Dialog        // that its handler made of it
}

// Header is the first value of any header, "" when absent. Names of any case
// match; compact forms only where RFC 3261 names the long one.
func (r *Request) Header(name string) string {
	if r.msg == nil {
		return ""
	}
	return headerValue(r.msg, name)
}

// Fields yields the header fields as they were sent, but for what the intake
// stamps on.
func (r *Request) Fields() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		if r.msg == nil {
			return
		}
		for _, h := range r.msg.Headers() {
			if n := h.Name(); n != intake.HeaderSeq && n != intake.HeaderFlow && n != intake.HeaderUnasked && !yield(n, h.Value()) {
				return
			}
		}
	}
}

// Response is a final answer, ours or a peer's.
type Response struct {
	Status      int    // 0 from a handler: no answer at all
	Reason      string // empty: the usual words
	Headers     []intake.Header
	ContentType string
	Body        []byte

	dialog *Dialog // that a 200 to INVITE makes
}

// Header is the first value of a header, "" when absent.
func (r *Response) Header(name string) string {
	for _, h := range r.Headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// Success reports a 2xx.
func (r *Response) Success() bool { return r.Status >= 200 && r.Status < 300 }

// Handler answers a request. What it returns as after, if not nil, runs when
// the answer is on the wire, in order of receipt among the requests of one
// From user, on a bounded set of workers; it may be dropped when the queue is
// full. Handlers run at the same time as each other.
type Handler func(r *Request) (answer Response, after func())

// serve is given every request that the library has a transaction for.
func (e *Endpoint) serve(req *gosip.Request, tx gosip.ServerTransaction) {
	e.gate.RLock()
	if e.closed {
		e.gate.RUnlock()
		// A repeat, read before the sockets closed and handled after, for
		// which the library has just opened a socket of its own to answer from.
		if err := e.ua.TransportLayer().Pool("udp").Clear(); err != nil {
			e.log.Debug().Err(err).Msg("closing sip transports")
		}
		return
	}
	e.handling.Add(1)
	e.gate.RUnlock()
	defer e.handling.Done()

	r := e.requests.Get()
	r.fill(req)
	e.order.claim(r.Seq)
	var answer *gosip.Response
	var after func()
	held := false // the body, until after has run
	if e.active.Add(1) > int64(e.cfg.MaxHandlers) {
		e.m.shed.Inc()
		answer = e.response(req, crowded())
	} else if share := e.bodies.take(r.Flow.Remote.Addr(), len(r.Body)); share != "" {
		e.m.crowded.WithLabelValues(share).Inc()
		answer = e.response(req, crowded())
	} else {
		answer, after = e.answer(r)
		held = after != nil
		after = e.bodies.holding(r.Flow.Remote.Addr(), len(r.Body), after)
	}
	e.active.Add(-1)
	if answer != nil {
		e.m.requests.WithLabelValues(label(r.Method), class(answer.StatusCode)).Inc()
		answer.SetDestination(req.Source()) // not where Via points: that is private behind NAT
		if err := tx.Respond(answer); err != nil {
			e.log.Debug().Err(err).Str("device", r.FromUser).Str("method", r.Method).Msg("answer not sent")
		}
	}
	if d := r.accepted; d != nil && !e.inBackground(func() { e.repeatUntilAcked(d, tx, answer) }) {
		d.end(ErrClosed)
	}
	if after == nil {
		e.order.hand(r.Seq, r.FromUser, nil)
		e.requests.Put(r)
		return
	}
	if !e.order.hand(r.Seq, r.FromUser, func() { after(); e.requests.Put(r) }) {
		e.m.dropped.Inc()
		if held {
			e.bodies.release(r.Flow.Remote.Addr(), len(r.Body))
		}
		e.requests.Put(r)
	}
}

// answer finds who answers; nil is no answer.
func (e *Endpoint) answer(r *Request) (*gosip.Response, func()) {
	if foreign := unsupported(r); foreign != "" {
		return e.response(r.msg, Response{Status: 420, Headers: []intake.Header{{Name: "Unsupported", Value: foreign}}}), nil
	}
	if e.cfg.Admit != nil && r.Method != "REGISTER" && r.Method != "ACK" && r.Method != "CANCEL" {
		if refusal := e.cfg.Admit(r); refusal.Status != 0 {
			return e.response(r.msg, refusal), nil
		}
	}
	switch r.Method {
	case "ACK":
		e.peerAck(r)
		return nil, nil
	case "OPTIONS":
		return e.response(r.msg, Response{Status: 200, Headers: []intake.Header{
			{Name: "Allow", Value: e.allow},
			{Name: "Accept", Value: "application/sdp, Application/MANSCDP+xml, Application/MANSRTSP"},
		}}), nil
	case "BYE":
		return e.peerBye(r)
	case "CANCEL": // of a transaction we have not: the library answers the others
		return e.response(r.msg, Response{Status: 481}), nil
	case "REGISTER", "MESSAGE":
		if res, answered := e.askDirect(r); answered {
			return res, nil
		}
	}
	h := e.handlers[r.Method]
	if h == nil {
		return e.response(r.msg, Response{Status: refusal(r.Method), Headers: []intake.Header{{Name: "Allow", Value: e.allow}}}), nil
	}
	a, after := h(r)
	if a.Status == 0 {
		return nil, after
	}
	return e.response(r.msg, a), after
}

// unsupported is the extensions a request requires, of which we have none: ""
// where it requires none or they do not matter. A REGISTER, MESSAGE or NOTIFY is
// taken all the same: nothing is gained by losing the camera that sent it.
func unsupported(r *Request) string {
	switch r.Method {
	case "ACK", "BYE", "CANCEL", "REGISTER", "MESSAGE", "NOTIFY":
		return ""
	}
	if r.msg == nil {
		return ""
	}
	var all []string
	for _, h := range r.msg.GetHeaders("Require") {
		if v := strings.TrimSpace(h.Value()); v != "" {
			all = append(all, v)
		}
	}
	return strings.Join(all, ", ")
}

// refusal is the status for a method without a handler: RFC 3261 tells those
// that are known and not allowed (8.2.1) from those that are not (21.5.2).
func refusal(method string) int {
	switch method {
	case "INVITE", "INFO", "SUBSCRIBE", "NOTIFY", "PRACK", "UPDATE", "REFER", "PUBLISH", "MESSAGE", "REGISTER":
		return 405
	}
	return 501
}

// askDirect asks those who answer most messages in the intake, in the form
// they know.
func (e *Endpoint) askDirect(r *Request) (res *gosip.Response, answered bool) {
	raw := e.print(r.msg)
	defer e.buffers.Put(raw)
	scanned, err := intake.Scan(raw.B)
	if err != nil {
		return e.response(r.msg, Response{Status: 400}), true
	}
	scanned.Flow, scanned.At, scanned.Seq = r.Flow, r.At, r.Seq
	var a intake.Answer
	if r.Method == "REGISTER" {
		a = e.direct.Register(&scanned)
	} else if a, answered = e.direct.Message(&scanned); !answered {
		return nil, false
	}
	if a.Status == 0 {
		return nil, true
	}
	written := e.buffers.Get(len(raw.B))
	defer func() { e.buffers.Put(written) }()
	written.B = intake.AppendAnswer(written.B, &scanned, a)
	return verbatim(string(written.B), a.Status, r.msg), true
}

// verbatim is an answer that the library sends as it stands, so that it has the
// bytes that the intake would have sent: typed headers would be written anew.
func verbatim(text string, status int, req *gosip.Request) *gosip.Response {
	first, lines, _ := strings.Cut(text, "\r\n")
	_, reason, _ := strings.Cut(strings.TrimPrefix(first, "SIP/2.0 "), " ")
	res := gosip.NewResponse(status, reason)
	for line := range strings.SplitSeq(lines, "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			res.AppendHeader(gosip.NewHeader(name, value))
		}
	}
	res.SetTransport(req.Transport())
	return res
}

// response builds an answer of ours.
func (e *Endpoint) response(req *gosip.Request, a Response) *gosip.Response {
	if a.Reason == "" {
		a.Reason = intake.Reason(a.Status)
	}
	res := gosip.NewResponseFromRequest(req, a.Status, a.Reason, nil)
	for _, h := range a.Headers {
		res.AppendHeader(gosip.NewHeader(h.Name, h.Value))
	}
	if to := res.To(); a.dialog != nil && to != nil {
		to.Params.Add("tag", a.dialog.leg.tag)
	}
	if e.cfg.UserAgent != "" {
		res.AppendHeader(gosip.NewHeader("User-Agent", e.cfg.UserAgent))
	}
	makesDialog := req.Method == gosip.INVITE || req.Method == gosip.SUBSCRIBE
	if makesDialog && res.IsSuccess() && res.GetHeader("Contact") == nil {
		res.AppendHeader(e.contact(flowOf(req)))
	}
	if a.ContentType != "" {
		res.AppendHeader(gosip.NewHeader("Content-Type", a.ContentType))
	}
	res.SetBody(a.Body)
	return res
}

// allowed is the Allow header: what is answered with other than 405.
func (e *Endpoint) allowed() string {
	methods := []string{"ACK", "BYE", "CANCEL", "MESSAGE", "OPTIONS", "REGISTER"}
	for m := range e.handlers {
		methods = append(methods, m)
	}
	slices.Sort(methods)
	return strings.Join(slices.Compact(methods), ", ")
}

// fill makes r of what the library parsed. All its fields are zero.
func (r *Request) fill(req *gosip.Request) {
	r.Method, r.URIUser = strings.ToUpper(string(req.Method)), req.Recipient.User
	r.Event, r.SubscriptionState = headerValue(req, "Event"), headerValue(req, "Subscription-State")
	r.ContentType, r.UserAgent = headerValue(req, "Content-Type"), headerValue(req, "User-Agent")
	r.Body, r.Flow, r.At, r.msg = req.Body(), flowOf(req), time.Now(), req
	if from := req.From(); from != nil {
		r.FromUser = from.Address.User
		r.FromTag, _ = from.Params.Get("tag")
	}
	if to := req.To(); to != nil {
		r.ToUser = to.Address.User
		r.ToTag, _ = to.Params.Get("tag")
	}
	if id := req.CallID(); id != nil {
		r.CallID = id.Value()
	}
	if cseq := req.CSeq(); cseq != nil {
		r.CSeq = cseq.SeqNo
	}
	r.Seq, _ = strconv.ParseUint(headerValue(req, intake.HeaderSeq), 10, 64)
}

// flowOf is the way back to the sender; zero when the intake gave none.
func flowOf(req *gosip.Request) flow.Flow {
	f, err := flow.Parse(headerValue(req, intake.HeaderFlow))
	if err != nil {
		return flow.Flow{}
	}
	return f
}

func headerValue(m gosip.Message, name string) string {
	all := m.GetHeaders(name)
	if len(all) == 0 {
		if short := compact(name); short != "" {
			all = m.GetHeaders(short)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return all[0].Value()
}

func compact(name string) string {
	switch strings.ToLower(name) {
	case "content-type":
		return "c"
	case "event":
		return "o"
	case "subject":
		return "s"
	case "supported":
		return "k"
	}
	return ""
}
