package sip

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"fengsui/internal/reuse"
	"fengsui/sip/digest"
	"fengsui/sip/flow"
	"fengsui/sip/intake"
)

// Challenges answered for one request: the first, and one more for a nonce
// that has gone stale.
const maxChallenges = 2

// Peer is whom a request goes to, and the way there.
type Peer struct {
	User string // ID in Request-URI and To: of the device, or of a channel of it
	// Device is the ID by which the hooks of [Config] know the peer; "" is User.
	Device string
	Flow   flow.Flow
	// URIHost replaces the peer's address as host[:port] of Request-URI and
	// To, for platforms that want their domain there. Empty: what Config.URIHost
	// says of Device, or the address.
	URIHost string
	// Secret is the password for 401 and 407; nil or an empty one answers none.
	Secret func() string
}

func (p Peer) device() string {
	if p.Device != "" {
		return p.Device
	}
	return p.User
}

// Outgoing is a request to send outside of a dialog.
type Outgoing struct {
	Method      string
	ContentType string
	Body        []byte
	Headers     []intake.Header
}

// Do sends a request and waits for the final answer, whatever it says. Over UDP
// it leaves from the socket of the flow; over TCP and TLS it uses the live
// connection and reports [ErrUnreachable] when it is gone. It reports
// [ErrTimeout] after 32 s or when ctx reaches its deadline.
func (e *Endpoint) Do(ctx context.Context, p Peer, o Outgoing) (*Response, error) {
	l := e.legs.Get()
	defer e.legs.Put(l) // the library has copies of what is in it
	if err := e.begin(l, p); err != nil {
		return nil, fmt.Errorf("%s to %s: %w", o.Method, p.User, err)
	}
	res, err := e.do(ctx, p, l, o)
	if err != nil {
		return nil, err
	}
	return newResponse(res), nil
}

// leg is our half of an exchange that keeps its Call-ID: a single request, a
// dialog or a subscription.
type leg struct {
	reuse.Mark // of a single request; a dialog's ends with the dialog

	callID, tag string // ours

	mu     sync.Mutex // guards all below
	to     party
	toTag  string     // the peer's; "" until it has given one
	target *gosip.Uri // Request-URI: the peer's Contact once known; nil is that of to
	cseq   uint32     // last used
}

// party is whom a leg leads to: what a whole URI would say of it in a third of
// the room, for there may be a leg for each device.
type party struct {
	user, host string
	port       int // 0 is none
}

func (p party) uri() gosip.Uri {
	return gosip.Uri{Scheme: "sip", User: p.user, Host: p.host, Port: p.port}
}

const tagSize = 16 // of our tags, 80 random bits

func (e *Endpoint) newLeg(p Peer) (*leg, error) {
	l := new(leg)
	return l, e.begin(l, p)
}

// begin makes a leg to the peer of one whose fields are zero.
func (e *Endpoint) begin(l *leg, p Peer) error {
	to := party{user: p.User, port: int(p.Flow.Remote.Port())}
	if p.URIHost == "" && e.cfg.URIHost != nil {
		p.URIHost = e.cfg.URIHost(p.device())
	}
	if p.URIHost == "" {
		to.host = p.Flow.Remote.Addr().WithZone("").String()
	} else {
		host, port := splitAdvertise(p.URIHost)
		if port < 0 {
			return fmt.Errorf("host %q: use host or host:port", p.URIHost)
		}
		to.host, to.port = host, port
	}
	host, _ := e.Advertised(p.Flow)
	both := rand.Text() + "@" + bracketed(host) + rand.Text()[:tagSize] // one text for the memory's sake
	l.callID, l.tag, l.to = both[:len(both)-tagSize], both[len(both)-tagSize:], to
	return nil
}

// next takes the next sequence number.
func (l *leg) next() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cseq++
	return l.cseq
}

// learn takes the peer's tag and Contact from a 2xx. Both may be missing.
func (l *leg) learn(res *gosip.Response) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if to := res.To(); to != nil {
		tag, _ := to.Params.Get("tag")
		l.toTag = strings.Clone(tag) // without the response around it
	}
	// A Contact of "*" or with another scheme is no target.
	if c := res.Contact(); c != nil && c.Address.Host != "" && !c.Address.Wildcard {
		l.target = nil
		if to := l.to.uri(); c.Address.String() != to.String() {
			l.target = c.Address.Clone()
		}
	}
}

// request builds a request of the leg with the sequence number.
func (e *Endpoint) request(p Peer, l *leg, method string, cseq uint32) *gosip.Request {
	l.mu.Lock()
	to, toTag := l.to.uri(), l.toTag
	target := to
	if l.target != nil {
		target = *l.target
	}
	l.mu.Unlock()
	req := gosip.NewRequest(gosip.RequestMethod(method), target)
	host, port := e.Advertised(p.Flow)
	via := &gosip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: upper(p.Flow.Transport), Host: host, Port: port}
	via.Params.Add("rport", "")
	via.Params.Add("branch", gosip.GenerateBranch())
	from := &gosip.FromHeader{Address: gosip.Uri{Scheme: "sip", User: e.cfg.ID, Host: e.cfg.Domain}}
	from.Params.Add("tag", l.tag)
	toHeader := &gosip.ToHeader{Address: to}
	if toTag != "" {
		toHeader.Params.Add("tag", toTag)
	}
	callID := gosip.CallIDHeader(l.callID)
	forwards := gosip.MaxForwardsHeader(70)
	for _, h := range []gosip.Header{via, from, toHeader, &callID,
		&gosip.CSeqHeader{SeqNo: cseq, MethodName: req.Method}, &forwards} {
		req.AppendHeader(h)
	}
	switch method {
	case "INVITE", "SUBSCRIBE", "NOTIFY", "OPTIONS":
		req.AppendHeader(e.contact(p.Flow))
	}
	if e.cfg.UserAgent != "" {
		req.AppendHeader(gosip.NewHeader("User-Agent", e.cfg.UserAgent))
	}
	req.SetTransport(upper(p.Flow.Transport))
	req.SetDestination(p.Flow.Remote.String())
	if p.Flow.Transport == flow.UDP {
		// The library finds the socket by its local address. With streams this
		// would find the newest connection accepted there, so only for UDP.
		if b := e.socket(p.Flow); b != nil {
			req.Laddr = gosip.Addr{IP: net.IP(b.local.Addr().AsSlice()), Port: int(b.local.Port())}
		}
	}
	return req
}

func (e *Endpoint) contact(f flow.Flow) gosip.Header {
	host, port := e.Advertised(f)
	return &gosip.ContactHeader{Address: gosip.Uri{Scheme: "sip", User: e.cfg.ID, Host: host, Port: port}}
}

func (e *Endpoint) socket(f flow.Flow) *bound {
	if f.Listener < 0 || f.Listener >= len(e.bound) || e.bound[f.Listener].packet == nil {
		return nil
	}
	return e.bound[f.Listener]
}

// reach reports [ErrUnreachable] when the flow leads nowhere any more.
func (e *Endpoint) reach(f flow.Flow) error {
	if !f.Stream() {
		if f.Transport == flow.UDP && f.Remote.IsValid() && e.socket(f) != nil {
			return nil
		}
		return fmt.Errorf("%w: %s: no such socket", ErrUnreachable, f)
	}
	c, err := e.ua.TransportLayer().GetConnection(f.Transport, f.Remote.String())
	if err != nil {
		return fmt.Errorf("%w: %s: connection closed", ErrUnreachable, f)
	}
	if _, err := c.TryClose(); err != nil { // gives back the reference just taken
		return fmt.Errorf("%w: %s: %w", ErrUnreachable, f, err)
	}
	return nil
}

// do sends a request of the leg, answers challenges, and waits for the final answer.
func (e *Endpoint) do(ctx context.Context, p Peer, l *leg, o Outgoing) (*gosip.Response, error) {
	var auth gosip.Header
	for challenges := 0; ; challenges++ {
		req := e.request(p, l, o.Method, l.next())
		fill(req, o.Headers, o.ContentType, o.Body, auth)
		e.vouch(ctx, p, req)
		res, err := e.roundTrip(ctx, p, req)
		if err != nil {
			return nil, fmt.Errorf("%s to %s: %w", o.Method, p.User, err)
		}
		if challenges == maxChallenges {
			return res, nil
		}
		if auth = e.authorize(p, req, res); auth == nil {
			return res, nil
		}
	}
}

// vouch says in a request for whom it is sent, and signs it, where that is wanted.
func (e *Endpoint) vouch(ctx context.Context, p Peer, req *gosip.Request) {
	if identity := BehalfOf(ctx); identity != "" {
		req.AppendHeader(gosip.NewHeader("Monitor-User-Identity", identity))
	}
	if e.cfg.Sign == nil {
		return
	}
	for _, h := range e.cfg.Sign(p.device(), req.From().Value(), req.To().Value(), req.CallID().Value(), req.Body()) {
		req.AppendHeader(gosip.NewHeader(h.Name, h.Value))
	}
}

func fill(req *gosip.Request, headers []intake.Header, contentType string, body []byte, auth gosip.Header) {
	for _, h := range headers {
		req.AppendHeader(gosip.NewHeader(h.Name, h.Value))
	}
	if auth != nil {
		req.AppendHeader(auth)
	}
	if contentType != "" {
		req.AppendHeader(gosip.NewHeader("Content-Type", contentType))
	}
	req.SetBody(body)
}

// roundTrip sends a request other than INVITE and waits for the final answer.
func (e *Endpoint) roundTrip(ctx context.Context, p Peer, req *gosip.Request) (res *gosip.Response, err error) {
	if err := e.open(ctx); err != nil {
		return nil, err
	}
	start := time.Now()
	defer func() { e.observe(string(req.Method), start, res, err) }()
	if err := e.reach(p.Flow); err != nil {
		return nil, err
	}
	tx, err := e.transact(ctx, req)
	if err != nil {
		return nil, err
	}
	defer tx.Terminate()
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res, nil
			}
		case <-tx.Done():
			return nil, explain(tx.Err())
		case <-ctx.Done():
			return nil, ended(ctx)
		}
	}
}

func (e *Endpoint) observe(method string, start time.Time, res *gosip.Response, err error) {
	outcome := "unreachable"
	switch {
	case err == nil:
		outcome = class(res.StatusCode)
		e.m.answered.WithLabelValues(label(method)).Observe(time.Since(start).Seconds())
	case errors.Is(err, ErrTimeout):
		outcome = "timeout"
	case errors.Is(err, context.Canceled):
		outcome = "canceled"
	}
	e.m.sent.WithLabelValues(label(method), outcome).Inc()
}

// ended says why ctx ended; a deadline is a timeout.
func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrTimeout, context.Cause(ctx))
	}
	return context.Cause(ctx)
}

// authorize answers the challenge in res, nil when there is none that can be
// answered. The same nonce again means that the password is wrong.
func (e *Endpoint) authorize(p Peer, req *gosip.Request, res *gosip.Response) gosip.Header {
	var asks, answers string
	switch res.StatusCode {
	case 401:
		asks, answers = "WWW-Authenticate", "Authorization"
	case 407:
		asks, answers = "Proxy-Authenticate", "Proxy-Authorization"
	default:
		return nil
	}
	if p.Secret == nil {
		return nil
	}
	password := p.Secret()
	if password == "" {
		return nil
	}
	for _, h := range res.GetHeaders(asks) {
		c, _, err := digest.ParseChallenge([]byte(h.Value()))
		if err != nil || !c.Digest() {
			continue
		}
		if _, known := digest.ParseAlgorithm(c.Algorithm); !known {
			continue
		}
		if before, err := digest.Parse([]byte(headerValue(req, answers))); err == nil && before.Nonce == c.Nonce {
			return nil
		}
		c.Username, c.URI = e.cfg.ID, req.Recipient.String()
		if c.QOP != "" {
			c.NC, c.CNonce = "00000001", rand.Text()[:16]
		}
		c.Sign(string(req.Method), password)
		return gosip.NewHeader(answers, c.String())
	}
	return nil
}

func newResponse(res *gosip.Response) *Response {
	r := &Response{Status: res.StatusCode, Reason: res.Reason, ContentType: headerValue(res, "Content-Type"), Body: res.Body()}
	headers := res.Headers()
	r.Headers = make([]intake.Header, 0, len(headers))
	for _, h := range headers {
		r.Headers = append(r.Headers, intake.Header{Name: h.Name(), Value: h.Value()})
	}
	return r
}

func bracketed(host string) string {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		return "[" + host + "]"
	}
	return host
}
