package intake

import (
	"sync/atomic"
	"time"

	"fengsui/internal/lease"
)

// unclaimed is how long a connection that no device is bound to may be without
// a message before it is taken for a leak.
const unclaimed = time.Minute

// claim is whose a connection is.
type claim struct {
	lease lease.Lease
	used  atomic.Int64 // UnixNano of the last message, of the opening before it

	// Used by ReadMessage.
	labels lease.Labels
	unsure bool // the device may have changed
	fresh  bool // the labels have, and the goroutine does not show them
}

// open enters the connection in the book, as nobody's.
func (c *Conn) open() {
	c.claim.used.Store(c.begun.UnixNano())
	c.claim.labels, c.claim.unsure, c.claim.fresh = c.in.nobody, true, true
	c.in.cfg.Leases.Open(&c.claim.lease, lease.SIPConnection, (*held)(c))
}

// settle looks which device the connection is of, if that may have changed. A
// worker does it: see crew.
func (c *Conn) settle() {
	if !c.claim.unsure {
		return
	}
	owner := c.owner()
	if owner == "" {
		return // and is asked again after the next message
	}
	c.claim.unsure = false
	if owner != c.claim.labels.Owner() {
		c.claim.labels, c.claim.fresh = lease.NewLabels(lease.SIPConnection, owner), true
	}
}

// show has the connection's own goroutine carry its labels.
func (c *Conn) show() {
	if c.claim.fresh {
		c.claim.fresh = false
		c.claim.labels.Set()
	}
}

func (c *Conn) owner() string {
	if device := c.device(); device != "" {
		return "device:" + device
	}
	return ""
}

func (c *Conn) device() string {
	if c.in.cfg.Device == nil {
		return ""
	}
	return c.in.cfg.Device(c.flow)
}

// held shows a connection as the holder of its lease.
type held Conn

// Living reports whether a device is bound to the connection, or something came
// over it lately.
func (h *held) Living(now time.Time) bool {
	return now.Sub(time.Unix(0, h.claim.used.Load())) < unclaimed || (*Conn)(h).device() != ""
}

// Reclaim closes the connection.
func (h *held) Reclaim() { _ = (*Conn)(h).finish(closeOrphaned) } // nobody to tell

// Held says whose it is.
func (h *held) Held() lease.Facts {
	return lease.Facts{
		Owner: (*Conn)(h).owner(), Local: h.flow.Local.String(), Remote: h.flow.Remote.String(),
		Used: time.Unix(0, h.claim.used.Load()),
	}
}
