package registrar

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/gb28181/device"
	"fengsui/internal/telemetry"
	"fengsui/sip/digest"
	"fengsui/sip/flow"
	"fengsui/sip/intake"
	"fengsui/sip/trace"
)

const (
	ourVersion = "X-GB-Ver: 3.0\r\n" // 2022 Annex I
	dateFormat = "2006-01-02T15:04:05.000"
	register   = "REGISTER"
	maxContact = 256 // bytes of a Contact URI that is echoed
	fullRetry  = 60  // Retry-After, s, when the table is full

	// Retry-After of those who wait for a storm to end, s: from stormRetry on,
	// spread so that they do not come back together.
	stormRetry, stormSpread = 5, 26
)

// Registrar answers REGISTER and keepalive. Its fields are set by New and never
// changed after; what changes is behind the locks of its parts, so its methods
// may be called from several goroutines.
type Registrar struct {
	cfg      Config
	table    *device.Table
	accounts Accounts
	nonces   *digest.Nonces
	attempts *Attempts
	log      zerolog.Logger
	refusals zerolog.Logger // log, sampled: anybody can cause these lines
	metrics  *metrics
	started  time.Time // older nonces may have been used with the process before us
	replay   replay
}

// New makes a registrar that starts nothing.
func New(
	cfg Config, t *device.Table, a Accounts, n *digest.Nonces, at *Attempts, log zerolog.Logger, reg prometheus.Registerer,
) *Registrar {
	return &Registrar{
		cfg: cfg.withDefaults(), table: t, accounts: a, nonces: n, attempts: at, log: log,
		refusals: log.Sample(&zerolog.BurstSampler{Burst: 10, Period: time.Second}),
		metrics:  newMetrics(reg, at),
		started:  time.Now(),
		replay:   replay{keep: n.Lifetime() + 10*time.Second},
	}
}

// refusal is why a registration is not accepted; the zero value is no reason.
type refusal struct{ check, detail string }

// Register answers a REGISTER as the decision table of signalling.md section
// 2.9.4 says. An ID that is not known gets what a known one gets, up to the
// verdict, and so does one that is none at all: scanners begin with such a one
// to see how others differ.
func (g *Registrar) Register(r *intake.Request) intake.Answer {
	ip := r.Flow.Remote.Addr().Unmap()
	id, bad := gb28181.ParseID(borrowed(r.From.User))
	p := peer{string(id), ip}
	if bad != nil {
		id, p.id = "", shown(r.From.User)
		if len(r.Authorization) == 0 {
			g.note(p, r, refusal{CheckBadID, bad.Error()})
		}
	}
	acc, known := g.accounts.Account(id)
	if acc.Auth == AuthNone && contains(acc.Allow, ip) {
		switch {
		case !acc.takes(r.Flow):
			return g.refuse(p, r, acc.wrongTransport(r.Flow))
		case g.cfg.ApproveUnknown && !acc.Approved:
			return g.refuse(p, r, refusal{CheckApproval, "approve the device to let it in"})
		}
		return g.accept(id, p, &acc, r)
	}
	if len(r.Authorization) == 0 {
		return g.challenge(p, &acc, r, false)
	}
	c, err := digest.Parse(borrowed(r.Authorization))
	if err != nil {
		g.note(p, r, refusal{CheckHeader, err.Error()})
		return g.challenge(p, &acc, r, false)
	}
	if !c.Digest() { // certificate registration, sections 2.9.7 and 2.9.8: we offer Digest
		return g.challenge(p, &acc, r, false)
	}
	stale := g.attempts.answered(p)
	issued, old := g.nonce(&c, p, r)
	if old.check != "" {
		if stale || issued.IsZero() {
			g.note(p, r, old)
		}
		return g.challenge(p, &acc, r, true)
	}
	if g.cfg.Guard != nil && g.cfg.Guard.Paused(p.ip, p.id, r.At) {
		return intake.Answer{} // known or not: it is judged when the pause is over
	}
	if g.cfg.AnyRealm != nil && c.Realm != g.cfg.Domain {
		acc.anyRealm = g.cfg.AnyRealm(id, borrowed(r.UserAgent))
	}
	why := refusal{CheckBadID, ""}
	if bad != nil {
		why.detail = bad.Error()
		g.idle(id, &acc, &c)
	} else {
		why = g.judge(id, p, &acc, known, &c, r.Flow)
	}
	if why.check != "" {
		if g.cfg.Guard != nil {
			g.cfg.Guard.Failed(p.ip, p.id, r.At)
		}
		return g.refuse(p, r, why)
	}
	if !g.replay.take(id, issued, &c, r.At) {
		if stale {
			g.note(p, r, refusal{CheckNonce, "the device uses a nonce again instead of the new one it was offered"})
		}
		return g.challenge(p, &acc, r, true)
	}
	if g.cfg.Guard != nil {
		g.cfg.Guard.Proved(p.ip, p.id)
	}
	return g.accept(id, p, &acc, r)
}

// nonce checks the nonce. One that we never gave has no time of issue.
func (g *Registrar) nonce(c *digest.Credentials, p peer, r *intake.Request) (issued time.Time, why refusal) {
	issued, err := g.nonces.Check(c.Nonce, p.id, p.ip, r.At)
	switch {
	case errors.Is(err, digest.ErrNonceExpired):
		return issued, refusal{CheckNonce, "the nonce has expired, and the device does not take the new one it is offered"}
	case err != nil:
		return issued, refusal{CheckNonce, "the nonce is not one that we gave this ID at this address: the device answers another server's challenge, or its address changes between two messages"}
	case issued.Before(g.started):
		return issued, refusal{CheckNonce, "the nonce is from before our start, and the device does not take the new one it is offered"}
	}
	return issued, refusal{}
}

// judge is the verdict over credentials with a good nonce.
func (g *Registrar) judge(id gb28181.ID, p peer, acc *Account, known bool, c *digest.Credentials, f flow.Flow) refusal {
	common := g.cfg.Password()
	password := acc.Password
	if password == "" {
		password = common
	}
	switch {
	case password != "":
		if why := g.verify(id, acc, c, password, common); why.check != "" {
			return why
		}
	case known:
		g.idle(id, acc, c)
		return refusal{CheckPassword, "no password is set for this device, and there is no common one"}
	case g.cfg.ApproveUnknown:
		g.idle(id, acc, c)
		return refusal{CheckApproval, "approve the device and give it a password; there is no common one to check it with"}
	default:
		g.idle(id, acc, c)
		return refusal{CheckUnknownID, "the device is not provisioned, and there is no common password"}
	}
	why := g.admissible(p, acc, known, f)
	if why.check != "" { // the password is right: a wrong one is looked at longer
		offered := g.offered(acc)
		_, _ = g.proves(c, offered, common), g.proves(c, offered, "")
	}
	return why
}

// admissible judges a device whose password is right.
func (g *Registrar) admissible(p peer, acc *Account, known bool, f flow.Flow) refusal {
	switch {
	case acc.Auth == AuthNone, len(acc.Allow) > 0 && !contains(acc.Allow, p.ip):
		return refusal{CheckAddress, p.ip.String() + " is not among the addresses this device may use"}
	case !acc.takes(f):
		return acc.wrongTransport(f)
	case g.cfg.ApproveUnknown && !(known && acc.Approved):
		return refusal{CheckApproval, "its password is right; approve the device to let it in"}
	}
	return refusal{}
}

func (acc *Account) takes(f flow.Flow) bool {
	return acc.Transport == "" || acc.Transport == f.Transport
}

func (acc *Account) wrongTransport(f flow.Flow) refusal {
	return refusal{CheckTransport, "it registers by " + strings.ToUpper(f.Transport) + ", and " + strings.ToUpper(acc.Transport) +
		" is required of it: set it so in the device, or allow any"}
}

// verify checks the response, and when it is wrong finds out why.
func (g *Registrar) verify(id gb28181.ID, acc *Account, c *digest.Credentials, password, common string) refusal {
	offered := g.offered(acc)
	if c.Algorithm != "" && !offers(offered, c.Algorithm) {
		return refusal{CheckAlgorithm, "the device used " + clip([]byte(c.Algorithm)) + ", which it was not offered"}
	}
	realm := func() string { return strconv.Quote(clip([]byte(c.Realm))) }
	username := func() string { return strconv.Quote(clip([]byte(c.Username))) }
	right := g.proves(c, offered, password)
	sameRealm := c.Realm == g.cfg.Domain || acc.anyRealm
	sameName := c.Username == string(id) || !g.cfg.StrictUsername
	if right && sameRealm && sameName {
		return refusal{}
	}
	// Always both: a refusal takes the same time whatever is known.
	isCommon, isEmpty := g.proves(c, offered, common), g.proves(c, offered, "")
	switch {
	case right && !sameRealm:
		return refusal{CheckRealm, "the password is right, but the device computed with its own realm " + realm() +
			": set its SIP domain to " + g.cfg.Domain + ", or allow any realm for it"}
	case right:
		return refusal{CheckUsername, "the password is right, but the username is " + username() + " instead of the device's ID"}
	}
	words := "wrong password"
	switch {
	case acc.Password != "" && common != "" && isCommon:
		words = "the device has the common password, but one of its own is set for it"
	case isEmpty:
		words = "the device has no password set"
	case c.QOP != "" && !g.cfg.QOP:
		words = "wrong password, or a wrong computation with qop, which it was not offered"
	}
	if c.Realm != g.cfg.Domain {
		words += "; its realm is " + realm() + " instead of " + strconv.Quote(g.cfg.Domain)
	}
	if c.Username != string(id) {
		words += "; its username is " + username() + " instead of its ID"
	}
	return refusal{CheckPassword, words}
}

// idle does the work of checking a password and forgets the result, so that the
// time of a refusal does not tell whether there is one to check.
func (g *Registrar) idle(id gb28181.ID, acc *Account, c *digest.Credentials) {
	_ = g.verify(id, acc, c, "", "")
}

// proves verifies the response. A device that names no algorithm may have used
// any that it was offered.
func (g *Registrar) proves(c *digest.Credentials, offered []digest.Algorithm, password string) bool {
	if c.Algorithm != "" {
		return c.Verify(register, password)
	}
	guess := *c
	for _, a := range offered {
		if guess.Algorithm = string(a); guess.Verify(register, password) {
			return true
		}
	}
	return false
}

func (g *Registrar) offered(acc *Account) []digest.Algorithm {
	if len(acc.Algorithms) > 0 {
		return acc.Algorithms
	}
	return g.cfg.Algorithms
}

// accept changes the binding and answers 200.
func (g *Registrar) accept(id gb28181.ID, p peer, acc *Account, r *intake.Request) intake.Answer {
	expires := g.granted(r.Expires)
	if expires == 0 {
		g.table.Unbind(id, r.Flow, r.At)
		g.metrics.unregistered.Inc()
		return g.ok(id, r, 0)
	}
	contact := ""
	if echoable(r.Contact) {
		contact = borrowed(r.Contact)
	}
	edition := acc.Edition
	if edition == gb28181.EditionUnknown {
		edition = gb28181.ParseVersion(borrowed(r.Version))
	}
	bound, err := g.table.Bind(device.Registration{
		ID: id, Flow: r.Flow, Contact: contact, CallID: borrowed(r.CallID), UserAgent: shown(r.UserAgent),
		Expires: expires, Edition: edition, At: r.At,
		Trace: broughtTrace(r), Follow: acc.Follow, KeepaliveExtends: acc.KeepaliveExtends,
		KeepTransport: acc.Transport != "",
	})
	if err != nil {
		g.note(p, r, refusal{CheckTableFull, err.Error()})
		return g.later(r, fullRetry)
	}
	if bound.First && !bytes.Contains(r.URI, []byte(g.cfg.ID)) {
		uri := bytes.Clone(r.URI)
		trace.Redact(uri)
		g.log.Warn().Str("device", string(id)).Bytes("uri", uri).Msg("device registers at another server ID than ours")
	}
	if bound.First && g.cfg.First != nil {
		g.cfg.First(id, r)
	}
	g.metrics.accepted.Inc()
	return g.ok(id, r, expires)
}

// broughtTrace is the trace ID of a REGISTER with a traceparent header, "" else.
func broughtTrace(r *intake.Request) string {
	if r.Traceparent == nil {
		return ""
	}
	t, err := telemetry.ParseTraceparent(string(r.Traceparent))
	if err != nil {
		return "" // its own is as good
	}
	return t.ID()
}

// granted is how long the registration lasts; 0 ends it.
func (g *Registrar) granted(asked int) time.Duration {
	switch {
	case asked == 0:
		return 0
	case asked < 0:
		return min(max(g.cfg.DefaultExpires, g.cfg.MinExpires), g.cfg.MaxExpires)
	}
	seconds := min(int64(asked), int64(g.cfg.MaxExpires/time.Second))
	return max(time.Duration(seconds)*time.Second, g.cfg.MinExpires)
}

func (g *Registrar) ok(id gb28181.ID, r *intake.Request, expires time.Duration) intake.Answer {
	seconds := int64(expires / time.Second)
	b := append(r.Room[:0], "Contact: <"...)
	if echoable(r.Contact) {
		b = append(b, r.Contact...)
	} else {
		b = append(append(append(b, "sip:"...), id...), '@')
		b = netip.AddrPortFrom(r.Flow.Remote.Addr().Unmap(), r.Flow.Remote.Port()).AppendTo(b)
	}
	b = strconv.AppendInt(append(b, ">;expires="...), seconds, 10)
	b = strconv.AppendInt(append(b, "\r\nExpires: "...), seconds, 10)
	b = append(b, "\r\n"+ourVersion...)
	if !g.cfg.NoDate {
		b = append(appendDate(append(b, "Date: "...), r.At.In(g.cfg.Zone)), "\r\n"...)
	}
	r.Room = b
	return intake.Answer{Status: 200, Fields: b}
}

// appendDate appends t in dateFormat; time.Time.AppendFormat takes six times as
// long.
func appendDate(dst []byte, t time.Time) []byte {
	var b [len(dateFormat)]byte
	copy(b[:], "0000-00-00T00:00:00.000")
	put := func(end, n int) {
		for i := end - 1; n > 0; i, n = i-1, n/10 {
			b[i] = byte('0' + n%10)
		}
	}
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	put(4, year%10000)
	put(7, int(month))
	put(10, day)
	put(13, hour)
	put(16, minute)
	put(19, second)
	put(23, t.Nanosecond()/1e6)
	return append(dst, b[:]...)
}

// challenge answers 401 with one WWW-Authenticate for each algorithm. In a storm
// only those are challenged who register from where they were, or from where they
// are provisioned to; the others are sent away for a while, known ID or not, or
// strangers could find out which IDs there are.
func (g *Registrar) challenge(p peer, acc *Account, r *intake.Request, stale bool) intake.Answer {
	if r.Crowded && !contains(acc.Allow, p.ip) {
		g.metrics.postponed.Inc()
		return g.later(r, stormRetry+rand.IntN(stormSpread))
	}
	g.attempts.challenged(p, r, stale)
	if stale {
		g.metrics.stale.Inc()
	} else {
		g.metrics.challenged.Inc()
	}
	var space [64]byte
	nonce := g.nonces.Append(space[:0], p.id, p.ip, r.At)
	b := r.Room[:0]
	for _, a := range g.offered(acc) {
		b = append(b, "WWW-Authenticate: "...)
		b = digest.AppendChallenge(b, g.cfg.Domain, nonce, a, g.cfg.QOP, stale)
		b = append(b, "\r\n"...)
	}
	r.Room = append(b, ourVersion...)
	return intake.Answer{Status: 401, Fields: r.Room}
}

// later answers 503: come again after so many seconds.
func (g *Registrar) later(r *intake.Request, seconds int) intake.Answer {
	b := strconv.AppendInt(append(r.Room[:0], "Retry-After: "...), int64(seconds), 10)
	r.Room = append(b, "\r\n"+ourVersion...)
	return intake.Answer{Status: 503, Fields: r.Room}
}

// refuse answers 403 and keeps the reason to ourselves.
func (g *Registrar) refuse(p peer, r *intake.Request, why refusal) intake.Answer {
	g.note(p, r, why)
	r.Room = append(r.Room[:0], ourVersion...)
	return intake.Answer{Status: 403, Fields: r.Room}
}

// note keeps a failed check. The log hears of the first, the tenth, the
// hundredth of a kind: some devices try again at once, for ever. It hears of ten
// a second at most: strangers may use as many IDs as they like.
func (g *Registrar) note(p peer, r *intake.Request, why refusal) {
	at := attemptOf(p, r)
	at.Check, at.Detail = why.check, why.detail
	g.metrics.refused.WithLabelValues(why.check).Inc()
	n := g.attempts.note(p, at)
	for n%10 == 0 {
		n /= 10
	}
	if n == 1 {
		trace := broughtTrace(r)
		if trace == "" {
			trace = telemetry.TraceOf(string(r.CallID)).ID()
		}
		g.refusals.Info().Str("device", p.id).Str("trace", trace).Stringer("flow", r.Flow).Str("check", why.check).Str("detail", why.detail).
			Msg("registration refused")
	}
}

// Message answers a keepalive: 200 when the table takes it, 403 else, upon
// which the device registers anew. Nothing else is answered here.
func (g *Registrar) Message(r *intake.Request) (intake.Answer, bool) {
	id := gb28181.ID(borrowed(r.From.User))
	if len(bytes.TrimSpace(r.Body)) == 0 {
		if !g.cfg.EmptyKeepalive || g.cfg.Admit != nil && g.cfg.Admit(id, r) != nil || g.table.Keepalive(id, r.Flow, true, r.At) != nil {
			return intake.Answer{}, false
		}
		g.metrics.good.Inc()
		return intake.Answer{Status: 200}, true
	}
	if g.cfg.IsKeepalive == nil {
		return intake.Answer{}, false
	}
	deviceID, status, ok := g.cfg.IsKeepalive(r.Body)
	if !ok || g.cfg.Platform != nil && g.cfg.Platform(id) {
		return intake.Answer{}, false
	}
	result := "not of its sender"
	switch {
	case g.cfg.Admit != nil && g.cfg.Admit(id, r) != nil:
		result = "not admitted"
	case bytes.Equal(deviceID, r.From.User):
		err := g.table.Keepalive(id, r.Flow, !bytes.EqualFold(status, []byte("ERROR")), r.At)
		switch {
		case err == nil:
			g.metrics.good.Inc()
			return intake.Answer{Status: 200}, true
		case errors.Is(err, gb28181.ErrUnknownDevice):
			result = "unknown device"
		case errors.Is(err, device.ErrElsewhere):
			result = "elsewhere"
		default:
			result = "not registered"
		}
	}
	g.metrics.keepalives.WithLabelValues(result).Inc()
	return intake.Answer{Status: 403}, true
}

// borrowed is b as a string that is valid no longer than b is: to look something
// up, or to be copied by whoever keeps it.
func borrowed(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// echoable reports whether a Contact URI can be sent back between "<" and ">".
func echoable(uri []byte) bool {
	if len(uri) < len("sip:x") || len(uri) > maxContact {
		return false
	}
	for _, b := range uri {
		if b <= ' ' || b == '<' || b == '>' || b == '"' || b == 0x7f {
			return false
		}
	}
	return true
}

func contains(list []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(ip) })
}

func offers(list []digest.Algorithm, token string) bool {
	a, ok := digest.ParseAlgorithm(token)
	return ok && slices.Contains(list, a)
}
