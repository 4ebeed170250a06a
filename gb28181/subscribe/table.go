package subscribe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/gb28181/agenda"
	"fengsui/gb28181/manscdp"
	"fengsui/sip"
)

// State is how a subscription stands.
type State string

// The states.
const (
	Active  State = "active"
	Pending State = "pending" // being made, or waiting to be tried again
	Refused State = "refused" // the device cannot, or will not for now
	Off     State = ""        // not wanted
)

// Terms are what is asked for. A zero is what is configured.
type Terms struct {
	Expires  time.Duration // time at a time
	Interval time.Duration // between two positions; of no meaning to other kinds
}

// Status is a subscription as seen from outside.
type Status struct {
	Terms
	Enabled      bool // false: not wanted
	State        State
	Reason       string    // why it is not active, in words
	ExpiresAt    time.Time // end of the time granted, zero when not active
	LastNotifyAt time.Time
	Notifies     uint64
}

// Subscriptions is the table. Its methods may be called from any goroutine.
type Subscriptions struct {
	// Set by New, never changed after.
	cfg Config
	out Subscriber
	dev Devices
	log zerolog.Logger
	m   *metrics

	sn     atomic.Uint32
	agenda *agenda.Agenda[key]

	mu    sync.Mutex // guards all below, rows included
	rows  map[key]*row
	calls map[string]key // by Call-ID
	hands map[Kind]func(device gb28181.ID, m *manscdp.Message)
	ids   uint64 // Event ids given out
}

type key struct {
	device gb28181.ID
	kind   Kind
}

type row struct {
	on     bool // wanted
	custom bool // an operator has chosen: the row outlives the device's absence
	Terms

	state     State
	reason    string
	dialog    Dialog // nil before the first request
	callID    string // of dialog, as entered in calls
	other     bool   // Event is the kind's other token
	switched  bool   // both tokens have been tried
	expiresAt time.Time
	attempt   int // failures in a row
	busy      bool
	epoch     uint64 // counts what makes the answer to an open request worthless

	lastNotify time.Time
	notifies   uint64
}

// New builds a table that starts nothing. reg may be nil.
func New(cfg Config, out Subscriber, dev Devices, log zerolog.Logger, reg prometheus.Registerer) *Subscriptions {
	cfg.setDefaults()
	s := &Subscriptions{
		cfg: cfg, out: out, dev: dev, log: log,
		agenda: agenda.New[key](),
		rows:   make(map[key]*row),
		calls:  make(map[string]key),
		hands:  make(map[Kind]func(gb28181.ID, *manscdp.Message)),
		ids:    rand.Uint64N(9000) + 1000,
	}
	s.sn.Store(rand.Uint32N(1 << 20))
	s.m = newMetrics(reg, s.count)
	return s
}

// Hand has fn called with what devices report of a kind, in order per device.
// Call it before Run.
func (s *Subscriptions) Hand(k Kind, fn func(device gb28181.ID, m *manscdp.Message)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hands[k] = fn
}

// Run sends requests until ctx ends. Subscriptions are left to expire.
// Call it exactly once.
func (s *Subscriptions) Run(ctx context.Context) error {
	s.agenda.Work(ctx, s.cfg.Workers, s.due)
	return nil
}

// Renew subscribes a device that has registered to what it is to be subscribed
// to, in new dialogs: it may have restarted. What an operator has chosen for it
// goes before what is configured. Kinds that its edition has not are passed over.
func (s *Subscriptions) Renew(device gb28181.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, kind := range Kinds() {
		errs = append(errs, s.renew(key{device, kind}))
	}
	return errors.Join(errs...)
}

// renew is Renew for one kind. The caller holds mu.
func (s *Subscriptions) renew(k key) error {
	r, wanted := s.rows[k], slices.Contains(s.cfg.On, k.kind)
	if r != nil && r.custom {
		wanted = r.on
	}
	if e := s.edition(k.device); !wanted || e < k.kind.since() {
		return nil
	}
	r, err := s.row(k)
	if err != nil {
		return err
	}
	r.on = true
	s.anew(k, r, "registered", 0)
	r.switched, r.other = false, s.old(k)
	return nil
}

// Subscribe switches a subscription on. It does not wait for the device, but
// reports [ErrUnknown], [ErrFull] or an [*EditionError] at once.
func (s *Subscriptions) Subscribe(device gb28181.ID, k Kind, t Terms) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.row(key{device, k})
	if err != nil {
		return err
	}
	if e := s.edition(device); e < k.since() {
		return fmt.Errorf("subscribe %s: %w", device, &EditionError{k, e, k.since()})
	}
	def(&t.Expires, s.cfg.Expires)
	def(&t.Interval, s.cfg.Interval)
	r.custom = true
	if r.on && r.state == Active && r.Terms == t {
		return nil
	}
	r.on, r.Terms, r.attempt = true, t, 0
	r.state, r.reason = Pending, "switched on"
	s.agenda.Set(key{device, k}, time.Now())
	return nil
}

// Unsubscribe switches a subscription off until Subscribe, and tells the device.
func (s *Subscriptions) Unsubscribe(device gb28181.ID, k Kind) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.row(key{device, k})
	if err != nil {
		return err
	}
	r.custom, r.on = true, false
	r.state, r.reason, r.expiresAt = Pending, "switched off", time.Time{}
	s.agenda.Set(key{device, k}, time.Now())
	return nil
}

// Forget drops the dialogs of a device that is gone; it would not answer. What
// an operator has chosen for it is kept for its return.
func (s *Subscriptions) Forget(device gb28181.ID) { s.forget(device, false) }

// Remove drops all that is known of a device.
func (s *Subscriptions) Remove(device gb28181.ID) { s.forget(device, true) }

func (s *Subscriptions) forget(device gb28181.ID, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, kind := range Kinds() {
		k := key{device, kind}
		r := s.rows[k]
		if r == nil {
			continue
		}
		s.anew(k, r, "device is gone", 0)
		s.agenda.Drop(k)
		if all || !r.custom {
			delete(s.rows, k)
		}
	}
}

// Subscription is how a subscription stands; false when there never was one.
func (s *Subscriptions) Subscription(device gb28181.ID, k Kind) (Status, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rows[key{device, k}]
	if r == nil {
		return Status{}, false
	}
	st := Status{
		Terms: r.Terms, Enabled: r.on, State: r.state, Reason: r.reason,
		LastNotifyAt: r.lastNotify, Notifies: r.notifies,
	}
	switch {
	case !r.on:
		st.State = Off
	case r.state == Active:
		if st.ExpiresAt = r.expiresAt; !time.Now().Before(r.expiresAt) {
			st.State, st.Reason, st.ExpiresAt = Pending, "the time granted is over", time.Time{}
		}
	}
	return st, true
}

func (s *Subscriptions) count() map[State]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := make(map[State]int)
	for _, r := range s.rows {
		if r.on {
			n[r.state]++
		}
	}
	return n
}

// row finds or makes a row. The caller holds mu.
func (s *Subscriptions) row(k key) (*row, error) {
	if k.kind.cmd() == "" {
		return nil, fmt.Errorf("subscribe %s: %w: %q", k.device, ErrUnknown, k.kind)
	}
	r := s.rows[k]
	if r == nil {
		if len(s.rows) >= s.cfg.MaxRows {
			s.m.dropped.Inc()
			return nil, fmt.Errorf("subscribe %s: %w: %d rows", k.device, ErrFull, len(s.rows))
		}
		r = &row{Terms: Terms{s.cfg.Expires, s.cfg.Interval}, other: s.old(k)}
		s.rows[k] = r
	}
	return r, nil
}

// old reports whether the device knows only the Event token of 2011 for a kind
// that has another one now.
func (s *Subscriptions) old(k key) bool {
	return k.kind == Catalog && s.edition(k.device) < gb28181.Edition2011A
}

// edition is the one to speak to a device.
func (s *Subscriptions) edition(device gb28181.ID) gb28181.Edition {
	d, _ := s.dev.Device(device)
	return d.Edition.Effective()
}

// anew drops the dialog, so that the next request begins one, after a while.
// The caller holds mu.
func (s *Subscriptions) anew(k key, r *row, reason string, after time.Duration) {
	if r.callID != "" {
		delete(s.calls, r.callID)
	}
	r.epoch++
	r.dialog, r.callID = nil, ""
	r.state, r.reason, r.expiresAt, r.attempt = Pending, reason, time.Time{}, 0
	s.agenda.Set(k, time.Now().Add(after))
}

// due sends what the row needs now.
func (s *Subscriptions) due(ctx context.Context, k key) {
	s.mu.Lock()
	r := s.rows[k]
	if r == nil || r.busy {
		s.mu.Unlock()
		return
	}
	terms := r.Terms
	if !r.on {
		if r.callID == "" {
			s.mu.Unlock()
			return // nothing to cancel
		}
		terms.Expires = 0
	}
	if r.dialog == nil {
		r.dialog = s.out.Dialog(s.event(k.kind, r))
	}
	r.busy = true
	d, epoch := r.dialog, r.epoch
	s.mu.Unlock()

	granted, err := s.request(ctx, k, d, terms)
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows[k] != r {
		return
	}
	r.busy = false
	if r.epoch != epoch { // begun anew meanwhile: that is still to be sent
		s.agenda.Set(k, time.Now())
		return
	}
	s.settle(k, r, terms.Expires, granted, err)
}

// event is the Event header of a new dialog. The caller holds mu.
func (s *Subscriptions) event(k Kind, r *row) string {
	token, numbered := k.token(r.other)
	if !numbered {
		return token
	}
	s.ids++
	return token + ";id=" + strconv.FormatUint(s.ids, 10)
}

// request sends one SUBSCRIBE.
func (s *Subscriptions) request(ctx context.Context, k key, d Dialog, t Terms) (time.Duration, error) {
	f, err := s.dev.Flow(k.device)
	if err != nil {
		return 0, err
	}
	if s.cfg.Pace != nil {
		if err := s.cfg.Pace(ctx); err != nil {
			return 0, err
		}
	}
	dev, _ := s.dev.Device(k.device)
	query, err := k.kind.query(s.nextSN(), k.device, t).Node(dev.Edition)
	if err != nil {
		return 0, err
	}
	p := sip.Peer{User: string(k.device), Flow: f}
	if s.cfg.Secret != nil {
		p.Secret = func() string { return s.cfg.Secret(k.device) }
	}
	granted, res, err := d.Subscribe(ctx, p, t.Expires, contentType,
		manscdp.Encode(query, manscdp.ReplyCharset(dev.Edition, dev.Charset, query)))
	s.m.requests.WithLabelValues(resultOf(err)).Inc()
	if err == nil && res != nil && len(res.Body) > 0 {
		if m, e := manscdp.Decode(res.Body); e == nil && m.Root == manscdp.Response && !m.ResultOK() {
			return 0, fmt.Errorf("%w: Result %s", gb28181.ErrRefused, m.Node.Value("Result"))
		}
	}
	return granted, err
}

const contentType = "Application/MANSCDP+xml"

func (s *Subscriptions) nextSN() int {
	for {
		if sn := int(s.sn.Add(1) & 0x7FFFFFFF); sn > 0 {
			return sn
		}
	}
}

// settle takes the answer to a request and says when the next one is due. The
// caller holds mu.
func (s *Subscriptions) settle(k key, r *row, asked, granted time.Duration, err error) {
	now := time.Now()
	if asked == 0 || !r.on { // cancelled: whatever it answers, the dialog is over
		late := asked != 0 && err == nil // switched off while it was being made
		if late {
			s.enter(k, r)
			s.agenda.Set(k, now)
			return
		}
		on, attempt := r.on, r.attempt
		s.anew(k, r, r.reason, 0)
		if r.attempt = attempt; !on {
			s.agenda.Drop(k)
		}
		return
	}
	if err == nil {
		s.enter(k, r)
		r.state, r.reason, r.attempt, r.expiresAt = Active, "", 0, now.Add(granted)
		s.agenda.Set(k, now.Add(refreshAfter(granted)))
		return
	}
	r.attempt++
	s.log.Debug().Err(err).Str("device", string(k.device)).Str("kind", string(k.kind)).Int("attempt", r.attempt).Msg("subscribe failed")
	if errors.Is(err, gb28181.ErrOffline) || errors.Is(err, gb28181.ErrUnknownDevice) {
		s.anew(k, r, "device is gone", 0)
		s.agenda.Drop(k) // its registration renews
		return
	}
	after := agenda.Backoff(r.attempt)
	var no *sip.Rejected
	switch {
	case !errors.As(err, &no) && !errors.Is(err, gb28181.ErrRefused): // silence
	case no != nil && no.Status == 481 && r.callID != "":
		s.anew(k, r, err.Error(), 0)
		return
	case no != nil && no.Status == 489 && !r.switched:
		s.anew(k, r, err.Error(), 0)
		r.other, r.switched = !r.other, true
		return
	case no == nil, no.Status == 405, no.Status == 489, no.Status == 501, r.attempt >= maxRefusals && !passing(no.Status):
		s.refuse(k, r, err.Error())
		return
	}
	r.reason = err.Error()
	if r.state == Active && now.Add(after).Before(r.expiresAt) {
		s.agenda.Set(k, now.Add(after)) // the dialog may still be good
		return
	}
	attempt := r.attempt
	s.anew(k, r, err.Error(), after)
	r.attempt = attempt
}

// maxRefusals is after how many refusals in a row one that might pass is final.
const maxRefusals = 6

// passing reports whether a status says that later may be better.
func passing(status int) bool { return status == 408 || status >= 500 && status < 600 }

// refuse leaves the device alone for Config.Refused and up to a tenth more. The
// caller holds mu.
func (s *Subscriptions) refuse(k key, r *row, reason string) {
	s.anew(k, r, reason, s.cfg.Refused+rand.N(s.cfg.Refused/10+1))
	r.state = Refused
}

// enter makes the row's dialog known by its Call-ID. The caller holds mu.
func (s *Subscriptions) enter(k key, r *row) {
	if id := r.dialog.CallID(); id != r.callID {
		if r.callID != "" {
			delete(s.calls, r.callID)
		}
		if r.callID = id; id != "" {
			s.calls[id] = k
		}
	}
}

// refreshAfter is 80 % of the time granted less a little jitter, so that devices
// that registered together do not refresh together; at least 30 s where that
// leaves ten.
func refreshAfter(granted time.Duration) time.Duration {
	after := granted*4/5 - rand.N(granted/20+1)
	if after < 30*time.Second && granted >= 40*time.Second {
		after = 30 * time.Second
	}
	return after
}

func resultOf(err error) string {
	var no *sip.Rejected
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &no):
		return "refused"
	case errors.Is(err, sip.ErrTimeout):
		return "timeout"
	}
	return "error"
}
