package intake_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fengsui/sip/flow"
	"fengsui/sip/intake"
	"fengsui/sip/trace"
)

func send(t *testing.T, c net.Conn, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if _, err := c.Write([]byte(p)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestConnectionIsAnsweredWhereItComesIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{})
		r.streams()
		c := r.dial(camera)
		m := register("1", "")
		for _, parts := range [][]string{
			{m},
			{m[:100], m[100:]},
			{m[:len(m)-2], m[len(m)-2:]}, // dependencies.md SIP trap 1: the final CRLF in its own segment
			{m[:len(m)-1], m[len(m)-1:]},
			{"\r\n" + m},
			{strings.Replace(m, "Content-Length: 0\r\n", "", 1)},
			{strings.Replace(m, "Content-Length: 0", "Content-Length:    0 ", 1)},
			{strings.ReplaceAll(m, "\r", "")},
		} {
			send(t, c, parts...)
			if got := statusOf(receive(t, c)); got != "SIP/2.0 401 Unauthorized" {
				t.Errorf("%q is answered %q", parts, got)
			}
		}
		send(t, c, m+post("2", keepaliveBody)+m)
		if got := strings.Count(receive(t, c), "SIP/2.0 "); got != 3 {
			t.Errorf("%d of 3 requests in a segment answered", got)
		}
		send(t, c, "\r\n\r", "\n")
		if got := receive(t, c); got != "\r\n" {
			t.Errorf("keep-alive is answered %q", got)
		}
		if h := r.next(); h.message != "" {
			t.Errorf("handed on:\n%s", h.message)
		}
		if got := r.direct.calls()[0]; got != "REGISTER "+id+" tcp "+camera {
			t.Errorf("Direct saw %s", got)
		}
		if r.count("connections", "transport=tcp") != 1 {
			t.Error("the connection is not counted")
		}
	})
}

func TestConnectionHandsOnWholeMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{})
		r.streams()
		c := r.dial(camera)
		m := post("1", alarmBody)
		send(t, c, m+m[:50], m[50:len(m)-3], m[len(m)-3:])
		for _, seq := range []string{"1", "2"} {
			h := r.next()
			if !strings.Contains(h.message, "X-Recv-Seq: "+seq+"\r\nX-Recv-Flow: tcp/1/"+home+"/"+camera+"\r\n") ||
				!strings.HasSuffix(h.message, alarmBody) {
				t.Errorf("message %s:\n%s", seq, h.message)
			}
			if h.conn.RemoteAddr().String() != camera {
				t.Errorf("from %v", h.conn.RemoteAddr())
			}
		}
		send(t, c, m)
		if _, err := r.next().conn.Write([]byte("SIP/2.0 200 OK\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, c); got != "SIP/2.0 200 OK\r\n\r\n" {
			t.Errorf("got %q", got)
		}
		got := r.ring.Find(trace.Query{})
		if len(got) != 4 || got[3].Dir != trace.Out || got[3].Flow.Transport != flow.TCP {
			t.Errorf("%d messages traced", len(got))
		}
	})
}

func TestWrongLengthIsAnsweredAfterASecondOfSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{})
		r.streams()
		c := r.dial(camera)
		send(t, c, strings.Replace(post("1", keepaliveBody), "Content-Length: ", "Content-Length: 9", 1))
		time.Sleep(500 * time.Millisecond)
		if n := len(r.direct.calls()); n != 0 {
			t.Error("did not wait for the rest")
		}
		if got := statusOf(receive(t, c)); got != "SIP/2.0 200 OK" {
			t.Errorf("answer %q", got)
		}
		send(t, c, post("2", keepaliveBody))
		if got := statusOf(receive(t, c)); got != "SIP/2.0 200 OK" {
			t.Errorf("next answer %q", got)
		}
		if r.count("repaired_total", "quirk=length") != 1 {
			t.Error("the wrong length was not counted")
		}
	})
}

func TestLongMessageIsHandedOnWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{})
		r.streams()
		c := r.dial(camera)
		m := post("1", "<Response>"+strings.Repeat("x", 7<<20)+"</Response>\r\n")
		send(t, c, m[:5000], m[5000:1<<20], m[1<<20:]+post("2", alarmBody))
		got := r.next().message
		if head, body, _ := strings.Cut(got, "\r\n\r\n"); !strings.HasSuffix(m, "\r\n\r\n"+body) || !strings.Contains(head, "X-Recv-Seq: 1\r\n") {
			t.Errorf("%d bytes of %d:\n%.500s", len(got), len(m), got)
		}
		if got := r.next().message; !strings.HasSuffix(got, alarmBody) {
			t.Errorf("the next one: %q", got)
		}
	})
}

func TestBodyOverTheLimitIsAnswered413AndSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{MaxBody: 10_000})
		r.streams()
		c := r.dial(camera)
		send(t, c, post("1", strings.Repeat("x", 30_000)), register("2", ""))
		got := receive(t, c)
		if !strings.HasPrefix(got, "SIP/2.0 413 ") || !strings.Contains(got, "SIP/2.0 401 ") {
			t.Errorf("answers:\n%s", got)
		}
		send(t, c, strings.Replace(post("3", "x"), "Content-Length: 1", "Content-Length: 900000000", 1))
		if got := statusOf(receive(t, c)); !strings.HasPrefix(got, "SIP/2.0 413 ") || !ended(c) {
			t.Errorf("answer %q, and the connection is open", got)
		}
	})
}

func TestConnectionsEnd(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		act          func(t *testing.T, c net.Conn)
		after        time.Duration // at the latest
		notBefore    time.Duration
	}{
		{"nothing is sent", "slow", func(*testing.T, net.Conn) {}, 31 * time.Second, 29 * time.Second},
		{"a message is not finished", "slow", func(t *testing.T, c net.Conn) {
			for range 40 {
				if _, err := c.Write([]byte("X")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}, 41 * time.Second, 29 * time.Second},
		{"idle after a message", "idle", func(t *testing.T, c net.Conn) { send(t, c, register("1", "")) }, 676 * time.Second, 600 * time.Second},
		{"junk", "junk", func(t *testing.T, c net.Conn) { send(t, c, strings.Repeat("junk\r\n", 12_000)) }, time.Second, 0},
		{"the peer closes", "peer", func(_ *testing.T, c net.Conn) { _ = c.Close() }, time.Second, 0},
		{"too much unfinished", "memory", func(t *testing.T, c net.Conn) {
			send(t, c, strings.Replace(post("1", strings.Repeat("x", 200_000)), "Content-Length: 2", "Content-Length: 5", 1))
		}, time.Second, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, intake.Config{MaxPartial: 150_000})
				r.streams()
				conn := r.dial(camera)
				start := time.Now()
				c.act(t, conn)
				want := flow.Flow{Transport: flow.TCP, Listener: 1, Local: netip.MustParseAddrPort(home), Remote: netip.MustParseAddrPort(camera)}
				select {
				case f := <-r.closed:
					if f != want {
						t.Errorf("closed %v, want %v", f, want)
					}
				case <-time.After(time.Until(start.Add(c.after))):
					t.Fatal("still open")
				}
				if took := time.Since(start); took < c.notBefore {
					t.Errorf("closed after %v", took)
				}
				synctest.Wait()
				if len(r.closed) != 0 {
					t.Error("closed twice")
				}
				if r.count("connections_closed_total", "reason="+c.reason) != 1 || r.count("connections") != 0 {
					t.Errorf("not counted as %s", c.reason)
				}
			})
		})
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{Conns: 4, ConnsPerIP: 2})
		r.streams()
		var open []net.Conn
		for _, from := range []string{"192.0.2.20:1", "192.0.2.20:2", "192.0.2.20:3", "192.0.2.21:1", "192.0.2.22:1", "192.0.2.23:1"} {
			open = append(open, r.dial(from))
			synctest.Wait()
		}
		var refused []bool
		for _, c := range open {
			refused = append(refused, ended(c))
		}
		if diff := cmp.Diff([]bool{false, false, true, false, false, true}, refused); diff != "" {
			t.Errorf("refused (-want +got):\n%s", diff)
		}
		if r.count("connections_refused_total", "reason=per_ip") != 1 || r.count("connections_refused_total", "reason=total") != 1 {
			t.Error("refusals were not counted")
		}
		_ = open[0].Close()
		synctest.Wait()
		again := r.dial("192.0.2.20:4")
		synctest.Wait()
		if ended(again) {
			t.Error("a closed connection still counts")
		}
	})
}

// flaky is a listener that fails before each connection, as with too many open
// files.
type flaky struct {
	net.Listener
	failed int
}

func (l *flaky) Accept() (net.Conn, error) {
	if l.failed++; l.failed <= 3 {
		return nil, errors.New("too many open files")
	}
	return l.Listener.Accept()
}

func TestAcceptGoesOnAfterErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{})
		inner, err := r.net.Listen(t.Context(), "tcp", home)
		if err != nil {
			t.Fatal(err)
		}
		l := r.in.Listener(&flaky{Listener: inner}, flow.TLS, 2)
		defer l.Close()
		c := r.dial(camera)
		defer c.Close()
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer accepted.Close()
		if r.count("connections_refused_total", "reason=accept_failed") != 3 || r.count("connections", "transport=tls") != 1 {
			t.Error("errors were not counted")
		}
		_ = l.Close()
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept = %v after Close", err)
		}
	})
}

// One connection must not take the processor from the others; what it sends is
// answered all the same, later.
func TestAConnectionThatSendsTooMuchIsReadMoreSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{RateTCP: 10})
		r.streams()
		c, other := r.dial(camera), r.dial("192.0.2.21:5060")
		begun := time.Now()
		go func() {
			for i := range 35 {
				if _, err := c.Write([]byte(post(fmt.Sprint(i), keepaliveBody))); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Millisecond) // a read each
			}
		}()
		time.Sleep(500 * time.Millisecond)
		if _, err := other.Write([]byte(post("other", keepaliveBody))); err != nil {
			t.Error(err)
		}
		if a := receive(t, other); statusOf(a) != "SIP/2.0 200 OK" {
			t.Errorf("another connection is answered %q meanwhile", a)
		}
		answered, b := 0, make([]byte, 65536)
		for answered < 35 {
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
			n, err := c.Read(b)
			if err != nil {
				t.Fatalf("after %d answers: %v", answered, err)
			}
			answered += strings.Count(string(b[:n]), "SIP/2.0 200 OK")
		}
		if took := time.Since(begun); took < 2*time.Second || took > 5*time.Second {
			t.Errorf("35 messages at 10 a second took %v", took)
		}
		if n := r.count("connections_slowed_total"); n < 2 || n > 4 {
			t.Errorf("%v counted", n)
		}
	})
}
