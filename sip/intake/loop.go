package intake

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"fengsui/internal/epoll"
)

const (
	loopEvents = 64                     // connections that are looked at before answers are sent
	loopTick   = 500 * time.Millisecond // by which a deadline may be seen late

	// Where so many connections have something at once more are to come, and to
	// be woken for a few at a time costs as much as their messages.
	crowd      = 4
	crowdPause = 3 * time.Millisecond
)

// loops read the TCP connections of an intake where the system has epoll, one
// loop for each processor. They run while there is a listener or a connection.
type loops struct {
	mu    sync.Mutex // guards all below
	users int
	all   []*loop
	next  int // takes the next connection
}

// hold keeps the loops until release.
func (ls *loops) hold() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.users++
}

func (ls *loops) release() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.users--; ls.users > 0 {
		return
	}
	for _, l := range ls.all {
		_ = l.set.Close() // ends it
	}
	ls.all = nil
}

// pick is the loop for one more connection; its caller holds the loops.
func (ls *loops) pick(in *Intake) (*loop, error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for len(ls.all) < runtime.GOMAXPROCS(0) {
		set, err := epoll.New(loopEvents)
		if err != nil {
			return nil, err
		}
		l := &loop{in: in, set: set}
		ls.all = append(ls.all, l)
		go l.run()
	}
	ls.next++
	return ls.all[ls.next%len(ls.all)], nil
}

// adopt makes the connection one that a loop reads, if there can be loops.
func (c *Conn) adopt(tcp *net.TCPConn) {
	ls := &c.in.loops
	ls.hold()
	l, err := ls.pick(c.in)
	if err == nil {
		c.sock, err = epoll.Take(tcp)
	}
	if err != nil {
		ls.release() // its own goroutine reads it
		return
	}
	c.conn, c.loop, c.wake = nil, l, make(chan struct{}, 1)
	l.know(c)
	if err := l.set.Add(c.sock); err != nil {
		c.in.log.Warn().Err(err).Stringer("flow", c.flow).Msg("connection not watched")
		_ = c.finish(closeError) // the reader is told
	}
}

// loop reads many connections by one goroutine. It reads each that has something
// once, handles the whole messages, and sends the answers when it has looked at
// all of them: a goroutine, a buffer and a wait for each would cost more than
// the messages do.
//
// It never waits for a peer. What takes time is done by the connection's own
// goroutine, which lends it to the loop and gets it back: see [Conn.await].
type loop struct {
	in  *Intake
	set *epoll.Set

	mu    sync.Mutex // guards slots
	slots []slot     // by the socket's ID

	// Used by run.
	turns []turn
	seen  []*Conn // whose answers are to be sent
	more  []turn  // that have more to read
	due   []*Conn
	spare []*reading
}

// slot is a connection and when it ends unless something comes.
type slot struct {
	c     *Conn
	until int64 // UnixNano; 0 never
}

// turn is a connection that is to be looked at.
type turn struct {
	c     *Conn
	ended bool // the peer sends no more
}

func (l *loop) run() {
	_ = l.set.SetDeadline(time.Now().Add(loopTick))
	for {
		events, err := l.set.Wait(len(l.more) == 0)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			l.expire(time.Now())
			_ = l.set.SetDeadline(time.Now().Add(loopTick)) // Wait tells if the set is closed
		case err != nil:
			l.stop()
			return
		}
		l.turns, l.more = append(l.turns[:0], l.more...), l.more[:0]
		l.find(events)
		for _, t := range l.turns {
			l.look(t)
		}
		l.pay()
		if len(l.turns) >= crowd && len(l.more) == 0 {
			time.Sleep(crowdPause)
		} else {
			runtime.Gosched() // others may have waited for as long as this took
		}
		clear(l.turns)
	}
}

// find makes turns of events.
func (l *loop) find(events []epoll.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		if c := l.slots[e.ID].c; c != nil {
			l.turns = append(l.turns, turn{c, e.Ended})
		}
	}
}

// look has the connection read, unless its own goroutine has it.
func (l *loop) look(t turn) {
	c := t.c
	if room := c.room.Load(); room != nil {
		wake(*room)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.away {
		return // and is told of again when it is lent
	}
	var more bool
	if c.claim.labels.Work(func() { more = c.step(t.ended) }); !c.away {
		return
	}
	if more {
		l.more = append(l.more, t)
	}
	l.seen = append(l.seen, c)
}

// pay sends the answers of all that were looked at, and notes until when each may
// be silent.
func (l *loop) pay() {
	now := time.Now()
	for _, c := range l.seen {
		c.mu.Lock()
		if c.away && c.reading != nil {
			if c.flush(); c.owes() {
				c.giveBack()
			} else {
				c.rest()
			}
		}
		if c.away {
			l.note(c, c.deadline(now))
		}
		c.mu.Unlock()
	}
	clear(l.seen)
	l.seen = l.seen[:0]
}

func (l *loop) note(c *Conn, until time.Time) {
	if until.Equal(c.until) {
		return
	}
	c.until = until
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := &l.slots[c.sock.ID()]; s.c == c {
		s.until = until.UnixNano()
	}
}

// expire ends what has been silent for too long.
func (l *loop) expire(now time.Time) {
	l.mu.Lock()
	for _, s := range l.slots {
		if s.c != nil && s.until != 0 && s.until <= now.UnixNano() {
			l.due = append(l.due, s.c)
		}
	}
	l.mu.Unlock()
	for _, c := range l.due {
		c.mu.Lock()
		if c.away && !c.until.After(now) {
			c.claim.labels.Work(c.silent)
		}
		c.mu.Unlock()
		l.seen = append(l.seen, c)
	}
	clear(l.due)
	l.due = l.due[:0]
}

// take has one of the readings that a loop keeps: of those that all share there
// are not enough for one look.
func (l *loop) take(c *Conn) *reading {
	last := len(l.spare) - 1
	if last < 0 {
		return c.newReading()
	}
	r := l.spare[last]
	l.spare = l.spare[:last]
	r.framer = c.newFramer()
	return r
}

func (l *loop) free(r *reading) {
	if len(l.spare) == loopEvents {
		r.free(l.in)
		return
	}
	r.give(l.in)
	r.clear()
	l.spare = append(l.spare, r)
}

// stop gives back what the loop keeps.
func (l *loop) stop() {
	for _, r := range l.spare {
		r.free(l.in)
	}
	l.spare = nil
}

func (l *loop) know(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := c.sock.ID(); id >= len(l.slots); {
		l.slots = append(l.slots, make([]slot, id+1-len(l.slots))...)
	}
	l.slots[c.sock.ID()] = slot{c: c}
}

// forget is called before the socket is closed: its ID may be another's then.
func (l *loop) forget(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := &l.slots[c.sock.ID()]; s.c == c {
		*s = slot{}
	}
}

// wake tells a goroutine something unless it has been told.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
