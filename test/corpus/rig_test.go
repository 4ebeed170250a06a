package corpus_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fengsui/gb28181"
	"fengsui/gb28181/device"
	"fengsui/gb28181/registrar"
	"fengsui/sip"
	"fengsui/sip/digest"
	"fengsui/sip/intake"
	"fengsui/sip/siptest"
	"fengsui/sip/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	serverID = "34020000002000000001"
	cameraID = "34020000001320000001"
	domain   = "3402000000"

	camera   = "192.0.2.20:5060"
	second   = "192.0.2.21:5060"
	stranger = "203.0.113.7:5060"
)

var (
	serverAddr = netip.MustParseAddrPort("198.51.100.5:5060")
	cameraNet  = netip.MustParsePrefix("192.0.2.20/31")
)

// accounts lets cameras in by their address and nobody else.
type accounts struct{}

func (accounts) Account(gb28181.ID) (registrar.Account, bool) {
	return registrar.Account{Auth: registrar.AuthNone, Allow: []netip.Prefix{cameraNet}}, true
}

// house is the SIP side of a server: endpoint, intake, registrar and table, on
// a network in memory and a virtual clock.
type house struct {
	*sip.Endpoint
	t     *testing.T
	net   *siptest.Network
	reg   *prometheus.Registry
	table *device.Table
}

func open(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, net: siptest.NewNetwork(serverAddr.Addr()), reg: prometheus.NewRegistry()}
	log := zerolog.Nop()
	h.table = device.New(device.Config{}, nil, nil, log, h.reg)
	g := registrar.New(registrar.Config{ID: serverID, Password: func() string { return "12345678" }}, h.table, accounts{},
		digest.NewNonces([]byte("0123456789abcdef"), 0), registrar.NewAttempts(50), log, h.reg)
	in := intake.New(intake.Config{}, g, trace.NewRing(1<<20, time.Hour), h.reg, log)
	var err error
	h.Endpoint, err = sip.New(sip.Config{
		ID: serverID, Domain: domain, UserAgent: "Fengsui", Net: h.net,
		Listeners: []sip.Listen{{Network: "udp", Address: serverAddr.String()}, {Network: "tcp", Address: serverAddr.String()}},
	}, in, g, log, h.reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"MESSAGE", "NOTIFY"} { // as the server has them
		h.Handle(method, func(*sip.Request) (sip.Response, func()) { return sip.Response{Status: 200}, nil })
	}
	if err := h.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 2)
	go func() { ran <- h.Run(ctx) }()
	go func() { ran <- h.table.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ran; err != nil {
				t.Errorf("Run = %v", err)
			}
		}
	})
	return h
}

// devices is all the table knows.
func (h *house) devices() string {
	var all []string
	for d := range h.table.All() {
		d.Presence.Reason = "" // says how long ago
		all = append(all, fmt.Sprintf("%+v", d))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// counters are those of messages that reach no handler.
func (h *house) counters() map[string]float64 {
	h.t.Helper()
	families, err := h.reg.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	all := map[string]float64{"malformed": 0, "junk": 0, "too_large": 0, "stray": 0, "resync": 0}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "fengsui_sip_dropped_total":
				all[m.GetLabel()[0].GetValue()] += m.GetCounter().GetValue()
			case "fengsui_sip_stray_responses_total":
				all["stray"] += m.GetCounter().GetValue()
			case "fengsui_sip_resyncs_total":
				all["resync"] += m.GetCounter().GetValue()
			}
		}
	}
	return all
}

// peer is a device that keeps the answers it hears, without repeats.
type peer struct {
	*siptest.Device
	t     *testing.T
	mu    sync.Mutex // guards all below
	known map[string]bool
	heard []*siptest.Message
}

func (h *house) peer(id, transport, local string) *peer {
	h.t.Helper()
	p := &peer{t: h.t, known: map[string]bool{}, Device: siptest.NewDevice(h.t, siptest.Config{
		ID: id, Net: h.net, Server: serverAddr, Transport: transport, Local: local,
	})}
	p.React(func(m *siptest.Message) []byte {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.known[string(m.Raw)] { // an INVITE's answer is repeated until its ACK
			p.known[string(m.Raw)] = true
			p.heard = append(p.heard, m)
		}
		return []byte("\r\n")
	})
	return p
}

// take is what was heard since it was called last.
func (p *peer) take() []*siptest.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	heard := p.heard
	p.heard = nil
	return heard
}

// register registers a camera that is let in by its address.
func (p *peer) register() {
	p.t.Helper()
	p.take()
	p.Send(p.Request("REGISTER", "", siptest.Header{Name: "Expires", Value: "3600"}).Bytes())
	time.Sleep(time.Second)
	if got := statuses(p.take()); got != "200" {
		p.t.Errorf("a good REGISTER of %s was answered %q", p.ID(), got)
	}
}

// statuses of answers, the lowest first: two on their way at once may overtake
// each other. A request is shown by its method.
func statuses(all []*siptest.Message) string {
	var text []string
	for _, m := range all {
		if m.Status == 0 {
			text = append(text, m.Method)
		} else {
			text = append(text, strconv.Itoa(m.Status))
		}
	}
	slices.Sort(text)
	return strings.Join(text, " ")
}
