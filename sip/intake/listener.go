package intake

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Listener accepts connections over TCP or TLS whose messages the intake
// answers, or hands on repaired and stamped.
type Listener struct {
	inner     net.Listener
	in        *Intake
	transport string
	index     int
	once      sync.Once
}

// Listener wraps a listener of TCP or TLS connections, as transport says, whose
// index among our listeners is given.
func (in *Intake) Listener(inner net.Listener, transport string, listener int) *Listener {
	in.crew.hold()
	in.loops.hold()
	return &Listener{inner: inner, in: in, transport: transport, index: listener}
}

// Addr is where it listens.
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }

// Close ends Accept. Connections stay.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.in.crew.release()
		l.in.loops.release()
	})
	return l.inner.Close()
}

// Accept waits for the next connection that is within the limits. It fails only
// when the listener is closed.
func (l *Listener) Accept() (*Conn, error) {
	for failed := 0; ; {
		c, err := l.inner.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil, err
			}
			l.in.metrics.refused.WithLabelValues(refuseFailed).Inc()
			l.in.faults.Warn().Err(err).Msg("accept failed")
			failed = min(failed+1, 100)
			time.Sleep(time.Duration(failed) * 10 * time.Millisecond)
			continue
		}
		failed = 0
		remote := addrPort(c.RemoteAddr())
		if !l.in.connect(remote.Addr()) {
			l.in.metrics.refused.WithLabelValues(refuseGuard).Inc()
			_ = c.Close() // nothing was sent
			continue
		}
		if reason := l.in.conns.take(remote.Addr(), &l.in.cfg); reason != "" {
			l.in.metrics.refused.WithLabelValues(reason).Inc()
			l.in.faults.Warn().Stringer("remote", remote).Str("reason", reason).Msg("connection refused")
			_ = c.Close() // nothing was sent
			continue
		}
		l.in.metrics.connections.of(l.transport).Inc()
		return l.in.newConn(c, l.transport, l.index), nil
	}
}

// connections counts connections, in total and by address.
type connections struct {
	mu    sync.Mutex
	total int
	by    map[netip.Addr]int
}

// take counts one more, or says which limit is reached.
func (cs *connections) take(a netip.Addr, cfg *Config) (reason string) {
	a = network(a)
	cs.mu.Lock()
	defer cs.mu.Unlock()
	switch {
	case cs.total >= cfg.Conns:
		return refuseTotal
	case cs.by[a] >= cfg.ConnsPerIP:
		return refusePerIP
	}
	if cs.by == nil {
		cs.by = make(map[netip.Addr]int)
	}
	cs.total++
	cs.by[a]++
	return ""
}

func (cs *connections) release(a netip.Addr) {
	a = network(a)
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.total--
	if cs.by[a]--; cs.by[a] <= 0 {
		delete(cs.by, a)
	}
}

// network is the address, or an IPv6 one's first 64 bits, which one site has.
func network(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil { // not with 64 bits of an IPv6 address
		return a
	}
	return p.Addr()
}
