package intake

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"fengsui/internal/epoll"
)

// lent is what a connection has that a loop reads. Either the loop or the
// connection's own goroutine, which is in ReadMessage, has the connection: who has
// it uses what is marked as used by ReadMessage.
type lent struct {
	sock *epoll.Socket // nil: its own goroutine reads it
	loop *loop
	wake chan struct{} // the goroutine has it again, or it has ended

	gone    atomic.Bool                   // it has ended
	room    atomic.Pointer[chan struct{}] // told when a full socket may take more
	writing sync.Mutex                    // held for each message, so that it is whole on the wire

	mu   sync.Mutex // held by the loop while it looks; guards away
	away bool       // the loop has it

	// Of who has it.
	out  []byte // to be handed on
	more bool   // messages may be left of what was read
}

// await lends the connection to its loop until there is a message to hand on, or
// what its own goroutine must do: whatever waits.
func (c *Conn) await() ([]byte, error) {
	for {
		c.show()
		c.pace()
		if !c.lend() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.away = false; c.reading != nil {
				c.release()
			}
			return nil, io.EOF
		}
		if c.reading != nil {
			if c.flush(); c.out == nil {
				c.rest()
			}
		}
		if out := c.out; out != nil {
			c.out = nil
			return out, nil
		}
	}
}

// lend returns when the connection was given back; false says that it has ended.
func (c *Conn) lend() bool {
	c.mu.Lock()
	c.away, c.more = true, c.reading != nil
	c.mu.Unlock()
	_ = c.loop.set.Again(c.sock) // fails only if it is closed
	for !c.gone.Load() {
		<-c.wake
		c.mu.Lock()
		away := c.away
		c.mu.Unlock()
		if !away {
			break
		}
	}
	return !c.gone.Load()
}

// giveBack ends what lend began. mu is held.
func (c *Conn) giveBack() {
	c.away = false
	wake(c.wake)
}

// step handles what is left, or reads once and handles that. It reports whether
// there may be more to read. mu is held.
func (c *Conn) step(ended bool) (more bool) {
	if c.more {
		if c.more = false; !c.handle() {
			return false
		}
	}
	idle := c.reading == nil
	if idle {
		c.reading = c.loop.take(c)
	}
	r := c.reading
	room := r.room()
	n, again, err := c.sock.Read(room)
	r.buf = r.buf[:len(r.buf)+n]
	switch {
	case n > 0:
	case again:
		if idle {
			c.release()
		}
		return false
	case err != nil:
		c.lose(closeError)
		return false
	default:
		c.lose(closePeer)
		return false
	}
	if idle && c.heard {
		c.begun = time.Now()
	}
	if c.reserve() != nil {
		c.giveBack()
		return false
	}
	return c.handle() && (ended || n == len(room))
}

// handle has the whole messages handled, and gives the connection back if that is
// for its own goroutine to go on with.
func (c *Conn) handle() (keep bool) {
	message, err := c.cut()
	c.settle()
	c.out = message
	if message != nil || err != nil || c.owes() || c.claim.fresh || c.messages >= c.in.cfg.RateTCP {
		c.giveBack()
		return false
	}
	return true
}

// silent handles that the deadline has passed. mu is held.
func (c *Conn) silent() {
	if c.reading == nil || !c.reading.framer.waiting() {
		c.lose(c.patience())
		return
	}
	c.reading.silent = true
	c.handle()
}

// lose ends the connection and gives it back.
func (c *Conn) lose(reason string) {
	_ = c.end(reason) // await tells
	c.giveBack()
}

// owes reports whether the socket did not take the answers.
func (c *Conn) owes() bool { return c.reading != nil && c.reading.full }

// offer writes what the socket takes of the answers without waiting; all are
// kept if somebody else is writing.
func (c *Conn) offer(answers []byte) (n int, err error) {
	if !c.writing.TryLock() {
		return 0, nil
	}
	defer c.writing.Unlock()
	if n, err = c.sock.Write(answers); err != nil {
		c.failed()
	}
	return n, err
}

// writeAll waits until the socket has taken all of p, for as long as a peer may
// take none.
func (c *Conn) writeAll(p []byte) (n int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if n, err = c.sock.Write(p); err != nil || n == len(p) {
		return n, err
	}
	room := make(chan struct{}, 1)
	c.room.Store(&room)
	defer c.room.Store(nil)
	late := time.NewTimer(c.in.cfg.WriteTimeout)
	defer late.Stop()
	for {
		m, err := c.sock.Write(p[n:])
		if n += m; err != nil || n == len(p) {
			return n, err
		}
		select {
		case <-room:
		case <-late.C:
			return n, os.ErrDeadlineExceeded
		}
	}
}

// part closes the socket, and has those see it who wait.
func (c *Conn) part() error {
	c.gone.Store(true)
	c.loop.forget(c)
	err := c.sock.Close()
	wake(c.wake)
	if room := c.room.Load(); room != nil {
		wake(*room)
	}
	c.in.loops.release()
	return err
}
