package intake_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fengsui/sip/flow"
	"fengsui/sip/intake"
	"fengsui/sip/siptest"
	"fengsui/sip/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	home   = "192.0.2.1:5060"
	camera = "192.0.2.20:5060"
	id     = "34020000001320000001"
)

// registrar answers REGISTER with 401 or 200 by whether it is authorised, and
// keepalives with 200.
type registrar struct {
	mu     sync.Mutex
	asked  []string // "REGISTER 34020000001320000001 udp 192.0.2.20:5060", in order
	silent bool
	last   intake.Request // with the slices copied that tests look at
}

func (d *registrar) note(r *intake.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, fmt.Sprint(r.Method, " ", string(r.From.User), " ", r.Flow))
	d.last = *r
	d.last.Body, d.last.Contact, d.last.CallID = bytes.Clone(r.Body), bytes.Clone(r.Contact), bytes.Clone(r.CallID)
}

func (d *registrar) calls() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.asked...)
}

func (d *registrar) Register(r *intake.Request) intake.Answer {
	d.note(r)
	switch {
	case d.silent:
		return intake.Answer{}
	case r.Authorization == nil:
		return intake.Answer{Status: 401, Fields: []byte("WWW-Authenticate: Digest realm=\"3402000000\",nonce=\"1\"\r\n")}
	}
	return intake.Answer{Status: 200, Fields: fmt.Appendf(nil, "Expires: %d\r\n", r.Expires)}
}

func (d *registrar) Message(r *intake.Request) (intake.Answer, bool) {
	if !bytes.Contains(r.Body, []byte("<CmdType>Keepalive</CmdType>")) {
		return intake.Answer{}, false
	}
	d.note(r)
	return intake.Answer{Status: 200}, true
}

// rig is an intake between a network in memory and a reader that stands for
// sipgo.
type rig struct {
	t      *testing.T
	net    *siptest.Network
	in     *intake.Intake
	direct *registrar
	ring   *trace.Ring
	reg    *prometheus.Registry
	handed chan handed // what the reader was given
	closed chan flow.Flow
}

type handed struct {
	message string
	from    net.Addr
	conn    *intake.Conn
}

func newRig(t *testing.T, cfg intake.Config) *rig {
	r := &rig{
		t: t, net: siptest.NewNetwork(netip.MustParseAddr("192.0.2.1")), direct: &registrar{},
		ring: trace.NewRing(1<<20, 0), reg: prometheus.NewRegistry(),
		handed: make(chan handed, 100), closed: make(chan flow.Flow, 100),
	}
	if cfg.Answers == 0 {
		cfg.Answers = 1 << 10
	}
	r.in = intake.New(cfg, r.direct, r.ring, r.reg, zerolog.Nop())
	r.in.OnClose(func(f flow.Flow) { r.closed <- f })
	return r
}

// packets serves a UDP socket with a reader whose buffer has the given size.
func (r *rig) packets(size int) net.PacketConn {
	r.t.Helper()
	inner, err := r.net.ListenPacket(context.Background(), "udp", home)
	if err != nil {
		r.t.Fatal(err)
	}
	c := r.in.PacketConn(inner, 0)
	r.read(c, size)
	return c
}

func (r *rig) read(c net.PacketConn, size int) {
	var wg sync.WaitGroup
	wg.Go(func() {
		b := make([]byte, size)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					r.t.Errorf("ReadFrom = %v", err)
				}
				return
			}
			r.handed <- handed{message: string(b[:n]), from: from}
		}
	})
	r.t.Cleanup(func() { _ = c.Close(); wg.Wait() })
}

// streams serves TCP, one reader per connection as sipgo has it.
func (r *rig) streams() {
	r.t.Helper()
	inner, err := r.net.Listen(context.Background(), "tcp", home)
	if err != nil {
		r.t.Fatal(err)
	}
	r.serve(inner)
}

// sockets is streams on a socket of the system's; it returns its address.
func (r *rig) sockets() net.Addr {
	r.t.Helper()
	var lc net.ListenConfig
	inner, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	r.serve(inner)
	return inner.Addr()
}

func (r *rig) serve(inner net.Listener) {
	l := r.in.Listener(inner, flow.TCP, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				for {
					message, err := c.ReadMessage()
					if err != nil {
						return
					}
					r.handed <- handed{message: string(message), conn: c}
				}
			})
		}
	})
	r.t.Cleanup(func() { _ = l.Close(); wg.Wait() })
}

// peer is a socket of a device, which keeps what it is sent.
func (r *rig) peer(at string) *peer {
	r.t.Helper()
	c, err := r.net.ListenPacket(context.Background(), "udp", at)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return &peer{t: r.t, c: c}
}

type peer struct {
	t *testing.T
	c net.PacketConn
}

func (p *peer) send(message string) {
	p.t.Helper()
	to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(home))
	if _, err := p.c.WriteTo([]byte(message), to); err != nil {
		p.t.Fatal(err)
	}
}

// answer is the next datagram within a second, or none.
func (p *peer) answer() string {
	p.t.Helper()
	_ = p.c.SetReadDeadline(time.Now().Add(time.Second))
	b := make([]byte, 65536)
	n, _, err := p.c.ReadFrom(b)
	if err != nil {
		return ""
	}
	return string(b[:n])
}

// dial opens a connection to the rig's listener.
func (r *rig) dial(from string) net.Conn {
	r.t.Helper()
	c, err := r.net.Dial(netip.MustParseAddrPort(from), netip.MustParseAddrPort(home))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// receive reads what comes within a second.
func receive(t *testing.T, c net.Conn) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	var all []byte
	b := make([]byte, 4096)
	for {
		n, err := c.Read(b)
		all = append(all, b[:n]...)
		if err != nil {
			return string(all)
		}
	}
}

// ended reports whether the other side has closed the connection.
func ended(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

// next is what the reader is handed next within two seconds, or none.
func (r *rig) next() handed {
	select {
	case h := <-r.handed:
		return h
	case <-time.After(2 * time.Second):
		return handed{}
	}
}

// count is the value of a counter or gauge; labels are "reason=junk".
func (r *rig) count(name string, labels ...string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		if f.GetName() != "fengsui_sip_"+name {
			continue
		}
	metrics:
		for _, m := range f.GetMetric() {
			for _, want := range labels {
				found := false
				for _, l := range m.GetLabel() {
					found = found || l.GetName()+"="+l.GetValue() == want
				}
				if !found {
					continue metrics
				}
			}
			total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return total
}

func register(branch, extra string) string {
	return "REGISTER sip:34020000002000000001@3402000000 SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP 192.168.1.9:5060;rport;branch=z9hG4bK" + branch + "\r\n" +
		"From: <sip:" + id + "@3402000000>;tag=2043466181\r\nTo: <sip:" + id + "@3402000000>\r\n" +
		"Call-ID: 1011047669\r\nCSeq: 1 REGISTER\r\nContact: <sip:" + id + "@192.168.1.9:5060>\r\n" +
		"Max-Forwards: 70\r\nExpires: 3600\r\n" + extra + "Content-Length: 0\r\n\r\n"
}

func post(branch, body string) string {
	return "MESSAGE sip:34020000002000000001@3402000000 SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP 192.168.1.9:5060;rport;branch=z9hG4bK" + branch + "\r\n" +
		"From: <sip:" + id + "@3402000000>;tag=99\r\nTo: <sip:34020000002000000001@3402000000>\r\n" +
		"Call-ID: 2011@192.168.1.9\r\nCSeq: 20 MESSAGE\r\nContent-Type: Application/MANSCDP+xml\r\n" +
		fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

const (
	keepaliveBody = "<?xml version=\"1.0\"?>\r\n<Notify>\r\n<CmdType>Keepalive</CmdType>\r\n<SN>1</SN>\r\n</Notify>\r\n"
	alarmBody     = "<?xml version=\"1.0\"?>\r\n<Notify>\r\n<CmdType>Alarm</CmdType>\r\n<SN>1</SN>\r\n</Notify>\r\n"
)

func statusOf(message string) string {
	line, _, _ := strings.Cut(message, "\r\n")
	return line
}
