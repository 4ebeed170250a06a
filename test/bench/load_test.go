//go:build linux

package main

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"fengsui/internal/sim/wire"
)

// registrar answers a fleet as script says, until the test ends.
func registrar(t *testing.T, script func(m *wire.Message) (status, extra string)) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	go func() {
		defer close(done)
		buf := make([]byte, slotSize)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			m, err := wire.Parse(buf[:n])
			if err != nil {
				t.Error(err)
				return
			}
			status, extra := script(m)
			if status == "" {
				continue
			}
			text := "SIP/2.0 " + status + "\r\nVia: " + m.Get("Via") + "\r\nFrom: " + m.Get("From") + "\r\nTo: " + m.Get("To") + ";tag=x\r\nCall-ID: " + m.Get("Call-ID") +
				"\r\nCSeq: " + m.Get("CSeq") + "\r\n" + extra + "Content-Length: 0\r\n\r\n"
			_, _ = conn.WriteToUDPAddrPort([]byte(text), from)
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// welcome is what a plain registrar says.
func welcome(m *wire.Message) (status, extra string) {
	switch {
	case m.Method == "MESSAGE":
		return "200 OK", ""
	case m.Get("Authorization") == "":
		return "401 Unauthorized", "WWW-Authenticate: Digest realm=\"" + serverDomain + "\", nonce=\"n\"\r\n"
	}
	return "200 OK", "Contact: " + m.Get("Contact") + ";expires=3600\r\n"
}

func TestCamerasComeBackWhenAskedTo(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex // guards what follows
	refused, kept := map[string]time.Time{}, map[string]bool{}
	early := false
	server := registrar(t, func(m *wire.Message) (string, string) {
		mu.Lock()
		defer mu.Unlock()
		id := wire.User(m.Get("From"))
		late := strings.HasSuffix(id, "7")
		switch at, was := refused[id]; {
		case m.Method == "MESSAGE":
			kept[id] = true
		case late && !was:
			refused[id] = time.Now()
			return "503 Service Unavailable", "Retry-After: 2\r\n"
		case late && time.Since(at) < 2*time.Second:
			early = true
		}
		return welcome(m)
	})
	f, err := openFleet(server, 60, checker{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	again, err := f.register(t.Context(), 5000)
	if err != nil || f.missing() != 0 || again < 6 {
		t.Errorf("register = %d more tries, %v; %d missing", again, err, f.missing())
	}
	mu.Lock()
	defer mu.Unlock()
	if early {
		t.Error("a camera came back too early")
	}
	if len(kept) == 0 {
		t.Error("those that were registered did not keep alive meanwhile")
	}
}

func TestSilenceIsLossAndLatencyIsTimed(t *testing.T) {
	t.Parallel()
	server := registrar(t, func(m *wire.Message) (string, string) {
		if strings.HasSuffix(wire.User(m.Get("From")), "9") {
			return "", ""
		}
		time.Sleep(2 * time.Millisecond)
		return welcome(m)
	})
	f, err := openFleet(server, 20, checker{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	l, err := f.run(t.Context(), work{kind: opKeepalive, ops: 20, timed: true})
	if err != nil || l.Begun != 20 || l.Lost < 2 || l.Ops == 0 || l.Ops+l.Lost != 20 || l.P99 < 2*time.Millisecond || l.P99 > 5*time.Second {
		t.Errorf("run = %+v, %v", l, err)
	}
}

func TestAWrongAnswerIsAFault(t *testing.T) {
	t.Parallel()
	server := registrar(t, func(m *wire.Message) (string, string) { return "403 Forbidden", "" })
	f, err := openFleet(server, 5, checker{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	l, err := f.run(t.Context(), work{kind: opRegister, ops: 5})
	if err != nil || l.Ops != 0 || f.faults["status 403 instead of 401"] != 5 {
		t.Errorf("run = %+v, %v; faults %v", l, err, f.faults)
	}
}
