package intake

import (
	"time"

	"fengsui/internal/reuse"
)

// writing is one write to a connection. A socket that takes the bytes at once,
// as nearly all do, costs no timer.
type writing struct {
	reuse.Mark

	c    *Conn
	p    []byte // still to write
	n    int
	err  error
	slow bool // the socket was full
	some func(fd uintptr) bool
}

func newWriting() *writing {
	w := new(writing)
	w.some = w.writeSome
	return w
}

// write writes all of p, or fails when the peer takes none for the time it has.
func (w *writing) write(c *Conn, p []byte) (int, error) {
	if c.raw == nil {
		if err := c.conn.SetWriteDeadline(time.Now().Add(c.in.cfg.WriteTimeout)); err != nil {
			return 0, err
		}
		return c.conn.Write(p)
	}
	w.c, w.p, w.n, w.err, w.slow = c, p, 0, nil, false
	err := c.raw.Write(w.some)
	n := w.n
	if err == nil {
		err = w.err
	}
	if w.slow && err == nil {
		err = c.conn.SetWriteDeadline(time.Time{})
	}
	return n, err
}

// writeSome is called with the socket's descriptor when it may take more, until
// it returns true.
func (w *writing) writeSome(fd uintptr) bool {
	for len(w.p) > 0 {
		n, again, err := writeSocket(fd, w.p)
		switch {
		case again:
			if !w.slow {
				w.slow = true
				w.err = w.c.conn.SetWriteDeadline(time.Now().Add(w.c.in.cfg.WriteTimeout))
			}
			return w.err != nil
		case err != nil:
			w.err = err
			return true
		}
		w.n += n
		w.p = w.p[n:]
	}
	return true
}
