package registrar

import (
	"container/list"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"fengsui/sip/intake"
)

// The checks a registration can fail, as Attempt.Check says them.
const (
	CheckBadID     = "bad id"
	CheckUnknownID = "unknown id"
	CheckHeader    = "authorization header"
	CheckNonce     = "nonce"
	CheckAlgorithm = "algorithm"
	CheckUsername  = "username"
	CheckRealm     = "realm"
	CheckPassword  = "password"
	CheckAddress   = "not allowed address"
	CheckTransport = "transport"
	CheckApproval  = "pending approval"
	CheckNoSecond  = "no second REGISTER"
	CheckTableFull = "device table full"
)

const (
	noSecondAfter      = 10 * time.Second
	maxUnanswered      = 16384 // challenges looked after at a time
	maxAttemptText     = 64    // bytes kept of what a stranger wrote
	defaultMaxAttempts = 1000
)

// Attempt is a registration that was refused or never finished, the last of
// Count of the same ID, address and check.
type Attempt struct {
	ID        string // as sent, cut to 64 bytes
	UserAgent string
	Remote    string // "address:port"
	Transport string
	At        time.Time // of the last one
	Check     string    // one of the Check constants
	Detail    string    // in plain words what to do about it
	Count     int
}

// Attempts is the bounded memory of refused registrations: one row for each ID,
// address and check, the row that was touched longest ago gives way. It also
// looks after the challenges that nobody answered, without a timer: it sees to
// them when it is used.
type Attempts struct {
	limit int

	mu      sync.Mutex
	rows    map[attemptKey]*list.Element // of *attemptRow
	order   *list.List                   // oldest first
	open    challenges
	dropped uint64 // rows that gave way and challenges that nobody looked after
}

type attemptKey struct {
	peer
	check string
}

type attemptRow struct {
	key attemptKey
	Attempt
}

// peer is who speaks: NAT may change the port between two messages. Its ID may
// be valid no longer than the request.
type peer struct {
	id string
	ip netip.Addr
}

// NewAttempts makes an empty memory of at most limit rows; 0 is 1,000.
func NewAttempts(limit int) *Attempts {
	if limit <= 0 {
		limit = defaultMaxAttempts
	}
	return &Attempts{
		limit: limit,
		rows:  make(map[attemptKey]*list.Element), order: list.New(), open: newChallenges(),
	}
}

// List returns the rows, newest first.
func (a *Attempts) List() []Attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sweep(time.Now())
	out := make([]Attempt, 0, a.order.Len())
	for e := a.order.Back(); e != nil; e = e.Prev() {
		row, _ := e.Value.(*attemptRow)
		out = append(out, row.Attempt)
	}
	return out
}

// Forget drops the rows of an ID, when it was approved or its password reset.
func (a *Attempts) Forget(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, e := range a.rows {
		if key.id == id {
			a.order.Remove(e)
			delete(a.rows, key)
		}
	}
}

// Dropped is how many rows gave way to newer ones, and challenges to silence.
func (a *Attempts) Dropped() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dropped
}

// note keeps a refusal and returns how many there were of its kind.
func (a *Attempts) note(p peer, at Attempt) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.add(p, at)
}

// challenged begins to wait for p's second REGISTER.
func (a *Attempts) challenged(p peer, r *intake.Request, stale bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sweep(r.At)
	if !a.open.add(p, r, stale) {
		a.dropped++
	}
}

// answered ends the wait for p; stale is what its challenge said.
func (a *Attempts) answered(p peer) (stale bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.open.remove(p)
}

// sweep turns challenges unanswered for too long into attempts.
func (a *Attempts) sweep(now time.Time) {
	for c := a.open.oldest(); c != nil && now.Sub(c.at) >= noSecondAfter; c = a.open.oldest() {
		p := peer{string(c.id), c.remote.Addr().Unmap()}
		a.open.remove(p)
		a.add(p, Attempt{
			ID: p.id, UserAgent: clip(c.userAgent), Remote: c.remote.String(), Transport: c.transport, At: c.at,
			Check:  CheckNoSecond,
			Detail: "we answered 401 and nothing came back within 10 s: the answer does not reach the device, or it has no password set",
		})
	}
}

func (a *Attempts) add(p peer, at Attempt) int {
	key := attemptKey{peer{at.ID, p.ip}, at.Check} // at's ID is a copy
	if e, there := a.rows[key]; there {
		row, _ := e.Value.(*attemptRow)
		at.Count = row.Count + 1
		row.Attempt = at
		a.order.MoveToBack(e)
		return at.Count
	}
	if len(a.rows) >= a.limit {
		e := a.order.Front()
		row, _ := e.Value.(*attemptRow)
		delete(a.rows, row.key)
		a.order.Remove(e)
		a.dropped++
	}
	at.Count = 1
	a.rows[key] = a.order.PushBack(&attemptRow{key, at})
	return 1
}

func attemptOf(p peer, r *intake.Request) Attempt {
	return Attempt{
		ID: strings.Clone(p.id), UserAgent: clip(r.UserAgent), Remote: r.Flow.Remote.String(), Transport: r.Flow.Transport, At: r.At,
	}
}

// clip copies what a stranger wrote, cut short and printable.
func clip(b []byte) string { return strings.Clone(shown(b)) }

// shown is what a stranger wrote, cut short and printable, valid no longer than b.
func shown(b []byte) string {
	if len(b) > maxAttemptText {
		b = b[:maxAttemptText]
	}
	if !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c >= 0x7f }) {
		return borrowed(b)
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(string(b), "?"))
}
