package siptest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// Datagrams kept by a socket nobody reads; the next ones are lost, as the
// kernel loses them.
const backlog = 4096

// Network is a network of UDP and TCP sockets in memory. All its waits are on
// mutexes, conditions and timers, so it works in a testing/synctest bubble.
// Make it inside the bubble that uses it.
type Network struct {
	home netip.Addr // source of sockets bound to an unspecified address

	mu        sync.Mutex // guards all below
	packets   map[netip.AddrPort]*packetConn
	listeners map[netip.AddrPort]*listener
	filter    func(Packet) bool
	nextPort  uint16
	lost      int
}

// Packet is a datagram on its way.
type Packet struct {
	From, To netip.AddrPort
	Data     []byte // read only
}

// NewNetwork returns an empty network. A socket bound to 0.0.0.0 or :: is
// seen by its peers at home.
func NewNetwork(home netip.Addr) *Network {
	return &Network{
		home:      home,
		packets:   make(map[netip.AddrPort]*packetConn),
		listeners: make(map[netip.AddrPort]*listener),
		nextPort:  40000,
	}
}

// Filter sets the function asked for each datagram; false loses it. Nil lets
// all through.
func (n *Network) Filter(f func(Packet) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.filter = f
}

// Lost is how many datagrams went nowhere: no socket, a full one, or the filter.
func (n *Network) Lost() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lost
}

// Route returns the local address of the way to remote.
func (n *Network) Route(netip.Addr) (netip.Addr, error) { return n.home, nil }

// ListenPacket binds a datagram socket; port 0 picks a free one.
func (n *Network) ListenPacket(_ context.Context, network, address string) (net.PacketConn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, err := n.pick("udp", address, func(a netip.AddrPort) bool { return n.packets[a] != nil })
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	c := &packetConn{net: n, local: at}
	c.cond.L = &c.mu
	n.packets[at] = c
	return c, nil
}

// Listen binds a listener; port 0 picks a free one.
func (n *Network) Listen(_ context.Context, network, address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, err := n.pick("tcp", address, func(a netip.AddrPort) bool { return n.listeners[a] != nil })
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	l := &listener{net: n, local: at}
	l.cond.L = &l.mu
	n.listeners[at] = l
	return l, nil
}

// Dial opens a connection from local (port 0: any) to remote.
func (n *Network) Dial(local, remote netip.AddrPort) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[remote]
	if l == nil {
		l = n.listeners[netip.AddrPortFrom(unspecified(remote.Addr()), remote.Port())]
	}
	if local.Port() == 0 {
		n.nextPort++
		local = netip.AddrPortFrom(local.Addr(), n.nextPort)
	}
	n.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(remote), Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	if l == nil {
		return nil, refused
	}
	client, server := newPipe(local, remote)
	if !l.push(server) {
		return nil, refused
	}
	return client, nil
}

// pick returns the address to bind; n.mu is held.
func (n *Network) pick(network, address string, taken func(netip.AddrPort) bool) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if host == "" {
		host = "0.0.0.0"
	}
	at, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%s address: %w", network, err)
	}
	for at.Port() == 0 {
		n.nextPort++
		if try := netip.AddrPortFrom(at.Addr(), n.nextPort); !taken(try) {
			at = try
		}
	}
	if taken(at) {
		return netip.AddrPort{}, os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	return at, nil
}

func (n *Network) deliver(p Packet) {
	n.mu.Lock()
	c := n.packets[p.To]
	if c == nil {
		c = n.packets[netip.AddrPortFrom(unspecified(p.To.Addr()), p.To.Port())]
	}
	filter := n.filter
	n.mu.Unlock()
	if c == nil || (filter != nil && !filter(p)) || !c.push(p) {
		n.mu.Lock()
		n.lost++
		n.mu.Unlock()
	}
}

func unspecified(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// packetConn is a socket in memory.
type packetConn struct {
	net   *Network
	local netip.AddrPort

	mu       sync.Mutex // guards all below
	cond     sync.Cond
	queue    []Packet
	closed   bool
	deadline deadline
}

func (c *packetConn) push(p Packet) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.queue) >= backlog {
		return false
	}
	c.queue = append(c.queue, p)
	c.cond.Broadcast()
	return true
}

func (c *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 {
		switch {
		case c.closed:
			return 0, nil, &net.OpError{Op: "read", Net: "udp", Err: net.ErrClosed}
		case c.deadline.passed():
			return 0, nil, &net.OpError{Op: "read", Net: "udp", Err: os.ErrDeadlineExceeded}
		}
		c.cond.Wait()
	}
	p := c.queue[0]
	c.queue = c.queue[1:]
	return copy(b, p.Data), net.UDPAddrFromAddrPort(p.From), nil
}

func (c *packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return 0, &net.OpError{Op: "write", Net: "udp", Err: net.ErrClosed}
	}
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, fmt.Errorf("write to %v: not a datagram address", to)
	}
	from := c.local
	if from.Addr().IsUnspecified() {
		from = netip.AddrPortFrom(c.net.home, from.Port())
	}
	dst := udp.AddrPort()
	dst = netip.AddrPortFrom(dst.Addr().Unmap(), dst.Port())
	c.net.deliver(Packet{From: from, To: dst, Data: append([]byte(nil), b...)})
	return len(b), nil
}

func (c *packetConn) Close() error {
	c.mu.Lock()
	already := c.closed
	c.closed = true
	c.deadline.set(time.Time{}, &c.cond)
	c.cond.Broadcast()
	c.mu.Unlock()
	if already {
		return net.ErrClosed
	}
	c.net.mu.Lock()
	delete(c.net.packets, c.local)
	c.net.mu.Unlock()
	return nil
}

func (c *packetConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }
func (c *packetConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline.set(t, &c.cond)
	return nil
}
func (c *packetConn) SetDeadline(t time.Time) error    { return c.SetReadDeadline(t) }
func (c *packetConn) SetWriteDeadline(time.Time) error { return nil }

// listener accepts connections in memory.
type listener struct {
	net   *Network
	local netip.AddrPort

	mu     sync.Mutex // guards all below
	cond   sync.Cond
	queue  []net.Conn
	closed bool
}

func (l *listener) push(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.queue) >= backlog {
		return false
	}
	l.queue = append(l.queue, c)
	l.cond.Broadcast()
	return true
}

func (l *listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 {
		if l.closed {
			return nil, &net.OpError{Op: "accept", Net: "tcp", Err: net.ErrClosed}
		}
		l.cond.Wait()
	}
	c := l.queue[0]
	l.queue = l.queue[1:]
	return c, nil
}

func (l *listener) Close() error {
	l.mu.Lock()
	already, waiting := l.closed, l.queue
	l.closed, l.queue = true, nil
	l.cond.Broadcast()
	l.mu.Unlock()
	if already {
		return net.ErrClosed
	}
	var errs []error
	for _, c := range waiting {
		errs = append(errs, c.Close())
	}
	l.net.mu.Lock()
	delete(l.net.listeners, l.local)
	l.net.mu.Unlock()
	return errors.Join(errs...)
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }

// deadline wakes a condition when it passes. The condition's lock guards it.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) set(t time.Time, cond *sync.Cond) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = t
	if !t.IsZero() {
		d.timer = time.AfterFunc(time.Until(t), func() {
			cond.L.Lock()
			defer cond.L.Unlock()
			cond.Broadcast()
		})
	}
	cond.Broadcast()
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }
