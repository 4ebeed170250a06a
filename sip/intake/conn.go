package intake

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"fengsui/sip/flow"
	"fengsui/sip/trace"
)

const (
	maxSkip = 64 << 20 // bytes of a body over the limit that are read and thrown away
	// grace is how long a message waits for bytes that its Content-Length
	// promises and its body does not need.
	grace = time.Second
	// slack is the part of the idle time by which a silent connection may be
	// closed late, so that a message need not set a timer.
	slack = 8
)

// Conn is one peer's connection. ReadMessage is called by one goroutine; what
// only it uses is marked so. All else may be called from any.
//
// While nothing is to be read a Conn holds no buffer: a loop reads it once there
// is something, or its own goroutine waits for a single byte first. A TLS
// connection keeps the buffers of crypto/tls for itself, the largest record it
// has been sent.
type Conn struct {
	conn net.Conn // nil if a loop reads it
	in   *Intake
	flow flow.Flow
	once sync.Once
	lent

	reserved atomic.Int64 // of the intake's partial bytes
	claim    claim

	// Used by ReadMessage.
	reading  *reading // nil between messages
	gap      gap      // of the framer, while there is no reading
	begun    time.Time
	until    time.Time // the read deadline
	heard    bool      // a whole message has come
	second   int64     // of the Unix epoch, to which messages belongs
	messages int       // of that second
	junk     bool      // between messages, and skipping
	one      [1]byte   // read while there is no reading
}

func (in *Intake) newConn(c net.Conn, transport string, listener int) *Conn {
	conn := &Conn{
		conn: c, in: in, begun: time.Now(),
		flow: flow.Flow{
			Transport: transport, Listener: listener,
			Local: addrPort(c.LocalAddr()), Remote: addrPort(c.RemoteAddr()),
		},
	}
	conn.open()
	if tcp, ok := c.(*net.TCPConn); ok {
		conn.adopt(tcp)
	}
	return conn
}

// Flow is the way the connection is.
func (c *Conn) Flow() flow.Flow { return c.flow }

// LocalAddr is our end.
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.flow.Local) }

// RemoteAddr is the peer's end.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.flow.Remote) }

// ReadMessage returns the next message that is not answered here, whole,
// repaired and stamped. The caller has its bytes until the next call. The error
// is io.EOF whatever ended the connection, which is closed then.
func (c *Conn) ReadMessage() ([]byte, error) {
	if c.loop != nil {
		return c.await()
	}
	c.show()
	for {
		c.pace()
		if c.reading != nil {
			message, err := c.in.crew.cut(c)
			c.show()
			if message != nil || err != nil {
				return message, err
			}
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// pace waits for the next second when the connection has had its messages of this
// one: the peer's system then holds back what it sends, and nothing is lost.
func (c *Conn) pace() {
	if c.messages < c.in.cfg.RateTCP {
		return
	}
	if left := time.Until(time.Unix(c.second+1, 0)); left > 0 {
		c.in.metrics.slowed.Inc()
		time.Sleep(left)
	}
	c.messages = 0
}

// work is cut with all that follows at once.
func (c *Conn) work() ([]byte, error) {
	message, err := c.cut()
	if c.reading != nil && message == nil {
		c.flush()
		c.rest()
	}
	c.settle()
	return message, err
}

// cut handles the whole messages there are, until one is to be handed on. It
// returns nil when more must be read, or when the answers must be sent first.
func (c *Conn) cut() ([]byte, error) {
	r := c.reading
	r.take(c.in)
	for !r.full {
		part, n := r.framer.next(r.rest())
		if part == partMore && r.silent {
			part, n = r.framer.flush()
		}
		r.silent = false
		switch part {
		case partMore:
			r.give(c.in)
			return nil, nil
		case partLost:
			return nil, c.end(closeJunk)
		}
		raw := r.rest()[:n]
		r.at += n
		switch part {
		case partPing:
			r.answers = append(r.answers, "\r\n"...) // RFC 5626, 4.4.1
		case partJunk:
			if !c.junk {
				c.junk = true
				c.in.metrics.resyncs.Inc()
				c.in.faults.Warn().Stringer("flow", c.flow).Msg("bytes between messages skipped")
			}
		case partMessage, partTooLarge:
			if out := c.message(raw, part == partTooLarge); out != nil {
				c.flush() // what sipgo answers must not overtake it
				return out, nil
			}
			if r.framer.skip > maxSkip {
				return nil, c.end(closeJunk)
			}
		case partMore, partLost, partSkip:
		}
	}
	r.give(c.in)
	return nil, nil
}

// message handles one message, and returns what of it is to be handed on.
func (c *Conn) message(raw []byte, tooLarge bool) []byte {
	c.heard, c.junk, c.begun = true, false, time.Now()
	c.claim.used.Store(c.begun.UnixNano())
	if second := c.begun.Unix(); second != c.second {
		c.second, c.messages = second, 0
	}
	c.messages++
	w := c.reading.work
	if !tooLarge {
		out := c.in.take(w, raw, c.flow, c)
		c.claim.unsure = c.claim.unsure || w.head.method == "REGISTER"
		return out
	}
	if err := w.head.parse(raw); err == nil {
		c.in.tooLarge(w, raw, c.flow, c.begun, c)
	} else {
		c.in.malformed(w, raw, c.flow, c.begun, c, err)
	}
	return nil
}

// fill waits for more and reads it.
func (c *Conn) fill() error {
	if until := c.deadline(time.Now()); !until.Equal(c.until) {
		c.until = until
		if c.conn.SetReadDeadline(until) != nil {
			return c.end(closeError)
		}
	}
	idle := c.reading == nil
	n, err := c.read()
	if n > 0 {
		if idle && c.heard {
			c.begun = time.Now()
		}
		return c.reserve()
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		if c.reading != nil && c.reading.framer.waiting() {
			c.reading.silent = true
			return nil
		}
		return c.end(c.patience())
	case errors.Is(err, net.ErrClosed):
		return c.end(closeLocal)
	case errors.Is(err, io.EOF):
		return c.end(closePeer)
	}
	return c.end(closeError)
}

// deadline is the time until which the next bytes must be there. The idle time is
// set only when less than that is left.
func (c *Conn) deadline(now time.Time) time.Time {
	idle := c.in.cfg.IdleTCP
	switch {
	case c.reading != nil && c.reading.framer.waiting():
		return now.Add(grace)
	case c.patience() == closeSlow:
		return c.begun.Add(c.in.cfg.MessageTCP)
	case c.until.Sub(now) >= idle:
		return c.until
	}
	return now.Add(idle + idle/slack)
}

// patience is why the connection ends when the deadline passes.
func (c *Conn) patience() (reason string) {
	if c.reading != nil || !c.heard {
		return closeSlow
	}
	return closeIdle
}

// read waits for bytes and reads them into the reading, of which there is one
// when there are some.
func (c *Conn) read() (int, error) {
	if c.reading == nil {
		n, err := c.conn.Read(c.one[:])
		if n > 0 {
			c.reading = c.newReading()
			c.reading.buf = append(c.reading.buf, c.one[0])
		}
		return n, err
	}
	n, err := c.conn.Read(c.reading.room())
	c.reading.buf = c.reading.buf[:len(c.reading.buf)+n]
	return n, err
}

// reserve accounts for the buffer of a long unfinished message.
func (c *Conn) reserve() error {
	size := int64(cap(c.reading.buf))
	if size <= smallBuffer {
		return nil
	}
	if total := c.in.partial.Add(size - c.reserved.Swap(size)); total > c.in.cfg.MaxPartial {
		return c.end(closeMemory)
	}
	return nil
}

func (c *Conn) unreserve() { c.in.partial.Add(-c.reserved.Swap(0)) }

// rest keeps of the reading what is not whole.
func (c *Conn) rest() {
	if len(c.reading.rest()) == 0 {
		c.release()
	}
}

// release gives back what a connection needs only while it has bytes to look at.
func (c *Conn) release() {
	c.gap = c.reading.framer.gap
	if c.away {
		c.loop.free(c.reading)
	} else {
		c.reading.free(c.in)
	}
	c.reading = nil
	c.unreserve()
}

// end closes the connection from within ReadMessage. What it returns makes sipgo
// stop reading without an error line for what a peer did.
func (c *Conn) end(reason string) error {
	if c.reading != nil {
		c.flush()
		c.release()
	}
	_ = c.finish(reason) // sipgo is told below
	return io.EOF
}

// Close closes the connection.
func (c *Conn) Close() error { return c.finish(closeLocal) }

func (c *Conn) finish(reason string) (err error) {
	c.once.Do(func() {
		if c.loop != nil {
			err = c.part()
		} else {
			err = c.conn.Close()
		}
		c.claim.lease.Release()
		c.unreserve()
		c.in.metrics.closed.WithLabelValues(reason).Inc()
		c.in.metrics.connections.of(c.flow.Transport).Dec()
		c.in.conns.release(c.flow.Remote.Addr())
		c.in.log.Debug().Stringer("flow", c.flow).Str("reason", reason).Msg("connection closed")
		if fn := c.in.onClose.Load(); fn != nil {
			(*fn)(c.flow)
		}
	})
	return err
}

// Write sends what sipgo has to send.
func (c *Conn) Write(p []byte) (int, error) {
	at := time.Now() // before the answer can be there
	n, err := c.write(p)
	if err == nil {
		c.in.ring.Add(at, trace.Out, c.flow, p)
		c.count(1, n)
	}
	return n, err
}

// send keeps an answer until those to the other messages that came with its
// request are there too.
func (c *Conn) send(answer []byte) {
	r := c.reading
	r.answers = append(r.answers, answer...)
	if r.answered++; len(r.answers) >= maxAnswers {
		c.flush()
	}
}

// flush sends the answers, while a loop has the connection as many as the socket
// takes. A failure closes, which the next read sees.
func (c *Conn) flush() {
	r := c.reading
	if len(r.answers) == 0 {
		return
	}
	send := c.write
	if c.away {
		send = c.offer
	}
	n, err := send(r.answers)
	if r.full = err == nil && n < len(r.answers); r.full {
		r.answers = r.answers[:copy(r.answers, r.answers[n:])]
		c.count(0, n)
		return
	}
	if err == nil {
		c.count(r.answered, n)
	}
	r.answers, r.answered = r.answers[:0], 0
}

func (c *Conn) count(messages, bytes int) {
	c.in.metrics.sent.of(c.flow.Transport).Add(float64(messages))
	c.in.metrics.sentBytes.of(c.flow.Transport).Add(float64(bytes))
}

// write waits until all of p is written, or the peer has taken none for the time
// it has.
func (c *Conn) write(p []byte) (n int, err error) {
	if c.loop != nil {
		n, err = c.writeAll(p)
	} else if err = c.conn.SetWriteDeadline(time.Now().Add(c.in.cfg.WriteTimeout)); err == nil {
		n, err = c.conn.Write(p)
	}
	if err != nil {
		c.failed()
	}
	return n, err
}

// failed closes a connection that takes no more: part of a message may be on the
// wire.
func (c *Conn) failed() {
	c.in.metrics.writeErrors.WithLabelValues(writeFailed).Inc()
	_ = c.finish(closeError) // the write's error says more
}
