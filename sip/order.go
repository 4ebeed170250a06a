package sip

import (
	"sync"
	"time"
)

// A message that was read but whose handler did not start within this time is
// taken for one the library absorbed (a repeat), and no longer waited for.
const ticketPatience = time.Second

// order runs functions in the order in which the messages they belong to were
// read, separately for each sender, although the library handles each message
// on a goroutine of its own. The reader of a socket takes a ticket for each
// message; the handler claims it, and hands in its function when the answer is
// sent; a fixed set of workers runs what is at the head of each sender's lane.
// A lane lives only while it has tickets.
type order struct {
	perLane int // functions waiting in one lane
	total   int // functions waiting in all lanes
	m       *metrics

	mu      sync.Mutex // guards all below
	wake    sync.Cond  // ready has one more, or closed
	settled sync.Cond  // no tickets are out, or the wait for that is over
	lanes   map[string]*lane
	tickets map[uint64]*ticket // not yet handed in, by sequence number
	ready   []*lane            // lanes whose head can run and that no worker has
	waiting int
	closed  bool
	workers sync.WaitGroup
}

type lane struct {
	sender  string
	tickets []*ticket
	waiting int  // tickets handed in with a function
	running bool // in ready, or a worker has it
}

type ticket struct {
	lane    *lane
	patient *time.Timer // until claimed
	settled bool        // handed in or given up
	run     func()      // nil: nothing to do
}

func newOrder(perLane, total int, m *metrics) *order {
	o := &order{perLane: perLane, total: total, m: m,
		lanes: make(map[string]*lane), tickets: make(map[uint64]*ticket)}
	o.wake.L, o.settled.L = &o.mu, &o.mu
	return o
}

// start starts the workers.
func (o *order) start(workers int) {
	for range workers {
		o.workers.Go(o.work)
	}
}

// take notes that message seq of the sender was read. Calls for one sender
// come in the order of receipt.
func (o *order) take(seq uint64, sender string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.tickets[seq] != nil {
		return
	}
	t := o.append(sender)
	o.tickets[seq] = t
	t.patient = time.AfterFunc(ticketPatience, func() { o.giveUp(seq, t) })
}

// claim says that the handler of message seq has started.
func (o *order) claim(seq uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if t := o.tickets[seq]; t != nil {
		t.patient.Stop()
	}
}

// hand gives the function of message seq, nil for none. It reports false when
// the queue is full: the newest function is dropped.
func (o *order) hand(seq uint64, sender string, run func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	t := o.tickets[seq]
	if t == nil { // given up, or never taken: it runs after what waits now
		if run == nil {
			return true
		}
		t = o.append(sender)
	}
	if t.patient != nil {
		t.patient.Stop()
	}
	o.forget(seq)
	full := run != nil && (t.lane.waiting >= o.perLane || o.waiting >= o.total)
	t.settled = true
	if run != nil && !full {
		t.run = run
		t.lane.waiting++
		o.waiting++
	}
	o.advance(t.lane)
	return !full
}

// queued is how many functions wait.
func (o *order) queued() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.waiting
}

// drain waits until all messages read were handled, at most for the time.
func (o *order) drain(limit time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	over := false
	t := time.AfterFunc(limit, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		over = true
		o.settled.Broadcast()
	})
	defer t.Stop()
	for len(o.tickets) > 0 && !over {
		o.settled.Wait()
	}
}

// close drops what waits and returns when no function runs.
func (o *order) close() {
	o.mu.Lock()
	o.closed = true
	for _, t := range o.tickets {
		t.patient.Stop()
	}
	clear(o.tickets)
	clear(o.lanes)
	o.ready, o.waiting = nil, 0
	o.wake.Broadcast()
	o.mu.Unlock()
	o.workers.Wait()
}

func (o *order) giveUp(seq uint64, t *ticket) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.tickets[seq] != t {
		return
	}
	o.forget(seq)
	t.settled = true
	o.m.unclaimed.Inc()
	o.advance(t.lane)
}

// forget drops a ticket from those that are out; o.mu is held.
func (o *order) forget(seq uint64) {
	delete(o.tickets, seq)
	if len(o.tickets) == 0 {
		o.settled.Broadcast()
	}
}

// append adds a ticket to the sender's lane; o.mu is held.
func (o *order) append(sender string) *ticket {
	l := o.lanes[sender]
	if l == nil {
		l = &lane{sender: sender}
		o.lanes[sender] = l
	}
	t := &ticket{lane: l}
	l.tickets = append(l.tickets, t)
	return t
}

// advance drops what is settled with nothing to do from the head of the lane
// and queues the lane for a worker when its head can run; o.mu is held.
func (o *order) advance(l *lane) {
	for len(l.tickets) > 0 && l.tickets[0].settled && l.tickets[0].run == nil {
		l.tickets = l.tickets[1:]
	}
	switch {
	case l.running:
	case len(l.tickets) == 0:
		delete(o.lanes, l.sender)
	case l.tickets[0].settled:
		l.running = true
		o.ready = append(o.ready, l)
		o.wake.Signal()
	}
}

func (o *order) work() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		for len(o.ready) == 0 {
			if o.closed {
				return
			}
			o.wake.Wait()
		}
		l := o.ready[0]
		o.ready = o.ready[1:]
		run := l.tickets[0].run
		l.tickets = l.tickets[1:]
		l.waiting--
		o.waiting--
		o.mu.Unlock()
		run()
		o.mu.Lock()
		if !o.closed {
			l.running = false
			o.advance(l)
		}
	}
}
