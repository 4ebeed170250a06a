package bothways_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/gb28181/device"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/registrar"
	"fengsui/shadow"
	"fengsui/shadow/journal"
	"fengsui/sip"
	"fengsui/sip/digest"
	"fengsui/sip/flow"
	"fengsui/sip/guard"
	"fengsui/sip/intake"
	"fengsui/sip/siptest"
	"fengsui/sip/trace"
)

const (
	serverID   = "34020000002000000001"
	platformID = "34020000002000000009"
	domain     = "3402000000"
	password   = "12345678" // the common one
)

var serverAddr = netip.MustParseAddrPort("198.51.100.5:5060")

// house is the SIP side of a server on a network in memory.
type house struct {
	t        *testing.T
	net      *siptest.Network
	sockets  map[netip.AddrPort]net.PacketConn // of the cameras
	conns    map[netip.AddrPort]net.Conn       // likewise
	table    *device.Table
	journal  *journal.Journal
	attempts *registrar.Attempts

	seen         uint64 // newest event that was compared
	below, above asked  // who asked the registrar: the intake, the endpoint

	mu      sync.Mutex // guards all below
	heard   []heard    // by cameras
	changes []told     // to the table's watchers
}

// told is what watchers or the journal were told of a device.
type told struct{ id, text string }

// byDevice sorts what was told: only of one device it has an order.
func byDevice(all []told) []told {
	slices.SortStableFunc(all, func(a, b told) int { return strings.Compare(a.id, b.id) })
	return all
}

// heard is what came from the server in one piece.
type heard struct {
	by   netip.AddrPort
	text string
}

// asked counts what is asked of the registrar.
type asked struct {
	*registrar.Registrar
	n atomic.Int64
}

func (a *asked) Register(r *intake.Request) intake.Answer {
	a.n.Add(1)
	return a.Registrar.Register(r)
}

func (a *asked) Message(r *intake.Request) (intake.Answer, bool) {
	answer, ok := a.Registrar.Message(r)
	if ok {
		a.n.Add(1)
	}
	return answer, ok
}

// open makes a house, with direct answers or without.
func open(t *testing.T, s *setting, direct bool) *house {
	t.Helper()
	h := &house{
		t: t, net: siptest.NewNetwork(serverAddr.Addr()), journal: journal.New(1 << 14), attempts: registrar.NewAttempts(200),
		sockets: map[netip.AddrPort]net.PacketConn{}, conns: map[netip.AddrPort]net.Conn{},
	}
	h.net.Filter(func(p siptest.Packet) bool {
		if p.To == serverAddr {
			return true
		}
		h.hear(p.To, p.Data)
		return false // it has arrived
	})
	log, metrics := zerolog.Nop(), prometheus.NewRegistry()
	g := guard.New(guard.Config{}, metrics, log)
	h.table = device.New(device.Config{Follow: s.follow, Moved: g.Moved}, nil, h.journal, log, metrics)
	h.table.Watch(func(c device.Change) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.changes = append(h.changes, told{string(c.Device.ID), fmt.Sprintf("%+v", c)})
	})
	cfg := s.registrar
	cfg.ID, cfg.Guard, cfg.IsKeepalive = serverID, g, manscdp.ScanKeepalive
	cfg.Password = func() string { return password }
	cfg.AnyRealm = func(id gb28181.ID, _ string) bool { return strings.HasSuffix(string(id), "5") }
	cfg.Platform = func(id gb28181.ID) bool { return id == platformID }
	r := registrar.New(cfg, h.table, accounts{}, digest.NewNonces([]byte("0123456789abcdef"), 0), h.attempts, log, metrics)
	h.below.Registrar, h.above.Registrar = r, r

	var first intake.Direct
	if direct {
		first = &h.below
	}
	in := intake.New(intake.Config{}, first, trace.NewRing(1<<20, time.Hour), metrics, log)
	in.OnClose(h.table.ConnectionClosed)
	endpoint, err := sip.New(sip.Config{
		ID: serverID, Domain: domain, UserAgent: "Fengsui", Net: h.net,
		Listeners: []sip.Listen{{Network: flow.UDP, Address: serverAddr.String()}, {Network: flow.TCP, Address: serverAddr.String()}},
	}, in, &h.above, log, metrics)
	if err != nil {
		t.Fatal(err)
	}
	endpoint.Handle("MESSAGE", h.message)
	endpoint.Handle("NOTIFY", h.message)
	if err := endpoint.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 2)
	go func() { ran <- endpoint.Run(ctx) }()
	go func() { ran <- h.table.Run(ctx) }()
	t.Cleanup(func() {
		for _, c := range h.conns {
			c.Close()
		}
		for _, c := range h.sockets {
			c.Close()
		}
		cancel()
		for range 2 {
			if err := <-ran; err != nil {
				t.Errorf("Run = %v", err)
			}
		}
	})
	return h
}

// message is what the server does with all that is no keepalive: a device that is
// registered at that address is heard.
func (h *house) message(r *sip.Request) (sip.Response, func()) {
	id := gb28181.ID(r.FromUser)
	if bound, ok := h.table.Bound(id); !ok || bound.Remote.Addr() != r.Flow.Remote.Addr() {
		return sip.Response{Status: 403, Reason: "Not registered here"}, nil
	}
	return sip.Response{Status: 200}, func() { h.table.Heard(id, shadow.ByMessage, r.Flow, r.At) }
}

// send sends the bytes from a camera's address.
func (h *house) send(transport string, from netip.AddrPort, b []byte) {
	h.t.Helper()
	var err error
	if transport == flow.UDP {
		c := h.sockets[from]
		if c == nil {
			if c, err = h.net.ListenPacket(h.t.Context(), "udp", from.String()); err != nil {
				h.t.Fatal(err)
			}
			h.sockets[from] = c
		}
		_, err = c.WriteTo(b, net.UDPAddrFromAddrPort(serverAddr))
	} else {
		c := h.conns[from]
		if c == nil {
			if c, err = h.net.Dial(from, serverAddr); err != nil {
				h.t.Fatal(err)
			}
			h.conns[from] = c
			go h.read(c, from)
		}
		if _, err = c.Write(b); err != nil { // the server has closed it
			h.hang(from)
			err = nil
		}
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// hang closes a camera's connection.
func (h *house) hang(from netip.AddrPort) {
	if c := h.conns[from]; c != nil {
		c.Close()
		delete(h.conns, from)
	}
}

func (h *house) read(c net.Conn, by netip.AddrPort) {
	b := make([]byte, 64<<10)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		h.hear(by, b[:n])
	}
}

func (h *house) hear(by netip.AddrPort, b []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard = append(h.heard, heard{by, string(b)})
}

// take is what cameras heard and watchers were told since it was called last.
func (h *house) take() (answers []heard, changes []told) {
	h.mu.Lock()
	defer h.mu.Unlock()
	slices.SortStableFunc(h.heard, func(a, b heard) int { return a.by.Compare(b.by) })
	answers, changes = h.heard, byDevice(h.changes)
	h.heard, h.changes = nil, nil
	return answers, changes
}

// devices are all rows of the table, by ID.
func (h *house) devices() (all []told) {
	for s := range h.table.AllSaved() {
		all = append(all, told{string(s.Device.ID), fmt.Sprintf("%+v", s)})
	}
	for d := range h.table.All() {
		all = append(all, told{string(d.ID), fmt.Sprintf("%+v", d)})
	}
	return byDevice(all)
}

// events are what the journal has that was not asked for before. Their IDs are
// of the order among devices.
func (h *house) events() (all []told) {
	events, lost := h.journal.Since(h.seen, 1<<20)
	if lost {
		h.t.Error("the journal is too short")
	}
	for _, e := range events {
		h.seen, e.ID = e.ID, 0
		all = append(all, told{e.Device, fmt.Sprintf("%+v", e)})
	}
	return byDevice(all)
}

func (h *house) refused() (all []told) {
	for _, a := range h.attempts.List() {
		all = append(all, told{a.ID, fmt.Sprintf("%+v", a)})
	}
	return all
}
