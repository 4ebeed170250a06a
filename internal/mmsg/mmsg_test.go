package mmsg_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"fengsui/internal/mmsg"
)

func listen(t *testing.T, network, address string) *net.UDPConn {
	t.Helper()
	a, err := net.ResolveUDPAddr(network, address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.ListenUDP(network, a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

func receive(t *testing.T, c *net.UDPConn) string {
	t.Helper()
	b := make([]byte, 100)
	n, _, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// A dual-stack socket must answer both families and report IPv4 as such.
func TestAnswersGoToTheSendersInOrder(t *testing.T) {
	for _, network := range []string{"udp4", "udp"} {
		t.Run(network, func(t *testing.T) {
			server := listen(t, network, ":0")
			at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(server.LocalAddr().(*net.UDPAddr).Port))
			peers := []*net.UDPConn{listen(t, "udp4", "127.0.0.1:0"), listen(t, "udp4", "127.0.0.2:0")}
			const each = 7
			for i := range each {
				for _, p := range peers {
					if _, err := p.WriteToUDPAddrPort(fmt.Appendf(nil, "message %d", i), at); err != nil {
						t.Fatal(err)
					}
				}
			}
			r, err := mmsg.NewReader(server)
			if err != nil {
				t.Fatal(err)
			}
			q, err := mmsg.NewQueue(server, 4, 64)
			if err != nil {
				t.Fatal(err)
			}
			b := mmsg.NewBatch(3, 2048)
			heard, sent, bytes := 0, 0, 0
			flush := func() {
				n, size, refused, err := q.Flush()
				if err != nil || refused != 0 {
					t.Fatalf("Flush = %d refused, %v", refused, err)
				}
				sent, bytes = sent+n, bytes+size
			}
			err = r.Read(b, func(n int) bool {
				for i := range n {
					from := peers[heard%2].LocalAddr().(*net.UDPAddr).AddrPort()
					if got := b.From(i); got.Port() != from.Port() || got.Addr() != from.Addr().Unmap() {
						t.Errorf("datagram %d is from %v, want %v", heard, got, from)
					}
					answer := append([]byte("to "), b.Datagram(i)...)
					if !q.Add(b, i, answer) {
						flush()
						if !q.Add(b, i, answer) {
							t.Error("no room in an empty queue")
						}
					}
					heard++
				}
				return heard < each*len(peers)
			})
			if err != nil {
				t.Fatal(err)
			}
			flush()
			if want := each * len(peers); sent != want || bytes != want*len("to message 0") {
				t.Errorf("sent %d of %d, %d bytes", sent, want, bytes)
			}
			for _, p := range peers {
				for i := range each {
					if got, want := receive(t, p), fmt.Sprintf("to message %d", i); got != want {
						t.Errorf("answer %q, want %q", got, want)
					}
				}
			}
		})
	}
}

func TestTheQueueRefusesWhatDoesNotFit(t *testing.T) {
	server, peer := listen(t, "udp4", "127.0.0.1:0"), listen(t, "udp4", "127.0.0.1:0")
	if _, err := peer.WriteTo([]byte("x"), server.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	r, err := mmsg.NewReader(server)
	if err != nil {
		t.Fatal(err)
	}
	b := mmsg.NewBatch(1, 2048)
	if err := r.Read(b, func(int) bool { return false }); err != nil {
		t.Fatal(err)
	}
	q, err := mmsg.NewQueue(server, 2, 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []bool
	for _, answer := range []string{"12345678901", "", "123456", "12345", "1234", ""} {
		got = append(got, q.Add(b, 0, []byte(answer)))
	}
	if want := []bool{false, false, true, false, true, false}; !slices.Equal(got, want) {
		t.Errorf("Add = %v, want %v", got, want)
	}
	if n, bytes, refused, err := q.Flush(); n != 2 || bytes != 10 || refused != 0 || err != nil {
		t.Errorf("Flush = %d, %d, %d, %v", n, bytes, refused, err)
	}
}

func TestReadingEndsWithTheSocket(t *testing.T) {
	for name, end := range map[string]struct {
		do   func(*net.UDPConn) error
		want error
	}{
		"closed":   {(*net.UDPConn).Close, net.ErrClosed},
		"deadline": {func(c *net.UDPConn) error { return c.SetReadDeadline(time.Now()) }, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			c := listen(t, "udp4", "127.0.0.1:0")
			r, err := mmsg.NewReader(c)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error)
			go func() { ended <- r.Read(mmsg.NewBatch(1, 10), func(int) bool { return true }) }()
			time.Sleep(10 * time.Millisecond)
			if err := end.do(c); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; !errors.Is(err, end.want) {
				t.Errorf("Read = %v, want %v", err, end.want)
			}
		})
	}
}

func TestWhatIsQueuedOnAClosedSocketIsRefused(t *testing.T) {
	server, peer := listen(t, "udp4", "127.0.0.1:0"), listen(t, "udp4", "127.0.0.1:0")
	if _, err := peer.WriteTo([]byte("x"), server.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	r, err := mmsg.NewReader(server)
	if err != nil {
		t.Fatal(err)
	}
	q, err := mmsg.NewQueue(server, 4, 100)
	if err != nil {
		t.Fatal(err)
	}
	b := mmsg.NewBatch(4, 100)
	if err := r.Read(b, func(int) bool { return false }); err != nil {
		t.Fatal(err)
	}
	q.Add(b, 0, []byte("one"))
	q.Add(b, 0, []byte("two"))
	_ = server.Close()
	if n, _, refused, err := q.Flush(); n != 0 || refused != 2 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Flush = %d, %d refused, %v", n, refused, err)
	}
}
