package e2e_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// offersQOP lets svcrack compute a right response: without it, it claims qop
// all the same and can never succeed.
const offersQOP = "sip.qop=auth"

// scanner runs a program of SIPVicious against the server from a loopback
// address of its own, and returns all it says.
func scanner(t *testing.T, s *server, from string, within time.Duration, args ...string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(s.sip)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool(t, args[0]), append(args[1:], "-p", port, "-b", from, "-x", from, "-v", "127.0.0.1")...)
	cmd.Env = append(cleanEnv(), "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	return string(out)
}

// dialFrom is dial from another loopback address than the scanners'.
func dialFrom(t *testing.T, s *server, from, id string) *peer {
	t.Helper()
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(t.Context(), "udp", s.sip)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &peer{Conn: c, network: "udp", id: id}
}

// SIPVicious tells extensions by how their answers differ from those of one that
// cannot be, and cracks a password by trying a dictionary at full speed.
func TestScannersLearnNothingAndHarmNobody(t *testing.T) {
	t.Parallel()
	const (
		known   = "34020000001320000007" // provisioned, with a password from every dictionary
		weak    = "letmein"
		home    = "127.0.0.2" // of the honest device
		numbers = "1-30"      // known is among them
		form    = "3402000000132%07d"
		nothing = "found nothing"
	)
	var dictionary strings.Builder
	for i := range 400 {
		if i == 230 {
			dictionary.WriteString(weak + "\n")
		}
		fmt.Fprintf(&dictionary, "password%d\n", i)
	}
	words := filepath.Join(t.TempDir(), "words")
	if err := os.WriteFile(words, []byte(dictionary.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string][]string{
		"as shipped":             nil,
		"scanners that disguise": {"sip.guard.deny_agents=[]", offersQOP},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, append(set, "sip.guard.allow=[]")...)
			want[any](t, s.call(t, "POST", "/api/v1/devices", map[string]any{"id": known, "password": weak}), 201)
			honest := dialFrom(t, s, home, "34020000001320000100")
			honest.enrol(t, "before", 3600)

			if out := scanner(t, s, "127.0.0.3", 20*time.Second, "svmap"); strings.Contains(strings.ToLower(out), "fengsui") ||
				set == nil && !strings.Contains(out, nothing) || set != nil && !strings.Contains(out, "| unknown ") {
				t.Errorf("svmap says\n%s", out)
			}
			for i, method := range []string{"REGISTER", "OPTIONS", "INVITE"} {
				for j, force := range [][]string{nil, {"--force"}} {
					from := fmt.Sprintf("127.0.0.%d", 10+2*i+j)
					out := scanner(t, s, from, 30*time.Second, append([]string{"svwar", "-m", method, "-e", numbers, "-T", form, "--domain", domain}, force...)...)
					if !strings.Contains(out, nothing) || strings.Contains(out, "exists") {
						t.Errorf("svwar -m %s %v says\n%s", method, force, out)
					}
				}
			}
			for i, more := range [][]string{nil, {"-n"}} { // a new nonce for each, or one for all
				out := scanner(t, s, fmt.Sprintf("127.0.0.%d", 20+i), 25*time.Second,
					append([]string{"svcrack", "-u", known, "-d", words, "--domain", domain, "--maximumtime", "3"}, more...)...)
				if strings.Contains(out, weak) || strings.Contains(out, "The password for") || strings.Contains(out, "| Password") {
					t.Errorf("svcrack %v says\n%s", more, out)
				}
				if got := statusOf(honest.ask(t, honest.keepalive(fmt.Sprintf("beside%d", i)))); got != 200 {
					t.Errorf("the keepalive of an honest device is answered %d beside svcrack", got)
				}
			}
			honest.enrol(t, "after", 3600)
			owner := dialFrom(t, s, "127.0.0.30", known)
			challenge := owner.ask(t, owner.register("owner", 3600))
			if got := statusOf(owner.ask(t, owner.register("owner", 3600, owner.credentials(challenge, weak)))); got != 200 {
				t.Errorf("the device that was attacked registers from its own address and is answered %d", got)
			}
		})
	}
}

// That the guard stops it, and nothing else: from a network that is allowed
// everything, svcrack finds the password.
func TestWithoutTheGuardAWeakPasswordIsFound(t *testing.T) {
	t.Parallel()
	const known, weak = "34020000001320000007", "letmein"
	words := filepath.Join(t.TempDir(), "words")
	if err := os.WriteFile(words, []byte("one\ntwo\nthree\nfour\nfive\nsix\nseven\n"+weak+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "sip.guard.deny_agents=[]", offersQOP)
	want[any](t, s.call(t, "POST", "/api/v1/devices", map[string]any{"id": known, "password": weak}), 201)
	if out := scanner(t, s, "127.0.0.3", 25*time.Second, "svcrack", "-u", known, "-d", words, "--domain", domain, "--maximumtime", "3"); !strings.Contains(out, weak) {
		t.Errorf("svcrack says\n%s", out)
	}
}
