package rtp_test

import (
	"bytes"
	"fmt"
	"net"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/internal/lease"
	"fengsui/media/rtp"
)

func TestConnectionsAndPortsAreListedWithTheirOwner(t *testing.T) {
	book := lease.New(prometheus.NewRegistry(), zerolog.Nop())
	s := online(t, rtp.Config{Leases: book})
	var gone atomic.Bool
	tcp, got := open(t, s, rtp.Want{Transport: rtp.TCPPassive, Owner: "stream:a", Living: func() bool { return !gone.Load() }})
	own, _ := open(t, s, rtp.Want{Mode: rtp.Range, Owner: "stream:b"})
	c, stranger := tcpTo(t, s.Port()), tcpTo(t, s.Port())
	send(t, c, frame(pack(tcp.SSRC(), 1)), frame(inside(tcp.SSRC(), 2)))
	got.wait(t, "1", "2")

	listed := func() string {
		n := map[string]int{}
		for _, e := range book.List() {
			n[e.Kind.String()+" of "+e.Owner]++
		}
		return fmt.Sprint(n)
	}
	want := "map[media_connection of :1 media_connection of stream:a:1 media_receiver of stream:a:1 media_receiver of stream:b:1]"
	eventually(t, func() string {
		if l := listed(); l != want {
			return "listed: " + l
		}
		return ""
	})
	for _, e := range book.List() {
		if e.Owner == "stream:b" && e.Local != fmt.Sprintf("127.0.0.1:%d", own.Port()) || e.Owner == "stream:a" && e.Remote != c.LocalAddr().String() {
			t.Errorf("listed: %+v", e)
		}
	}
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{`{"kind":"media_connection", "owner":"stream:a"}`, `{"kind":"media_receiver", "owner":"stream:b"}`} {
		if !strings.Contains(b.String(), label) {
			t.Errorf("no goroutine has %s:\n%s", label, &b)
		}
	}
	if n := book.Mark(); n != 0 {
		t.Errorf("%d of them are orphaned", n)
	}
	gone.Store(true)
	if n := book.Mark(); n != 2 {
		t.Errorf("%d are orphaned without the owner, want the session and its connection", n)
	}
	tcp.Close()
	own.Close()
	_ = stranger.Close()
	eventually(t, func() string {
		if l := listed(); l != "map[]" {
			return "still listed: " + l
		}
		return ""
	})
	again, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.1:%d", own.Port()))
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
}
