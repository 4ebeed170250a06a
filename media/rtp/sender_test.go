package rtp_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fengsui/media/rtp"
)

var local = netip.MustParseAddr("127.0.0.1")

// speaker opens a sender to a peer on loopback.
func speaker(t *testing.T, w rtp.SendWant) *rtp.Sender {
	t.Helper()
	s, err := rtp.New(rtp.Config{PortMin: 21000, PortMax: 21999, Domain: domain}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	w.From = local
	n, err := s.OpenSender(w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.Close()
		if c := s.Counts(); c.Ports != 0 || c.SSRCs != 0 {
			t.Errorf("still leased: %+v", c)
		}
	})
	return n
}

// udpOn is a socket at an address of loopback.
func udpOn(t *testing.T, host string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(host)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	return c
}

func addrPort(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }

func TestSoundLeavesThePortThatWasTold(t *testing.T) {
	n := speaker(t, rtp.SendWant{SSRC: 200000001})
	device := udpOn(t, "127.0.0.1")
	n.Aim(addrPort(device.LocalAddr()))
	if err := n.Send(rtp.Header{Marker: true, PayloadType: 8, Sequence: 7, Timestamp: 160}, []byte("sound")); err != nil {
		t.Fatal(err)
	}
	var b [100]byte
	got, from, err := device.ReadFromUDPAddrPort(b[:])
	if err != nil {
		t.Fatal(err)
	}
	want := rtp.Append(nil, rtp.Header{Marker: true, PayloadType: 8, Sequence: 7, Timestamp: 160, SSRC: 200000001}, []byte("sound"))
	if !bytes.Equal(b[:got], want) || int(from.Port()) != n.Port() {
		t.Errorf("% x from %v, want % x from port %d", b[:got], from, want, n.Port())
	}
}

func TestSoundFollowsThePeerAndNobodyElse(t *testing.T) {
	heard := make(chan string, 4)
	n := speaker(t, rtp.SendWant{Heard: func(_ rtp.Header, p []byte) { heard <- string(p) }})
	device, moved, stranger := udpOn(t, "127.0.0.1"), udpOn(t, "127.0.0.1"), udpOn(t, "127.0.0.9")
	n.Aim(addrPort(device.LocalAddr()))
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, uint16(n.Port())))
	for _, c := range []struct {
		from *net.UDPConn
		pkt  []byte
	}{
		{stranger, rtp.Append(nil, rtp.Header{PayloadType: 8}, []byte("a stranger"))}, {moved, []byte("\x00\x00\x00\x00")},
		{moved, rtp.Append(nil, rtp.Header{PayloadType: 8}, []byte("the device"))},
	} {
		if _, err := c.from.WriteTo(c.pkt, to); err != nil {
			t.Fatal(err)
		}
	}
	if got := <-heard; got != "the device" {
		t.Errorf("heard %q", got)
	}
	if st := n.Stats(); st.Remote != addrPort(moved.LocalAddr()) || st.Heard != 1 {
		t.Errorf("%+v, want it to aim at %v", st, moved.LocalAddr())
	}
}

func TestSoundOverTCP(t *testing.T) {
	for _, way := range []rtp.Transport{rtp.TCPPassive, rtp.TCPActive} {
		n := speaker(t, rtp.SendWant{Transport: way})
		if err := n.Send(rtp.Header{}, nil); !errors.Is(err, rtp.ErrNotConnected) {
			t.Errorf("before it is connected: %v", err)
		}
		var peer net.Conn
		if way == rtp.TCPPassive {
			to := net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, uint16(n.Port())))
			stranger, err := net.DialTCP("tcp4", &net.TCPAddr{IP: net.ParseIP("127.0.0.9")}, to)
			if err != nil {
				t.Fatal(err)
			}
			_ = stranger.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, err := stranger.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("a stranger is not turned away: %v", err)
			}
			_ = stranger.Close()
			if peer, err = net.DialTCP("tcp4", nil, to); err != nil {
				t.Fatal(err)
			}
			if err := n.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
		} else {
			l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: local.AsSlice()})
			if err != nil {
				t.Fatal(err)
			}
			n.Aim(addrPort(l.Addr()))
			if err := n.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			if peer, err = l.Accept(); err != nil {
				t.Fatal(err)
			}
			if addrPort(peer.RemoteAddr()).Port() != uint16(n.Port()) {
				t.Errorf("connected from %v, not from port %d", peer.RemoteAddr(), n.Port())
			}
			_ = l.Close()
		}
		if err := n.Send(rtp.Header{PayloadType: 8, Sequence: 1}, []byte("sound")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 2+12+5)
		if _, err := io.ReadFull(peer, got); err != nil || got[1] != 17 || string(got[14:]) != "sound" {
			t.Errorf("%q, %v", got, err)
		}
		_ = peer.Close()
		select {
		case <-n.Done():
		case <-time.After(5 * time.Second):
			t.Fatal("goes on without its connection")
		}
		if !errors.Is(n.Err(), rtp.ErrDisconnected) {
			t.Error(n.Err())
		}
	}
}
