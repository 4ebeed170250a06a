//go:build linux

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fengsui/internal/sim/wire"
	"fengsui/sip/digest"
)

func testCamera() camera {
	c := newCamera(300, fleetNet, 5062, "UDP")
	c.serial, c.cseq = 0x1f, 9
	return c
}

func TestCamerasHaveIDsAndAddressesOfTheirOwn(t *testing.T) {
	ids, addrs := map[string]bool{}, map[[4]byte]bool{}
	for i := 0; i < 100_000; i += 7 {
		c := newCamera(i, fleetNet, 5060, "UDP")
		if len(c.id) != 20 || ids[c.id] || addrs[c.addr] || c.addr[0] != 127 || int(c.addr[1]-fleetNet)<<16|int(c.addr[2])<<8|int(c.addr[3]) != i {
			t.Fatalf("camera %d: ID %q, address %v", i, c.id, c.addr)
		}
		ids[c.id], addrs[c.addr] = true, true
	}
}

func TestRequestsAreWholeMessages(t *testing.T) {
	c := testCamera()
	for name, b := range map[string][]byte{
		"REGISTER": c.appendRegister(nil, nil),
		"answered": c.appendRegister(nil, c.appendAuthorization(nil, []byte("n"), registerHA2())),
		"MESSAGE":  c.appendKeepalive(nil),
	} {
		m, err := wire.Parse(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		n, method := m.CSeq()
		if n == 0 || method != m.Method || m.Branch() != "z9hG4bKb12c-1f" || wire.User(m.Get("From")) != c.id || m.Get("Call-ID") == "" {
			t.Errorf("%s is\n%s", name, b)
		}
		if skip, size, ok, err := wire.Frame(b); skip != 0 || size != len(b) || !ok || err != nil {
			t.Errorf("%s: Content-Length makes %d of %d bytes, %v", name, size, len(b), err)
		}
	}
}

func TestBranchesAreReadBack(t *testing.T) {
	c := testCamera()
	i, serial, ok := readBranch(c.appendBranch(nil))
	if !ok || i != 300 || serial != 0x1f {
		t.Errorf("readBranch = %d, %#x, %v", i, serial, ok)
	}
	for _, bad := range []string{"", "z9hG4bK", "z9hG4bKb", "z9hG4bKb-", "z9hG4bKb1", "z9hG4bKbx-1", "z9hG4bKb1-123456789", "z9hG4bKq1"} {
		if _, _, ok := readBranch([]byte(bad)); ok {
			t.Errorf("branch %q is taken for ours", bad)
		}
	}
}

func TestCredentialsAreThoseOfTheLibrary(t *testing.T) {
	if err := selfCheck(); err != nil {
		t.Fatal(err)
	}
	c := testCamera()
	parsed, err := digest.Parse(c.appendAuthorization(nil, []byte("n"), registerHA2()))
	if err != nil {
		t.Fatal(err)
	}
	if parsed.Verify("REGISTER", devicePass+"x") {
		t.Error("any password verifies")
	}
}

// respond is an answer as the server writes it; changes replaces parts of it.
func respond(c *camera, changes ...string) []byte {
	status, cseq, callID, extra := "200 OK", "9 REGISTER", c.callID, "Expires: 3600\r\nDate: 2026-01-02T03:04:05.678\r\n"
	switch c.op {
	case opChallenge:
		status, extra = "401 Unauthorized", "WWW-Authenticate: Digest realm=\"3402000000\",nonce=\"abc\",algorithm=MD5\r\n"
	case opKeepalive:
		cseq, callID, extra = "31 MESSAGE", string(c.appendCallID(nil)), ""
	}
	text := "SIP/2.0 " + status + "\r\nVia: SIP/2.0/UDP " + c.host + ";rport=5062;branch=" + string(c.appendBranch(nil)) + ";received=127.1.1.44\r\n" +
		"From: <sip:" + c.id + "@3402000000>;tag=" + c.tag + "\r\nTo: <sip:" + c.id + "@3402000000>;tag=xyz\r\nCall-ID: " + callID +
		"\r\nCSeq: " + cseq + "\r\n" + extra + "Content-Length: 0\r\n\r\n"
	return []byte(strings.NewReplacer(changes...).Replace(text))
}

func TestEveryFlawOfAnAnswerIsFound(t *testing.T) {
	zone := time.FixedZone("UTC+8", 8*3600)
	now := time.Date(2026, 1, 2, 3, 4, 6, 0, zone)
	for _, tt := range []struct {
		name    string
		op      uint8
		changes []string
		want    string
	}{
		{"challenge", opChallenge, nil, ""},
		{"success", opRegister, nil, ""},
		{"keepalive", opKeepalive, nil, ""},
		{"403", opRegister, []string{"200 OK", "403 Forbidden"}, "status 403 to a right password"},
		{"200 at once", opChallenge, []string{"401 Unauthorized", "200 OK"}, "status 200 instead of 401"},
		{"keepalive refused", opKeepalive, []string{"200 OK", "403 Forbidden"}, "status 403 to a keepalive"},
		{"two Vias", opKeepalive, []string{"From:", "Via: SIP/2.0/UDP 1.2.3.4\r\nFrom:"}, "Via not as sent"},
		{"foreign Call-ID", opRegister, []string{"Call-ID: r", "Call-ID: s"}, "wrong Call-ID"},
		{"old CSeq", opRegister, []string{"CSeq: 9", "CSeq: 8"}, "wrong CSeq"},
		{"wrong method", opKeepalive, []string{"31 MESSAGE", "31 REGISTER"}, "wrong CSeq"},
		{"From tag", opKeepalive, []string{";tag=t000300", ";tag=t000301"}, "wrong From tag"},
		{"To tag", opKeepalive, []string{";tag=xyz", ""}, "no To tag"},
		{"realm", opChallenge, []string{`realm="3402000000"`, `realm="x"`}, "wrong realm"},
		{"no nonce", opChallenge, []string{`,nonce="abc"`, ""}, "no nonce"},
		{"same nonce", opChallenge, []string{"abc", "last"}, "nonce did not change"},
		{"expiry", opRegister, []string{"Expires: 3600", "Expires: 60"}, "wrong Expires"},
		{"no Date", opRegister, []string{"Date: 2026-01-02T03:04:05.678\r\n", ""}, "no Date"},
		{"bad Date", opRegister, []string{"2026-01-02T", "2026-01-99T"}, "unreadable Date"},
		{"Date in UTC", opRegister, []string{"T03:04:05", "T19:04:05"}, "Date is wrong"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := testCamera()
			c.op, c.nonce = tt.op, "last"
			a, err := scanAnswer(respond(&c, tt.changes...))
			if err != nil {
				t.Fatal(err)
			}
			k := checker{zone: zone}
			if got := k.check(&c, &a, now); got != tt.want {
				t.Errorf("check = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestUnreadableAnswersAreRefused(t *testing.T) {
	for _, bad := range []string{"", "SIP/2.0 ", "SIP/2.0 2x0 OK\r\n\r\n", "SIP/2.0 200 OK\r\n", "SIP/2.0 200 OK\r\nno colon\r\n\r\n",
		"SIP/2.0 200 OK\r\nCall-ID: a\nCSeq: 1 X\r\n\r\n", "SIP/2.0 200 OK\r\nCSeq: -1 X\r\n\r\n"} {
		if _, err := scanAnswer([]byte(bad)); err == nil {
			t.Errorf("%q is taken for an answer", bad)
		}
	}
}

func FuzzScanAnswer(f *testing.F) {
	for _, op := range []uint8{opChallenge, opRegister, opKeepalive} {
		c := testCamera()
		c.op = op
		f.Add(respond(&c))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		a, err := scanAnswer(in)
		if err == nil && (a.status < 0 || a.status > 999) {
			t.Fatalf("status %d", a.status)
		}
	})
}

func TestTheMachineIsReadFromProc(t *testing.T) {
	stat := "cpu  3 0 3 9 0 0 0 0 0 0\ncpu0 100 5 20 900 7 1 2 30 0 0\ncpu1 1 1 1 1 1 1 1 1 0 0\nintr 5\n"
	got := parseMachine(stat)
	if len(got) != 2 || got[0] != (coreTime{busy: 128 * tick, steal: 30 * tick}) {
		t.Errorf("parseMachine = %v", got)
	}
	d, err := parseProcessTime("42 (a (b) c) S 1 42 42 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 6 0 1 1 1")
	if err != nil || d != 2*time.Second {
		t.Errorf("parseProcessTime = %v, %v", d, err)
	}
	if _, err := parseProcessTime("42 (x) S 1"); err == nil {
		t.Error("a short line is taken")
	}
	n, err := parseStatus("Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\n", "VmRSS")
	if err != nil || n != 1<<20 {
		t.Errorf("parseStatus = %d, %v", n, err)
	}
	table := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n" +
		"  101: 0100007F:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12345 2 0000000000000000 17\n"
	drops, err := parseDrops(table, 5060)
	if err != nil || drops != 17 {
		t.Errorf("parseDrops = %d, %v", drops, err)
	}
	if _, err := parseDrops(table, 5061); err == nil {
		t.Error("a socket that is not there has drops")
	}
	if m, err := processMemory(os.Getpid()); err != nil || m.RSS == 0 || m.Peak < m.RSS {
		t.Errorf("processMemory of this process = %+v, %v", m, err)
	}
}

func TestDisturbedRoundsAreNamed(t *testing.T) {
	full := span{Wall: time.Second, Server: 990 * time.Millisecond, Driver: 600 * time.Millisecond}
	for _, tt := range []struct {
		name   string
		change func(*span)
		demand demand
		counts bool
	}{
		{"good at the maximum", func(*span) {}, maximum, true},
		{"good with time to spare", func(s *span) { s.Server /= 10; s.Driver /= 10 }, share, true},
		{"stolen", func(s *span) { s.Steal = 0.05 }, maximum, false},
		{"others on the server's core", func(s *span) { s.OthersThere = 0.2 }, maximum, false},
		{"others on the driver's core", func(s *span) { s.OthersHere = 0.3 }, maximum, false},
		{"driver was the bottleneck", func(s *span) { s.Server /= 2; s.Driver = s.Wall }, maximum, false},
		{"driver and server at their limits", func(s *span) { s.Driver = s.Wall }, maximum, true},
		{"driver short of time", func(s *span) { s.Driver = s.Wall }, share, false},
		{"others beside two servers", func(s *span) { s.OthersThere = 0.2 }, compared, false},
		{"idle driver beside two servers", func(s *span) { s.Driver = s.Wall; s.Server /= 2 }, compared, true},
		{"memory does not care", func(s *span) { s.OthersThere = 0.5 }, resident, true},
	} {
		s := full
		tt.change(&s)
		if why := s.disturbed(tt.demand); (why == "") != tt.counts {
			t.Errorf("%s: disturbed = %q", tt.name, why)
		}
	}
}

func TestMiddleIsTheMedian(t *testing.T) {
	rounds := []round[float64]{{value: 5}, {value: 1}, {value: 3}}
	key := func(v float64) float64 { return v }
	if got := middle(rounds, key).value; got != 3 {
		t.Errorf("middle of three = %v", got)
	}
	if got := middle(rounds[:2], key).value; got != 5 {
		t.Errorf("middle of two = %v, want the worse", got)
	}
	var d []time.Duration
	for i := range 60 {
		d = append(d, time.Duration(60-i)*time.Millisecond)
	}
	if got, want := spreadOf(d), (spread{30 * time.Millisecond, 57 * time.Millisecond, 60 * time.Millisecond}); got != want {
		t.Errorf("spread = %v, want %v", got, want)
	}
}

func TestReceptionThatLosesIsRefused(t *testing.T) {
	list := func(bytes, lost uint64) []liveStream {
		out := make([]liveStream, streamCount)
		for i := range out {
			s := &out[i]
			s.ID = string(rune('a'+i/26)) + string(rune('a'+i%26))
			s.Stats = &streamStats{Bytes: bytes, Packets: bytes / 1000, Lost: lost, FPS: 25, KeyIntervalMS: 1000}
		}
		return out
	}
	const window = 15 * time.Second
	good := uint64(streamBitrate / 8 * 15)
	if packets, bytes, err := checkReception(list(1000, 0), list(good+1000, 0), window); err != nil || bytes != streamCount*good || packets != streamCount*good/1000 {
		t.Errorf("good reception: %d packets, %d bytes, %v", packets, bytes, err)
	}
	slow := list(good+1000, 0)
	slow[7].Stats.KeyIntervalMS = 4000
	for name, last := range map[string][]liveStream{
		"lost": list(good, 1), "stalled": list(1000, 0), "missing": list(good, 0)[1:], "no key frames": slow,
	} {
		if _, _, err := checkReception(list(1000, 0), last, window); err == nil {
			t.Errorf("%s: reception is taken for good", name)
		}
	}
}

func TestFleetDrivesAPeerInBatches(t *testing.T) {
	ports, err := freePorts(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- runFloor(ctx, floorEcho, ports[0].String()) }()
	err = until(ctx, 5*time.Second, time.Millisecond, "the floor's socket", func() (bool, string, error) {
		_, err := socketDrops(ports[0].Port())
		return err == nil, "", nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := openFleet(ports[0], 300, checker{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	f.echo = true
	l, err := f.run(ctx, work{kind: opKeepalive, ops: 2000, timed: true})
	if err != nil || l.Begun != 2000 || l.Ops+l.Lost != 2000 || l.Ops < 1900 || l.P99 <= 0 || len(f.faults) != 0 || f.sock.Foreign != 0 {
		t.Errorf("run = %+v, %v; faults %v", l, err, f.faults)
	}
	l, err = f.run(ctx, work{kind: opRegister, rate: 2000, until: 500 * time.Millisecond})
	if err != nil || l.Begun == 0 || float64(l.Begun) > 2000*l.Lasted.Seconds()+1 || l.Ops+l.Lost != l.Begun || l.Sent < l.Begun+l.Ops || len(f.faults) != 0 {
		t.Errorf("pairs at a pace = %+v, %v; faults %v", l, err, f.faults)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestMetricsAreSummed(t *testing.T) {
	text := "# HELP a_total x\na_total{b=\"1\"} 2\na_total{b=\"2\"} 3 1700000000\na_total_more 9\n"
	if v, err := sumMetric(text, "a_total"); err != nil || v != 5 {
		t.Errorf("sum = %v, %v", v, err)
	}
	if _, err := sumMetric(text, "a"); err == nil {
		t.Error("part of a name is taken for a metric")
	}
}

func TestFiguresOfABusyMachineAreNotWritten(t *testing.T) {
	page := filepath.Join(t.TempDir(), "benchmarks.md")
	err := run(t.Context(), []string{"-disturbed", "-write", page}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "-disturbed") {
		t.Errorf("run = %v", err)
	}
	if _, err := os.Stat(page); err == nil {
		t.Error("the page is there")
	}
}

func TestABinaryOfAnotherCommitIsNamed(t *testing.T) {
	for _, tt := range []struct{ tree, version, want string }{
		{"f8c4695824", "fengsui f8c4695 (commit f8c4695, go1.26.8)", "f8c4695824"},
		{"f8c4695824-dirty", "fengsui f8c4695 (commit f8c4695, go1.26.8)", "f8c4695824-dirty"},
		{"0a13d03aaa", "fengsui f8c4695 (commit f8c4695, go1.26.8)", "0a13d03aaa with the binary of fengsui f8c4695 (commit f8c4695, go1.26.8)"},
		{"unknown", "fengsui dev (go1.26.8)", "unknown with the binary of fengsui dev (go1.26.8)"},
	} {
		if got := measured(tt.tree, tt.version); got != tt.want {
			t.Errorf("measured(%q, %q) = %q, want %q", tt.tree, tt.version, got, tt.want)
		}
	}
}
