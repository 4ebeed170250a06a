package e2e_test

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sipp begins a scenario of the folder sipp with one call; what it returns
// waits for the end, which must be a success.
func sipp(t *testing.T, s *server, scenario, transport, device, password string, stay time.Duration) (wait func()) {
	t.Helper()
	_, local, err := net.SplitHostPort(loopbackPorts.one(t))
	if err != nil {
		t.Fatal(err)
	}
	mode := map[string]string{"udp": "u1", "tcp": "t1"}[transport]
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	cmd := exec.CommandContext(ctx, tool(t, "sipp"), s.sip, "-sf", filepath.Join(shared.root, "test/e2e/sipp", scenario+".xml"),
		"-m", "1", "-t", mode, "-i", "127.0.0.1", "-p", local, "-mp", strconv.Itoa(loopbackPorts.run(t, 4)), "-nostdin",
		"-timeout", "30s", "-d", strconv.FormatInt(stay.Milliseconds(), 10),
		"-key", "device", device, "-key", "server", serverID, "-key", "domain", domain, "-au", device, "-ap", password,
		"-trace_err", "-error_file", filepath.Join(filepath.Dir(s.data), scenario+"-"+transport+"-errors.log"))
	type result struct {
		code int
		out  string
	}
	done := make(chan result, 1)
	go func() {
		defer cancel()
		out, err := cmd.CombinedOutput()
		code := -1
		if cmd.ProcessState != nil {
			code = cmd.ProcessState.ExitCode()
		} else {
			out = fmt.Appendln(out, err)
		}
		done <- result{code, string(out)}
	}()
	return func() {
		t.Helper()
		if r := <-done; r.code != 0 {
			t.Errorf("sipp %s over %s ended with %d\n%s", scenario, transport, r.code, tail(r.out, 60))
		}
	}
}

func TestSippDevicesRegisterAndLeave(t *testing.T) {
	t.Parallel()
	s := start(t)
	for i, transport := range []string{"udp", "tcp"} {
		id := func(n int) string { return fmt.Sprintf("3402000000132%07d", 10*i+n) }
		t.Run("register over "+transport, func(t *testing.T) {
			t.Parallel()
			device := id(1)
			wait := sipp(t, s, "register", transport, device, sipPassword, 1500*time.Millisecond)
			eventually(t, 15*time.Second, func() string {
				a := s.call(t, "GET", "/api/v1/devices/"+device, nil)
				if a.status != 200 {
					return string(a.body)
				}
				if d := want[deviceInfo](t, a, 200); d.State != "online" || d.Transport != transport {
					return fmt.Sprintf("%+v, want it online over %s", d, transport)
				}
				return ""
			})
			wait()
			routine := get[struct {
				Routine struct{ Registers, Refused, Keepalives, Failed int }
			}](t, s.client, "/api/v1/trace?device="+device).Routine
			if routine.Registers != 4 || routine.Refused != 2 || routine.Keepalives != 2 || routine.Failed != 0 {
				t.Errorf("counted %+v, want 4 REGISTERs of which 2 were challenged, and 2 keepalives", routine)
			}
		})
		t.Run("unregister over "+transport, func(t *testing.T) {
			t.Parallel()
			device := id(2)
			sipp(t, s, "unregister", transport, device, sipPassword, 0)()
			if d := s.device(t, device); d.State != "offline" {
				t.Errorf("%+v, want it offline at once", d)
			}
		})
		t.Run("wrong password over "+transport, func(t *testing.T) {
			t.Parallel()
			device := id(3)
			sipp(t, s, "refused", transport, device, "not-"+sipPassword, 0)()
			refused(t, s.call(t, "GET", "/api/v1/devices/"+device, nil), 404)
			attempts := get[page[struct{ ID, Check, Transport, Detail string }]](t, s.client, "/api/v1/attempts?q="+device)
			if attempts.Total != 1 || attempts.Items[0].Check != "password" || attempts.Items[0].Transport != transport || attempts.Items[0].Detail == "" {
				t.Errorf("attempts %+v, want one that names the password", attempts)
			}
		})
		t.Run("keepalive of a stranger over "+transport, func(t *testing.T) {
			t.Parallel()
			sipp(t, s, "stranger", transport, id(4), sipPassword, 0)()
			refused(t, s.call(t, "GET", "/api/v1/devices/"+id(4), nil), 404)
		})
	}
}

func TestRepeatedRegisterGetsTheSameAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := dial(t, s, "udp", "34020000001320000001")
	first := p.register("repeat", 3600)
	challenge := p.ask(t, first)
	if again := p.ask(t, first); again != challenge || statusOf(challenge) != 401 {
		t.Errorf("a repeated REGISTER was answered\n%s\nand before\n%s", again, challenge)
	}
	second := p.register("repeat", 3600, p.credentials(challenge, sipPassword))
	ok := p.ask(t, second)
	time.Sleep(20 * time.Millisecond) // Date has milliseconds: a new answer would differ
	for range 3 {
		if again := p.ask(t, second); again != ok || statusOf(ok) != 200 {
			t.Errorf("a repeated REGISTER was answered\n%s\nand before\n%s", again, ok)
		}
	}
	if header(ok, "Date") == "" || header(ok, "Expires") != "3600" || !strings.Contains(header(ok, "Via"), "rport=") {
		t.Errorf("Date, Expires or rport is missing in\n%s", ok)
	}
	if d := s.device(t, p.id); d.State != "online" {
		t.Errorf("%+v, want it online", d)
	}
}

func TestOddMessagesAreAnsweredOrDroppedAndHarmNothing(t *testing.T) {
	t.Parallel()
	s := start(t, "sip.max_body=8KiB")
	p := dial(t, s, "udp", "34020000001320000001")
	p.enrol(t, "odd", 3600)
	before := s.mediaLeases(t)

	large := p.message("MESSAGE", "large", "<Notify><CmdType>Alarm</CmdType>"+strings.Repeat(" ", 9<<10)+"</Notify>", "Content-Type: Application/MANSCDP+xml")
	if got := statusOf(p.ask(t, large)); got != 413 {
		t.Errorf("a body of 9 KiB was answered %d, want 413", got)
	}
	tcp := dial(t, s, "tcp", "34020000001320000001")
	if got := statusOf(tcp.ask(t, tcp.message("MESSAGE", "large-tcp", strings.Repeat("x", 9<<10)))); got != 413 {
		t.Errorf("a body of 9 KiB over TCP was answered %d, want 413", got)
	}
	for name, c := range map[string]struct {
		message string
		want    int
	}{
		"CSeq that is no number": {strings.Replace(p.register("cseq", 60), "CSeq: ", "CSeq: x", 1), 400},
		"another method in CSeq": {strings.Replace(p.register("method", 60), " REGISTER\r\nMax", " INVITE\r\nMax", 1), 400},
		"a body that is no XML":  {p.message("MESSAGE", "xml", "hello", "Content-Type: Application/MANSCDP+xml"), 400},
		"a length in words":      {strings.Replace(p.register("length", 60), "Content-Length: 0", "Content-Length: many", 1), 401}, // repaired
	} {
		if got := p.ask(t, c.message); statusOf(got) != c.want {
			t.Errorf("a message with %s was answered %d, want %d:\n%s", name, statusOf(got), c.want, got)
		}
	}
	t.Run("garbage is dropped", func(t *testing.T) {
		for _, junk := range []string{"\x00", "\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "REGISTER", strings.Repeat("\xff", 1400),
			"SIP/2.0 200 OK\r\n\r\n", "INVITE sip:x SIP/2.0\r\n\r\n", "\x80\x60\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01"} {
			p.send(t, junk)
		}
		if got := p.answer(t, 500*time.Millisecond); got != "" {
			t.Errorf("answered\n%s", got)
		}
	})
	t.Run("garbage over TCP", func(t *testing.T) {
		c, err := net.Dial("tcp", s.sip)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = c.Write([]byte(strings.Repeat("garbage without an end ", 20000))) // the server may close meanwhile
	})
	if got := statusOf(p.ask(t, p.keepalive("after"))); got != 200 {
		t.Errorf("after all that a keepalive was answered %d", got)
	}
	if !s.alive() {
		t.Fatal("the server has ended")
	}
	if after := s.mediaLeases(t); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("leases are %v, and were %v", after, before)
	}
}
