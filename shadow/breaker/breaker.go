package breaker

import "time"

// State is whether calls are made.
type State uint8

// The states.
const (
	Closed   State = iota // they are
	Open                  // they are refused
	HalfOpen              // one is, to find out
)

// String is the state's name.
func (s State) String() string { return [...]string{"closed", "open", "half open"}[s] }

// Ticket allows one call, whose end is told with it to [Breaker.Done]. The zero
// Ticket allows none.
type Ticket uint32

// OK reports whether the call is allowed.
func (t Ticket) OK() bool { return t != 0 }

// Move is a change of state; the zero Move is none.
type Move struct{ From, To State }

// Breaker guards the calls to one peer. Its caller's lock guards it.
type Breaker struct {
	policy *Policy
	made   time.Time
	state  State
	forced bool
	epoch  Ticket // counts changes of state: ends of calls from before do not count
	since  time.Time
	until  time.Time // end of the pause, or of the forced state

	window   []call // of Closed, oldest first
	openings int    // in a row
	probing  bool   // of HalfOpen: a probe is under way
	probed   time.Time
	refused  uint64
}

// call is the end of one.
type call struct {
	at time.Duration // since the breaker was made
	ok bool
}

// New makes a closed breaker of a policy that [Policy.New] made.
func New(p *Policy, now time.Time) Breaker {
	return Breaker{policy: p, made: now, epoch: 1, since: now}
}

// Allow asks for a call. A pause that is over ends by it.
func (b *Breaker) Allow(now time.Time) (Ticket, Move) {
	if b.state == Closed && !b.forced {
		return b.epoch, Move{}
	}
	m := b.pass(now)
	switch {
	case b.state == Closed:
		return b.epoch, m
	case b.state == HalfOpen && !b.probing && !now.Before(b.probed.Add(b.policy.Apart)):
		b.probing, b.probed = true, now
		return b.epoch, m
	}
	b.refused++
	return 0, m
}

// pass ends what time ends: a forced state, a pause, a probe that was lost.
func (b *Breaker) pass(now time.Time) Move {
	if now.Before(b.since) { // the clock was set back: what is left counts from now
		b.until = now.Add(b.until.Sub(b.since))
		b.since, b.probed = now, earlier(b.probed, now)
	}
	switch {
	case b.forced && !now.Before(b.until):
		return b.Release(now)
	case b.state == Open && !b.forced && !now.Before(b.until):
		return b.move(HalfOpen, now)
	case b.state == HalfOpen && b.probing && !now.Before(b.probed.Add(b.policy.Lost)):
		return b.open(now)
	}
	return Move{}
}

// Done tells how a call ended. One that was allowed before the last change of state
// does not count.
func (b *Breaker) Done(t Ticket, ok bool, now time.Time) Move {
	if t != b.epoch || b.forced {
		return Move{}
	}
	switch b.state {
	case Closed:
		b.record(call{now.Sub(b.made), ok})
		if b.failing() {
			return b.open(now)
		}
	case HalfOpen:
		if !b.probing {
			return Move{}
		}
		if !ok {
			return b.open(now)
		}
		b.openings = 0
		return b.move(Closed, now)
	}
	return Move{}
}

// record keeps the call and forgets those out of the window.
func (b *Breaker) record(c call) {
	old := max(0, len(b.window)+1-b.policy.Calls)
	for old < len(b.window) && c.at-b.window[old].at > b.policy.Window {
		old++
	}
	b.window = append(b.window[:copy(b.window, b.window[old:])], c)
}

// failing reports whether too few calls of the window succeed.
func (b *Breaker) failing() bool {
	calls, good := len(b.window), 0
	for _, c := range b.window {
		if c.ok {
			good++
		}
	}
	return calls >= b.policy.Least && float64(good) < b.policy.Success*float64(calls)
}

func (b *Breaker) open(now time.Time) Move {
	b.openings++
	m := b.move(Open, now)
	b.until = now.Add(b.policy.Pause(b.openings))
	return m
}

func (b *Breaker) move(to State, now time.Time) Move {
	m := Move{b.state, to}
	if b.epoch++; b.epoch == 0 {
		b.epoch = 1
	}
	b.state, b.since, b.probing, b.window = to, now, false, nil
	return m
}

// Force keeps the breaker open or closed until then, whatever calls come to. To is
// Open or Closed.
func (b *Breaker) Force(to State, until, now time.Time) Move {
	m := b.move(to, now)
	b.forced, b.until = true, until
	return m
}

// Release ends a forced state: the breaker is closed and has seen no calls.
func (b *Breaker) Release(now time.Time) Move {
	if !b.forced {
		return Move{}
	}
	b.forced, b.openings = false, 0
	return b.move(Closed, now)
}

// View is a breaker as it is shown.
type View struct {
	State    State
	Forced   bool
	Since    time.Time
	Until    time.Time // of Open, or a forced state: its end; else zero
	Calls    int       // of the window
	Failures int       // of these
	Openings int       // in a row
	Refused  uint64    // calls since it was made
}

// View shows the breaker at a time, without changing it.
func (b *Breaker) View(now time.Time) View {
	v := View{State: b.state, Forced: b.forced, Since: b.since, Openings: b.openings, Refused: b.refused}
	if b.forced || b.state == Open {
		v.Until = b.until
	}
	for _, c := range b.window {
		if now.Sub(b.made)-c.at > b.policy.Window {
			continue
		}
		if v.Calls++; !c.ok {
			v.Failures++
		}
	}
	return v
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
