package intake

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"fengsui/sip/flow"
	"fengsui/sip/trace"
)

const (
	smallBuffer = 64 << 10 // bytes of an unfinished message that anyone may have
	maxSkip     = 64 << 20 // bytes of a body over the limit that are read and thrown away
	// grace is how long a message waits for bytes that its Content-Length
	// promises and its body does not need.
	grace = time.Second
	// tail is the least part of a long message: sipgo takes CRs and LFs that
	// are read alone for a keep-alive.
	tail = 5
)

// conn is one peer's connection. Read is called by one goroutine; what only it
// uses is marked so.
type conn struct {
	net.Conn
	in   *Intake
	flow flow.Flow

	// Used by Read.
	framer   framer
	buf      *[]byte // bytes read and not consumed; nil between messages
	pending  []byte  // the rest of a message too long for one Read
	reserved int64   // of the intake's partial bytes
	begun    time.Time
	heard    bool // a whole message has come
	junk     bool // between messages, and skipping
	silent   bool // the framer's grace has passed

	once sync.Once
}

func (in *Intake) newConn(c net.Conn, transport string, listener int) *conn {
	return &conn{
		Conn: c, in: in,
		flow: flow.Flow{
			Transport: transport, Listener: listener,
			Local: addrPort(c.LocalAddr()), Remote: addrPort(c.RemoteAddr()),
		},
		framer: framer{maxMessage: in.cfg.MaxMessageTCP, maxBody: in.cfg.MaxBody},
		begun:  time.Now(),
	}
}

// Read returns the next message that is not answered here.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if len(c.pending) > 0 {
			return c.part(p), nil
		}
		n, err := c.cut(p)
		if n > 0 || err != nil {
			return n, err
		}
		if err := c.fill(p); err != nil {
			return 0, err
		}
	}
}

// part returns the next part of a long message, and never leaves a short one.
func (c *conn) part(p []byte) int {
	n := min(len(p), len(c.pending))
	if left := len(c.pending) - n; left > 0 && left < tail && n > tail {
		n -= tail - left
	}
	copy(p, c.pending[:n])
	if c.pending = c.pending[n:]; len(c.pending) == 0 {
		c.pending = nil
	}
	return n
}

// cut handles the whole messages there are. It returns the bytes of p it
// filled, 0 when more must be read.
func (c *conn) cut(p []byte) (int, error) {
	if c.buf == nil {
		return 0, nil
	}
	b := *c.buf
	defer func() { c.keep(b) }() // the rest, whatever becomes of it
	for {
		part, n := c.framer.next(b)
		if part == partMore && c.silent {
			part, n = c.framer.flush()
		}
		c.silent = false
		switch part {
		case partMore:
			return 0, nil
		case partLost:
			return 0, c.end(closeJunk)
		}
		message := b[:n]
		b = b[n:]
		switch part {
		case partPing:
			_, _ = c.write([]byte("\r\n")) // RFC 5626, 4.4.1; a failure closes, which the next read sees
		case partJunk:
			if !c.junk {
				c.junk = true
				c.in.metrics.resyncs.Inc()
				c.in.faults.Warn().Stringer("flow", c.flow).Msg("bytes between messages skipped")
			}
		case partMessage, partTooLarge:
			if filled := c.message(p, message, part == partTooLarge); filled > 0 {
				return filled, nil
			}
			if c.framer.skip > maxSkip {
				return 0, c.end(closeJunk)
			}
		case partMore, partLost, partSkip:
		}
	}
}

// message handles one message, and returns how much of p it filled with it.
func (c *conn) message(p, raw []byte, tooLarge bool) int {
	c.heard, c.junk, c.begun = true, false, time.Now()
	w := c.in.works.Get().(*work)
	defer c.in.works.Put(w)
	if tooLarge {
		if err := w.head.parse(raw); err == nil {
			c.in.tooLarge(w, raw, c.flow, c.begun, c)
		} else {
			c.in.malformed(w, raw, c.flow, c.begun, c, err)
		}
		return 0
	}
	out := c.in.take(w, raw, c.flow, c)
	if out == nil {
		return 0
	}
	if len(out) <= len(p) {
		n := copy(p, out)
		if cap(w.out) > smallBuffer {
			w.out = nil
		}
		return n
	}
	c.pending, w.out = out, nil
	return c.part(p)
}

// keep keeps the bytes not consumed, or gives the buffer back.
func (c *conn) keep(b []byte) {
	switch {
	case c.buf == nil: // freed at the end
	case len(b) == 0:
		c.free()
	case len(b) < len(*c.buf):
		*c.buf = append((*c.buf)[:0], b...) // moved to the front
	}
}

func (c *conn) free() {
	if cap(*c.buf) <= smallBuffer {
		*c.buf = (*c.buf)[:0]
		c.in.buffers.Put(c.buf)
	}
	c.buf = nil
	c.in.partial.Add(-c.reserved)
	c.reserved = 0
}

// fill reads more. It uses p, which is empty now, to read into, so that an idle
// connection holds no memory but its reader's.
func (c *conn) fill(p []byte) error {
	now := time.Now()
	deadline, reason := now.Add(c.in.cfg.IdleTCP), closeIdle
	switch unfinished := c.buf != nil; {
	case unfinished && c.framer.waiting():
		deadline = now.Add(grace)
	case unfinished || !c.heard:
		deadline, reason = c.begun.Add(c.in.cfg.MessageTCP), closeSlow
	}
	if err := c.Conn.SetReadDeadline(deadline); err != nil {
		return c.end(closeError)
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		if c.buf == nil {
			c.buf = c.in.buffers.Get().(*[]byte)
			if c.heard {
				c.begun = now
			}
		}
		*c.buf = append(*c.buf, p[:n]...)
		return c.reserve()
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		if c.buf != nil && c.framer.waiting() {
			c.silent = true
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

// reserve accounts for the buffer of a long unfinished message.
func (c *conn) reserve() error {
	size := int64(cap(*c.buf))
	if size <= smallBuffer || size == c.reserved {
		return nil
	}
	total := c.in.partial.Add(size - c.reserved)
	c.reserved = size
	if total > c.in.cfg.MaxPartial {
		return c.end(closeMemory)
	}
	return nil
}

// end closes the connection from within Read. What it returns makes sipgo stop
// reading without an error line for what a peer did.
func (c *conn) end(reason string) error {
	_ = c.finish(reason) // sipgo is told below
	if c.buf != nil {
		c.free()
	}
	return io.EOF
}

// Close closes the connection.
func (c *conn) Close() error { return c.finish(closeLocal) }

func (c *conn) finish(reason string) (err error) {
	c.once.Do(func() {
		err = c.Conn.Close()
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
func (c *conn) Write(p []byte) (int, error) {
	at := time.Now() // before the answer can be there
	n, err := c.write(p)
	if err == nil {
		c.in.ring.Add(at, trace.Out, c.flow, p)
		c.count(n)
	}
	return n, err
}

func (c *conn) send(answer []byte) {
	if n, err := c.write(answer); err == nil {
		c.count(n)
	}
}

func (c *conn) count(n int) {
	c.in.metrics.sent.of(c.flow.Transport).Inc()
	c.in.metrics.sentBytes.of(c.flow.Transport).Add(float64(n))
}

// write counts errors, and closes a connection that takes no more: part of a
// message may be on the wire.
func (c *conn) write(p []byte) (n int, err error) {
	if err = c.Conn.SetWriteDeadline(time.Now().Add(c.in.cfg.WriteTimeout)); err == nil {
		n, err = c.Conn.Write(p)
	}
	if err != nil {
		c.in.metrics.writeErrors.WithLabelValues(writeFailed).Inc()
		_ = c.finish(closeError) // the write's error says more
	}
	return n, err
}
