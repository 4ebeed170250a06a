package sip_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fengsui/internal/lease"
	"fengsui/sip"
	"fengsui/sip/flow"
	"fengsui/sip/intake"
	"fengsui/sip/siptest"
	"fengsui/sip/trace"
)

const (
	serverID  = "34020000002000000001"
	deviceID  = "34020000001320000001"
	channelID = "34020000001310000001"
	domain    = "3402000000"
	answerSDP = "v=0\r\no=34020000001320000001 0 0 IN IP4 192.0.2.20\r\ns=Play\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\nm=video 15060 RTP/AVP 96\r\na=sendonly\r\ny=0200000001\r\n"
)

var serverAddr = netip.MustParseAddrPort("198.51.100.5:5060")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a running endpoint.
type rig struct {
	*sip.Endpoint
	t    *testing.T
	net  *siptest.Network // nil on real sockets
	reg  *prometheus.Registry
	stop func()
}

// direct answers what the intake asks of the registrar.
type direct struct {
	mu         sync.Mutex
	registered []string
}

func (d *direct) Register(r *intake.Request) intake.Answer {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.registered = append(d.registered, string(r.From.User))
	return intake.Answer{Status: 200, Fields: []byte("Expires: 3600\r\n")}
}

func (d *direct) Message(*intake.Request) (intake.Answer, bool) { return intake.Answer{}, false }

// inMemory starts an endpoint on a network in memory, listening on UDP and TCP.
func inMemory(t *testing.T, configure func(*sip.Config), prepare func(*sip.Endpoint)) *rig {
	t.Helper()
	network := siptest.NewNetwork(serverAddr.Addr())
	return start(t, network, sip.Config{
		Net: network,
		Listeners: []sip.Listen{
			{Network: "udp", Address: serverAddr.String()},
			{Network: "tcp", Address: serverAddr.String()},
		},
	}, configure, prepare)
}

func start(t *testing.T, network *siptest.Network, cfg sip.Config, configure func(*sip.Config), prepare func(*sip.Endpoint)) *rig {
	t.Helper()
	cfg.ID, cfg.Domain, cfg.UserAgent = serverID, domain, "Fengsui"
	if configure != nil {
		configure(&cfg)
	}
	reg := prometheus.NewRegistry()
	log := zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)
	d := &direct{}
	in := intake.New(intake.Config{
		Device: func(f flow.Flow) string { return fmt.Sprintf("3402000000132%07d", f.Remote.Port()) }, Leases: lease.New(reg, log),
	}, d, trace.NewRing(1<<16, time.Minute), reg, log)
	e, err := sip.New(cfg, in, d, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		prepare(e)
	}
	if err := e.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(stop)
	return &rig{Endpoint: e, t: t, net: network, reg: reg, stop: stop}
}

// device is a device on the rig's network.
func (r *rig) device(transport, local string) *siptest.Device {
	r.t.Helper()
	return siptest.NewDevice(r.t, siptest.Config{Net: r.net, Server: serverAddr, Transport: transport, Local: local})
}

// known is a device that the endpoint has heard, with the peer to reach it.
func (r *rig) known(transport string) (*siptest.Device, sip.Peer) {
	r.t.Helper()
	d := r.device(transport, "")
	hello := d.Request("OPTIONS", "")
	d.Send(hello.Bytes())
	if got := d.ExpectAnswer(hello); got.Status != 200 {
		r.t.Fatalf("OPTIONS was answered %d", got.Status)
	}
	listener := 0
	if transport == flow.TCP {
		listener = 1
	}
	return d, sip.Peer{User: channelID, Flow: d.Flow(listener)}
}

// inviting starts an INVITE and returns what it comes to.
func (r *rig) inviting(ctx context.Context, p sip.Peer, i sip.Invite) <-chan invited {
	c := make(chan invited, 1)
	go func() {
		d, err := r.Invite(ctx, p, i)
		c <- invited{d, err}
	}()
	return c
}

type invited struct {
	dialog *sip.Dialog
	err    error
}

// established is a dialog whose 2xx is acknowledged.
func (r *rig) established(d *siptest.Device, p sip.Peer) (*sip.Dialog, *siptest.Message) {
	r.t.Helper()
	result := r.inviting(r.t.Context(), p, sip.Invite{SDP: []byte("v=0\r\n")})
	invite := d.Expect("INVITE")
	d.Answer(invite, 200, "OK", answerSDP)
	got := <-result
	if got.err != nil {
		r.t.Fatal(got.err)
	}
	if err := got.dialog.Ack(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	d.Expect("ACK")
	return got.dialog, invite
}

// settle waits until nothing is open but connections.
func (r *rig) settle(within time.Duration) {
	r.t.Helper()
	limit := time.Now().Add(within)
	for {
		c := r.Counts()
		c.Connections = 0
		if c == (sip.Counts{}) {
			return
		}
		if time.Now().After(limit) {
			r.t.Fatalf("still open after %v: %+v", within, c)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// metric is the sum of a counter over its labels that contain all of want.
func (r *rig) metric(name string, want ...string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	next:
		for _, m := range f.GetMetric() {
			labels := fmt.Sprint(m.GetLabel())
			for _, w := range want {
				if !strings.Contains(labels, w) {
					continue next
				}
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// headersOf prints a message without its body, for failures.
func headersOf(m *siptest.Message) string {
	head, _, _ := strings.Cut(string(m.Raw), "\r\n\r\n")
	return head
}

func itoa(n int) string { return strconv.Itoa(n) }

func netAddr(ap netip.AddrPort) net.Addr { return net.UDPAddrFromAddrPort(ap) }
