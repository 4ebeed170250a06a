package records

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// ErrBusy is returned when too many searches are under way.
var ErrBusy = errors.New("too many searches for recordings are under way")

// Query says which recordings are looked for.
type Query struct {
	Device  gb28181.ID
	Channel gb28181.ID
	Span    Span
	Type    string // time, alarm, manual, all; "" is all
	Stream  *int   // nil: any; peers of before 2022 refuse a number
}

// same is what equal queries have in common.
type same struct {
	device, channel gb28181.ID
	from, to        int64
	kind            string
	stream          int
}

func (q *Query) same() same {
	s := same{q.Device, q.Channel, q.Span.From.Unix(), q.Span.To.Unix(), q.Type, -1}
	if q.Stream != nil {
		s.stream = *q.Stream
	}
	return s
}

// Records looks for recordings at devices: one search for equal queries of
// several callers, which lives as long as one of them waits. Its methods may be
// called from several goroutines.
type Records struct {
	cfg Config
	ask Asker
	log zerolog.Logger
	m   *metrics

	mu       sync.Mutex // guards all below and the fields of searches that say so
	searches map[same]*search
	open     map[answer]*asked
	of       map[gb28181.ID][]*search
	firstSN  int
	lastSN   int
}

// answer is what an answer names.
type answer struct {
	device gb28181.ID
	sn     int
}

// asked is a question that was sent; it is known until its search ends.
type asked struct {
	search   *search
	sn       int
	question *Question // guarded by search.mu
	got      context.CancelFunc
	more     chan struct{} // a part of the answer came, or no more is needed; holds one
}

// New builds a search that starts nothing. reg may be nil.
func New(cfg Config, ask Asker, log zerolog.Logger, reg prometheus.Registerer) *Records {
	cfg.setDefaults()
	r := &Records{
		cfg: cfg, ask: ask, log: log,
		searches: make(map[same]*search), open: make(map[answer]*asked), of: make(map[gb28181.ID][]*search),
		firstSN: 1 + rand.IntN(1<<20), // answers to a former process are not taken for ours
	}
	r.lastSN = r.firstSN - 1
	r.m = newMetrics(reg, r.running)
	return r
}

// Find looks for recordings, or joins the search of an equal query. What has come
// is returned also when ctx, the device's presence or its patience ended before
// all was there: then Complete is false and Reason says why. Only when nothing has
// come there is an error: gb28181.ErrOffline, gb28181.ErrTimeout,
// gb28181.ErrRefused, [ErrBusy], the cause of ctx, or what manscdp has against
// the query, before anything was sent.
func (r *Records) Find(ctx context.Context, q Query) (Result, error) {
	s, err := r.join(q)
	if err == nil {
		defer r.leave(s)
		select {
		case <-s.done:
		case <-ctx.Done():
		}
		var res Result
		if res, err = s.result(context.Cause(ctx)); err == nil {
			return res, nil
		}
	}
	return Result{}, fmt.Errorf("find recordings of %s: %w", q.Channel, err)
}

// Response takes one part of an answer from a device.
func (r *Records) Response(device gb28181.ID, m *manscdp.Message) {
	part, err := m.AsRecordResponse()
	if err != nil {
		r.log.Debug().Err(err).Str("device", string(device)).Msg("no list of recordings")
		return
	}
	a, kind := r.match(device, part)
	if a == nil {
		r.m.parts.WithLabelValues(kind).Inc()
		return
	}
	if part.SumNum < 0 && len(part.Items)+part.Skipped == 0 && !m.ResultOK() {
		a.search.refused(a, fmt.Errorf("%w: Result %s", gb28181.ErrRefused, m.Node.Value("Result")))
		return
	}
	if kind == "wrong_sn" {
		a.search.serial.Store(true) // which answer it is can be told of one question only
	}
	if took := a.search.add(a, part, m.Cut); kind == "" {
		kind = took
	}
	r.m.parts.WithLabelValues(kind).Inc()
}

// match finds the question of an answer. kind is set when that is told otherwise
// than by what the part brings.
func (r *Records) match(device gb28181.ID, part manscdp.RecordResponse) (a *asked, kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a = r.open[answer{device, part.SN}]; a != nil {
		return a, ""
	}
	ours := part.SN >= r.firstSN && part.SN <= r.lastSN // of a search that is over
	if list := r.of[device]; len(list) == 1 && !ours && list[0].now != nil && (part.DeviceID == device || part.DeviceID == list[0].query.Channel) {
		r.log.Debug().Str("device", string(device)).Int("sn", part.SN).Int("asked", list[0].now.sn).Str("quirk", "sn-echo").Msg("list of recordings under another SN taken")
		return list[0].now, "wrong_sn"
	}
	return nil, "none"
}

// Cancel ends the searches at a device that is gone. Their callers get what has come.
func (r *Records) Cancel(device gb28181.ID, reason string) {
	r.mu.Lock()
	list := append([]*search(nil), r.of[device]...)
	r.mu.Unlock()
	for _, s := range list {
		s.end(fmt.Errorf("%w: %s", gb28181.ErrOffline, reason))
	}
}

// join finds or starts the search for q.
func (r *Records) join(q Query) (*search, error) {
	q.Span = q.Span.wide()
	r.mu.Lock()
	defer r.mu.Unlock()
	k := q.same()
	if s := r.searches[k]; s != nil {
		s.callers++
		return s, nil
	}
	if len(r.searches) >= r.cfg.MaxSearches {
		r.m.refused.WithLabelValues("total").Inc()
		return nil, fmt.Errorf("%w: %d in all", ErrBusy, len(r.searches))
	}
	if n := len(r.of[q.Device]); n >= r.cfg.MaxOfDevice {
		r.m.refused.WithLabelValues("device").Inc()
		return nil, fmt.Errorf("%w: %d at %s", ErrBusy, n, q.Device)
	}
	s := newSearch(r, q)
	r.searches[k] = s
	r.of[q.Device] = append(r.of[q.Device], s)
	go s.run()
	return s, nil
}

// leave has a caller go; the last one ends the search.
func (r *Records) leave(s *search) {
	r.mu.Lock()
	s.callers--
	last := s.callers == 0
	if last {
		r.forget(s) // nobody joins what is ending
	}
	r.mu.Unlock()
	if last {
		s.end(context.Canceled)
		<-s.done
	}
}

// forget lets go of a search. The caller holds mu.
func (r *Records) forget(s *search) {
	k := s.query.same()
	if r.searches[k] != s {
		return
	}
	delete(r.searches, k)
	left := r.of[s.query.Device][:0:0]
	for _, o := range r.of[s.query.Device] {
		if o != s {
			left = append(left, o)
		}
	}
	if len(left) == 0 {
		delete(r.of, s.query.Device)
	} else {
		r.of[s.query.Device] = left
	}
	for _, a := range s.asked {
		delete(r.open, answer{s.query.Device, a.sn})
	}
}

// atOnce is how many questions a search may have open at its device now.
func (r *Records) atOnce(s *search) int {
	if !s.gaps || s.serial.Load() {
		return 1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(r.cfg.AtOnce/max(len(r.of[s.query.Device]), 1), 1)
}

// enter gives a question its SN.
func (r *Records) enter(s *search, q *Question, got context.CancelFunc) *asked {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lastSN >= 1<<31-1 {
		r.firstSN, r.lastSN = 1, 0
	}
	r.lastSN++
	a := &asked{search: s, sn: r.lastSN, question: q, got: got, more: make(chan struct{}, 1)}
	s.now = a
	s.asked = append(s.asked, a)
	if r.searches[s.query.same()] == s {
		r.open[answer{s.query.Device, a.sn}] = a
	}
	return a
}

func (r *Records) running() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return float64(len(r.searches))
}
