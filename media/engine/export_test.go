package engine

import (
	"net/netip"
	"time"
)

// Deliver takes a datagram as the shared port would.
func (e *Engine) Deliver(pkt []byte, from netip.AddrPort, now time.Time) {
	e.server.Deliver(pkt, from, now)
}
