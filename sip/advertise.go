package sip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"fengsui/sip/flow"
)

const (
	routeLife = time.Minute // a changed route or address is seen after this
	routeMax  = 4096        // peers by address; the table is emptied beyond
)

// Advertised is our address as the peer of the flow should see it in Via,
// Contact and SDP: the listener's configured one, else the local address of
// the way to the peer.
func (e *Endpoint) Advertised(f flow.Flow) (host string, port int) {
	port = int(f.Local.Port())
	if f.Listener >= 0 && f.Listener < len(e.bound) {
		b := e.bound[f.Listener]
		port = b.port
		if b.host != "" {
			return b.host, port
		}
		if !b.local.Addr().IsUnspecified() {
			return b.local.Addr().String(), port
		}
	}
	if local := f.Local.Addr(); local.IsValid() && !local.IsUnspecified() {
		return local.WithZone("").String(), port
	}
	if local, err := e.routes.to(f.Remote.Addr(), time.Now()); err == nil {
		return local.WithZone("").String(), port
	}
	return e.cfg.Domain, port // no way to the peer, so nothing will reach it either
}

// routes remembers our address on the way to each peer.
type routes struct {
	lookup func(netip.Addr) (netip.Addr, error) // set once

	mu    sync.Mutex // guards all below
	known map[netip.Addr]route
}

type route struct {
	local netip.Addr
	at    time.Time
}

func (r *routes) to(remote netip.Addr, now time.Time) (netip.Addr, error) {
	r.mu.Lock()
	known, ok := r.known[remote]
	r.mu.Unlock()
	if ok && now.Sub(known.at) < routeLife {
		return known.local, nil
	}
	local, err := r.lookup(remote)
	if err != nil {
		return netip.Addr{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known) >= routeMax {
		r.known = make(map[netip.Addr]route)
	}
	r.known[remote] = route{local, now}
	return local, nil
}

// Route connects a datagram socket, which asks the routing table and sends nothing.
func (system) Route(remote netip.Addr) (netip.Addr, error) {
	var d net.Dialer // needs no time: nothing is sent
	c, err := d.DialContext(context.Background(), "udp", netip.AddrPortFrom(remote, 9).String())
	if err != nil {
		return netip.Addr{}, fmt.Errorf("way to %s: %w", remote, err)
	}
	defer func() { _ = c.Close() }()
	return addrPort(c.LocalAddr()).Addr(), nil
}
