package sip

import (
	"sync"
	"time"

	"fengsui/internal/reuse"
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
	idle    *reuse.Pool[lane, *lane]
	unused  *reuse.Pool[ticket, *ticket]

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
	reuse.Mark

	sender  string
	tickets []*ticket
	first   int  // of tickets that is there
	waiting int  // tickets handed in with a function
	running bool // in ready, or a worker has it
}

type ticket struct {
	reuse.Mark

	seq     uint64
	lane    *lane
	patient *time.Timer // until claimed; it stays with the ticket
	until   time.Time   // when patient ends
	settled bool        // handed in or given up
	run     func()      // nil: nothing to do
}

func newOrder(perLane, total int, m *metrics, k *reuse.Keeper) *order {
	o := &order{perLane: perLane, total: total, m: m,
		lanes: make(map[string]*lane), tickets: make(map[uint64]*ticket)}
	o.idle = reuse.NewPool(k, reuse.Spec{Name: "sip_lane", Level: reuse.Flows, Bytes: laneBytes, Share: 1.0 / 512},
		func() *lane { return new(lane) }, (*lane).clear)
	o.unused = reuse.NewPool(k, reuse.Spec{Name: "sip_ticket", Level: reuse.Requests, Bytes: ticketBytes, Share: 1.0 / 512},
		o.newTicket, func(t *ticket) { t.lane, t.run = nil, nil })
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
	t.seq, t.until = seq, time.Now().Add(ticketPatience)
	t.patient.Reset(ticketPatience)
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
	t.patient.Stop()
	o.forget(seq)
	l := t.lane
	full := run != nil && (l.waiting >= o.perLane || o.waiting >= o.total)
	t.settled = true
	if run != nil && !full {
		t.run = run
		l.waiting++
		o.waiting++
	}
	o.advance(l)
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

// newTicket makes a ticket that is not waited for yet.
func (o *order) newTicket() *ticket {
	t := new(ticket)
	t.patient = time.AfterFunc(ticketPatience, func() { o.giveUp(t) })
	t.patient.Stop()
	return t
}

// giveUp ends the wait for a ticket. It may come late, when the ticket is in the
// pool or another's already.
func (o *order) giveUp(t *ticket) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.tickets[t.seq] != t || time.Now().Before(t.until) {
		return
	}
	o.forget(t.seq)
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
		l = o.idle.Get()
		l.sender = sender
		o.lanes[sender] = l
	}
	t := o.unused.Get()
	t.lane, t.settled = l, false
	l.push(t)
	return t
}

// advance drops what is settled with nothing to do from the head of the lane
// and queues the lane for a worker when its head can run; o.mu is held.
func (o *order) advance(l *lane) {
	for t := l.head(); t != nil && t.settled && t.run == nil; t = l.head() {
		l.pop()
		o.unused.Put(t)
	}
	switch t := l.head(); {
	case l.running:
	case t == nil:
		delete(o.lanes, l.sender)
		o.idle.Put(l)
	case t.settled:
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
		t := l.head()
		l.pop()
		run := t.run
		o.unused.Put(t)
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

// laneKept is how many tickets a lane may have room for and be used again.
const laneKept = 64

func (l *lane) clear() {
	l.sender, l.waiting, l.running = "", 0, false
	if cap(l.tickets) > laneKept {
		l.tickets = nil
	}
}

// head is the ticket that is next, nil when there is none.
func (l *lane) head() *ticket {
	if len(l.tickets) == 0 {
		return nil
	}
	return l.tickets[l.first]
}

func (l *lane) push(t *ticket) {
	if len(l.tickets) == cap(l.tickets) && 2*l.first >= len(l.tickets) && l.first > 0 { // there is room at the front
		n := copy(l.tickets, l.tickets[l.first:])
		clear(l.tickets[n:])
		l.tickets, l.first = l.tickets[:n], 0
	}
	l.tickets = append(l.tickets, t)
}

// pop drops the head.
func (l *lane) pop() {
	l.tickets[l.first] = nil
	if l.first++; l.first == len(l.tickets) {
		l.tickets, l.first = l.tickets[:0], 0
	}
}
