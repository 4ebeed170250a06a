package sip_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/sip"
	"fengsui/sip/flow"
	"fengsui/sip/intake"
	"fengsui/sip/siptest"
)

func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// The whole of it on the system's sockets: both families, all transports.
func TestAllTransportsOnRealSockets(t *testing.T) {
	done := make(chan string, 10)
	r := start(t, nil, sip.Config{Listeners: []sip.Listen{
		{Network: "udp", Address: "127.0.0.1:0"},
		{Network: "tcp", Address: "127.0.0.1:0"},
		{Network: "tls", Address: "127.0.0.1:0", TLS: certificate(t)},
		{Network: "udp", Address: "[::1]:0"},
		{Network: "tcp", Address: "[::1]:0"},
		{Network: "udp", Address: "127.0.0.1:0"},
	}}, nil, func(e *sip.Endpoint) {
		e.Handle("NOTIFY", func(r *sip.Request) (sip.Response, func()) {
			return sip.Response{Status: 200}, func() { done <- r.Flow.Transport }
		})
	})
	addrs := r.Addrs()
	if addrs[0].Local.Port() != addrs[1].Local.Port() || addrs[3].Local.Port() != addrs[4].Local.Port() {
		t.Errorf("UDP and TCP on different ports: %+v", addrs)
	}
	for i, a := range addrs {
		d := siptest.NewDevice(t, siptest.Config{Server: a.Local, Transport: a.Network, Local: netip.AddrPortFrom(a.Local.Addr(), 0).String()})
		req := d.Request("NOTIFY", "<Notify></Notify>")
		d.Send(req.Bytes())
		if res := d.ExpectAnswer(req); res.Status != 200 || res.From != a.Local {
			t.Errorf("%+v: %d from %v", a, res.Status, res.From)
		}
		if got := <-done; got != a.Network {
			t.Errorf("%+v: heard over %s", a, got)
		}
		peer := sip.Peer{User: deviceID, Flow: d.Flow(i)}
		dialog, _ := r.established(d, peer)
		go func() { _ = dialog.Bye(context.Background()) }()
		bye := d.Expect("BYE")
		if bye.From != a.Local || !strings.Contains(bye.Get("Via"), strings.ToUpper(a.Network)+" "+a.Local.String()+";") {
			t.Errorf("%+v: from %v:\n%s", a, bye.From, headersOf(bye))
		}
		d.Answer(bye, 200, "OK", "")
		<-dialog.Done()
	}
	r.stop()
	for _, a := range addrs { // all free again
		if a.Network == "udp" {
			c, err := net.ListenPacket("udp", a.Local.String())
			if err != nil {
				t.Error(err)
				continue
			}
			_ = c.Close()
		}
	}
}

// "[::]" is what an operator writes for everything there is.
func TestTheUnspecifiedIPv6AddressServesBothFamilies(t *testing.T) {
	asked := func(addresses ...string) int {
		listeners := []sip.Listen{}
		for _, a := range addresses {
			listeners = append(listeners, sip.Listen{Network: "udp", Address: a}, sip.Listen{Network: "tcp", Address: a})
		}
		answered := 0
		r := start(t, nil, sip.Config{Listeners: listeners}, nil, nil)
		port := r.Addrs()[0].Local.Port()
		for _, host := range []string{"127.0.0.1", "::1"} {
			for _, network := range []string{flow.UDP, flow.TCP} {
				to := netip.AddrPortFrom(netip.MustParseAddr(host), port)
				d := siptest.NewDevice(t, siptest.Config{Server: to, Transport: network, Local: netip.AddrPortFrom(to.Addr(), 0).String()})
				req := d.Request("OPTIONS", "")
				d.Send(req.Bytes())
				if res := d.ExpectAnswer(req); res.Status == 200 && res.From == to {
					answered++
				}
			}
		}
		r.stop()
		return answered
	}
	if n := asked("[::]:0"); n != 4 {
		t.Errorf("%d of 4 ways are answered at [::]", n)
	}
	port := ""
	for port == "" { // below those that clients are given
		p := itoa(20000 + mathrand.IntN(12000))
		if l, err := net.Listen("tcp", ":"+p); err == nil {
			_ = l.Close()
			if c, err := net.ListenPacket("udp", ":"+p); err == nil {
				_ = c.Close()
				port = p
			}
		}
	}
	if n := asked("[::]:"+port, "0.0.0.0:"+port); n != 4 {
		t.Errorf("%d of 4 ways are answered at [::] beside 0.0.0.0", n)
	}
}

func build(t *testing.T, cfg sip.Config) *sip.Endpoint {
	t.Helper()
	cfg.ID, cfg.Domain = serverID, domain
	reg, d := prometheus.NewRegistry(), &direct{}
	in := intake.New(intake.Config{}, d, nil, reg, zerolog.Nop())
	e, err := sip.New(cfg, in, d, zerolog.Nop(), reg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestListenReportsEveryAddressWithItsRemedy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := siptest.NewNetwork(serverAddr.Addr())
		taken, err := network.ListenPacket(t.Context(), "udp", "198.51.100.5:5060")
		if err != nil {
			t.Fatal(err)
		}
		e := build(t, sip.Config{Net: network, Listeners: []sip.Listen{
			{Network: "tcp", Address: "198.51.100.5:5060"},
			{Network: "udp", Address: "198.51.100.5:5060"},
			{Network: "sctp", Address: "198.51.100.5:5060"},
			{Network: "tls", Address: "198.51.100.5:5061"},
			{Network: "udp", Address: "198.51.100.5"},
			{Network: "udp", Address: "198.51.100.5:5070", Advertise: "example.net:x"},
		}})
		err = e.Listen(t.Context())
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("Listen = %v", err)
		}
		for _, want := range []string{
			"listen udp 198.51.100.5:5060: ", "another program has this port; stop it",
			"listen sctp 198.51.100.5:5060: unknown network: use udp, tcp or tls",
			"listen tls 198.51.100.5:5061: no certificate",
			"listen udp 198.51.100.5: ", "correct the listener's address to host:port",
			`listen udp 198.51.100.5:5070: advertise "example.net:x": use host or host:port`,
		} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error lacks %q:\n%v", want, err)
			}
		}
		if _, err := network.Listen(t.Context(), "tcp", "198.51.100.5:5060"); err != nil {
			t.Errorf("the other listener stays open: %v", err)
		}
		_ = taken.Close()
	})
}

func TestListenRemedyForAnAddressOfAnotherHost(t *testing.T) {
	e := build(t, sip.Config{Listeners: []sip.Listen{{Network: "udp", Address: "192.0.2.99:0"}}})
	if err := e.Listen(t.Context()); !errors.Is(err, syscall.EADDRNOTAVAIL) || !strings.Contains(err.Error(), "this host does not have the address") {
		t.Errorf("Listen = %v", err)
	}
	if err := build(t, sip.Config{}).Listen(t.Context()); err == nil {
		t.Error("no listeners are no error")
	}
}

func TestAdvertisedAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := siptest.NewNetwork(netip.MustParseAddr("10.0.0.7"))
		e := build(t, sip.Config{Net: network, Listeners: []sip.Listen{
			{Network: "udp", Address: "198.51.100.5:5060"},
			{Network: "udp", Address: ":5070"},
			{Network: "udp", Address: "198.51.100.5:5080", Advertise: "203.0.113.1"},
			{Network: "udp", Address: "198.51.100.5:5090", Advertise: "sip.example.net:15060"},
			{Network: "udp", Address: "[2001:db8::5]:5060"},
			{Network: "udp", Address: "[2001:db8::5]:5061", Advertise: "2001:db8::99"},
			{Network: "tcp", Address: ":5070"},
		}})
		if err := e.Listen(t.Context()); err != nil {
			t.Fatal(err)
		}
		remote := netip.MustParseAddrPort("192.0.2.20:5060")
		for i, want := range []string{"198.51.100.5:5060", "10.0.0.7:5070", "203.0.113.1:5080", "sip.example.net:15060", "[2001:db8::5]:5060", "[2001:db8::99]:5061"} {
			host, port := e.Advertised(flow.Flow{Transport: flow.UDP, Listener: i, Local: e.Addrs()[i].Local, Remote: remote})
			if got := net.JoinHostPort(host, itoa(port)); got != want {
				t.Errorf("listener %d: %s, want %s", i, got, want)
			}
		}
		// A connection knows its own end.
		host, port := e.Advertised(flow.Flow{Transport: flow.TCP, Listener: 6, Local: netip.MustParseAddrPort("10.0.0.8:5070"), Remote: remote})
		if host != "10.0.0.8" || port != 5070 {
			t.Errorf("connection: %s %d", host, port)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := e.Run(ctx); err != nil { // closes what Listen opened
			t.Error(err)
		}
	})
}

func TestWayToThePeerIsAskedOfTheSystem(t *testing.T) {
	e := build(t, sip.Config{Listeners: []sip.Listen{{Network: "udp", Address: "0.0.0.0:0"}}})
	if err := e.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	local := e.Addrs()[0].Local
	host, port := e.Advertised(flow.Flow{Transport: flow.UDP, Local: local, Remote: netip.MustParseAddrPort("127.0.0.1:5060")})
	if host != "127.0.0.1" || port != int(local.Port()) {
		t.Errorf("%s %d", host, port)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Run(ctx); err != nil {
		t.Error(err)
	}
}

// errNetwork gives sockets that fail now and then, as under a shortage of files.
type errNetwork struct{ *siptest.Network }

type errListener struct {
	net.Listener
	failures *int
}

func (n errNetwork) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	l, err := n.Network.Listen(ctx, network, address)
	failures := 5
	return errListener{l, &failures}, err
}

func (l errListener) Accept() (net.Conn, error) {
	if *l.failures > 0 {
		*l.failures--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

// sipgo ends a listener at its first error.
func TestListenerOutlivesErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := errNetwork{siptest.NewNetwork(serverAddr.Addr())}
		r := start(t, network.Network, sip.Config{Net: network, Listeners: []sip.Listen{{Network: "tcp", Address: serverAddr.String()}}}, nil, nil)
		d := r.device(flow.TCP, "")
		req := d.Request("OPTIONS", "")
		d.Send(req.Bytes())
		if res := d.ExpectAnswer(req); res.Status != 200 {
			t.Errorf("answered %d", res.Status)
		}
	})
}

func TestRunFailsWhenASocketIsClosedFromOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &keepNetwork{Network: siptest.NewNetwork(serverAddr.Addr())}
		e := build(t, sip.Config{Net: network, Listeners: []sip.Listen{{Network: "udp", Address: serverAddr.String()}}})
		if err := e.Listen(t.Context()); err != nil {
			t.Fatal(err)
		}
		ran := make(chan error, 1)
		go func() { ran <- e.Run(t.Context()) }()
		synctest.Wait()
		_ = network.opened.Close()
		if err := <-ran; err == nil || !strings.Contains(err.Error(), "serve udp 198.51.100.5:5060") {
			t.Errorf("Run = %v", err)
		}
	})
}

type keepNetwork struct {
	*siptest.Network
	opened net.PacketConn
}

func (n *keepNetwork) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	c, err := n.Network.ListenPacket(ctx, network, address)
	n.opened = c
	return c, err
}
