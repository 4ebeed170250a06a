package intake_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"fengsui/sip/flow"
	"fengsui/sip/intake"
	"fengsui/sip/trace"
)

func TestRegisterIsAnsweredWhereItComesIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{})
		r.packets(65535)
		p := r.peer(camera)
		p.send(register("1", ""))
		got := p.answer()
		r2, err := intake.Scan([]byte(register("1", "")))
		if err != nil {
			t.Fatal(err)
		}
		r2.Flow = flow.Flow{Transport: flow.UDP, Local: netip.MustParseAddrPort(home), Remote: netip.MustParseAddrPort(camera)}
		want := string(intake.AppendAnswer(nil, &r2, (&registrar{}).Register(&r2)))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
		for _, line := range []string{
			"SIP/2.0 401 Unauthorized", "Via: SIP/2.0/UDP 192.168.1.9:5060;rport=5060;branch=z9hG4bK1;received=192.0.2.20",
			"From: <sip:" + id + "@3402000000>;tag=2043466181", "CSeq: 1 REGISTER", "Call-ID: 1011047669", "Content-Length: 0",
		} {
			if !strings.Contains(got, line+"\r\n") {
				t.Errorf("answer has no line %q:\n%s", line, got)
			}
		}
		p.send(strings.Replace(register("2", "Authorization: Digest username=\"u\",response=\"12\"\r\n"), "1 REGISTER", "2 REGISTER", 1))
		if got := statusOf(p.answer()); got != "SIP/2.0 200 OK" {
			t.Errorf("answer %q", got)
		}
		if h := r.next(); h.message != "" {
			t.Errorf("handed on:\n%s", h.message)
		}
		if got, _ := r.ring.Routine(id); got.Registers != 2 || got.Refused != 1 {
			t.Errorf("traced %+v", got)
		}
		if r.count("direct_answers_total", "kind=register", "result=ok") != 1 || r.count("received_total", "transport=udp") != 2 ||
			r.count("sent_total", "transport=udp") != 2 {
			t.Error("counters differ")
		}
	})
}

// Quirk: 37
func TestRetransmissionGetsTheSameBytesAndHasNoSecondEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{})
		r.packets(65535)
		p, other := r.peer(camera), r.peer("192.0.2.21:5060")
		p.send(post("1", keepaliveBody))
		first := p.answer()
		time.Sleep(20 * time.Second)
		p.send(post("1", keepaliveBody))
		if diff := cmp.Diff(first, p.answer()); diff != "" || first == "" {
			t.Errorf("answers (-first +second):\n%s", diff)
		}
		if n := len(r.direct.calls()); n != 1 || r.count("repeats_total") != 1 {
			t.Errorf("%d effects, want 1", n)
		}
		other.send(post("1", keepaliveBody)) // the same bytes of another device behind NAT
		if other.answer() == "" || len(r.direct.calls()) != 2 {
			t.Error("another source was taken for a retransmission")
		}
		p.send(strings.Replace(post("1", keepaliveBody), "<SN>1", "<SN>2", 1)) // section 9 row 37: branch, CSeq and Call-ID used again
		if p.answer() == "" || len(r.direct.calls()) != 3 {
			t.Error("another keepalive was taken for a retransmission")
		}
		time.Sleep(33 * time.Second)
		p.send(post("1", keepaliveBody))
		if p.answer() == "" || len(r.direct.calls()) != 4 {
			t.Error("an answer was kept for more than 32 s")
		}
	})
}

func TestOtherMessagesAreHandedOnStamped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{})
		r.packets(65535)
		p := r.peer(camera)
		p.send(strings.Replace(post("1", alarmBody), ";rport", "", 1))
		h := r.next()
		for _, line := range []string{
			"X-Recv-Seq: 1", "X-Recv-Flow: udp/0/" + home + "/" + camera,
			"Via: SIP/2.0/UDP 192.168.1.9:5060;branch=z9hG4bK1;rport",
		} {
			if !strings.Contains(h.message, line+"\r\n") {
				t.Errorf("message has no line %q:\n%s", line, h.message)
			}
		}
		if h.from.String() != camera {
			t.Errorf("handed on from %v", h.from)
		}
		accepted(t, []byte(h.message))
		p.send("SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\nFrom: <sip:a@b>;tag=1\nTo: <sip:c@d>;tag=2\nCall-ID: e\nCSeq: 1 INVITE\n\n")
		if h := r.next(); !strings.Contains(h.message, "X-Recv-Seq: 2\r\n") || !strings.Contains(h.message, "branch=z9hG4bKx\r\n") {
			t.Errorf("response:\n%s", h.message)
		}
		if n := len(r.ring.Find(trace.Query{})); n != 2 {
			t.Errorf("%d messages traced, want 2", n)
		}
		if r.count("repaired_total", "quirk=line_end") != 1 {
			t.Error("the repair was not counted")
		}
	})
}

func TestRequestsBeyondDirectGoToTheLibrary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{})
		r.packets(65535)
		p := r.peer(camera)
		for _, m := range []string{
			register("1", "Via: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bK0\r\n"),
			register("2", "Record-Route: <sip:192.0.2.99;lr>\r\n"),
			register("3", "Require: path\r\n"),
		} {
			p.send(m)
			if h := r.next(); !strings.HasPrefix(h.message, "REGISTER ") {
				t.Errorf("not handed on:\n%s", m)
			}
		}
		p.send(register("4", "Route: <sip:192.0.2.1;lr>\r\n")) // Dahua, section 2.4
		if p.answer() == "" || len(r.direct.calls()) != 1 {
			t.Error("REGISTER with a Route was not answered at once")
		}
	})
}

func TestMessagesInBadFormAreAnsweredAtOnceToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{})
		r.packets(65535)
		p := r.peer(camera)
		for _, m := range []string{
			strings.ReplaceAll(register("1", ""), "\r", ""),
			"\r\n" + strings.Replace(register("2", ""), "Call-ID: 1011047669", "Call-ID:", 1),
			strings.TrimSuffix(register("3", ""), "\r\n"),
			strings.Replace(post("4", keepaliveBody), "Content-Length: ", "Content-Length: 9", 1),
			strings.Replace(register("5", ""), "From: ", "From:\r\n ", 1),
			strings.Replace(register("6", ""), ":5060>\r\n", ":5060;expires=60\r\n", 1),
		} {
			p.send(m)
			if got := p.answer(); !strings.HasPrefix(got, "SIP/2.0 ") || strings.HasPrefix(got, "SIP/2.0 400") {
				t.Errorf("%q is answered %q", m, got)
			}
		}
		if got := r.direct.last; got.Expires != 60 || string(got.Contact) != "sip:"+id+"@192.168.1.9:5060" {
			t.Errorf("Contact %q, Expires %d", got.Contact, got.Expires)
		}
		if n := len(r.direct.calls()); n != 6 {
			t.Errorf("%d requests reached Direct, want 6", n)
		}
	})
}

func TestStrangersDoNotWriteTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{})
		var lines bytes.Buffer
		r.in = intake.New(intake.Config{Answers: 1 << 10}, r.direct, nil, nil, zerolog.New(&lines))
		r.packets(65535)
		p := r.peer(camera)
		for i := range 500 {
			stranger := fmt.Sprintf("34020000001320%06d", i)
			p.send(strings.ReplaceAll(strings.ReplaceAll(register("1", ""), id, stranger), "\r", ""))
			synctest.Wait()
		}
		if n := bytes.Count(lines.Bytes(), []byte("message repaired")); n == 0 || n > 100 {
			t.Errorf("%d lines for 500 repaired messages of as many strangers in one second", n)
		}
	})
}

func TestMalformedIsAnswered400WherePossible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{MaxBody: 1000})
		r.packets(65535)
		p := r.peer(camera)
		for _, c := range []struct{ name, in, want string }{
			{"two different From", register("1", "f: <sip:34020000001320000009@3402000000>;tag=1\r\n"), "SIP/2.0 400 Bad Request (two different From)"},
			{"CSeq of another method", strings.Replace(register("2", ""), "1 REGISTER", "1 INVITE", 1), "SIP/2.0 400 Bad Request (CSeq of another method)"},
			{"ACK", strings.ReplaceAll(register("3", "f: <sip:9@3402000000>\r\n"), "REGISTER", "ACK"), ""},
			{"no Call-ID", strings.Replace(register("4", ""), "Call-ID", "X", 1), ""},
			{"response", "SIP/2.0 200 OK\r\nVia: x\r\n\r\n", ""},
			{"body too large", post("5", strings.Repeat("x", 1001)), "SIP/2.0 413 Request Entity Too Large"},
			{"scanner", "OPTIONS / RTSP/1.0\r\n\r\n", ""},
			{"keep-alive of NAT", "\r\n\r\n", ""},
			{"NUL", "\x00\x00\x00\x00", ""},
		} {
			p.send(c.in)
			if got := statusOf(p.answer()); got != c.want {
				t.Errorf("%s is answered %q, want %q", c.name, got, c.want)
			}
		}
		if h := r.next(); h.message != "" || len(r.direct.calls()) != 0 {
			t.Errorf("handed on:\n%s", h.message)
		}
		for reason, want := range map[string]float64{"malformed": 5, "too_large": 1, "junk": 1} {
			if got := r.count("dropped_total", "reason="+reason); got != want {
				t.Errorf("%v dropped as %s, want %v", got, reason, want)
			}
		}
	})
}

func TestMessageThatDoesNotFitTheReaderIsAnswered413(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{})
		r.packets(2000)
		p := r.peer(camera)
		p.send(post("1", strings.Repeat("x", 1900)))
		if got := statusOf(p.answer()); got != "SIP/2.0 413 Request Entity Too Large" {
			t.Errorf("answer %q", got)
		}
		p.send(post("2", strings.Repeat("x", 100)))
		if h := r.next(); h.message == "" {
			t.Error("reading stopped")
		}
	})
}

func TestSilentAnswerSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{})
		r.direct.silent = true
		r.packets(65535)
		p := r.peer(camera)
		p.send(register("1", ""))
		if got := p.answer(); got != "" || len(r.direct.calls()) != 1 {
			t.Errorf("answer %q", got)
		}
	})
}

func TestWhatTheLibrarySendsIsTraced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{})
		c := r.packets(65535)
		p := r.peer(camera)
		to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(camera))
		if _, err := c.WriteTo([]byte(post("1", alarmBody)), to); err != nil {
			t.Fatal(err)
		}
		if p.answer() != post("1", alarmBody) {
			t.Error("sent something else")
		}
		got := r.ring.Find(trace.Query{})
		if len(got) != 1 || got[0].Dir != trace.Out || got[0].Flow.Remote != netip.MustParseAddrPort(camera) {
			t.Errorf("traced %+v", got)
		}
		if _, err := c.WriteTo(make([]byte, 65508), to); err == nil || r.count("write_errors_total", "reason=too_large") != 1 {
			t.Errorf("WriteTo = %v for a message larger than any datagram", err)
		}
	})
}

// faulty is a socket that reports errors before each datagram, as Linux does
// after ICMP unreachable, and fails to write.
type faulty struct {
	net.PacketConn
	mu     sync.Mutex
	errors int
	from   net.Addr
}

func (f *faulty) ReadFrom(b []byte) (int, net.Addr, error) {
	f.mu.Lock()
	f.errors++
	n := f.errors
	f.mu.Unlock()
	if n <= 20 {
		return 0, nil, &net.OpError{Op: "read", Err: syscall.ECONNREFUSED}
	}
	n, from, err := f.PacketConn.ReadFrom(b)
	if f.from != nil {
		from = f.from
	}
	return n, from, err
}

func (f *faulty) WriteTo([]byte, net.Addr) (int, error) { return 0, syscall.ENOBUFS }

func TestReadingGoesOnAfterErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{})
		inner, err := r.net.ListenPacket(t.Context(), "udp", home)
		if err != nil {
			t.Fatal(err)
		}
		f := &faulty{PacketConn: inner, from: &net.UDPAddr{IP: net.ParseIP("::ffff:192.0.2.20"), Port: 5060}}
		c := r.in.PacketConn(f, 3)
		r.read(c, 65535)
		p := r.peer(camera)
		p.send(post("1", alarmBody))
		// an IPv4 source on a socket for both is written as IPv4
		if h := r.next(); !strings.Contains(h.message, "X-Recv-Flow: udp/3/"+home+"/"+camera+"\r\n") {
			t.Errorf("handed on:\n%s", h.message)
		}
		p.send(register("2", ""))
		synctest.Wait()
		if r.count("read_errors_total") != 20 || r.count("write_errors_total", "reason=failed") != 1 {
			t.Error("errors were not counted")
		}
	})
}

func TestReadEndsAtTheDeadlineOfItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, intake.Config{})
		inner, err := r.net.ListenPacket(t.Context(), "udp", home)
		if err != nil {
			t.Fatal(err)
		}
		c := r.in.PacketConn(inner, 0)
		defer c.Close()
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		var timeout net.Error
		if _, _, err := c.ReadFrom(make([]byte, 100)); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("ReadFrom = %v, want a timeout", err)
		}
	})
}

// TestKernelSocket runs over the loopback interface, since reading and writing
// a *net.UDPConn is code of its own.
func TestKernelSocket(t *testing.T) {
	for _, network := range []string{"127.0.0.1:0", "[::]:0"} {
		r := newRig(t, intake.Config{})
		addr := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(network))
		inner, err := net.ListenUDP("udp", addr)
		if err != nil {
			t.Fatal(err)
		}
		c := r.in.PacketConn(inner, 0)
		r.read(c, 66560)
		port := inner.LocalAddr().(*net.UDPAddr).Port
		device, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			t.Fatal(err)
		}
		defer device.Close()
		_ = device.SetDeadline(time.Now().Add(5 * time.Second))
		b := make([]byte, 65536)
		if _, err := device.Write([]byte(register("1", ""))); err != nil {
			t.Fatal(err)
		}
		n, err := device.Read(b)
		if err != nil || !strings.Contains(string(b[:n]), "received=127.0.0.1\r\n") {
			t.Fatalf("%s: answer %q, %v", network, b[:n], err)
		}
		if _, err := device.Write([]byte(post("2", alarmBody))); err != nil {
			t.Fatal(err)
		}
		h := r.next()
		if !strings.Contains(h.message, "/"+device.LocalAddr().String()+"\r\n") {
			t.Errorf("%s: handed on %q", network, h.message)
		}
		if _, err := c.WriteTo([]byte("SIP/2.0 200 OK\r\n\r\n"), h.from); err != nil {
			t.Errorf("%s: answer to %v: %v", network, h.from, err)
		}
		if n, err := device.Read(b); err != nil || statusOf(string(b[:n])) != "SIP/2.0 200 OK" {
			t.Errorf("%s: got %q, %v", network, b[:n], err)
		}
	}
}

// The trace keeps of a keepalive's answer no more than its status, and yet shows
// the bytes that were sent, over any transport and in whatever form it came.
func TestTheTraceShowsThePlainAnswersThatWereSent(t *testing.T) {
	r := newRig(t, intake.Config{})
	r.packets(65535)
	p := r.peer(camera)
	for name, message := range map[string]string{
		"good":          post("g1", keepaliveBody),
		"without rport": strings.Replace(post("g2", keepaliveBody), ";rport", "", 1),
		"repaired":      strings.Replace(post("g3", keepaliveBody), "CSeq: 20 MESSAGE", "CSeq: 20", 1),
		"long":          strings.Replace(post("g4", keepaliveBody), "CSeq", "X-Long: "+strings.Repeat("x", 5000)+"\r\nCSeq", 1),
	} {
		p.send(message)
		sent := p.answer()
		if !strings.HasPrefix(sent, "SIP/2.0 200 OK\r\n") {
			t.Fatalf("%s is answered\n%s", name, sent)
		}
		all := r.ring.Find(trace.Query{Device: id})
		for end := time.Now().Add(5 * time.Second); (len(all) == 0 || string(all[len(all)-1].Raw) != sent) && time.Now().Before(end); {
			time.Sleep(time.Millisecond) // it is kept after the answer has gone
			all = r.ring.Find(trace.Query{Device: id})
		}
		if n := len(all); n < 2 || all[n-1].Dir != trace.Out || string(all[n-1].Raw) != sent || all[n-1].Size != len(sent) || all[n-1].Status != 200 {
			t.Errorf("%s: sent\n%s\nthe trace shows %+v\n%s", name, sent, all[n-1], all[n-1].Raw)
		}
	}
}
