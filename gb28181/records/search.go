package records

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// silences in a row end a round, so many for each question at a time.
const silences = 3

// lastFactor is how many times longer silences become after fruitless rounds.
const lastFactor = 4

// least is the shortest silence that ends an answer.
const least = time.Second

// many parts in a row say how fast a device sends; before that it may only be
// slow to begin.
const many = 20

// search is one search under way. Its goroutine asks for all of the time first,
// then for several gaps beside each other.
type search struct {
	records *Records
	query   Query
	end     context.CancelCauseFunc
	ctx     context.Context
	done    chan struct{} // closed when run has returned
	serial  atomic.Bool   // the device answers one question at a time

	gaps bool // what is asked for is gaps; changed by run between the rounds

	// Guarded by Records.mu.
	callers int
	now     *asked // what was asked last
	asked   []*asked

	mu      sync.Mutex // guards all below
	list    *Assembly
	parts   int // of any kind
	fresh   int // that brought something
	rounds  int
	err     error // why it ended early
	waiting map[*asked]struct{}
	slowest time.Duration // longest wait for a part that then came
}

func newSearch(r *Records, q Query) *search {
	s := &search{
		records: r, query: q, callers: 1, done: make(chan struct{}), waiting: make(map[*asked]struct{}),
		list: NewAssembly(q.Span, r.cfg.ZoneOf(q.Device), r.cfg.MaxRecords),
	}
	s.ctx, s.end = context.WithCancelCause(context.Background())
	return s
}

// run asks until all is covered, the device is gone or its patience is at an end.
func (s *search) run() {
	defer close(s.done)
	err := s.rounded()
	if cause := context.Cause(s.ctx); cause != nil {
		err = cause
	}
	s.end(nil)
	s.records.mu.Lock()
	s.records.forget(s)
	s.records.mu.Unlock()
	s.mu.Lock()
	s.err = err
	s.mu.Unlock()
	s.count()
}

// rounded asks round after round; nil when all is covered.
func (s *search) rounded() error {
	factor := 1
	for range s.records.cfg.Rounds {
		todo, before, err := s.next()
		if err != nil || len(todo) == 0 {
			return err
		}
		if err := s.round(todo, factor); err != nil {
			return err
		}
		s.gaps = true
		switch fresh, parts := s.progress(); {
		case fresh > before:
			factor = 1
		case parts == 0 && factor > 1:
			return fmt.Errorf("%w: took the questions, sent no list of recordings", gb28181.ErrTimeout)
		default:
			factor = min(2*factor, lastFactor)
		}
	}
	return nil
}

// round asks for some ranges, several beside each other as the device bears it.
func (s *search) round(todo []Span, factor int) error {
	var asking errgroup.Group
	width := s.records.atOnce(s)
	asking.SetLimit(width)
	var r outcome
	for _, span := range todo {
		asking.Go(func() error {
			if r.over(width) || !s.wants(span) {
				return nil
			}
			whole, err := s.askFor(span, factor)
			r.add(whole, err, s.mute())
			return err
		})
	}
	err := asking.Wait()
	if width > 1 && 2*r.wholes < r.asked {
		s.serial.Store(true)
	}
	return err
}

// outcome is how a round has gone so far.
type outcome struct {
	mu            sync.Mutex
	asked, wholes int
	silent        int // questions in a row that were not answered whole
	ended         bool
}

// over reports whether nothing more is to be asked: the device has gone quiet, or
// the line has.
func (o *outcome) over(width int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ended || o.silent >= silences*width
}

func (o *outcome) add(whole bool, err error, mute bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	if whole {
		o.wholes++
		o.silent = 0
		return
	}
	o.silent++
	o.ended = o.ended || err != nil || mute
}

// askFor asks for one range and waits for the end of its answer. whole says that
// all of it came.
func (s *search) askFor(span Span, factor int) (whole bool, err error) {
	r := s.records
	zone := r.cfg.ZoneOf(s.query.Device)
	sending, got := context.WithCancel(s.ctx)
	defer got()
	a := r.enter(s, s.list.Ask(span), got)
	s.open(a)
	defer s.close(a)
	result := "failed"
	defer func() { r.m.questions.WithLabelValues(result).Inc() }()
	err = r.ask.AskRecords(sending, s.query.Device, manscdp.RecordQuery{
		SN: a.sn, DeviceID: s.query.Channel, Type: s.query.Type, Stream: s.query.Stream,
		StartTime: manscdp.FormatTime(span.From.In(zone)), EndTime: manscdp.FormatTime(span.To.In(zone)),
	})
	if err != nil && sending.Err() == nil {
		return false, err
	}
	whole, err = s.await(a, factor)
	switch {
	case whole:
		result = "whole"
	case err == nil:
		result = "part"
	}
	return whole, err
}

// await waits until an answer is whole or the device has been silent for too long.
func (s *search) await(a *asked, factor int) (whole bool, err error) {
	cfg := &s.records.cfg
	last := time.Now()
	patience := time.NewTimer(s.patience(cfg.FirstPart, factor))
	defer patience.Stop()
	for {
		select {
		case <-a.more:
		case <-patience.C:
			return s.state(a)
		case <-s.ctx.Done():
			return false, context.Cause(s.ctx)
		}
		now := time.Now()
		s.waited(now.Sub(last))
		last = now
		if whole, err = s.state(a); whole || err != nil {
			return whole, err
		}
		patience.Reset(s.patience(cfg.Between, factor))
	}
}

func (s *search) open(a *asked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[a] = struct{}{}
}

func (s *search) close(a *asked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, a)
}

func (s *search) waited(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slowest = max(s.slowest, d)
}

// patience is how long to wait for a part. A gap's answer is short, and of a long
// list it is known how fast the device sends: what has not come in several times
// the longest wait so far is taken for lost, and counts when it comes later.
// factor makes it longer after rounds that brought nothing.
func (s *search) patience(most time.Duration, factor int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := most
	switch {
	case s.slowest == 0, !s.gaps && s.parts < many:
	case !s.gaps:
		wait = min(most, max(2*least, 4*s.slowest))
	default:
		wait = min(most, max(least, 4*s.slowest))
	}
	return wait * time.Duration(factor)
}

// state says whether an answer is whole, or why the search cannot go on.
func (s *search) state(a *asked) (whole bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err = s.over(); err == nil {
		err = s.err
	}
	return a.question.Whole(), err
}

// over is the error of a list that is longer than one search holds. The caller holds mu.
func (s *search) over() error {
	if !s.list.Over {
		return nil
	}
	return fmt.Errorf("there are more than %d recordings: ask for a shorter time", s.records.cfg.MaxRecords)
}

// add takes a part of the answer to a; took is its kind as counted.
func (s *search) add(a *asked, part manscdp.RecordResponse, cut bool) (took string) {
	s.mu.Lock()
	kind := s.list.Add(a.question, part, cut)
	s.parts++
	took = [...]string{Fresh: "fresh", Repeated: "repeated", Late: "late"}[kind]
	if kind == Fresh {
		s.fresh++
	}
	s.wake(a)
	s.mu.Unlock()
	a.got()
	return took
}

// refused takes an answer that says only that the device cannot.
func (s *search) refused(a *asked, err error) {
	s.mu.Lock()
	if s.parts == 0 {
		s.err = err // to a gap it may be the way to say that there is nothing
	}
	s.wake(a)
	s.mu.Unlock()
	a.got()
}

// wake has a question looked at that a part came for; all of them, when there is
// nothing left to wait for. The caller holds mu.
func (s *search) wake(a *asked) {
	a.wake()
	if !a.question.day.whole() && s.err == nil {
		return
	}
	for o := range s.waiting {
		o.wake()
	}
}

func (a *asked) wake() {
	select {
	case a.more <- struct{}{}:
	default:
	}
}

// next is what is to be asked, and how many parts have brought something so far.
func (s *search) next() (todo []Span, fresh int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err = s.over(); err != nil {
		return nil, 0, err
	}
	if todo = s.list.Next(); len(todo) > 0 {
		s.rounds++
	}
	return todo, s.fresh, nil
}

func (s *search) wants(span Span) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list.Wants(span)
}

// mute reports whether the device has sent nothing at all.
func (s *search) mute() bool {
	_, parts := s.progress()
	return parts == 0
}

func (s *search) progress() (fresh, parts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fresh, s.parts
}

// result is what has come; early is why the caller does not wait for the end, if so.
func (s *search) result(early error) (Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.err
	select {
	case <-s.done:
	default:
		err = early
	}
	if s.parts == 0 && err != nil {
		return Result{}, err
	}
	res := s.list.Result()
	res.Rounds = s.rounds
	if !res.Complete {
		res.Reason = fmt.Sprintf("the device did not send all, asked %d times", s.rounds)
		if err != nil {
			res.Reason = err.Error()
		}
	}
	return res, nil
}

func (s *search) count() {
	what := "partial"
	res, err := s.result(nil)
	if s.list.Over {
		s.records.m.over.Inc()
	}
	switch {
	case errors.Is(err, context.Canceled):
		what = "canceled"
	case err != nil:
		what = "failed"
	case res.Complete:
		what = "complete"
	}
	s.records.m.searches.WithLabelValues(what).Inc()
}
