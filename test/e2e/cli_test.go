package e2e_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestWrongConfigurationIsRefusedAtTheStartWithEveryFault(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(file, []byte("sip:\n  listne: 0.0.0.0:5060\n  qop: sometimes\nmedia:\n  mode: both\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"serve"}, {"config", "check"}, {"config", "print"}, {"doctor"}} {
		code, out := program(t, append(command, "--config", file, "--set", "sip.id=123", "--set", "keepalive.missed=0", "--set", "nothing=1")...)
		if code != 2 {
			t.Errorf("%v ended with %d, want 2\n%s", command, code, out)
		}
		for _, key := range []string{"sip.listne", "did you mean sip.listen", "nothing:", "sip.qop:", "media.mode:", "sip.id:", "keepalive.missed:"} {
			if !strings.Contains(out, key) {
				t.Errorf("%v does not name %s:\n%s", command, key, out)
			}
		}
	}
	for _, args := range [][]string{{"bogus"}, {"serve", "--bogus"}, {"config", "check", "--config", filepath.Join(t.TempDir(), "none")}, {"sim", "--video", "h263"}} {
		if code, out := program(t, args...); code != 2 {
			t.Errorf("%v ended with %d, want 2\n%s", args, code, out)
		}
	}
}

func TestConfigurationCommandsAgree(t *testing.T) {
	t.Parallel()
	code, sample := program(t, "config", "sample")
	if code != 0 {
		t.Fatalf("config sample: %d\n%s", code, sample)
	}
	file := filepath.Join(t.TempDir(), "sample.yaml")
	if err := os.WriteFile(file, []byte(sample), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := program(t, "config", "check", "--config", file); code != 0 {
		t.Errorf("the sample is not fine: %d\n%s", code, out)
	}
	_, fromFile := program(t, "config", "print", "--config", file)
	if _, defaults := program(t, "config", "print"); fromFile != defaults {
		t.Errorf("the sample\n%s\nis not the defaults\n%s", fromFile, defaults)
	}
	code, out := program(t, "config", "print", "--set", "sip.password=never-shown-word", "--set", "http.listen=127.0.0.1:18080")
	if code != 0 || strings.Contains(out, "never-shown-word") || !strings.Contains(out, "127.0.0.1:18080") {
		t.Errorf("config print: %d\n%s", code, out)
	}
	cmd := exec.CommandContext(t.Context(), shared.binary, "config", "print", "--set", "media.mode=range")
	cmd.Env = append(cleanEnv(), "FENGSUI_MEDIA_MODE=single", "FENGSUI_HTTP_LISTEN=127.0.0.1:18081")
	if b, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(b, []byte("127.0.0.1:18081")) || !regexp.MustCompile(`mode: "?range`).Match(b) {
		t.Errorf("environment and --set: %v\n%s", err, b)
	}
}

func TestVersionSaysWhatItIs(t *testing.T) {
	t.Parallel()
	code, out := program(t, "version")
	if code != 0 || !strings.HasPrefix(out, "fengsui ") || !strings.Contains(out, "go1.") || !strings.Contains(out, "vendor bridge") {
		t.Errorf("version: %d %q", code, out)
	}
	if code, out := program(t, "--help"); code != 0 || !strings.Contains(out, "serve") || !strings.Contains(out, "doctor") {
		t.Errorf("help: %d %q", code, out)
	}
}

func TestDoctorNamesWhatIsBrokenAndTheRemedy(t *testing.T) {
	t.Parallel()
	first := loopbackPorts.run(t, 8)
	set := []string{
		"--set", "sip.listen=" + loopbackPorts.one(t), "--set", "http.listen=" + loopbackPorts.one(t), "--set", "media.listen=" + loopbackPorts.one(t),
		"--set", "media.webrtc_listen=" + loopbackPorts.one(t), "--set", fmt.Sprintf("media.ports=%d-%d", first, first+7),
		"--set", "data_dir=" + filepath.Join(t.TempDir(), "data"),
	}
	if code, out := program(t, append([]string{"doctor"}, set...)...); code != 0 || strings.Contains(out, "broken") {
		t.Errorf("doctor of free ports: %d\n%s", code, out)
	}
	taken := loopbackPorts.one(t)
	l, err := net.Listen("tcp", taken)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	code, out := program(t, append([]string{"doctor"}, append(set, "--set", "http.listen="+taken)...)...)
	if code != 1 || !regexp.MustCompile(`broken +http.listen tcp .*\n +remedy: .*ss -l\w* .*http\.listen`).MatchString(out) {
		t.Errorf("doctor of a port in use: %d\n%s", code, out)
	}
	// The server says the same, and does not begin.
	code, out = program(t, append([]string{"serve"}, append(set, "--set", "http.listen="+taken)...)...)
	if code != 1 || !strings.Contains(out, "http.listen "+taken) || !strings.Contains(out, "doctor") {
		t.Errorf("serve on a port in use: %d\n%s", code, out)
	}
}

func TestSimulatorEndsAsItsExpectationsWereMet(t *testing.T) {
	t.Parallel()
	s := start(t)
	args := func(more ...string) []string {
		return append([]string{"sim", "--server", s.sip, "--devices", "3", "--for", "3s"}, more...)
	}
	code, out := program(t, args("--password", sipPassword, "--expect", "registered=3", "--expect", "catalog=3")...)
	if code != 0 || !strings.Contains(out, "devices      3, registered 0") {
		t.Errorf("sim: %d\n%s", code, out)
	}
	if n := s.system(t).Counts.Devices; n.Total != 3 || n.Online != 0 {
		t.Errorf("%+v, want the three to have left", n)
	}
	code, out = program(t, args("--password", "wrong", "--expect", "registered=3", "--first-id", "34020000001320000501")...)
	if code != 1 || !strings.Contains(out, "expected registered at least 3 times, happened 0 times") || !strings.Contains(out, "403") {
		t.Errorf("sim with a wrong password: %d\n%s", code, out)
	}
	code, out = program(t, "sim", "--quirks")
	if code != 0 || !strings.Contains(out, "silent") {
		t.Errorf("sim --quirks: %d\n%s", code, out)
	}
}

func TestFirstStartTellsThePasswordOnceAndKeepsIt(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	first := loopbackPorts.run(t, 8)
	address := loopbackPorts.one(t)
	said := regexp.MustCompile(`user admin, password (\S+)`)
	words := []string{}
	for range 2 {
		cmd := exec.Command(shared.binary, "serve", "--set", "http.listen="+address, "--set", "sip.listen="+loopbackPorts.one(t),
			"--set", "media.listen="+loopbackPorts.one(t), "--set", "media.webrtc_listen=", "--set", fmt.Sprintf("media.ports=%d-%d", first, first+7), "--set", "data_dir="+data)
		cmd.Env = cleanEnv()
		var out bytes.Buffer
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		up := &server{client: client{base: "http://" + address}}
		deadline := time.Now().Add(20 * time.Second)
		for !up.ready() && time.Now().Before(deadline) {
			time.Sleep(30 * time.Millisecond)
		}
		kept, err := os.ReadFile(filepath.Join(data, "admin-password"))
		if err != nil {
			t.Error(err)
		} else {
			up.signIn(t, "admin", strings.TrimSpace(string(kept)))
		}
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended at interrupt with %v", err)
		}
		word := ""
		if m := said.FindStringSubmatch(out.String()); m != nil {
			word = m[1]
		}
		words = append(words, word)
		for _, name := range []string{"admin-password", "sip-password", "cluster-secret"} {
			if st, err := os.Stat(filepath.Join(data, name)); err != nil || st.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, want a file of mode 0600", name, err)
			}
		}
		if st, err := os.Stat(filepath.Join(data, "fengsui.db")); err != nil {
			t.Error(err)
		} else if st.Mode().Perm()&0o077 != 0 {
			t.Logf("the database has mode %v", st.Mode())
		}
	}
	if words[0] == "" || words[1] != "" {
		t.Errorf("the passwords said at two starts are %q, want one and none", words)
	}
}
