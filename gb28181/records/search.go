package records

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// silences in a row end a round: the device has gone quiet, or the line has.
const silences = 3

// lastFactor is how many times longer silences become after fruitless rounds.
const lastFactor = 4

// least is the shortest silence that ends an answer.
const least = time.Second

// search is one search under way. Its goroutine asks, one question after the other.
type search struct {
	records *Records
	query   Query
	end     context.CancelCauseFunc
	ctx     context.Context
	done    chan struct{} // closed when run has returned
	more    chan struct{} // a part came; holds one

	// Owned by run.
	slowest time.Duration // longest wait for a part that then came
	gaps    bool          // what is asked for is gaps

	// Guarded by Records.mu.
	callers int
	now     *asked // what was asked last
	asked   []*asked

	mu     sync.Mutex // guards all below
	list   *Assembly
	parts  int // of any kind
	fresh  int // that brought something
	rounds int
	err    error // why it ended early
}

func newSearch(r *Records, q Query) *search {
	s := &search{
		records: r, query: q, callers: 1, done: make(chan struct{}), more: make(chan struct{}, 1),
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
	factor := time.Duration(1)
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

// round asks for some ranges.
func (s *search) round(todo []Span, factor time.Duration) error {
	silent := 0
	for _, span := range todo {
		if !s.wants(span) {
			continue
		}
		whole, err := s.askFor(span, factor)
		switch {
		case err != nil:
			return err
		case whole:
			silent = 0
		default:
			silent++
		}
		if silent == silences || silent > 0 && s.mute() {
			return nil
		}
	}
	return nil
}

// askFor asks for one range and waits for the end of its answer. whole says that
// all of it came.
func (s *search) askFor(span Span, factor time.Duration) (whole bool, err error) {
	r := s.records
	zone := r.cfg.ZoneOf(s.query.Device)
	sending, got := context.WithCancel(s.ctx)
	defer got()
	a := r.enter(s, s.list.Ask(span), got)
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
func (s *search) await(a *asked, factor time.Duration) (whole bool, err error) {
	cfg := &s.records.cfg
	last := time.Now()
	patience := time.NewTimer(s.patience(cfg.FirstPart) * factor)
	defer patience.Stop()
	for {
		select {
		case <-s.more:
		case <-patience.C:
			return s.state(a)
		case <-s.ctx.Done():
			return false, context.Cause(s.ctx)
		}
		s.slowest, last = max(s.slowest, time.Since(last)), time.Now()
		if whole, err = s.state(a); whole || err != nil {
			return whole, err
		}
		patience.Reset(s.patience(cfg.Between) * factor)
	}
}

// patience is how long to wait for a part. A gap's answer is short: what has not
// come in several times the longest wait so far is taken for lost, and counts
// when it comes later.
func (s *search) patience(most time.Duration) time.Duration {
	if !s.gaps || s.slowest == 0 {
		return most
	}
	return min(most, max(least, 4*s.slowest))
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
	s.mu.Unlock()
	a.got()
	s.wake()
	return took
}

// refused takes an answer that says only that the device cannot.
func (s *search) refused(a *asked, err error) {
	s.mu.Lock()
	if s.parts == 0 {
		s.err = err // to a gap it may be the way to say that there is nothing
	}
	s.mu.Unlock()
	a.got()
	s.wake()
}

func (s *search) wake() {
	select {
	case s.more <- struct{}{}:
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
