package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fengsui/internal/sim"
)

func TestTraceOpensInTsharkAndKeepsSecrets(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := dial(t, s, "udp", "34020000001320000900")
	request, _ := p.enrol(t, "enrol", 3600)
	tcp := simulate(t, s, sim.Config{Transport: sim.TCP})
	id := tcp.id(0)
	s.live(t, id, id)
	udp := simulate(t, s, sim.Config{Devices: 10, FirstID: series(5), PartInterval: time.Microsecond})
	for i := range 10 {
		s.live(t, udp.id(i), udp.id(i))
	}
	for _, query := range []string{"", "&device=" + id, "&device=" + udp.id(0)} {
		asked := map[string]bool{}
		for _, m := range get[page[messageInfo]](t, s.client, "/api/v1/trace?page_size=1000"+query).Items {
			key := m.CallID + " " + m.CSeq
			if m.Status == 0 {
				asked[key] = true
			} else if !asked[key] {
				t.Errorf("the ladder %s shows %s before its request", query, m.Label)
			}
		}
	}

	secret := challengeParam.FindStringSubmatch(request[strings.Index(request, "response="):])[2]
	shown := 0
	for _, m := range get[page[messageInfo]](t, s.client, "/api/v1/trace?device="+p.id).Items {
		if strings.Contains(m.Text, "Authorization: Digest") {
			shown++
		}
		if strings.Contains(m.Text, secret) {
			t.Errorf("the trace tells the Digest response:\n%s", m.Text)
		}
	}
	if shown != 1 {
		t.Errorf("%d messages with Authorization are shown, want one", shown)
	}
	if a := s.call(t, "GET", "/api/v1/trace.pcap?device="+p.id, nil); bytes.Contains(a.body, []byte(secret)) {
		t.Error("the capture file tells the Digest response")
	}
	methods := capture(t, s, "?device="+p.id)
	if methods["REGISTER"] < 2 || methods["401"] < 1 || methods["200"] < 1 {
		t.Errorf("tshark sees %v, want two REGISTERs, 401 and 200", methods)
	}
	methods = capture(t, s, "?device="+id)
	if methods["REGISTER"] < 2 || methods["INVITE"] != 1 || methods["ACK"] != 1 {
		t.Errorf("tshark sees %v over TCP, want REGISTER, one INVITE and one ACK", methods)
	}
	refused(t, client{base: s.base}.call(t, "GET", "/api/v1/trace.pcap", nil), 401)
}

// capture fetches a capture file and counts what tshark takes for SIP in it,
// by method or status.
func capture(t *testing.T, s *server, query string) map[string]int {
	t.Helper()
	a := s.call(t, "GET", "/api/v1/trace.pcap"+query, nil)
	if a.status != 200 {
		t.Fatalf("capture file: %d %s", a.status, a.body)
	}
	file := filepath.Join(t.TempDir(), "trace.pcap")
	if err := os.WriteFile(file, a.body, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tool(t, "tshark"), "-r", file, "-Y", "sip", "-T", "fields", "-e", "sip.Method", "-e", "sip.Status-Code")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, out)
	}
	seen := map[string]int{}
	for _, word := range strings.FieldsFunc(string(out), func(c rune) bool { return c == '\n' || c == '\t' || c == ',' }) {
		seen[word]++
	}
	return seen
}
