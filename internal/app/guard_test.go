package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/sip/digest"
	"fengsui/sip/flow"
	"fengsui/sip/siptest"
)

// unexempt makes the loopback an address like any other.
func unexempt(c *configs.Config) { c.SIP.Guard.Allow = nil }

func TestStrangersGetNoFurtherThanTheIntake(t *testing.T) {
	a := serve(t, unexempt)
	stranger := siptest.NewDevice(t, siptest.Config{Server: a.endpoint.Addrs()[0].Local, Transport: flow.UDP})
	for method, want := range map[string]int{"MESSAGE": 403, "NOTIFY": 403, "INVITE": 403, "FOO": 403, "OPTIONS": 200, "BYE": 481} {
		m := stranger.Request(method, "")
		stranger.Send(m.Bytes())
		if got := stranger.ExpectAnswer(m); got.Status != want {
			t.Errorf("%s is answered %d, want %d", method, got.Status, want)
		}
	}
	scanner := stranger.Request("OPTIONS", "", siptest.Header{Name: "User-Agent", Value: "friendly-scanner"})
	stranger.Send(scanner.Bytes())
	stranger.Silence(200*time.Millisecond, func(m *siptest.Message) bool { return m.Status > 0 })

	d := register(t, a)
	alarm := d.Request("MESSAGE", "<Notify><CmdType>Alarm</CmdType><SN>1</SN><DeviceID>"+d.ID()+"</DeviceID></Notify>")
	d.Send(alarm.Bytes())
	if m := d.ExpectAnswer(alarm); m.Status != 200 {
		t.Errorf("the message of a registered device is answered %d", m.Status)
	}
}

// attempt sends a REGISTER that answers the challenge with the password, and
// returns the status, 0 for silence.
func attempt(t *testing.T, d *siptest.Device, password string, patience time.Duration) int {
	t.Helper()
	first := d.Request("REGISTER", "")
	d.Send(first.Bytes())
	c, _, err := digest.ParseChallenge([]byte(d.ExpectAnswer(first).Get("WWW-Authenticate")))
	if err != nil {
		t.Fatal(err)
	}
	c.Username, c.URI = d.ID(), first.URI
	c.Sign("REGISTER", password)
	second := d.Request("REGISTER", "", siptest.Header{Name: "Authorization", Value: c.String()})
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		d.Send(second.Bytes())
		if m := answerTo(d, second); m != nil {
			return m.Status
		}
	}
	return 0
}

func answerTo(d *siptest.Device, to *siptest.Message) *siptest.Message {
	return d.Try(100*time.Millisecond, func(m *siptest.Message) bool {
		return m.Status > 0 && m.Get("CSeq") == to.Get("CSeq") && m.Get("Call-ID") == to.Get("Call-ID")
	})
}

func TestWrongPasswordsAreMetWithGrowingSilenceAndThenABan(t *testing.T) {
	a := serve(t, func(c *configs.Config) { unexempt(c); c.SIP.Guard.Failures = 10 })
	server := a.endpoint.Addrs()[0].Local
	d := siptest.NewDevice(t, siptest.Config{Server: server, Transport: flow.UDP})
	for i := range 4 {
		if got := attempt(t, d, "wrong", time.Second); got != 403 {
			t.Errorf("attempt %d is answered %d, want 403", i+1, got)
		}
	}
	if got := attempt(t, d, "wrong", 300*time.Millisecond); got != 0 {
		t.Errorf("the fifth is answered %d, want silence", got)
	}
	if got := attempt(t, d, "12345678", 3*time.Second); got != 200 {
		t.Errorf("the right password after the pause is answered %d, want 200", got)
	}
	a.table.Unbind("34020000001320000001", d.Flow(0), time.Now())
	for i := range 10 {
		other := siptest.NewDevice(t, siptest.Config{Server: server, Transport: flow.UDP, ID: fmt.Sprintf("3402000000132000%04d", 100+i)})
		if got := attempt(t, other, "wrong", time.Second); i < 6 && got != 403 {
			t.Errorf("ID %d is answered %d, want 403", i, got)
		}
		if len(a.guard.Bans()) > 0 {
			break
		}
	}
	if b := a.guard.Bans(); len(b) != 1 || b[0].Source.Addr() != d.Local().Addr() {
		t.Fatalf("bans %+v", b)
	}
	silent := d.Request("OPTIONS", "")
	d.Send(silent.Bytes())
	if m := answerTo(d, silent); m != nil {
		t.Errorf("a banned address is answered %d", m.Status)
	}
	a.guard.Unban(d.Local().Addr())
	d.Send(silent.Bytes())
	if m := answerTo(d, silent); m == nil {
		t.Error("still banned")
	}
}

func TestGuardSettingsTakeEffectWithoutARestart(t *testing.T) {
	a := serve(t, unexempt)
	honest := register(t, a)
	stranger := siptest.NewDevice(t, siptest.Config{Server: a.endpoint.Addrs()[0].Local, Transport: flow.UDP, Local: "127.0.0.9:0"})
	ask := func(d *siptest.Device, agent string) int {
		m := d.Request("OPTIONS", "", siptest.Header{Name: "User-Agent", Value: agent})
		d.Send(m.Bytes())
		if answer := answerTo(d, m); answer != nil {
			return answer.Status
		}
		return 0
	}
	set := func(change func(*configs.SIPGuard)) {
		t.Helper()
		next := a.cfg
		change(&next.SIP.Guard)
		if waiting, err := a.Reload(next); err != nil || len(waiting) > 0 {
			t.Fatalf("Reload: %v waits, %v", waiting, err)
		}
	}
	if got := ask(stranger, "IP Camera"); got != 200 {
		t.Fatalf("at first answered %d", got)
	}
	set(func(g *configs.SIPGuard) { g.Deny = []string{"127.0.0.9"} })
	if got := ask(stranger, "IP Camera"); got != 0 {
		t.Errorf("a denied network is answered %d", got)
	}
	set(func(g *configs.SIPGuard) { g.DenyAgents = []string{"camera"} })
	if got := ask(stranger, "IP Camera"); got != 0 {
		t.Errorf("a denied User-Agent is answered %d", got)
	}
	set(func(g *configs.SIPGuard) { g.DenyIDs = []string{stranger.ID()[:12]} })
	if got := ask(stranger, "IP Camera"); got != 403 {
		t.Errorf("a denied ID is answered %d, want 403", got)
	}
	set(func(g *configs.SIPGuard) { g.Rate, g.Burst = 10, 100 })
	n := 0
	for range 300 {
		if m := honest.Request("OPTIONS", ""); ask(stranger, "x") == 0 {
			break
		} else if n++; n%50 == 0 {
			honest.Send(m.Bytes())
			if got := honest.ExpectAnswer(m); got.Status != 200 {
				t.Errorf("the honest device is answered %d", got.Status)
			}
		}
	}
	if n >= 300 {
		t.Error("the budget did not shrink")
	}
	set(func(*configs.SIPGuard) {})
	if got := ask(stranger, "IP Camera"); got != 200 {
		t.Errorf("with the old settings again answered %d", got)
	}
}

func TestBansOutliveARestart(t *testing.T) {
	folder := t.TempDir()
	open := func() *App {
		cfg, password := configs.Default(), "12345678"
		cfg.DataDir, cfg.SIP.Password = folder, &password
		a, err := New(t.Context(), cfg, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.load(t.Context()); err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := open()
	attacker, now := netip.MustParseAddr("198.51.100.66"), time.Now()
	a.guard.Ban(attacker, "50 refused registrations", now)
	a.guard.Ban(netip.MustParseAddr("2001:db8::1"), "garbage", now.Add(-24*time.Hour))
	ctx, cancel := context.WithCancel(t.Context())
	kept := make(chan error)
	go func() { kept <- a.keepBans(ctx) }()
	cancel()
	if err := errors.Join(<-kept, a.Close()); err != nil {
		t.Fatal(err)
	}
	a = open()
	if b := a.guard.Bans(); len(b) != 1 || b[0].Source.String() != "198.51.100.66/32" || b[0].Reason != "50 refused registrations" || !b[0].Until.Equal(now.Add(a.cfg.SIP.Guard.Ban)) {
		t.Errorf("bans after the restart %+v", b)
	}
	if ok, _ := a.guard.Admit(attacker, time.Now()); ok {
		t.Error("the banned address is heard")
	}
	a.guard.Unban(attacker)
	a.guard.Ban(attacker, "again", now)
	if b := a.guard.Bans(); len(b) != 1 || b[0].Until.Sub(b[0].Since) != a.cfg.SIP.Guard.Ban {
		t.Errorf("after unbanning %+v", b)
	}
	if err := a.store.SetSetting(t.Context(), bansSetting, "no JSON"); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = open()
	if b := a.guard.Bans(); len(b) != 0 {
		t.Errorf("bans %+v", b)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}

// Five thousand cameras behind one NAT address come back at once, with a budget
// of a fifth of what they send.
func TestFiveThousandDevicesBehindOneAddressRegister(t *testing.T) {
	a := serve(t, func(c *configs.Config) {
		unexempt(c)
		c.SIP.QueryRate, c.SIP.Guard.Rate, c.SIP.Guard.Burst = 1, 500, 2000
	})
	const devices, sockets = 5000, 10
	begun := time.Now()
	var all sync.WaitGroup
	for s := range sockets {
		all.Go(func() {
			if err := registerMany(a, s*devices/sockets, devices/sockets); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if online, _, _ := a.table.Counts(); online != devices {
		t.Errorf("%d registered, want %d", online, devices)
	}
	t.Logf("after %v", time.Since(begun))
}

// registerMany registers devices from one socket, all at once, and repeats what
// is not answered within half a second. Who is sent away for a while, as happens
// on a busy machine, does not wait that long.
func registerMany(a *App, first, count int) error {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(a.endpoint.Addrs()[0].Local))
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetReadBuffer(8 << 20)
	waiting := map[string]string{} // last message by Call-ID
	send := func(n int, cseq int, authorization string) {
		id := fmt.Sprintf("340200000013200%05d", n)
		waiting[fmt.Sprint(n)] = fmt.Sprintf("REGISTER sip:34020000002000000001@3402000000 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK%d-%d\r\n"+
			"From: <sip:%s@3402000000>;tag=1\r\nTo: <sip:%s@3402000000>\r\nCall-ID: %d\r\nCSeq: %d REGISTER\r\nContact: <sip:%s@10.0.0.1>\r\n"+
			"Expires: 3600\r\n%sContent-Length: 0\r\n\r\n", n, cseq, id, id, n, cseq, id, authorization)
	}
	for i := range count {
		send(first+i, 1, "")
	}
	for _, m := range waiting {
		_, _ = c.Write([]byte(m))
	}
	again := 2
	b, end := make([]byte, 65536), time.Now().Add(30*time.Second)
	for len(waiting) > 0 && time.Now().Before(end) {
		_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		size, err := c.Read(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			for _, m := range waiting {
				_, _ = c.Write([]byte(m))
			}
			continue
		}
		if err != nil {
			return err
		}
		m, err := siptest.ParseMessage(b[:size])
		if err != nil {
			return err
		}
		var n int
		if _, err := fmt.Sscan(m.Get("Call-ID"), &n); err != nil || m.Status == 0 {
			continue // a question of the server's
		}
		switch m.Status {
		case 200:
			delete(waiting, fmt.Sprint(n))
		case 503:
			again++
			send(n, again, "")
		case 401:
			ch, _, err := digest.ParseChallenge([]byte(m.Get("WWW-Authenticate")))
			if err != nil {
				return err
			}
			ch.Username, ch.URI = fmt.Sprintf("340200000013200%05d", n), "sip:34020000002000000001@3402000000"
			ch.Sign("REGISTER", "12345678")
			send(n, 2, "Authorization: "+ch.String()+"\r\n")
			_, _ = c.Write([]byte(waiting[fmt.Sprint(n)]))
		default:
			return fmt.Errorf("device %d is answered %d", n, m.Status)
		}
	}
	if len(waiting) > 0 {
		return fmt.Errorf("%d devices not registered", len(waiting))
	}
	return nil
}
