package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/shadow/journal"
)

// ErrUnknown is reported for a sink that does not exist.
var ErrUnknown = errors.New("no such sink")

// Sinks are all receivers. Add them first, then call Run; the other methods may
// be called from several goroutines.
type Sinks struct {
	journal *journal.Journal
	log     zerolog.Logger
	m       *metrics
	all     []*Sink // in the order they were added; not changed after Run was called
}

// New makes an empty list. reg may be nil.
func New(j *journal.Journal, reg prometheus.Registerer, log zerolog.Logger) *Sinks {
	s := &Sinks{journal: j, log: log, m: newMetrics()}
	if reg != nil {
		reg.MustRegister(s.m.letters, s.m.delay, s)
	}
	return s
}

// Add opens the outbox of a sink: what happens from now on is sent. It takes the
// sender over.
func (s *Sinks) Add(c Config, sender Sender) error {
	outbox, err := s.journal.Outbox(c.Name, c.Pending, c.Filter.judge())
	if err != nil {
		return err
	}
	s.all = append(s.all, newSink(c, outbox, sender, s.m, s.log))
	return nil
}

// Run sends until ctx ends. Outboxes of sinks that were not added are deleted:
// nobody will ever read them.
func (s *Sinks) Run(ctx context.Context) error {
	if err := s.forget(); err != nil {
		s.log.Warn().Err(err).Msg("outboxes of former sinks not deleted")
	}
	var running sync.WaitGroup
	for _, one := range s.all {
		running.Go(func() { one.run(ctx) })
	}
	running.Wait()
	return s.close()
}

func (s *Sinks) forget() error {
	names, err := s.journal.Outboxes()
	for _, name := range names {
		if _, unknown := s.find(name); unknown == nil {
			continue
		}
		n, e := s.journal.Forget(name)
		err = errors.Join(err, e)
		s.log.Warn().Str("sink", name).Int("pending", n).Msg("sink is no longer configured, its outbox is deleted")
	}
	return err
}

func (s *Sinks) close() error {
	var errs []error
	for _, one := range s.all {
		if err := one.sender.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close sink %s: %w", one.cfg.Name, err))
		}
	}
	return errors.Join(errs...)
}

// States are how all sinks do, by name.
func (s *Sinks) States() []State {
	states := make([]State, 0, len(s.all))
	for _, one := range s.all {
		states = append(states, one.State())
	}
	slices.SortFunc(states, func(a, b State) int { return strings.Compare(a.Name, b.Name) })
	return states
}

// Letters lists up to limit letters of a sink that are pending, sent or dead, with
// places before one, 0 for all: the newest first. It reports [ErrUnknown] and
// [journal.ErrUnknownState].
func (s *Sinks) Letters(sink, state string, before uint64, limit int) ([]journal.Filed, error) {
	one, err := s.find(sink)
	if err != nil {
		return nil, err
	}
	return one.outbox.List(state, before, limit)
}

// Resend sends dead letters again, behind all that is pending; no places means
// all. It returns how many there were.
func (s *Sinks) Resend(sink string, places ...uint64) (int, error) {
	one, err := s.find(sink)
	if err != nil {
		return 0, err
	}
	return one.outbox.Resend(places...)
}

// Discard deletes dead letters; no places means all. It returns how many there were.
func (s *Sinks) Discard(sink string, places ...uint64) (int, error) {
	one, err := s.find(sink)
	if err != nil {
		return 0, err
	}
	return one.outbox.Discard(places...)
}

func (s *Sinks) find(name string) (*Sink, error) {
	for _, one := range s.all {
		if one.cfg.Name == name {
			return one, nil
		}
	}
	return nil, fmt.Errorf("sink %q: %w", name, ErrUnknown)
}
