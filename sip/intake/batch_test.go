package intake_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"fengsui/sip/intake"
	"fengsui/sip/trace"
)

// open serves a UDP socket of the system, which is read in batches.
func open(t *testing.T, r *rig) (server net.PacketConn, peer *net.UDPConn) {
	t.Helper()
	var lc net.ListenConfig
	inner, err := lc.ListenPacket(context.Background(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server = r.in.PacketConn(inner, 0)
	t.Cleanup(func() { _ = server.Close() })
	peer, err = net.DialUDP("udp4", nil, server.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	_ = peer.SetDeadline(time.Now().Add(10 * time.Second))
	return server, peer
}

func read(t *testing.T, peer *net.UDPConn) string {
	t.Helper()
	b := make([]byte, 4096)
	n, err := peer.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// More than one batch waits in the socket before it is read first.
func TestABatchIsAnsweredInOrder(t *testing.T) {
	r := newRig(t, intake.Config{Answers: 1 << 16}) // so that no answer gives way to another
	server, peer := open(t, r)
	const all = 100 // as many as fit into a small receive buffer
	for i := range all {
		if _, err := peer.Write([]byte(post(fmt.Sprint(i), keepaliveBody))); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 { // to keep a NAT open
			_, _ = peer.Write([]byte("\r\n\r\n"))
		}
	}
	again := post("0", keepaliveBody)
	_, _ = peer.Write([]byte(again))
	r.read(server, 65535)
	first := ""
	for i := range all {
		got := read(t, peer)
		if !strings.HasPrefix(got, "SIP/2.0 200 OK\r\n") || !strings.Contains(got, fmt.Sprintf("branch=z9hG4bK%d;", i)) {
			t.Fatalf("answer %d:\n%s", i, got)
		}
		if i == 0 {
			first = got
		}
	}
	if got := read(t, peer); got != first {
		t.Errorf("retransmission answered\n%s\nat first\n%s", got, first)
	}
	if n := len(r.direct.calls()); n != all {
		t.Errorf("%d effects, want %d", n, all)
	}
	_, _ = peer.Write([]byte(post("last", keepaliveBody))) // its answer is sent after the others were counted
	read(t, peer)
	if got := r.count("sent_total", "transport=udp"); got < all+1 {
		t.Errorf("%v sent, want at least %d", got, all+1)
	}
}

func TestAnswersAreNotHeldBackByWhatIsHandedOn(t *testing.T) {
	r := newRig(t, intake.Config{})
	server, peer := open(t, r)
	for _, m := range []string{post("1", keepaliveBody), post("2", alarmBody), post("3", keepaliveBody), post("4", alarmBody)} {
		if _, err := peer.Write([]byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, 65535)
	for _, branch := range []string{"1", "3"} {
		n, from, err := server.ReadFrom(b)
		if err != nil || from.String() != peer.LocalAddr().String() {
			t.Fatalf("ReadFrom = %v, %v", from, err)
		}
		if got := string(b[:n]); !strings.Contains(got, "<CmdType>Alarm</CmdType>") || !strings.Contains(got, "X-Recv-Flow: udp/0/"+server.LocalAddr().String()+"/"+peer.LocalAddr().String()) {
			t.Errorf("handed on:\n%s", got)
		}
		// the reader now takes its time; what was asked before is answered
		if got := read(t, peer); !strings.Contains(got, "branch=z9hG4bK"+branch+";") {
			t.Errorf("answer to %s:\n%s", branch, got)
		}
	}
	msgs := r.ring.Find(trace.Query{Device: id})
	for i := 1; i < len(msgs); i++ {
		if msgs[i].Dir == trace.Out && (msgs[i-1].Dir != trace.In || msgs[i].At.Before(msgs[i-1].At)) {
			t.Errorf("an answer is traced before its request: %v, %v", msgs[i-1].At, msgs[i].At)
		}
	}
}

// With a small buffer of the reader, what does not fit is answered 413 in a
// batch as it is alone; other malformed requests get 400.
func TestRefusalsInABatch(t *testing.T) {
	r := newRig(t, intake.Config{})
	server, peer := open(t, r)
	for _, m := range []string{
		post("1", strings.Repeat(" ", 2000)+alarmBody), strings.Replace(post("2", alarmBody), "CSeq: 20", "CSeq: x", 1), post("3", keepaliveBody),
	} {
		_, _ = peer.Write([]byte(m))
	}
	r.read(server, 1500)
	for _, want := range []string{"SIP/2.0 413 ", "SIP/2.0 400 ", "SIP/2.0 200 "} {
		if got := read(t, peer); !strings.HasPrefix(got, want) {
			t.Errorf("want %s, answer:\n%s", want, got)
		}
	}
}

func TestReadingABatchEnds(t *testing.T) {
	r := newRig(t, intake.Config{})
	server, _ := open(t, r)
	_ = server.SetReadDeadline(time.Now())
	if _, _, err := server.ReadFrom(make([]byte, 1500)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("ReadFrom = %v after the deadline", err)
	}
	_ = server.SetReadDeadline(time.Time{})
	ended := make(chan error)
	go func() {
		_, _, err := server.ReadFrom(make([]byte, 1500))
		ended <- err
	}()
	time.Sleep(10 * time.Millisecond)
	_ = server.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("ReadFrom = %v after Close", err)
	}
}
