package rtp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"fengsui/internal/lease"
	"fengsui/internal/mmsg"
	"fengsui/internal/reuse"
)

// scanPause bounds how often all sessions are looked at for an unknown stream.
const scanPause = 50 * time.Millisecond

// Config is how a server receives. The zero value of a field is its default.
type Config struct {
	// Listen is host:port of the shared port, UDP and TCP; empty: no shared port.
	Listen string
	// PortMin and PortMax bound the leased pairs; both 0: no range.
	PortMin, PortMax int
	// Domain is our SIP domain or server ID; its digits 4 to 8 go into SSRCs.
	Domain string
	// ReorderPackets (1 to 64, default 64) and ReorderDelay (default 150 ms) bound
	// how long a packet waits for those before it. More rides out worse networks
	// and costs latency after each loss.
	ReorderPackets int
	ReorderDelay   time.Duration
	// SSRCQuarantine (default 30 s) and PortQuarantine (default 5 s) keep what was
	// released from its next lease.
	SSRCQuarantine, PortQuarantine time.Duration
	// SharedBuffer (default 16 MiB) and OwnBuffer (default 4 MiB) are the receive
	// buffers of the shared and of each leased UDP socket in bytes. The kernel caps
	// them at net.core.rmem_max.
	SharedBuffer, OwnBuffer int
	// UnknownPerIP (default 64) and UnknownTotal (default 512) bound TCP connections
	// that have not said whose stream they carry.
	UnknownPerIP, UnknownTotal int
	// Leases knows the sessions and connections; nil: nobody watches for leaks.
	Leases *lease.Book
	// Reuse sizes the pools; nil: they stay at their smallest.
	Reuse *reuse.Keeper
}

func (c *Config) defaults() {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&c.ReorderPackets, windowMax)
	c.ReorderPackets = min(c.ReorderPackets, windowMax)
	set(&c.SharedBuffer, 16<<20)
	set(&c.OwnBuffer, 4<<20)
	set(&c.UnknownPerIP, 64)
	set(&c.UnknownTotal, 512)
	for v, d := range map[*time.Duration]time.Duration{
		&c.ReorderDelay: 150 * time.Millisecond, &c.SSRCQuarantine: 30 * time.Second, &c.PortQuarantine: 5 * time.Second,
	} {
		if *v <= 0 {
			*v = d
		}
	}
}

// Counts are the leases and connections that exist now.
type Counts struct {
	Sessions, Ports, SSRCs int
	Conns                  int // TCP connections, with those not yet known
}

// Totals are counters since the start.
type Totals struct {
	Datagrams, Junk, Orphan  uint64
	OrphanUnlisted           uint64 // packets of orphans beyond those that are remembered
	KernelDropped            uint64 // datagrams lost on full receive buffers
	ConnsRejected            uint64 // TCP connections beyond a limit, unknown or not RTP
	SSRCRefused, PortRefused uint64
	PortTaken                uint64 // pairs that another program had
	ReadErrors               uint64
}

// Server owns the sockets, the leases and the sessions.
type Server struct {
	// Set by New.
	cfg   Config
	host  netip.Addr
	log   zerolog.Logger
	ssrcs *SSRCs
	ports *Ports

	// Set by Listen.
	udp  *net.UDPConn
	tcp  *net.TCPListener
	port atomic.Int32

	running sync.WaitGroup
	memory

	// table is replaced as a whole, under mu; readers take it without a lock.
	table atomic.Pointer[table]

	mu       sync.Mutex // before any session's mu
	closed   bool
	sessions map[*Session]struct{}
	senders  map[*Sender]struct{}
	list     []*Session                // of sessions; nil when it changed
	waiting  map[netip.Addr][]*Session // shared port, no packet yet, by the device's address
	scanned  time.Time                 // when adopt last looked at all sessions

	orphans orphans
	gate    gate

	datagrams, junk, orphaned, kernelDropped, readErrors atomic.Uint64
}

// table finds the sessions of the shared port by SSRC. Nearly always one; more
// when devices answer with an SSRC of their own choice.
type table map[uint32][]*Session

// New makes a server that has nothing open.
func New(cfg Config, log zerolog.Logger) (*Server, error) {
	cfg.defaults()
	s := &Server{
		cfg: cfg, log: log, host: netip.IPv4Unspecified(),
		sessions: make(map[*Session]struct{}), senders: make(map[*Sender]struct{}), waiting: make(map[netip.Addr][]*Session),
		memory: newMemory(cfg.Reuse),
	}
	s.orphans.m = make(map[orphanKey]*orphan)
	s.gate = gate{perIP: cfg.UnknownPerIP, total: cfg.UnknownTotal, leases: cfg.Leases,
		unknown: make(map[netip.Addr]int), conns: make(map[*conn]struct{})}
	s.table.Store(&table{})
	if cfg.Listen != "" {
		host, _, err := net.SplitHostPort(cfg.Listen)
		if err != nil {
			return nil, fmt.Errorf("bad media address %q: want host:port", cfg.Listen)
		}
		switch {
		case host == "":
			s.host = netip.IPv6Unspecified()
		default:
			if s.host, err = netip.ParseAddr(host); err != nil {
				return nil, fmt.Errorf("bad media address %q: the host must be an IP address", cfg.Listen)
			}
		}
	}
	var err error
	if s.ssrcs, err = NewSSRCs(cfg.Domain, cfg.SSRCQuarantine); err != nil {
		return nil, err
	}
	if s.ports, err = NewPorts(s.host, cfg.PortMin, cfg.PortMax, cfg.PortQuarantine, cfg.OwnBuffer); err != nil {
		return nil, err
	}
	return s, nil
}

// Listen binds the shared port on UDP and TCP. Port 0 takes any that is free on both.
func (s *Server) Listen(context.Context) error {
	if s.cfg.Listen == "" {
		return nil
	}
	_, text, _ := net.SplitHostPort(s.cfg.Listen)
	var err error
	for range 10 { // an any-port that TCP has is tried again
		if err = s.bind(text); err == nil || text != "0" {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("listen for media on %s: %w (is another program on it?)", s.cfg.Listen, err)
	}
	if got := mmsg.GrowReadBuffer(s.udp, s.cfg.SharedBuffer); got < s.cfg.SharedBuffer {
		s.log.Warn().Int("bytes", got).Int("want", s.cfg.SharedBuffer).
			Msg("media receive buffer is small, raise net.core.rmem_max")
	}
	prepare(s.udp)
	return nil
}

func (s *Server) bind(port string) error {
	addr := net.JoinHostPort(s.host.String(), port)
	ua, err := net.ResolveUDPAddr(network("udp", s.host), addr)
	if err != nil {
		return err
	}
	u, err := net.ListenUDP(network("udp", s.host), ua)
	if err != nil {
		return err
	}
	bound := u.LocalAddr().(*net.UDPAddr).Port
	t, err := net.ListenTCP(network("tcp", s.host), &net.TCPAddr{IP: ua.IP, Port: bound})
	if err != nil {
		return errors.Join(err, u.Close())
	}
	shareListener(t)
	s.udp, s.tcp = u, t
	s.port.Store(int32(bound))
	return nil
}

// Port is the shared port, 0 before Listen.
func (s *Server) Port() int { return int(s.port.Load()) }

// Run serves the shared port until ctx ends, then closes every session and
// socket and waits for all goroutines.
func (s *Server) Run(ctx context.Context) error {
	if s.udp != nil {
		s.running.Go(s.readShared)
		s.running.Go(func() { s.acceptShared(s.tcp) })
	}
	<-ctx.Done()
	s.mu.Lock()
	s.closed = true
	all := slices.Collect(maps.Keys(s.sessions))
	senders := slices.Collect(maps.Keys(s.senders))
	s.mu.Unlock()
	if s.udp != nil {
		_ = s.udp.Close()
		_ = s.tcp.Close()
	}
	for _, one := range all {
		one.Close()
	}
	for _, one := range senders {
		one.Close()
	}
	s.gate.close()
	s.running.Wait()
	return nil
}

// Open leases an SSRC, in range mode also a pair of ports, and receives for the
// sink from then on. It reports [ErrNoSSRC], [ErrNoPort] or [ErrClosed].
func (s *Server) Open(w Want, sink Sink) (*Session, error) {
	ssrc, err := s.ssrcs.Lease(w.Class)
	if err != nil {
		return nil, err
	}
	w.From = w.From.Unmap()
	n := &Session{srv: s, want: w, sink: sink, offered: ssrc, created: time.Now(), keys: []uint32{ssrc}}
	n.order.windows = s.windows
	n.order.Window, n.order.Delay = s.cfg.ReorderPackets, s.cfg.ReorderDelay
	n.rec.clock = rtpClock
	if w.Mode == Range {
		if n.pair, err = s.ports.Lease(w.Transport); err != nil {
			s.ssrcs.Release(ssrc)
			return nil, err
		}
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		if n.pair != nil {
			n.pair.Release()
		}
		s.ssrcs.Release(ssrc)
		return nil, ErrClosed
	}
	s.cfg.Leases.Open(&n.lease, lease.MediaReceiver, (*held)(n))
	s.sessions[n], s.list = struct{}{}, nil
	if w.Mode == Single {
		s.addKey(n, ssrc)
		if w.From.IsValid() {
			s.waiting[w.From] = append(s.waiting[w.From], n)
		}
	}
	if n.pair != nil {
		if w.Transport == UDP {
			prepare(n.pair.rtp)
			n.running.Go(func() { s.readOwn(n) })
		}
		if l := n.pair.listener; l != nil {
			n.running.Go(func() { s.acceptOwn(l, n) })
		}
	}
	s.mu.Unlock()
	return n, nil
}

// Tick does what is due in all sessions. Call it about 20 times a second.
func (s *Server) Tick(now time.Time) {
	s.mu.Lock()
	if s.list == nil {
		s.list = slices.Collect(maps.Keys(s.sessions))
	}
	list := s.list
	s.mu.Unlock()
	for _, one := range list {
		one.tick(now)
	}
	s.orphans.expire(now)
}

// Counts are what exists now.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	n := len(s.sessions)
	s.mu.Unlock()
	return Counts{Sessions: n, Ports: s.ports.Leased(), SSRCs: s.ssrcs.Leased(), Conns: s.gate.count()}
}

// Totals are the counters since the start.
func (s *Server) Totals() Totals {
	t := Totals{
		Datagrams: s.datagrams.Load(), Junk: s.junk.Load(), Orphan: s.orphaned.Load(), OrphanUnlisted: s.orphans.missed.Load(),
		KernelDropped: s.kernelDropped.Load(), ReadErrors: s.readErrors.Load(),
		ConnsRejected: s.gate.rejected.Load(), SSRCRefused: s.ssrcs.Refused(),
	}
	t.PortRefused, t.PortTaken = s.ports.Refused()
	return t
}

// Orphans are the senders of RTP that no session expects, the oldest first.
func (s *Server) Orphans() []Orphan { return s.orphans.list() }

// Deliver takes a datagram as the shared port would.
func (s *Server) Deliver(pkt []byte, from netip.AddrPort, now time.Time) {
	if cur := s.deliver(nil, pkt, from, now); cur != nil {
		cur.mu.Unlock()
	}
}

func (s *Server) expect(n *Session, a Answered) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return ErrClosed
	}
	n.answer = a
	if a.HasSSRC && !slices.Contains(n.keys, a.SSRC) {
		n.keys = append(n.keys, a.SSRC)
		if n.want.Mode == Single {
			s.addKey(n, a.SSRC)
		}
	}
	return nil
}

// addKey puts n into a new table. mu is held.
func (s *Server) addKey(n *Session, ssrc uint32) {
	t := maps.Clone(*s.table.Load())
	t[ssrc] = append(slices.Clip(t[ssrc]), n)
	s.table.Store(&t)
}

// remove takes n out of everything that finds it.
func (s *Server) remove(n *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.sessions[n]; !ok {
		return
	}
	delete(s.sessions, n)
	s.list = nil
	if n.want.Mode != Single {
		return
	}
	n.mu.Lock()
	keys := n.keys
	n.mu.Unlock()
	t := maps.Clone(*s.table.Load())
	for _, k := range keys {
		rest := slices.DeleteFunc(slices.Clone(t[k]), func(o *Session) bool { return o == n })
		if len(rest) == 0 {
			delete(t, k)
		} else {
			t[k] = rest
		}
	}
	s.table.Store(&t)
	s.stopWaiting(n)
}

// stopWaiting takes n out of waiting. mu is held.
func (s *Server) stopWaiting(n *Session) {
	ip := n.want.From
	rest := slices.DeleteFunc(slices.Clone(s.waiting[ip]), func(o *Session) bool { return o == n })
	if len(rest) == 0 {
		delete(s.waiting, ip)
	} else {
		s.waiting[ip] = rest
	}
}

// find is the session of the shared port that expects a packet over UDP or TCP,
// nil if none does. A packet that comes the other way is not of a session even
// if it names its SSRC: whoever knows that could take a stream over. No
// session's mutex is held.
func (s *Server) find(h []byte, from netip.AddrPort, tcp bool, now time.Time) *Session {
	list := (*s.table.Load())[ssrcOf(h)]
	var only *Session
	count := 0
	for _, n := range list {
		if n.overTCP() == tcp {
			only = n
			count++
		}
	}
	switch count {
	case 0:
		return s.adopt(h, from, tcp, now)
	case 1:
		if only.elsewhere(from, now) { // perhaps another device chose the same SSRC
			if n := s.adopt(h, from, tcp, now); n != nil {
				return n
			}
			s.orphans.add(orphanKey{ssrcOf(h), from}, now)
		}
		return only // which counts what is not its own
	}
	// Several devices chose the same SSRC: the address decides, and where they
	// share one the port that was announced.
	var near []*Session
	for _, n := range list {
		if n.overTCP() != tcp {
			continue
		}
		n.mu.Lock()
		mine := n.stats.Source == from || !n.locked && n.answer.Remote == from
		if !n.locked && n.expected(from) {
			near = append(near, n)
		}
		n.mu.Unlock()
		if mine {
			return n
		}
	}
	switch len(near) {
	case 0:
		return s.adopt(h, from, tcp, now)
	case 1:
		return near[0]
	}
	return nil
}

// adopt gives a stream whose SSRC nobody, or only somebody else, expects to the
// one session that waits for media from its address, or to the one that had the same source until it fell
// silent. A stream that ran before the session was opened is not taken: it is
// somebody's zombie.
func (s *Server) adopt(pkt []byte, from netip.AddrPort, tcp bool, now time.Time) *Session {
	h, payload, err := Parse(pkt)
	if err != nil || s.ssrcs.Recent(h.SSRC) {
		return nil
	}
	since, again := s.orphans.look(orphanKey{h.SSRC, from}, now)
	if !again && !startsPS(payload) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*Session
	for _, n := range slices.Clone(s.waiting[from.Addr()]) {
		if n.received.Load() {
			s.stopWaiting(n)
			continue
		}
		if n.overTCP() == tcp && (since.IsZero() || !since.Before(n.created)) {
			found = append(found, n)
		}
	}
	if len(found) > 1 {
		found = slices.DeleteFunc(found, func(n *Session) bool {
			n.mu.Lock()
			defer n.mu.Unlock()
			return n.answer.Remote.Port() != from.Port()
		})
	}
	if len(found) == 0 && !tcp && now.Sub(s.scanned) >= scanPause {
		s.scanned = now
		for n := range s.sessions {
			n.mu.Lock()
			if n.want.Mode == Single && !n.overTCP() && n.locked && n.stats.Source == from &&
				now.Sub(n.stats.Last) >= relockAfter {
				found = append(found, n)
			}
			n.mu.Unlock()
		}
	}
	if len(found) != 1 {
		return nil
	}
	n := found[0]
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || !plausible(h, payload, n.answer.Payloads) {
		return nil
	}
	n.keys = append(n.keys, h.SSRC)
	s.addKey(n, h.SSRC)
	return n
}

// track adds a socket's goroutine unless the server is closed.
func (s *Server) track(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running.Go(f)
	return true
}
