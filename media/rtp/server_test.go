package rtp_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fengsui/media/rtp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const domain = "34020000002000000001"

// recorder is a sink that may be read from the test.
type recorder struct {
	mu    sync.Mutex
	heard heard
	first rtp.First
}

func (r *recorder) First(f rtp.First) { r.mu.Lock(); r.first = f; r.mu.Unlock() }
func (r *recorder) Packet(h rtp.Header, p []byte, at time.Time) {
	r.mu.Lock()
	r.heard.Packet(h, nil, at)
	r.mu.Unlock()
}
func (r *recorder) Gap(n int)      { r.mu.Lock(); r.heard.Gap(n); r.mu.Unlock() }
func (r *recorder) Restart()       { r.mu.Lock(); r.heard.Restart(); r.mu.Unlock() }
func (r *recorder) Tick(time.Time) {}

func (r *recorder) log() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.heard.log)
}

// wait waits until the sink heard all of want.
func (r *recorder) wait(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, func() string {
		if got := r.log(); !slices.Equal(got, want) {
			return fmt.Sprintf("heard %v, want %v", got, want)
		}
		return ""
	})
}

func eventually(t *testing.T, wrong func() string) {
	t.Helper()
	var w string
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if w = wrong(); w == "" {
			return
		}
	}
	t.Fatal(w)
}

// pack is an RTP packet whose payload begins a PS pack.
func pack(ssrc uint32, seq int) []byte {
	return rtp.Append(nil, rtp.Header{PayloadType: 96, Sequence: uint16(seq), SSRC: ssrc}, []byte{0, 0, 1, 0xBA, 9})
}

// inside is a PS packet from within a frame.
func inside(ssrc uint32, seq int) []byte {
	return rtp.Append(nil, rtp.Header{PayloadType: 96, Sequence: uint16(seq), SSRC: ssrc}, []byte{7, 7, 7, 7, 7})
}

// offline is a server without sockets; packets are given to Deliver.
func offline(t *testing.T) *rtp.Server {
	t.Helper()
	s, err := rtp.New(rtp.Config{Domain: domain}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t *testing.T, s *rtp.Server, w rtp.Want) (*rtp.Session, *recorder) {
	t.Helper()
	r := &recorder{}
	n, err := s.Open(w, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n, r
}

var (
	camera = netip.MustParseAddrPort("192.0.2.10:20000")
	other  = netip.MustParseAddrPort("192.0.2.11:20000")
)

func moved(a netip.AddrPort, port uint16) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), port) }

func same(t *testing.T, r *recorder, want ...string) {
	t.Helper()
	if got := r.log(); !slices.Equal(got, want) {
		t.Fatalf("heard %v, want %v", got, want)
	}
}

func TestSharedPortTellsSessionsApartBySSRC(t *testing.T) {
	s := offline(t)
	a, ra := open(t, s, rtp.Want{})
	b, rb := open(t, s, rtp.Want{Class: rtp.History})
	now := time.Now()
	s.Deliver(inside(a.SSRC(), 1), camera, now)
	s.Deliver(inside(b.SSRC(), 8), camera, now)
	s.Deliver(inside(a.SSRC(), 2), camera, now)
	same(t, ra, "1", "2")
	same(t, rb, "8")
	if ra.first.Source != camera || ra.first.SSRC != a.SSRC() || ra.first.PayloadType != 96 || ra.first.Bytes != 17 {
		t.Fatalf("first packet %+v", ra.first)
	}
}

func TestPacketsOfAClosedSessionAreNotTakenForAnother(t *testing.T) {
	s := offline(t)
	a, _ := open(t, s, rtp.Want{From: camera.Addr()})
	now := time.Now()
	s.Deliver(pack(a.SSRC(), 1), camera, now)
	a.Close()
	_, rb := open(t, s, rtp.Want{From: camera.Addr()})
	s.Deliver(pack(a.SSRC(), 2), camera, now)
	same(t, rb)
	o := s.Orphans()
	if len(o) != 1 || o[0].SSRC != a.SSRC() || o[0].Source != camera || o[0].Count != 1 {
		t.Fatalf("orphans %+v", o)
	}
}

func TestAnsweredSSRCIsExpectedToo(t *testing.T) {
	s := offline(t)
	a, r := open(t, s, rtp.Want{})
	if err := a.Expect(rtp.Answered{SSRC: 4711, HasSSRC: true}); err != nil {
		t.Fatal(err)
	}
	s.Deliver(inside(4711, 1), camera, time.Now())
	same(t, r, "1")
	a.Close()
	s.Deliver(inside(4711, 2), camera, time.Now())
	same(t, r, "1")
	if len(s.Orphans()) != 1 {
		t.Fatal("a closed session left its key behind")
	}
}

func TestForeignSSRCIsLearnedWhenExactlyOneSessionWaitsForTheAddress(t *testing.T) {
	s := offline(t)
	_, ra := open(t, s, rtp.Want{From: camera.Addr()})
	now := time.Now()
	s.Deliver(inside(0, 1), camera, now) // could be anything
	s.Deliver(pack(0, 2), camera, now)
	s.Deliver(inside(0, 3), camera, now)
	same(t, ra, "2", "3")

	_, rb := open(t, s, rtp.Want{From: other.Addr()})
	c, rc := open(t, s, rtp.Want{From: other.Addr()})
	s.Deliver(pack(5, 1), other, now)
	same(t, rb)
	same(t, rc)
	now = now.Add(time.Second)
	if err := c.Expect(rtp.Answered{Remote: other}); err != nil { // its port decides
		t.Fatal(err)
	}
	s.Deliver(pack(5, 2), other, now)
	same(t, rb)
	same(t, rc, "2")
}

func TestStreamThatRanBeforeTheSessionIsNotLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := offline(t)
		for i := range 10 {
			s.Deliver(pack(99, i), camera, time.Now())
			time.Sleep(100 * time.Millisecond)
		}
		_, r := open(t, s, rtp.Want{From: camera.Addr()})
		for i := range 10 {
			s.Deliver(pack(99, 10+i), camera, time.Now())
			time.Sleep(100 * time.Millisecond)
		}
		same(t, r)
		time.Sleep(time.Second) // the device ended it and begins anew
		s.Deliver(pack(99, 1), camera, time.Now())
		same(t, r, "1")
	})
}

func TestSourceIsLockedUntilItIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := offline(t)
		a, r := open(t, s, rtp.Want{})
		s.Deliver(inside(a.SSRC(), 1), camera, time.Now())
		time.Sleep(2*time.Second - 1)
		s.Deliver(inside(a.SSRC(), 2), moved(camera, 30000), time.Now())
		same(t, r, "1")
		time.Sleep(time.Nanosecond)
		s.Deliver(inside(a.SSRC(), 3), moved(camera, 30000), time.Now())
		s.Deliver(inside(a.SSRC(), 9), camera, time.Now())
		if st := a.Stats(); st.Source != moved(camera, 30000) || st.Foreign != 2 || st.Moved != 1 {
			t.Fatalf("stats %+v", st)
		}
		time.Sleep(150 * time.Millisecond)
		s.Tick(time.Now())
		same(t, r, "1", "gap1", "3")
	})
}

// A stranger that floods the shared port with our SSRCs must not keep a camera
// out: the address that signalling knows is believed at once.
func TestKnownAddressOutranksAStrangerThatWasFirst(t *testing.T) {
	s := offline(t)
	stranger := netip.MustParseAddrPort("198.51.100.7:4000")
	a, r := open(t, s, rtp.Want{From: camera.Addr()})
	now := time.Now()
	s.Deliver(inside(a.SSRC(), 900), stranger, now)
	s.Deliver(pack(a.SSRC(), 1), camera, now)
	s.Deliver(inside(a.SSRC(), 901), stranger, now)
	s.Deliver(inside(a.SSRC(), 2), camera, now)
	same(t, r, "900", "restart", "1", "2")

	b, r := open(t, s, rtp.Want{})
	s.Deliver(inside(b.SSRC(), 900), stranger, now)
	if err := b.Expect(rtp.Answered{Remote: other}); err != nil {
		t.Fatal(err)
	}
	s.Deliver(pack(b.SSRC(), 1), moved(other, 777), now)
	same(t, r, "900", "restart", "1")
}

func TestSSRCThatChangesMidStreamIsFollowedFromTheSameSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := offline(t)
		a, r := open(t, s, rtp.Want{})
		s.Deliver(inside(a.SSRC(), 1), camera, time.Now())
		s.Deliver(pack(77, 1), camera, time.Now())
		time.Sleep(2 * time.Second)
		s.Deliver(pack(77, 501), camera, time.Now())
		s.Deliver(inside(77, 502), camera, time.Now())
		same(t, r, "1", "restart", "501", "502")
	})
}

func TestTwoDevicesWithOneSSRCAreToldApartByAddress(t *testing.T) {
	s := offline(t)
	a, ra := open(t, s, rtp.Want{From: camera.Addr()})
	b, rb := open(t, s, rtp.Want{From: other.Addr()})
	for _, n := range []*rtp.Session{a, b} {
		if err := n.Expect(rtp.Answered{SSRC: 1, HasSSRC: true}); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	s.Deliver(inside(1, 10), camera, now)
	s.Deliver(inside(1, 20), other, now)
	s.Deliver(inside(1, 11), camera, now)
	s.Deliver(inside(1, 30), moved(netip.MustParseAddrPort("198.51.100.1:5"), 5), now)
	same(t, ra, "10", "11")
	same(t, rb, "20")
}

// Cameras of one recorder, or behind one NAT, that all send SSRC 0 or another
// one of their own.
func TestDevicesAtOneAddressWithOneSSRCAreToldApartByPort(t *testing.T) {
	for name, x := range map[string]rtp.Answered{
		"only sent":  {},
		"agreed too": {HasSSRC: true},
	} {
		s := offline(t)
		now := time.Now()
		var heard []*recorder
		for i := range 4 {
			n, r := open(t, s, rtp.Want{From: camera.Addr()})
			x.Remote = moved(camera, uint16(20000+i))
			if err := n.Expect(x); err != nil {
				t.Fatal(err)
			}
			heard = append(heard, r)
		}
		for seq := range 3 {
			for i := range heard {
				s.Deliver(pack(0, 100*i+seq), moved(camera, uint16(20000+i)), now)
			}
			s.Deliver(pack(0, 900+seq), moved(camera, 30000), now) // nobody's
			now = now.Add(40 * time.Millisecond)
		}
		for i, r := range heard {
			if got, want := r.log(), []string{fmt.Sprint(100 * i), fmt.Sprint(100*i + 1), fmt.Sprint(100*i + 2)}; !slices.Equal(got, want) {
				t.Errorf("%s: session %d heard %v, want %v", name, i, got, want)
			}
		}
	}
}

// What is sent beside a stream under its SSRC is somebody's zombie: seen, and
// not taken for a session that begins later.
func TestASecondSenderOfAnSSRCIsAnOrphan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := offline(t)
		a, ra := open(t, s, rtp.Want{From: camera.Addr()})
		var rb *recorder
		for i := range 20 {
			s.Deliver(inside(a.SSRC(), i), camera, time.Now())
			s.Deliver(pack(a.SSRC(), 500+i), moved(camera, 30000), time.Now())
			if i == 10 {
				_, rb = open(t, s, rtp.Want{From: camera.Addr()})
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(ra.log()); n != 20 {
			t.Errorf("the stream heard %d packets", n)
		}
		same(t, rb)
		if o := s.Orphans(); len(o) != 1 || o[0].Source != moved(camera, 30000) || o[0].Count != 20 {
			t.Errorf("orphans %+v", o)
		}
	})
}

func TestJunkIsCountedAndOrphansAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := offline(t)
		now := time.Now()
		for _, junk := range []string{"", "\x00\x00\x00\x00", "hello, this is text", "\x40\x60aaaaaaaaaaaaaa"} {
			s.Deliver([]byte(junk), camera, now)
		}
		for i := range 3000 {
			s.Deliver(inside(uint32(i), 1), camera, now)
		}
		if got := s.Totals(); got.Junk != 4 || got.Orphan != 3000 || got.OrphanUnlisted != 3000-1024 || len(s.Orphans()) != 1024 {
			t.Fatalf("totals %+v, %d orphans", got, len(s.Orphans()))
		}
		time.Sleep(time.Minute)
		s.Tick(time.Now())
		if n := len(s.Orphans()); n != 0 {
			t.Fatalf("%d orphans after a minute of silence", n)
		}
	})
}

// online is a server on loopback with a small range.
func online(t *testing.T, cfg rtp.Config) *rtp.Server {
	t.Helper()
	cfg.Domain, cfg.Listen = domain, "127.0.0.1:0"
	cfg.PortMin, cfg.PortMax = freeRange(t, 8)
	s, err := rtp.New(cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	ticks := time.NewTicker(10 * time.Millisecond)
	go func() {
		for {
			select {
			case <-done:
				return
			case now := <-ticks.C:
				s.Tick(now)
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done; ticks.Stop() })
	return s
}

func udpTo(t *testing.T, port int) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: loopback.AsSlice(), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func tcpTo(t *testing.T, port int) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func send(t *testing.T, c io.Writer, packets ...[]byte) {
	t.Helper()
	for _, p := range packets {
		if _, err := c.Write(p); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUDPReception(t *testing.T) {
	for name, mode := range map[string]rtp.Mode{"single": rtp.Single, "range": rtp.Range} {
		t.Run(name, func(t *testing.T) {
			s := online(t, rtp.Config{})
			n, r := open(t, s, rtp.Want{Mode: mode})
			c := udpTo(t, n.Port())
			send(t, c, []byte{0, 0, 0, 0}, pack(n.SSRC(), 1), inside(n.SSRC(), 3), inside(n.SSRC(), 2))
			r.wait(t, "1", "2", "3")
			if got := r.first.Source.Port(); int(got) != c.LocalAddr().(*net.UDPAddr).Port {
				t.Fatalf("source port %d", got)
			}
			n.Close()
			if got := s.Counts(); got != (rtp.Counts{}) {
				t.Fatalf("left over: %+v", got)
			}
		})
	}
}

func TestLeasedPortLearnsTheSSRC(t *testing.T) {
	s := online(t, rtp.Config{})
	gone, _ := open(t, s, rtp.Want{})
	gone.Close()
	n, r := open(t, s, rtp.Want{Mode: rtp.Range})
	c := udpTo(t, n.Port())
	send(t, c, inside(123, 1), pack(gone.SSRC(), 2), pack(123, 3), inside(123, 4), pack(n.SSRC(), 5), inside(123, 5))
	r.wait(t, "3", "4", "5")
	if st := n.Stats(); st.Foreign != 3 || st.SSRC != 123 {
		t.Fatalf("stats %+v", st)
	}
}

func TestTCPPassiveReception(t *testing.T) {
	for name, mode := range map[string]rtp.Mode{"single": rtp.Single, "range": rtp.Range} {
		for form, wrap := range map[string]func([]byte) []byte{"RFC 4571": frame, "interleaved": interleaved} {
			t.Run(name+" "+form, func(t *testing.T) {
				s := online(t, rtp.Config{})
				n, r := open(t, s, rtp.Want{Mode: mode, Transport: rtp.TCPPassive})
				c := tcpTo(t, n.Port())
				for _, b := range wrap(inside(n.SSRC(), 1)) {
					send(t, c, []byte{b})
				}
				send(t, c, wrap(senderReport), wrap(inside(n.SSRC(), 2)), wrap(inside(n.SSRC(), 4)))
				r.wait(t, "1", "2", "gap1", "4")
				_ = c.Close()
				eventually(t, func() string {
					if st := n.Stats(); st.Connected || st.Disconnected.IsZero() {
						return "still connected"
					}
					return ""
				})
				n.Close()
				eventually(t, func() string {
					if got := s.Counts(); got != (rtp.Counts{}) {
						return fmt.Sprintf("left over: %+v", got)
					}
					return ""
				})
			})
		}
	}
}

func TestConnectionThatComesBeforeTheAnswerIsKeptUntilItsSSRCIsExpected(t *testing.T) {
	s := online(t, rtp.Config{})
	n, r := open(t, s, rtp.Want{Transport: rtp.TCPPassive})
	c := tcpTo(t, n.Port())
	send(t, c, frame(inside(555, 1)), frame(inside(555, 2)))
	time.Sleep(50 * time.Millisecond)
	if err := n.Expect(rtp.Answered{SSRC: 555, HasSSRC: true}); err != nil {
		t.Fatal(err)
	}
	r.wait(t, "1", "2")
}

func TestSecondConnectionIsRejectedWhileTheFirstIsAlive(t *testing.T) {
	s := online(t, rtp.Config{})
	n, r := open(t, s, rtp.Want{Transport: rtp.TCPPassive})
	a := tcpTo(t, n.Port())
	send(t, a, frame(inside(n.SSRC(), 1)))
	r.wait(t, "1")
	b := tcpTo(t, n.Port())
	send(t, b, frame(inside(n.SSRC(), 50)))
	_ = b.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := b.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the second connection stays: %v", err)
	}
	send(t, a, frame(inside(n.SSRC(), 2)))
	r.wait(t, "1", "2")

	time.Sleep(2*time.Second + 10*time.Millisecond) // the first falls silent
	d := tcpTo(t, n.Port())
	send(t, d, frame(inside(n.SSRC(), 50)))
	r.wait(t, "1", "2", "restart", "50")
}

func TestAStreamCannotBeTakenOverByTheOtherTransport(t *testing.T) {
	s := online(t, rtp.Config{})
	stranger := netip.MustParseAddrPort("198.51.100.7:4000")

	tcp, rt := open(t, s, rtp.Want{Transport: rtp.TCPPassive})
	device := tcpTo(t, tcp.Port())
	send(t, device, frame(inside(tcp.SSRC(), 1)))
	rt.wait(t, "1")
	s.Deliver(pack(tcp.SSRC(), 2), stranger, time.Now())
	send(t, device, frame(inside(tcp.SSRC(), 2)))
	rt.wait(t, "1", "2")
	if st := tcp.Stats(); st.Packets != 2 || st.Moved != 0 || st.Source.Addr() == stranger.Addr() {
		t.Errorf("a datagram got into a stream over TCP: %+v", st)
	}

	udp, ru := open(t, s, rtp.Want{})
	s.Deliver(inside(udp.SSRC(), 1), camera, time.Now())
	thief := tcpTo(t, udp.Port())
	send(t, thief, frame(pack(udp.SSRC(), 50)), frame(inside(udp.SSRC(), 51)))
	eventually(t, func() string {
		if len(s.Orphans()) == 0 {
			return "the connection is not an orphan"
		}
		return ""
	})
	_ = thief.Close()
	s.Deliver(inside(udp.SSRC(), 2), camera, time.Now())
	same(t, ru, "1", "2")
	if st := udp.Stats(); st.Source != camera || st.Connected || !st.Disconnected.IsZero() {
		t.Errorf("a connection got into a stream over UDP: %+v", st)
	}
}

func TestUnknownConnectionsAreBounded(t *testing.T) {
	s := online(t, rtp.Config{UnknownPerIP: 2})
	closed := func(c net.Conn) string {
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, io.EOF) || strings.Contains(fmt.Sprint(err), "reset") {
			return ""
		}
		return "connection stays open"
	}
	web := tcpTo(t, s.Port())
	send(t, web, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	eventually(t, func() string { return closed(web) })

	big := tcpTo(t, s.Port())
	for range 70 {
		_, _ = big.Write(frame(packet(31337, 1, 1000)))
	}
	eventually(t, func() string { return closed(big) })
	eventually(t, func() string { return fmt.Sprint(s.Counts().Conns)[1:] })

	_, _ = tcpTo(t, s.Port()), tcpTo(t, s.Port())
	eventually(t, func() string {
		if s.Counts().Conns != 2 {
			return "not accepted yet"
		}
		return ""
	})
	third := tcpTo(t, s.Port())
	eventually(t, func() string { return closed(third) })
	if s.Totals().ConnsRejected < 3 {
		t.Fatalf("totals %+v", s.Totals())
	}
}

func TestTCPActiveConnectsFromThePortOfTheOffer(t *testing.T) {
	for name, mode := range map[string]rtp.Mode{"single": rtp.Single, "range": rtp.Range} {
		t.Run(name, func(t *testing.T) {
			s := online(t, rtp.Config{})
			device, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer device.Close()
			n, r := open(t, s, rtp.Want{Mode: mode, Transport: rtp.TCPActive})
			if err := n.Expect(rtp.Answered{Remote: netip.MustParseAddrPort(device.Addr().String())}); err != nil {
				t.Fatal(err)
			}
			if err := n.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			c, err := device.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if got := c.RemoteAddr().(*net.TCPAddr).Port; got != n.Port() {
				t.Errorf("connected from port %d, want %d", got, n.Port())
			}
			send(t, c, frame(pack(8, 1)), frame(inside(8, 2)))
			r.wait(t, "1", "2")
		})
	}
}

func TestTCPActiveGivesUpWithTheCallersContext(t *testing.T) {
	s := online(t, rtp.Config{})
	n, _ := open(t, s, rtp.Want{Transport: rtp.TCPActive})
	if err := n.Connect(t.Context()); err == nil {
		t.Fatal("connected to nowhere")
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	_ = n.Expect(rtp.Answered{Remote: netip.MustParseAddrPort(l.Addr().String())})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := n.Connect(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Fatalf("Connect = %v", err)
	}
}

func TestReceiverReportGoesToThePortAfterTheSource(t *testing.T) {
	s := online(t, rtp.Config{})
	n, r := open(t, s, rtp.Want{Mode: rtp.Range})
	var media, control *net.UDPConn
	for control == nil {
		first, _ := freeRange(t, 1)
		var err error
		if media, err = net.DialUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice(), Port: first}, &net.UDPAddr{IP: loopback.AsSlice(), Port: n.Port()}); err != nil {
			continue
		}
		if control, err = net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice(), Port: first + 1}); err != nil {
			_ = media.Close()
		}
	}
	defer media.Close()
	defer control.Close()
	send(t, media, pack(n.SSRC(), 65534), inside(n.SSRC(), 65535), inside(n.SSRC(), 1))
	r.wait(t, "65534", "65535", "gap1", "1")
	s.Tick(time.Now().Add(5 * time.Second))
	b := make([]byte, 1500)
	_ = control.SetReadDeadline(time.Now().Add(8 * time.Second))
	got, err := control.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	b = b[:got]
	be := binary.BigEndian
	if len(b) != 32 || b[1] != 201 || be.Uint32(b[4:]) != n.SSRC()+1 || be.Uint32(b[8:]) != n.SSRC() ||
		be.Uint32(b[12:]) != 64<<24|1 || be.Uint32(b[16:]) != 65537 {
		t.Fatalf("report %x", b)
	}
}

func TestSecondServerOnThePortFailsWithARemedy(t *testing.T) {
	s := online(t, rtp.Config{})
	addr := fmt.Sprintf("127.0.0.1:%d", s.Port())
	again, err := rtp.New(rtp.Config{Domain: domain, Listen: addr}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), addr) {
		t.Fatalf("Listen = %v", err)
	}
}

func TestReceivingInOrderCostsNoAllocation(t *testing.T) {
	s := offline(t)
	var sessions []*rtp.Session
	for range 10 {
		n, err := s.Open(rtp.Want{}, drain{})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		sessions = append(sessions, n)
	}
	p := packet(0, 0, 1400)
	now, seq := time.Now(), uint16(0)
	if a := testing.AllocsPerRun(1000, func() {
		seq++
		for _, n := range sessions {
			binary.BigEndian.PutUint16(p[2:], seq)
			binary.BigEndian.PutUint32(p[8:], n.SSRC())
			s.Deliver(p, camera, now)
		}
	}); a != 0 {
		t.Fatalf("%v allocations for ten packets", a)
	}
}
