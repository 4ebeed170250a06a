package intake_test

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/sip/intake"
	"fengsui/sip/trace"
	"fengsui/test/fuzz/bound"
)

// wire is a socket that has one datagram to read and keeps what is written.
type wire struct {
	net.PacketConn
	datagram []byte
	answers  [][]byte
}

func (w *wire) LocalAddr() net.Addr {
	return net.UDPAddrFromAddrPort(netip.MustParseAddrPort(home))
}

func (w *wire) ReadFrom(b []byte) (int, net.Addr, error) {
	if w.datagram == nil {
		return 0, nil, net.ErrClosed
	}
	n := copy(b, w.datagram)
	w.datagram = nil
	return n, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(camera)), nil
}

func (w *wire) WriteTo(b []byte, _ net.Addr) (int, error) {
	w.answers = append(w.answers, bytes.Clone(b))
	return len(b), nil
}

// FuzzPass: a datagram is dropped, answered once or handed on, and never two of
// these. What is handed on can be read by sipgo and has our stamps and no others;
// an answer is one to the message; a repeat of it gets the same and asks nobody.
func FuzzPass(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.in)
	}
	for _, message := range intake.Torture(f) {
		f.Add(message)
	}
	f.Add([]byte(register("1", "Authorization: Digest username=\"u\",response=\"12\"\r\nExpires: 60\r\n")))
	f.Add([]byte(register("1", "X-Recv-Seq: 5\r\nX-Recv-Flow: a\r\nX-Recv-Rport: 1\r\nRequire: x\r\n")))
	f.Add([]byte(post("1", "<Notify><CmdType>Keepalive</CmdType></Notify>")))
	ring, sockets := trace.NewRing(1<<20, 0), &wire{}
	direct := &registrar{}
	conn := intake.New(intake.Config{Answers: 1 << 10}, direct, ring, prometheus.NewRegistry(), zerolog.Nop()).PacketConn(sockets, 0)
	buf := make([]byte, 66560)
	pass := func(in []byte) (handed []byte) {
		sockets.datagram, sockets.answers = bytes.Clone(in), nil
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return nil
		}
		return buf[:n]
	}
	pass([]byte(register("0", ""))) // makes what is made once
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 65507 {
			return
		}
		if in == nil {
			in = []byte{}
		}
		var handed []byte
		before := len(direct.calls())
		bound.Bytes(t, 1<<20+16*len(in), func() { handed = pass(in) })
		asked := len(direct.calls()) - before
		if len(sockets.answers) > 1 || len(sockets.answers) == 1 && handed != nil {
			t.Fatalf("%d answers, and %q handed on", len(sockets.answers), handed)
		}
		if handed != nil {
			for _, stamp := range []string{intake.HeaderSeq, intake.HeaderFlow} {
				if got := bytes.Count(bytes.ToLower(header(handed)), []byte("\r\n"+string(bytes.ToLower([]byte(stamp)))+":")); got != 1 {
					t.Fatalf("%s stands %d times in %q", stamp, got, handed)
				}
			}
			if _, err := parser().ParseSIP(handed); err != nil {
				t.Fatalf("sipgo: %v\n%q", err, handed)
			}
			return
		}
		if len(sockets.answers) == 0 {
			return
		}
		answer := sockets.answers[0]
		if !bytes.HasPrefix(answer, []byte("SIP/2.0 ")) || !bytes.HasSuffix(answer, []byte("\r\nContent-Length: 0\r\n\r\n")) {
			t.Fatalf("answer %q", answer)
		}
		if _, err := parser().ParseSIP(answer); err != nil && asked > 0 { // a refusal repeats what cannot be read
			t.Fatalf("answer %q: %v", answer, err)
		}
		if pass(in); asked > 0 && (len(sockets.answers) != 1 || !bytes.Equal(sockets.answers[0], answer)) {
			t.Fatalf("answered %q, again %q", answer, sockets.answers)
		}
		if again := len(direct.calls()) - before; again > 1 {
			t.Fatalf("the registrar is asked %d times of\n%q", again, in)
		}
	})
}

// header is a message without its body.
func header(message []byte) []byte {
	head, _, _ := bytes.Cut(message, []byte("\r\n\r\n"))
	return append(head[:len(head):len(head)], "\r\n"...)
}
