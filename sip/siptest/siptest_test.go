package siptest_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"fengsui/sip/flow"
	"fengsui/sip/siptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var home = netip.MustParseAddr("198.51.100.5")

func udp(s string) net.Addr { return net.UDPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

func TestDatagramsReachTheSocketBoundThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := siptest.NewNetwork(home)
		a, err := n.ListenPacket(t.Context(), "udp", "192.0.2.1:5060")
		if err != nil {
			t.Fatal(err)
		}
		b, err := n.ListenPacket(t.Context(), "udp", ":5070")
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		exchange := func(from net.PacketConn, to net.PacketConn, dst, want string) {
			t.Helper()
			if _, err := from.WriteTo([]byte("x"), udp(dst)); err != nil {
				t.Fatal(err)
			}
			if _, src, err := to.ReadFrom(buf); err != nil || src.String() != want {
				t.Errorf("from %v, %v, want %s", src, err, want)
			}
		}
		exchange(a, b, "198.51.100.5:5070", "192.0.2.1:5060")
		exchange(b, a, "192.0.2.1:5060", "198.51.100.5:5070")
		if _, err := n.ListenPacket(t.Context(), "udp", "192.0.2.1:5060"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("bound twice: %v", err)
		}
		n.Filter(func(p siptest.Packet) bool { return string(p.Data) != "lost" })
		_, _ = a.WriteTo([]byte("lost"), udp("198.51.100.5:5070"))
		_, _ = a.WriteTo([]byte("nobody"), udp("198.51.100.5:1"))
		exchange(a, b, "198.51.100.5:5070", "192.0.2.1:5060")
		if n.Lost() != 2 {
			t.Errorf("%d lost", n.Lost())
		}
		begin := time.Now()
		_ = a.SetReadDeadline(begin.Add(time.Minute))
		if _, _, err := a.ReadFrom(buf); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Minute {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		_ = a.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Second, func() { _ = a.Close() })
		if _, _, err := a.ReadFrom(buf); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after close: %v", err)
		}
		_ = b.Close()
	})
}

func TestConnectionsCarryBytesBothWaysUntilClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := siptest.NewNetwork(home)
		local, server := netip.MustParseAddrPort("192.0.2.1:0"), netip.MustParseAddrPort("198.51.100.5:5060")
		if _, err := n.Dial(local, server); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dialled nobody: %v", err)
		}
		l, err := n.Listen(t.Context(), "tcp", "0.0.0.0:5060")
		if err != nil {
			t.Fatal(err)
		}
		a, err := n.Dial(local, server)
		if err != nil {
			t.Fatal(err)
		}
		b, err := l.Accept()
		if err != nil || b.RemoteAddr().String() != a.LocalAddr().String() || b.LocalAddr().String() != server.String() {
			t.Fatalf("accepted %v -> %v, %v", b.RemoteAddr(), b.LocalAddr(), err)
		}
		large := bytes.Repeat([]byte("x"), 3<<20) // more than fits in flight
		go func() {
			for i := 0; i < len(large); i += 1 << 16 {
				_, _ = a.Write(large[i : i+1<<16])
			}
			_ = a.Close()
		}()
		if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, large) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write to a closed peer: %v", err)
		}
		_ = b.Close()
		_ = l.Close()
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept after close: %v", err)
		}
	})
}

func TestStuckWriterMeetsItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := siptest.NewNetwork(home)
		l, _ := n.Listen(t.Context(), "tcp", "198.51.100.5:5060")
		a, err := n.Dial(netip.MustParseAddrPort("192.0.2.1:0"), netip.MustParseAddrPort("198.51.100.5:5060"))
		if err != nil {
			t.Fatal(err)
		}
		_ = a.SetWriteDeadline(time.Now().Add(10 * time.Second))
		for err == nil {
			_, err = a.Write(make([]byte, 1<<16))
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		_ = a.Close()
		_ = l.Close()
	})
}

func TestDeviceSpeaksSIP(t *testing.T) {
	for _, transport := range []string{flow.UDP, flow.TCP} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := siptest.NewNetwork(home)
				server := netip.MustParseAddrPort("198.51.100.5:5060")
				var send func([]byte)
				if transport == flow.UDP {
					c, _ := n.ListenPacket(t.Context(), "udp", server.String())
					t.Cleanup(func() { _ = c.Close() })
					send = func(b []byte) { _, _ = c.WriteTo(b, udp("192.0.2.20:5060")) }
				} else {
					l, _ := n.Listen(t.Context(), "tcp", server.String())
					accepted := make(chan net.Conn, 1)
					go func() { c, _ := l.Accept(); accepted <- c }()
					t.Cleanup(func() { _ = l.Close() })
					send = func(b []byte) {
						c := <-accepted
						for _, part := range [][]byte{b[:10], b[10:]} { // split anywhere
							_, _ = c.Write(part)
						}
						accepted <- c
					}
				}
				d := siptest.NewDevice(t, siptest.Config{Net: n, Server: server, Transport: transport})
				want := d.Request("MESSAGE", "<Query/>", siptest.Header{Name: "From", Value: "<sip:x@y>;tag=1"})
				send(want.Bytes())
				got := d.Expect("MESSAGE")
				if !bytes.Equal(got.Raw, want.Bytes()) || got.Param("From", "tag") != "1" {
					t.Errorf("heard\n%s", got.Raw)
				}
				d.Answer(got, 200, "OK", "")
				if s := d.Transcript(); !strings.Contains(s, "< ") || !strings.Contains(s, "\nSIP/2.0 200 OK\r\n") {
					t.Errorf("transcript:\n%s", s)
				}
				d.React(func(m *siptest.Message) []byte { return d.Response(m, 404, "Not Found", "").Bytes() })
				send(want.Bytes())
				d.Silence(time.Minute, nil)
				if !strings.Contains(d.Transcript(), "SIP/2.0 404 Not Found") {
					t.Errorf("transcript:\n%s", d.Transcript())
				}
			})
		})
	}
}

func FuzzParseMessage(f *testing.F) {
	f.Add([]byte("MESSAGE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h\r\nl: 3\r\n\r\nabc"))
	f.Add([]byte("SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\nrest"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := siptest.ParseMessage(raw)
		if err != nil {
			return
		}
		again, err := siptest.ParseMessage(m.Bytes())
		if err != nil || !bytes.Equal(again.Bytes(), m.Bytes()) {
			t.Fatalf("%v:\n%q\nbecame\n%q", err, m.Bytes(), again.Bytes())
		}
	})
}
