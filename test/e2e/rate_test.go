package e2e_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// It runs alone, before the tests that run beside each other: SIPp and the
// server need a core each.
func TestSippAtFiveThousandCallsASecond(t *testing.T) {
	const rate, seconds, devices = 5000, 8, 5000
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			s := start(t, "sip.guard.allow=[]", "log.level=warn")
			ids := filepath.Join(filepath.Dir(s.data), "devices.csv")
			var b strings.Builder
			b.WriteString("SEQUENTIAL\n")
			for i := range devices {
				id := fmt.Sprintf("3402000000132%07d", i+1)
				fmt.Fprintf(&b, "%s;[authentication username=%s password=%s]\n", id, id, sipPassword)
			}
			if err := os.WriteFile(ids, []byte(b.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			_, local, err := net.SplitHostPort(loopbackPorts.one(t))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
			defer cancel()
			began := time.Now()
			code, out := finished(t, exec.CommandContext(ctx, tool(t, "sipp"), s.sip, "-sf", filepath.Join(shared.root, "test/e2e/sipp/rate.xml"),
				"-inf", ids, "-r", strconv.Itoa(rate), "-m", strconv.Itoa(rate*seconds), "-l", strconv.Itoa(4*rate), "-buff_size", "8000000",
				"-t", map[string]string{"udp": "u1", "tcp": "t1"}[transport], "-i", "127.0.0.1", "-p", local, "-mp", strconv.Itoa(loopbackPorts.run(t, 4)),
				"-nostdin", "-timeout", "80s", "-timeout_error", "-key", "server", serverID, "-key", "domain", domain))
			took := time.Since(began)
			failed, successful := counted(out, "Failed call"), counted(out, "Successful call")
			t.Logf("%d calls over %s in %v, %d of them failed; a call is two REGISTERs and a keepalive", successful+failed, transport, took.Round(time.Millisecond), failed)
			if code != 0 || failed != 0 || successful != rate*seconds {
				t.Errorf("sipp ended with %d: %d calls of %d, %d failed\n%s", code, successful, rate*seconds, failed, tail(out, 60))
			}
			d := s.device(t, fmt.Sprintf("3402000000132%07d", devices))
			if d.State != "online" && transport == "udp" {
				t.Errorf("the last device is %s", d.State)
			}
		})
	}
}

// counted is the cumulative value of a counter of SIPp's last screen.
func counted(out, counter string) int {
	all := regexp.MustCompile(regexp.QuoteMeta(counter)+` *\| *\d+ *\| *(\d+)`).FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		return -1
	}
	n, _ := strconv.Atoi(all[len(all)-1][1])
	return n
}
