package rtp

import (
	"net/netip"
	"time"

	"fengsui/internal/lease"
)

// unclaimed is how long a connection may live before it is known whose it is;
// identify gives up well before.
const unclaimed = unknownTime + 5*time.Second

// held shows a session as the holder of its SSRC and its pair of ports.
type held Session

// Living asks the owner.
func (h *held) Living(time.Time) bool { return h.want.Living == nil || h.want.Living() }

// Reclaim ends what the session is of, and the session where that did not.
func (h *held) Reclaim() {
	if h.want.End != nil {
		h.want.End()
	}
	(*Session)(h).Close()
}

// Held says whose it is.
func (h *held) Held() lease.Facts {
	s := (*Session)(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := lease.Facts{Owner: s.want.Owner, Local: s.local().String(), Used: s.stats.Last}
	if s.stats.Source.IsValid() {
		f.Remote = s.stats.Source.String()
	}
	return f
}

func (s *Session) local() netip.AddrPort { return netip.AddrPortFrom(s.srv.host, uint16(s.Port())) }

// Living reports whether the session has it still, and lives.
func (c *conn) Living(now time.Time) bool {
	s := c.claim.Load()
	if s == nil {
		return now.Sub(c.opened) < unclaimed
	}
	s.mu.Lock()
	mine := !s.closed && s.conn == c
	s.mu.Unlock()
	return mine && (*held)(s).Living(now)
}

// Reclaim closes it, which ends its goroutine.
func (c *conn) Reclaim() { _ = c.Close() } // nobody to tell

// Held says whose it is.
func (c *conn) Held() lease.Facts {
	f := lease.Facts{Local: c.LocalAddr().String(), Remote: c.from.String(), Used: c.opened}
	if s := c.claim.Load(); s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		f.Owner = s.want.Owner
		if s.conn == c && s.stats.Last.After(f.Used) {
			f.Used = s.stats.Last
		}
	}
	return f
}

// heldSender is a sender as the book of leases sees it.
type heldSender Sender

// Living asks the owner.
func (h *heldSender) Living(time.Time) bool { return h.want.Living == nil || h.want.Living() }

// Reclaim ends what the sender is of, and the sender where that did not.
func (h *heldSender) Reclaim() {
	if h.want.End != nil {
		h.want.End()
	}
	(*Sender)(h).Close()
}

// Held says whose it is.
func (h *heldSender) Held() lease.Facts {
	n := (*Sender)(h)
	f := lease.Facts{Owner: n.want.Owner, Local: netip.AddrPortFrom(n.srv.host, uint16(n.Port())).String()}
	if st := n.Stats(); st.Remote.IsValid() {
		f.Remote = st.Remote.String()
	}
	return f
}
