package sip_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/sip"
	"fengsui/sip/flow"
	"fengsui/sip/guard"
	"fengsui/sip/intake"
	"fengsui/sip/siptest"
	"fengsui/sip/trace"
)

// forgery is a network on which the test speaks in anybody's name.
type forgery struct {
	*siptest.Network
	conn *forged
}

func (f forgery) ListenPacket(context.Context, string, string) (net.PacketConn, error) {
	return f.conn, nil
}

type forged struct {
	in      chan siptest.Packet
	closed  chan struct{}
	once    sync.Once
	answers [7]atomic.Int64 // by the first digit
	last    atomic.Pointer[string]
}

func newForged() *forged {
	return &forged{in: make(chan siptest.Packet, 256), closed: make(chan struct{})}
}

func (c *forged) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-c.in:
		return copy(b, p.Data), net.UDPAddrFromAddrPort(p.From), nil
	case <-c.closed:
		return 0, nil, net.ErrClosed
	}
}

func (c *forged) WriteTo(b []byte, to net.Addr) (int, error) {
	if bytes.HasPrefix(b, []byte("SIP/2.0 ")) {
		c.answers[b[8]-'0'].Add(1)
	}
	s := to.String() + " " + string(b)
	c.last.Store(&s)
	return len(b), nil
}

func (c *forged) Close() error                     { c.once.Do(func() { close(c.closed) }); return nil }
func (c *forged) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(serverAddr) }
func (c *forged) SetDeadline(time.Time) error      { return nil }
func (c *forged) SetReadDeadline(time.Time) error  { return nil }
func (c *forged) SetWriteDeadline(time.Time) error { return nil }

func (c *forged) send(from netip.AddrPort, text string) {
	c.in <- siptest.Packet{From: from, Data: []byte(text)}
}

func (c *forged) answered() (n int64) {
	for i := range c.answers {
		n += c.answers[i].Load()
	}
	return n
}

// strangers starts an endpoint on a forged socket.
func strangers(t *testing.T, g *guard.Guard, prepare func(*sip.Endpoint)) (*forged, *rig) {
	t.Helper()
	conn, reg := newForged(), prometheus.NewRegistry()
	d := &counting{}
	in := intake.New(intake.Config{Answers: 1 << 10}, d, trace.NewRing(1<<18, time.Minute), reg, zerolog.Nop())
	if g != nil {
		in.Use(g)
	}
	e, err := sip.New(sip.Config{
		ID: serverID, Domain: domain, Net: forgery{siptest.NewNetwork(serverAddr.Addr()), conn},
		Listeners: []sip.Listen{{Network: "udp", Address: serverAddr.String()}},
	}, in, d, zerolog.Nop(), reg)
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
	t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	return conn, &rig{Endpoint: e, t: t, reg: reg}
}

// counting is a registrar without a memory.
type counting struct{ asked atomic.Int64 }

func (d *counting) Register(*intake.Request) intake.Answer {
	d.asked.Add(1)
	return intake.Answer{Status: 401}
}
func (d *counting) Message(*intake.Request) (intake.Answer, bool) { return intake.Answer{}, false }

func text(method string, n int, via string) string {
	return fmt.Sprintf("%s sip:%s@%s SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK%d\r\n%s"+
		"From: <sip:%s@%s>;tag=%d\r\nTo: <sip:%s@%s>\r\nCall-ID: %d\r\nCSeq: 1 %s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		method, serverID, domain, n, via, deviceID, domain, n, serverID, domain, n, method)
}

// source is the n-th of many addresses.
func source(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(11 + n>>24), byte(n >> 16), byte(n >> 8), byte(n)}), 5060)
}

// known is an address that a device is registered from.
var known = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.20"), 5060)

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestAHundredThousandForgedSourcesLeaveNothingAndReachNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard.New(guard.Config{}, prometheus.NewRegistry(), zerolog.Nop())
		g.Moved(netip.Addr{}, known.Addr())
		conn, r := strangers(t, g, func(e *sip.Endpoint) { e.Handle("MESSAGE", ok); e.Handle("NOTIFY", ok) })
		kinds := []func(n int) string{
			func(n int) string { return text("OPTIONS", n, "") },
			func(n int) string { return text("MESSAGE", n, "") },
			func(n int) string { return text("NOTIFY", n, "") },
			func(n int) string { return text("INVITE", n, "") },
			func(n int) string { return text("BYE", n, "") },
			func(n int) string { return text("REGISTER", n, "") },
			func(n int) string { return text("REGISTER", n, "Via: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKx\r\n") },
			func(n int) string { return text("FOO", n, "Require: 100rel\r\n") },
			func(n int) string { // an answer to nothing
				return strings.Replace(text("OPTIONS", n, ""), "OPTIONS sip:"+serverID+"@"+domain+" SIP/2.0", "SIP/2.0 200 OK", 1)
			},
			func(n int) string { return "GET / HTTP/1.1\r\n\r\n" },
		}
		run := func(from, to int) {
			for n := from; n < to; n++ {
				conn.send(source(n), kinds[n%len(kinds)](n))
			}
			for len(conn.in) > 0 {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Minute)
		}
		run(0, 10_000)
		before := heap()
		run(10_000, 110_000)
		if grown := heap() - before; grown > before/20 {
			t.Errorf("the heap grew by %d bytes from %d", grown, before)
		}
		if n := r.metric("fengsui_sip_requests_received_total"); n != 0 {
			t.Errorf("%v requests of strangers reached sipgo", n)
		}
		if n := conn.answered(); n != 88_000 {
			t.Errorf("%d answers, want 88,000: all but those to answers and garbage", n)
		}
		if n := conn.answers[2].Load(); n != 11_000 {
			t.Errorf("%d times 2xx, want only those to OPTIONS", n)
		}
		before200 := conn.answers[2].Load()
		conn.send(known, text("MESSAGE", 1, ""))
		time.Sleep(time.Second)
		if conn.answers[2].Load() != before200+1 {
			t.Error("the registered device is not served any more")
		}
	})
}

// Without a guard, or from one registered address with all its ports, sources
// do reach sipgo. It is made to forget them.
func TestTheLibraryForgetsSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, r := strangers(t, nil, nil)
		run := func(from, to int) {
			for n := from; n < to; n++ {
				conn.send(source(n), text("OPTIONS", n, ""))
				if n%500 == 0 {
					time.Sleep(100 * time.Millisecond) // a real flood takes time too
				}
			}
			for len(conn.in) > 0 {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Minute)
		}
		run(0, 9000)
		before := heap()
		run(9000, 36_000)
		const perSource = 400 // bytes
		if grown := heap() - before; grown > 8192*perSource {
			t.Errorf("the heap grew by %d bytes from %d", grown, before)
		}
		if n := conn.answers[2].Load(); n != 36_000 {
			t.Errorf("%d answers from our socket, want 36,000", n)
		}
		if n := r.metric("fengsui_sip_handovers_total"); n < 3 || n > 5 {
			t.Errorf("%v handovers, want about 4", n)
		}
		// and we can still ask
		got := make(chan error, 1)
		go func() {
			_, err := r.Do(context.Background(), sip.Peer{User: deviceID, Flow: flow.Flow{Transport: flow.UDP, Local: serverAddr, Remote: known}}, sip.Outgoing{Method: "MESSAGE"})
			got <- err
		}()
		synctest.Wait()
		sent := *conn.last.Load()
		if !strings.HasPrefix(sent, known.String()+" MESSAGE ") {
			t.Fatalf("the last thing sent is %q", sent)
		}
		head, _, _ := strings.Cut(sent, "\r\nMax-Forwards")
		_, head, _ = strings.Cut(head, "\r\n")
		conn.send(known, "SIP/2.0 200 OK\r\n"+head+"\r\nContent-Length: 0\r\n\r\n")
		if err := <-got; err != nil {
			t.Error(err)
		}
	})
}

func TestLargeBodiesAreBoundedTogetherAndByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, after := make(chan struct{}), make(chan struct{})
		r := inMemory(t, func(c *sip.Config) { c.MaxBodies = 160 << 10 }, func(e *sip.Endpoint) {
			e.Handle("MESSAGE", func(*sip.Request) (sip.Response, func()) {
				<-release
				return sip.Response{Status: 200}, func() { <-after }
			})
		})
		big := "<Response>" + strings.Repeat("<a/>", 30<<10/4) + "</Response>" // 30 KiB of 160, 40 for one address
		greedy := r.device(flow.UDP, "192.0.2.30:5060")
		first := greedy.Request("MESSAGE", big)
		greedy.Send(first.Bytes())
		synctest.Wait()
		second := greedy.Request("MESSAGE", big)
		greedy.Send(second.Bytes())
		if res := greedy.ExpectAnswer(second); res.Status != 503 || res.Get("Retry-After") == "" {
			t.Errorf("the second body of one address is answered %d", res.Status)
		}
		small := greedy.Request("MESSAGE", "<Response/>")
		greedy.Send(small.Bytes())
		var others []*siptest.Device
		for i := range 4 {
			d := r.device(flow.UDP, fmt.Sprintf("192.0.2.%d:5060", 40+i))
			d.Send(d.Request("MESSAGE", big).Bytes())
			others = append(others, d)
		}
		synctest.Wait()
		late := r.device(flow.UDP, "192.0.2.50:5060")
		refused := late.Request("MESSAGE", big)
		late.Send(refused.Bytes())
		if res := late.ExpectAnswer(refused); res.Status != 503 {
			t.Errorf("the sixth body is answered %d", res.Status)
		}
		if n := r.Counts().Bodies; n < 5*30<<10 || n > 160<<10 {
			t.Errorf("%d bytes held", n)
		}
		close(release)
		greedy.ExpectAnswer(first)
		greedy.ExpectAnswer(small)
		for _, d := range others {
			d.ExpectStatus(200)
		}
		synctest.Wait()
		if r.Counts().Bodies == 0 {
			t.Error("released before the work after the answer")
		}
		close(after)
		synctest.Wait()
		if n := r.Counts().Bodies; n != 0 {
			t.Errorf("%d bytes held at the end", n)
		}
		if a, b := r.metric("fengsui_sip_bodies_refused_total", "address"), r.metric("fengsui_sip_bodies_refused_total", "all"); a != 1 || b != 1 {
			t.Errorf("counted %v by address and %v of all", a, b)
		}
	})
}
