// Package flow says where a SIP peer is reached: by the very socket or
// connection that heard it, at the address it spoke from. A device behind NAT
// is reachable in no other way.
package flow

import (
	"net/netip"
)

// Transports as SIP writes them in configuration and records.
const (
	UDP = "udp"
	TCP = "tcp"
	TLS = "tls"
)

// Flow is the way back to a peer. It is comparable; the zero Flow is no way.
type Flow struct {
	Transport string         // UDP, TCP or TLS
	Listener  int            // index of our listener that heard the peer
	Local     netip.AddrPort // address of that listener's socket or connection
	Remote    netip.AddrPort // the peer's source address
}

// IsZero reports whether the flow leads nowhere.
func (f Flow) IsZero() bool { return f.Transport == "" }

// Stream reports whether the flow is a connection, which dies with its socket.
func (f Flow) Stream() bool { return f.Transport == TCP || f.Transport == TLS }

// String is "udp 192.0.2.20:5060".
func (f Flow) String() string {
	if f.IsZero() {
		return "none"
	}
	return f.Transport + " " + f.Remote.String()
}
