package intake_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fengsui/sip/intake"
)

// connect opens a connection to a socket of the rig.
func connect(t *testing.T, to net.Addr) *net.TCPConn {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(context.Background(), "tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// within is how long a peer waits until its connection is closed.
func within(t *testing.T, c net.Conn, start time.Time, limit time.Duration) time.Duration {
	t.Helper()
	_ = c.SetReadDeadline(start.Add(limit))
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("still open after %v", limit)
	}
	return time.Since(start)
}

// What the tests in memory show of deadlines, for sockets of the system.
func TestSilentSocketsAreClosed(t *testing.T) {
	const idle, half = 1200 * time.Millisecond, 200 * time.Millisecond // further apart than a loop's tick
	for name, c := range map[string]struct {
		first, reason string
		least         time.Duration
	}{
		"nothing is sent":            {"", "slow", half},
		"a request is begun":         {register("1", "")[:100], "slow", half},
		"a body does not come":       {strings.Replace(post("1", "<R>"), "Content-Length: 3", "Content-Length: 2147", 1), "slow", half},
		"idle after a message":       {register("1", ""), "idle", idle},
		"the next one is begun only": {register("1", "") + register("2", "")[:100], "slow", half},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, intake.Config{IdleTCP: idle, MessageTCP: half})
			at, start := r.sockets(), time.Now()
			conn := connect(t, at)
			send(t, conn, c.first)
			if took := within(t, conn, start, 10*time.Second); took < c.least {
				t.Errorf("closed after %v", took)
			}
			<-r.closed
			if r.count("connections_closed_total", "reason="+c.reason) != 1 {
				t.Errorf("not counted as %s", c.reason)
			}
		})
	}
}

func TestSpokenToSocketStaysOpen(t *testing.T) {
	r := newRig(t, intake.Config{IdleTCP: 400 * time.Millisecond})
	c := connect(t, r.sockets())
	b := make([]byte, 4096)
	for i := range 12 {
		send(t, c, register(fmt.Sprint(i), ""))
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := c.Read(b); err != nil || !strings.HasPrefix(string(b[:n]), "SIP/2.0 401 ") {
			t.Fatalf("request %d: %q, %v", i, b[:n], err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Who takes no answers loses the connection and holds up nobody.
func TestPeerThatTakesNothingIsClosed(t *testing.T) {
	r := newRig(t, intake.Config{WriteTimeout: 300 * time.Millisecond})
	at := r.sockets()
	slow, quick := connect(t, at), connect(t, at)
	_ = slow.SetReadBuffer(4096)
	_ = slow.SetWriteDeadline(time.Now().Add(20 * time.Second))
	many := []byte(strings.Repeat(register("1", ""), 1000))
	for {
		if _, err := slow.Write(many); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("still open")
		} else if err != nil {
			break
		}
		send(t, quick, register("2", ""))
		_ = quick.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := quick.Read(make([]byte, 4096)); n == 0 {
			t.Fatalf("the other is not answered: %v", err)
		}
	}
	<-r.closed
	if r.count("write_errors_total") != 1 || r.count("connections_closed_total", "reason=error") != 1 {
		t.Error("not counted")
	}
}

// More at once than a loop looks at before it answers, and more of each than it
// reads at a time.
func TestACrowdOfSocketsIsAnswered(t *testing.T) {
	const peers, rounds, each = 96, 4, 12
	r := newRig(t, intake.Config{})
	at := r.sockets()
	var all []*net.TCPConn
	for range peers {
		all = append(all, connect(t, at))
	}
	many := []byte(strings.Repeat(post("2", keepaliveBody), each))
	for round := range rounds {
		for _, c := range all {
			if _, err := c.Write(many); err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range all {
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
			answers, b := 0, make([]byte, 64<<10)
			for answers < each {
				n, err := c.Read(b)
				if err != nil {
					t.Fatalf("round %d, peer %d: %d of %d answers: %v", round, i, answers, each, err)
				}
				answers += strings.Count(string(b[:n]), "SIP/2.0 200 OK")
			}
		}
	}
	counted := func() float64 { return r.count("sent_total", "transport=tcp") }
	for end := time.Now().Add(5 * time.Second); counted() < peers*rounds*each && time.Now().Before(end); {
		time.Sleep(time.Millisecond) // an answer is counted when it has been written, which its peer may see first
	}
	if n := counted(); n != peers*rounds*each {
		t.Errorf("%v answers counted", n)
	}
}

// A peer may close for writing and wait for its answers.
func TestHalfClosedSocketIsAnswered(t *testing.T) {
	r := newRig(t, intake.Config{})
	c := connect(t, r.sockets())
	send(t, c, register("1", "")+post("2", keepaliveBody))
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b, err := io.ReadAll(c)
	if err != nil || strings.Count(string(b), "SIP/2.0 ") != 2 {
		t.Errorf("got %q, %v", b, err)
	}
}

// writes notes what is written by one call.
type writes struct {
	net.Conn
	mu  sync.Mutex
	all []string
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.all = append(w.all, string(p))
	w.mu.Unlock()
	return w.Conn.Write(p)
}

// one is a listener of one connection.
type one struct {
	net.Listener
	c chan net.Conn
}

func (l one) Accept() (net.Conn, error) {
	if c, ok := <-l.c; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func TestAnswersOfPipelinedRequestsAreInOrderAndInOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{})
		inner, err := r.net.Listen(t.Context(), "tcp", home)
		if err != nil {
			t.Fatal(err)
		}
		c := r.dial(camera)
		accepted, err := inner.Accept()
		if err != nil {
			t.Fatal(err)
		}
		w := &writes{Conn: accepted}
		l := one{inner, make(chan net.Conn, 1)}
		l.c <- w
		r.serve(l)
		t.Cleanup(func() { close(l.c) })
		first := register("1", "") + post("2", keepaliveBody) + register("3", "")
		send(t, c, first+post("4", alarmBody)+register("5", ""))
		if got := r.next().message; !strings.HasSuffix(got, alarmBody) {
			t.Fatalf("handed on %q", got)
		}
		got := receive(t, c)
		at := -1
		for _, n := range []string{"1", "2", "3", "5"} {
			i := strings.Index(got, "branch=z9hG4bK"+n)
			if i < at || i < 0 {
				t.Errorf("answer %s is not in its place:\n%s", n, got)
			}
			at = i
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.all) != 2 || strings.Count(w.all[0], "SIP/2.0 ") != 3 {
			t.Errorf("%d writes: %q", len(w.all), w.all)
		}
		if r.count("sent_total", "transport=tcp") != 4 {
			t.Errorf("%v answers counted", r.count("sent_total"))
		}
	})
}
