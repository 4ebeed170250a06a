//go:build linux

package main

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestKamailioVersionIsRead(t *testing.T) {
	if v, err := parseKamailioVersion("version: kamailio 5.6.3 (x86_64/linux) \nflags: USE_TCP\n"); err != nil || v != "5.6.3" {
		t.Errorf("version = %q, %v", v, err)
	}
	for _, bad := range []string{"", "kamailio", "version: opensips 3.2"} {
		if v, err := parseKamailioVersion(bad); err == nil {
			t.Errorf("version of %q = %q", bad, v)
		}
	}
}

func TestListeningSocketsAreFound(t *testing.T) {
	udp := "  sl  local_address rem_address   st\n  101: 0100007F:13C4 00000000:0000 07 00000000:00000000\n"
	tcp := "  sl  local_address rem_address   st\n   0: 0100007F:13C4 0100007F:1000 01 0:0\n   1: 0100007F:13C5 00000000:0000 0A 0:0\n"
	if !parseListens(udp, "udp", 5060) || parseListens(udp, "udp", 5061) {
		t.Error("UDP socket not told")
	}
	if parseListens(tcp, "tcp", 5060) || !parseListens(tcp, "tcp", 5061) {
		t.Error("a connection is taken for a listener, or a listener is not seen")
	}
}

// The answers are as Kamailio 5.6.3 wrote them.
func TestAnswersOfAPlainRegistrarAreChecked(t *testing.T) {
	c := testCamera()
	via := "Via: SIP/2.0/UDP " + c.host + ";rport=5062;branch=" + string(c.appendBranch(nil)) + "\r\n"
	head := "From: <sip:" + c.id + "@3402000000>;tag=" + c.tag + "\r\nTo: <sip:" + c.id + "@3402000000>;tag=b27e1a1d33761e85846fc98f5f3a7e58.27a3\r\nCall-ID: " + c.callID + "\r\nCSeq: 9 REGISTER\r\n"
	for _, tt := range []struct {
		name, text, want string
		op               uint8
	}{
		{"challenge", "SIP/2.0 401 Unauthorized\r\n" + via + head + "WWW-Authenticate: Digest realm=\"3402000000\", nonce=\"ZV1\"\r\nContent-Length: 0\r\n\r\n", "", opChallenge},
		{"success", "SIP/2.0 200 OK\r\n" + via + head + "Contact: <sip:" + c.id + "@127.1.1.44:5062>;expires=3600\r\nContent-Length: 0\r\n\r\n", "", opRegister},
		{"other lifetime", "SIP/2.0 200 OK\r\n" + via + head + "Contact: <sip:a@b>;expires=60\r\nContent-Length: 0\r\n\r\n", "wrong Expires", opRegister},
		{"not stored", "SIP/2.0 200 OK\r\n" + via + head + "Content-Length: 0\r\n\r\n", "wrong Expires", opRegister},
		{"refused", "SIP/2.0 403 No\r\n" + via + head + "Content-Length: 0\r\n\r\n", "status 403 to a right password", opRegister},
	} {
		c.op, c.nonce = tt.op, "ZV1" // its nonce is the same for a second
		a, err := scanAnswer([]byte(tt.text))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		k := checker{}
		if got := k.check(&c, &a, time.Now()); got != tt.want {
			t.Errorf("%s: check = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestKamailioTakesOurConfiguration(t *testing.T) {
	path, err := exec.LookPath("/usr/sbin/kamailio")
	if err != nil {
		t.Fatal("kamailio is not installed: scripts/bench-tools.sh does it, as make test does")
	}
	config, err := filepath.Abs("testdata/kamailio.cfg")
	if err != nil {
		t.Fatal(err)
	}
	for _, define := range [][]string{nil, {"-A", "WITH_TCP"}} {
		args := append([]string{"-c", "-f", config, "-Y", t.TempDir(), "-l", "127.0.0.1:5060"}, define...)
		out, err := exec.Command(path, args...).CombinedOutput()
		if err != nil || strings.Contains(string(out), "ERROR") {
			t.Errorf("kamailio %v: %v\n%s", args, err, out)
		}
	}
}

func TestTheFamilyOfAProcessIsCountedTogether(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "sleep 60 & sleep 60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, pid := range family(cmd.Process.Pid)[1:] {
			_ = exec.Command("kill", "-9", strconv.Itoa(pid)).Run()
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	err := until(t.Context(), 5*time.Second, time.Millisecond, "the children", func() (bool, string, error) {
		return len(family(cmd.Process.Pid)) == 3, "", nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := processTime(cmd.Process.Pid); err != nil {
		t.Error(err)
	}
	if n, err := sharedMemory(cmd.Process.Pid); err != nil || n < 50_000 {
		t.Errorf("memory of three processes = %d, %v", n, err)
	}
}
