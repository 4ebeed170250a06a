package rtp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"fengsui/internal/mmsg"
)

// ErrNoPort reports that every pair of the range is leased, in quarantine or
// taken by another program.
var ErrNoPort = errors.New("rtp: no free port pair")

// Ports leases pairs of an even port for RTP and the odd one after it for RTCP.
type Ports struct {
	host       netip.Addr
	quarantine time.Duration
	buffer     int

	mu     sync.Mutex
	free   fifo
	leased int
	spent  uint64 // leases refused
	taken  uint64 // pairs that could not be bound
}

// NewPorts leases from the even ports of [first, last] on host. The one released
// longest ago comes next, none before its quarantine ended. buffer is the
// receive buffer of a UDP socket in bytes.
func NewPorts(host netip.Addr, first, last int, quarantine time.Duration, buffer int) (*Ports, error) {
	if first == 0 && last == 0 {
		return &Ports{}, nil
	}
	if first < 1 || last > 65535 || first >= last {
		return nil, fmt.Errorf("bad port range %d-%d: want two ports or more within 1-65535", first, last)
	}
	first += first & 1
	pairs := (last - first + 1) / 2
	if pairs < 1 {
		return nil, fmt.Errorf("bad port range %d-%d: holds no even port with its odd one", first, last)
	}
	return &Ports{host: host, quarantine: quarantine, buffer: buffer, free: newFifo(first, 2, pairs)}, nil
}

// Pair is a leased pair with its open sockets.
type Pair struct {
	Port int // even

	rtp, rtcp *net.UDPConn     // over UDP
	listener  *net.TCPListener // TCP, when the device connects

	ports *Ports
	once  sync.Once
}

// Lease leases and binds a pair, for UDP both sockets, for TCP passive a
// listener. A pair is taken only if it is free on UDP and on TCP.
func (p *Ports) Lease(t Transport) (*Pair, error) {
	p.mu.Lock()
	tries := p.free.n
	p.mu.Unlock()
	var last error
	for range tries {
		p.mu.Lock()
		port, ok := p.free.take(time.Now().Add(-p.quarantine))
		p.mu.Unlock()
		if !ok {
			break
		}
		pair := &Pair{Port: port, ports: p}
		if last = pair.bind(t); last == nil {
			p.mu.Lock()
			p.leased++
			p.mu.Unlock()
			return pair, nil
		}
		p.mu.Lock()
		p.taken++
		p.free.give(port, time.Now())
		p.mu.Unlock()
	}
	p.mu.Lock()
	p.spent++
	p.mu.Unlock()
	return nil, errors.Join(ErrNoPort, last)
}

// Release closes what is open of the pair and puts it into quarantine.
func (p *Pair) Release() {
	p.once.Do(func() {
		p.close()
		p.ports.mu.Lock()
		p.ports.leased--
		p.ports.free.give(p.Port, time.Now())
		p.ports.mu.Unlock()
	})
}

// Leased counts the leased pairs.
func (p *Ports) Leased() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leased
}

// Refused counts the leases refused because no pair was free, and the pairs
// that another program had.
func (p *Ports) Refused() (refused, taken uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spent, p.taken
}

func (p *Pair) bind(t Transport) (err error) {
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	host := p.ports.host
	even := netip.AddrPortFrom(host, uint16(p.Port))
	odd := netip.AddrPortFrom(host, uint16(p.Port+1))
	if p.rtp, err = net.ListenUDP(network("udp", host), net.UDPAddrFromAddrPort(even)); err != nil {
		return err
	}
	if p.rtcp, err = net.ListenUDP(network("udp", host), net.UDPAddrFromAddrPort(odd)); err != nil {
		return err
	}
	if p.listener, err = net.ListenTCP(network("tcp", host), net.TCPAddrFromAddrPort(even)); err != nil {
		return err
	}
	switch t {
	case UDP:
		mmsg.GrowReadBuffer(p.rtp, p.ports.buffer)
		return p.drop(&p.listener, nil, nil)
	case TCPPassive:
		return p.drop(nil, &p.rtp, &p.rtcp)
	default: // active: the UDP sockets keep the pair ours, the port is free to connect from
		return p.drop(&p.listener, nil, nil)
	}
}

func (p *Pair) drop(l **net.TCPListener, rtp, rtcp **net.UDPConn) error {
	var err error
	if l != nil {
		err = (*l).Close()
		*l = nil
	}
	for _, u := range []**net.UDPConn{rtp, rtcp} {
		if u != nil {
			err = errors.Join(err, (*u).Close())
			*u = nil
		}
	}
	return err
}

func (p *Pair) close() {
	if p.rtp != nil {
		_ = p.rtp.Close()
	}
	if p.rtcp != nil {
		_ = p.rtcp.Close()
	}
	if p.listener != nil {
		_ = p.listener.Close()
	}
}

// network is "udp4" for an IPv4 host, also 0.0.0.0, where Go would open both families.
func network(name string, host netip.Addr) string {
	if host.Is4() {
		return name + "4"
	}
	return name
}
