package intake

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
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
// While nothing is to be read a Conn holds no buffer: it waits for bytes first,
// by the descriptor of a socket, by a single byte of anything else. A TLS
// connection keeps the buffers of crypto/tls for itself, the largest record it
// has been sent.
type Conn struct {
	conn net.Conn
	raw  syscall.RawConn // of conn; nil if it is no socket
	in   *Intake
	flow flow.Flow
	once sync.Once

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
	one      [1]byte   // of a connection that is no socket
	some     func(fd uintptr) bool
	n        int // of the read under way
	err      error
}

func (in *Intake) newConn(c net.Conn, transport string, listener int) *Conn {
	conn := &Conn{
		conn: c, in: in, begun: time.Now(), raw: rawConn(c),
		flow: flow.Flow{
			Transport: transport, Listener: listener,
			Local: addrPort(c.LocalAddr()), Remote: addrPort(c.RemoteAddr()),
		},
	}
	conn.some = conn.readSome
	conn.open()
	return conn
}

// Flow is the way the connection is.
func (c *Conn) Flow() flow.Flow { return c.flow }

// LocalAddr is our end.
func (c *Conn) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// RemoteAddr is the peer's end.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// ReadMessage returns the next message that is not answered here, whole,
// repaired and stamped. The caller has its bytes until the next call. The error
// is io.EOF whatever ended the connection, which is closed then.
func (c *Conn) ReadMessage() ([]byte, error) {
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

// cut handles the whole messages there are, until one is to be handed on. It
// returns nil when more must be read.
func (c *Conn) cut() ([]byte, error) {
	r := c.reading
	r.take(c.in)
	for {
		part, n := r.framer.next(r.rest())
		if part == partMore && r.silent {
			part, n = r.framer.flush()
		}
		r.silent = false
		switch part {
		case partMore:
			c.flush()
			r.give(c.in)
			if len(r.rest()) == 0 {
				c.release()
			}
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
	reason, err := c.arm()
	if err != nil {
		return c.end(closeError)
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
		return c.end(reason)
	case errors.Is(err, net.ErrClosed):
		return c.end(closeLocal)
	case errors.Is(err, io.EOF):
		return c.end(closePeer)
	}
	return c.end(closeError)
}

// arm sets the time until which the next bytes must be there, and tells why the
// connection ends then. The idle time is set only when less than that is left.
func (c *Conn) arm() (reason string, err error) {
	idle := c.in.cfg.IdleTCP
	var until time.Time
	switch now := time.Now(); {
	case c.reading != nil && c.reading.framer.waiting():
		until = now.Add(grace)
	case c.reading != nil || !c.heard:
		until, reason = c.begun.Add(c.in.cfg.MessageTCP), closeSlow
	case c.until.Sub(now) >= idle:
		return closeIdle, nil
	default:
		until, reason = now.Add(idle+idle/slack), closeIdle
	}
	if until.Equal(c.until) {
		return reason, nil
	}
	c.until = until
	return reason, c.conn.SetReadDeadline(until)
}

// read waits for bytes and reads them into the reading, of which there is one
// when there are some.
func (c *Conn) read() (int, error) {
	switch {
	case c.raw != nil:
		c.n, c.err = 0, nil
		if err := c.raw.Read(c.some); err != nil {
			return 0, err
		}
		if c.n == 0 && c.err == nil {
			return 0, io.EOF
		}
		return c.n, c.err
	case c.reading == nil:
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

// readSome is called with the socket's descriptor when there may be something to
// read, until it returns true.
func (c *Conn) readSome(fd uintptr) bool {
	r := c.reading
	if r == nil {
		r = c.newReading()
	}
	var again bool
	if c.n, again, c.err = readSocket(fd, r.room()); again || c.n == 0 {
		if c.reading == nil {
			r.free(c.in)
		}
		return !again
	}
	r.buf = r.buf[:len(r.buf)+c.n]
	c.reading = r
	return true
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

// release gives back what a connection needs only while it has bytes to look at.
func (c *Conn) release() {
	c.gap = c.reading.framer.gap
	c.reading.free(c.in)
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
		err = c.conn.Close()
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

// flush sends the answers. A failure closes, which the next read sees.
func (c *Conn) flush() {
	r := c.reading
	if len(r.answers) == 0 {
		return
	}
	if n, err := c.write(r.answers); err == nil {
		c.count(r.answered, n)
	}
	r.answers, r.answered = r.answers[:0], 0
}

func (c *Conn) count(messages, bytes int) {
	c.in.metrics.sent.of(c.flow.Transport).Add(float64(messages))
	c.in.metrics.sentBytes.of(c.flow.Transport).Add(float64(bytes))
}

// write counts errors, and closes a connection that takes no more: part of a
// message may be on the wire.
func (c *Conn) write(p []byte) (n int, err error) {
	w := c.in.writings.Get()
	defer c.in.writings.Put(w)
	if n, err = w.write(c, p); err != nil {
		c.in.metrics.writeErrors.WithLabelValues(writeFailed).Inc()
		_ = c.finish(closeError) // the write's error says more
	}
	return n, err
}
