package rtp_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"fengsui/media/rtp"
)

func TestSSRCHasClassDomainAndSerial(t *testing.T) {
	s, err := rtp.NewSSRCs("34020000002000000001", 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for class, prefix := range map[rtp.Class]string{rtp.Live: "020000", rtp.History: "120000"} {
		v, err := s.Lease(class)
		if err != nil {
			t.Fatal(err)
		}
		if y := rtp.FormatSSRC(v); y[:6] != prefix || len(y) != 10 || y[6:] == "0000" {
			t.Errorf("SSRC of class %d = %q, want %sNNNN", class, y, prefix)
		}
	}
}

func TestSSRCsAreNotReusedWithinTheirQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := rtp.NewSSRCs("3402000000", 30*time.Second)
		seen := map[uint32]bool{}
		for range 9999 {
			v, err := s.Lease(rtp.Live)
			if err != nil || seen[v] || v%10000 == 0 {
				t.Fatalf("Lease = %d, %v, seen %v", v, err, seen[v])
			}
			seen[v] = true
		}
		if _, err := s.Lease(rtp.Live); !errors.Is(err, rtp.ErrNoSSRC) {
			t.Fatalf("10000th Lease = %v, want ErrNoSSRC", err)
		}
		if _, err := s.Lease(rtp.History); err != nil {
			t.Fatalf("the other class: %v", err)
		}
		var one uint32
		for one = range seen {
			break
		}
		s.Release(one)
		s.Release(one)
		time.Sleep(30*time.Second - 1)
		if _, err := s.Lease(rtp.Live); !errors.Is(err, rtp.ErrNoSSRC) || !s.Recent(one) {
			t.Fatalf("Lease in quarantine = %v, recent %v", err, s.Recent(one))
		}
		time.Sleep(time.Nanosecond)
		if s.Recent(one) {
			t.Fatal("recent after its quarantine")
		}
		if v, err := s.Lease(rtp.Live); err != nil || v != one {
			t.Fatalf("Lease after quarantine = %d, %v, want %d", v, err, one)
		}
		if s.Refused() != 2 || s.Leased() != 10000 {
			t.Fatalf("refused %d, leased %d", s.Refused(), s.Leased())
		}
	})
}

func TestParseSSRCTakesWhatDevicesWrite(t *testing.T) {
	for in, want := range map[string]uint32{"0200000001": 200000001, "200000001": 200000001, " 0100000001 ": 100000001} {
		if v, err := rtp.ParseSSRC(in); err != nil || v != want {
			t.Errorf("ParseSSRC(%q) = %d, %v", in, v, err)
		}
	}
	for _, in := range []string{"", "99999999999", "02000x0001"} {
		if _, err := rtp.ParseSSRC(in); err == nil {
			t.Errorf("ParseSSRC(%q) took it", in)
		}
	}
}

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// freeRange finds count port pairs that are probably free.
func freeRange(t testing.TB, count int) (first, last int) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	first = l.Addr().(*net.TCPAddr).Port &^ 1
	_ = l.Close()
	if first+2*count > 65000 {
		first -= 2*count + 2
	}
	return first, first + 2*count - 1
}

func TestPortPairTakenByAnotherProgramIsPassedOver(t *testing.T) {
	for _, transport := range []string{"udp", "tcp", "rtcp"} {
		t.Run(transport, func(t *testing.T) {
			first, last := freeRange(t, 2)
			port := first
			if transport == "rtcp" {
				port++
			}
			if transport == "tcp" {
				l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: loopback.AsSlice(), Port: port})
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
			} else {
				l, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice(), Port: port})
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
			}
			p, err := rtp.NewPorts(loopback, first, last, time.Hour, 1<<16)
			if err != nil {
				t.Fatal(err)
			}
			pair, err := p.Lease(rtp.UDP)
			if err != nil {
				t.Fatal(err)
			}
			if pair.Port != first+2 {
				t.Fatalf("leased %d, want %d", pair.Port, first+2)
			}
			pair.Release()
			pair.Release()
			if _, err := p.Lease(rtp.UDP); !errors.Is(err, rtp.ErrNoPort) {
				t.Fatalf("Lease = %v, want ErrNoPort: one pair is taken, one in quarantine", err)
			}
			if p.Leased() != 0 {
				t.Fatalf("%d leased", p.Leased())
			}
		})
	}
}
