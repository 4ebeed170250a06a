package sink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"fengsui/gb28181/agenda"
	"fengsui/shadow/journal"
)

// Times and sizes of all sinks.
const (
	sendTimeout = 30 * time.Second // for a batch
	window      = 2048             // letters read ahead, of which those of devices that wait are passed over
	readParts   = 256
)

// Config says what a sink is.
type Config struct {
	Name   string
	Kind   string // webhook, kafka, redis
	Target string // where it goes, without secrets
	Tenant string
	Filter Filter
	// Tries is how often a receiver may refuse a letter before it is dead.
	Tries int
	// Age is how old a letter may get, whatever the reason.
	Age time.Duration
	// Pending bounds the letters that wait; the oldest are dropped.
	Pending int
	// Batch is how many letters are sent at a time, Apart that each is of another
	// device, because the sender sends them beside each other.
	Batch int
	Apart bool
}

// Sink is one receiver. The goroutine in run owns what changes; State may be
// called by others.
type Sink struct {
	// Set by newSink, never changed after.
	cfg    Config
	outbox *journal.Outbox
	sender Sender
	log    zerolog.Logger
	m      *metrics

	// Owned by run.
	ahead  []*parcel            // read and not settled, in order
	loaded uint64               // place of the last one read
	held   map[string]time.Time // devices whose first letter was refused: until when it waits
	fails  int                  // batches in a row that did not reach the receiver
	until  time.Time            // end of the pause after the last of them

	mu    sync.Mutex // guards state
	state State
}

// parcel is a letter that was read.
type parcel struct {
	journal.Letter
	tries int // refusals since the process began
}

// State is how a sink does.
type State struct {
	Name, Kind, Target string
	Events, Subtrees   []string
	State              string // ok, waiting (letters are on their way), failing (the last try failed)
	Pending, Dead      int
	Dropped, Sent      int64 // since the start
	LastSentAt         time.Time
	LastError          string
	LastErrorAt        time.Time
}

func newSink(c Config, outbox *journal.Outbox, sender Sender, m *metrics, log zerolog.Logger) *Sink {
	return &Sink{
		cfg: c, outbox: outbox, sender: sender, m: m, log: log.With().Str("sink", c.Name).Str("kind", c.Kind).Logger(),
		held: map[string]time.Time{},
	}
}

// State is how the sink does now.
func (s *Sink) State() State {
	s.mu.Lock()
	st := s.state
	s.mu.Unlock()
	st.Name, st.Kind, st.Target, st.Events, st.Subtrees = s.cfg.Name, s.cfg.Kind, s.cfg.Target, s.cfg.Filter.Events, s.cfg.Filter.Subtrees
	st.Pending, st.Dead, st.Dropped = s.outbox.Pending(), s.outbox.Dead(), s.outbox.Dropped()
	switch {
	case st.LastErrorAt.After(st.LastSentAt):
		st.State = "failing"
	case st.Pending > 0:
		st.State = "waiting"
	default:
		st.State = "ok"
	}
	return st
}

// run sends until ctx ends.
func (s *Sink) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		err := s.read()
		if err != nil {
			s.failed(err)
		}
		batch, due := s.pick(time.Now())
		if len(batch) > 0 {
			s.send(ctx, batch)
			continue
		}
		if err != nil {
			due = time.Now().Add(agenda.Jitter(2 * time.Second))
		}
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
		case <-s.outbox.Ready():
		case <-timer.C:
		}
	}
}

// read fills what is read ahead.
func (s *Sink) read() error {
	for len(s.ahead) < window {
		letters, err := s.outbox.Next(s.loaded, min(readParts, window-len(s.ahead)))
		if err != nil {
			return fmt.Errorf("read outbox: %w", err)
		}
		if len(letters) == 0 {
			return nil
		}
		for _, l := range letters {
			s.ahead = append(s.ahead, &parcel{Letter: l})
			s.loaded = l.Seq
		}
	}
	return nil
}

// pick takes the next letters to send, in order and without those of devices
// that wait; none during a pause. due is when to look again at the latest.
func (s *Sink) pick(now time.Time) (batch []*parcel, due time.Time) {
	due = now.Add(time.Hour)
	if now.Before(s.until) {
		return nil, s.until
	}
	taken := map[string]bool{}
	for _, p := range s.ahead {
		device := p.Event.Device
		if until := s.held[device]; now.Before(until) {
			if until.Before(due) {
				due = until
			}
			continue
		}
		if s.cfg.Apart && taken[device] {
			continue
		}
		taken[device] = true
		if batch = append(batch, p); len(batch) == s.cfg.Batch {
			break
		}
	}
	return batch, due
}

// send sends a batch and settles what came of it.
func (s *Sink) send(ctx context.Context, batch []*parcel) {
	messages := make([]Message, 0, len(batch))
	parcels := make([]*parcel, 0, len(batch))
	settled := map[*parcel]bool{}
	for _, p := range batch {
		m, err := newMessage(&p.Letter, s.cfg.Tenant)
		if err != nil {
			s.bury(p, err.Error())
			settled[p] = true
			continue
		}
		messages, parcels = append(messages, m), append(parcels, p)
	}
	timed, cancel := context.WithTimeout(ctx, sendTimeout)
	results := s.sender.Send(timed, messages)
	cancel()
	now := time.Now()
	for i, p := range parcels {
		if ctx.Err() != nil && results[i] != nil {
			continue // we left, not the receiver
		}
		settled[p] = s.judge(p, results[i], now)
	}
	s.pause(results, now, ctx)
	kept := s.ahead[:0]
	for _, p := range s.ahead {
		if !settled[p] {
			kept = append(kept, p)
		}
	}
	clear(s.ahead[len(kept):])
	s.ahead = kept
}

// judge settles a letter by what came of it, or lets it wait, and reports which.
func (s *Sink) judge(p *parcel, err error, now time.Time) (settled bool) {
	var refusal *Refusal
	switch {
	case err == nil:
		s.outbox.Sent(p.Letter, now, p.tries+1)
		s.sent(p, now)
		delete(s.held, p.Event.Device)
		return true
	case errors.Is(err, ErrNotTried):
		return false
	case errors.As(err, &refusal):
		p.tries++
		s.m.letters.WithLabelValues(s.cfg.Kind, "refused").Inc()
		s.failed(err)
		if p.tries >= s.cfg.Tries {
			s.bury(p, fmt.Sprintf("%s, %d times", plain(err), p.tries))
			return true
		}
		s.held[p.Event.Device] = now.Add(agenda.Backoff(p.tries))
	default:
		s.m.letters.WithLabelValues(s.cfg.Kind, "failed").Inc()
		s.failed(err)
	}
	if now.Sub(p.Event.At) > s.cfg.Age {
		s.bury(p, fmt.Sprintf("%s, and it is older than %v", plain(err), s.cfg.Age))
		return true
	}
	return false
}

// pause waits before the next batch when the receiver was not reached.
func (s *Sink) pause(results []error, now time.Time, ctx context.Context) {
	for _, err := range results {
		var refusal *Refusal
		if err != nil && !errors.Is(err, ErrNotTried) && !errors.As(err, &refusal) && ctx.Err() == nil {
			s.fails++
			s.until = now.Add(agenda.Backoff(s.fails))
			return
		}
	}
	s.fails = 0
}

func (s *Sink) bury(p *parcel, reason string) {
	s.outbox.Bury(p.Letter, time.Now(), p.tries, reason)
	s.m.letters.WithLabelValues(s.cfg.Kind, "dead").Inc()
	s.log.Warn().Str("key", p.Key).Str("device", p.Event.Device).Str("event", p.Event.Type).Str("reason", reason).Msg("event given up, it can be sent again by the API")
	delete(s.held, p.Event.Device)
}

func (s *Sink) sent(p *parcel, now time.Time) {
	s.m.letters.WithLabelValues(s.cfg.Kind, "sent").Inc()
	s.m.delay.WithLabelValues(s.cfg.Kind).Observe(now.Sub(p.Event.At).Seconds())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.LastErrorAt.After(s.state.LastSentAt) {
		s.log.Info().Msg("receiver takes events again")
	}
	s.state.LastSentAt = now
	s.state.Sent++
}

// failed notes what went wrong, and logs it when it is new.
func (s *Sink) failed(err error) {
	text := plain(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if text != s.state.LastError || !s.state.LastErrorAt.After(s.state.LastSentAt) {
		s.log.Warn().Str("reason", text).Msg("receiver does not take events, they wait")
	}
	s.state.LastError, s.state.LastErrorAt = text, time.Now()
}
