package sip

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"fengsui/sip/flow"
)

// How often a pair of UDP and TCP on port 0 tries for a port free in both.
const pairAttempts = 50

// Bound is a listener that is bound.
type Bound struct {
	Listener int            // index in Config.Listeners, as in flow.Flow
	Network  string         // udp, tcp or tls
	Local    netip.AddrPort // with the port chosen when 0 was asked
}

// bound is a listener with its socket; exactly one of packet and listener is set.
type bound struct {
	listen   Listen
	index    int
	local    netip.AddrPort
	host     string // advertised; empty: by the way to the peer
	port     int    // advertised
	packet   *packetReader
	listener *streamListener
}

func (b *bound) close() error {
	if b.packet != nil {
		return b.packet.Close()
	}
	return b.listener.Close()
}

// system makes the system's sockets.
type system struct{}

func (system) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	var c net.ListenConfig
	return c.ListenPacket(ctx, network, address)
}

func (system) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	var c net.ListenConfig
	return c.Listen(ctx, network, address)
}

// Listen binds every configured address. On failure nothing stays open and the
// error joins one of each address, with what to do about it. What it binds is
// closed by Run.
func (e *Endpoint) Listen(ctx context.Context) error {
	if len(e.cfg.Listeners) == 0 {
		return errors.New("no listeners configured: add at least one under sip.listeners")
	}
	e.allow = e.allowed()
	all := make([]*bound, len(e.cfg.Listeners))
	var errs []error
	for i, l := range e.cfg.Listeners {
		if all[i] != nil {
			continue // the second of a pair
		}
		if err := check(l); err != nil {
			errs = append(errs, err)
			continue
		}
		if twin := e.twin(i); twin >= 0 {
			if err := e.bindPair(ctx, all, i, twin); err != nil {
				errs = append(errs, err)
			}
			continue
		}
		b, err := e.bind(ctx, i, l.Address)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all[i] = b
	}
	if len(errs) > 0 {
		for _, b := range all {
			if b != nil {
				errs = append(errs, b.close())
			}
		}
		return errors.Join(errs...)
	}
	e.bound = all
	packets := 0
	for _, b := range all {
		if b.packet != nil {
			packets++
		}
	}
	e.severalPackets = packets > 1
	return nil
}

// Addrs says what is bound, in the order of Config.Listeners.
func (e *Endpoint) Addrs() []Bound {
	out := make([]Bound, len(e.bound))
	for i, b := range e.bound {
		out[i] = Bound{Listener: i, Network: b.listen.Network, Local: b.local}
	}
	return out
}

// twin is the listener that shares address and port 0 of listener i with the
// other protocol, -1 when there is none: peers expect one port for both.
func (e *Endpoint) twin(i int) int {
	l := e.cfg.Listeners[i]
	if _, port, err := net.SplitHostPort(l.Address); err != nil || port != "0" {
		return -1
	}
	for j := i + 1; j < len(e.cfg.Listeners); j++ {
		other := e.cfg.Listeners[j]
		if other.Address == l.Address && (other.Network == "udp") != (l.Network == "udp") {
			return j
		}
	}
	return -1
}

// bindPair binds two listeners to one free port.
func (e *Endpoint) bindPair(ctx context.Context, all []*bound, i, j int) error {
	if err := check(e.cfg.Listeners[j]); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(e.cfg.Listeners[i].Address)
	if err != nil {
		return err
	}
	for range pairAttempts {
		var first, second *bound
		if first, err = e.bind(ctx, i, e.cfg.Listeners[i].Address); err != nil {
			return err
		}
		second, err = e.bind(ctx, j, net.JoinHostPort(host, fmt.Sprint(first.local.Port())))
		if err == nil {
			all[i], all[j] = first, second
			return nil
		}
		_ = first.close() // the port is only half free: try another
	}
	return fmt.Errorf("no port free for udp and tcp after %d attempts: %w", pairAttempts, err)
}

func (e *Endpoint) bind(ctx context.Context, index int, address string) (*bound, error) {
	l := e.cfg.Listeners[index]
	b := &bound{listen: l, index: index}
	var err error
	if l.Network == "udp" {
		var pc net.PacketConn
		if pc, err = e.cfg.Net.ListenPacket(ctx, e.family("udp", address), address); err == nil {
			b.local = addrPort(pc.LocalAddr())
			b.packet = newPacketReader(e, e.in.PacketConn(pc, index), make([]byte, largestPacket))
		}
	} else {
		var ln net.Listener
		if ln, err = e.cfg.Net.Listen(ctx, e.family("tcp", address), address); err == nil {
			b.local = addrPort(ln.Addr())
			if l.Network == "tls" {
				ln = tls.NewListener(ln, l.TLS)
			}
			b.listener = &streamListener{Listener: e.in.Listener(ln, l.Network, index), e: e}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listen %s %s: %w: %s", l.Network, address, err, remedy(err))
	}
	b.host, b.port = splitAdvertise(l.Advertise)
	if b.port == 0 {
		b.port = int(b.local.Port())
	}
	return b, nil
}

// family is the network to bind an address in. An IPv4 address keeps to IPv4. The
// unspecified IPv6 one serves both families as no address does, unless a
// listener of its own has the port in IPv4: 0.0.0.0:5060 and [::]:5060 stand side
// by side.
func (e *Endpoint) family(network, address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return network
	}
	switch ip, err := netip.ParseAddr(host); {
	case err != nil:
		return network
	case ip.Is4():
		return network + "4"
	case ip.IsUnspecified() && !e.hasIPv4(network, port):
		return network
	default:
		return network + "6"
	}
}

// hasIPv4 reports whether a listener has an IPv4 address with that port.
func (e *Endpoint) hasIPv4(network, port string) bool {
	return slices.ContainsFunc(e.cfg.Listeners, func(l Listen) bool {
		host, p, err := net.SplitHostPort(l.Address)
		ip, notIP := netip.ParseAddr(host)
		return err == nil && notIP == nil && ip.Is4() && p == port && p != "0" && (l.Network == "udp") == (network == "udp")
	})
}

func check(l Listen) error {
	switch l.Network {
	case "udp", "tcp":
	case "tls":
		if l.TLS == nil {
			return fmt.Errorf("listen tls %s: no certificate: set one for this listener", l.Address)
		}
	default:
		return fmt.Errorf("listen %s %s: unknown network: use udp, tcp or tls", l.Network, l.Address)
	}
	if host, port := splitAdvertise(l.Advertise); l.Advertise != "" && (host == "" || port < 0 || port > 65535) {
		return fmt.Errorf("listen %s %s: advertise %q: use host or host:port", l.Network, l.Address, l.Advertise)
	}
	return nil
}

func remedy(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "another program has this port; stop it or change the listener's address"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "ports below 1024 need CAP_NET_BIND_SERVICE; grant it or use a higher port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this host does not have the address; use one of its own, or 0.0.0.0 and set advertise"
	case errors.Is(err, syscall.EAFNOSUPPORT):
		return "this host does not speak the address family; use the other"
	}
	return "correct the listener's address to host:port"
}

func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.UDPAddr:
		return flow.Unmap(a.AddrPort())
	case *net.TCPAddr:
		return flow.Unmap(a.AddrPort())
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return flow.Unmap(ap)
}

// splitAdvertise splits host[:port]; an IPv6 host may stand without brackets
// when it has no port. The port is 0 when absent and -1 when wrong.
func splitAdvertise(s string) (host string, port int) {
	if _, err := netip.ParseAddr(s); err == nil {
		return s, 0
	}
	h, p, err := net.SplitHostPort(s)
	if err != nil {
		return strings.Trim(s, "[]"), 0
	}
	if _, err := fmt.Sscanf(p, "%d", &port); err != nil || fmt.Sprint(port) != p {
		return h, -1
	}
	return h, port
}
