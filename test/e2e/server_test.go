package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What the servers of the tests are told.
const (
	serverID      = "34020000002000000001"
	domain        = "3402000000"
	sipPassword   = "e2e-device-word"
	adminPassword = "e2e-Admin-word-1"
)

// server is one running process of the binary.
type server struct {
	client

	sip, http, media, webrtc string
	data                     string
	set                      []string // "key=value"
	config                   string   // file, "" for none

	cmd    *exec.Cmd
	log    *logged
	exited chan struct{} // closed when the process has ended
	err    error         // of Wait, after exited
}

// logged is what a process writes, kept whole in memory and in a file.
type logged struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	file *os.File
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(b)
	return l.file.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// tail is the last lines of a log.
func tail(log string, lines int) string {
	all := strings.Split(strings.TrimSpace(log), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// start runs a server on ports of its own and waits until it is ready. It is
// ended with the test, and its log printed if the test failed. set are further
// "key=value" settings.
func start(t *testing.T, set ...string) *server {
	t.Helper()
	folder, err := os.MkdirTemp(shared.work, strings.ReplaceAll(t.Name(), "/", "_")+"-")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{
		sip: loopbackPorts.one(t), http: loopbackPorts.one(t), media: loopbackPorts.one(t), webrtc: loopbackPorts.one(t),
		data: filepath.Join(folder, "data"),
	}
	file, err := os.Create(filepath.Join(folder, "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	s.log = &logged{file: file}
	first := loopbackPorts.run(t, 32)
	s.set = append([]string{
		"sip.listen=" + s.sip, "http.listen=" + s.http, "media.listen=" + s.media, "media.webrtc_listen=" + s.webrtc,
		fmt.Sprintf("media.ports=%d-%d", first, first+31), "data_dir=" + s.data,
		"sip.password=" + sipPassword, "auth.admin_password=" + adminPassword, "log.level=debug", "log.format=json",
	}, set...)
	s.client = client{base: "http://" + s.http}
	t.Cleanup(func() {
		s.end(t)
		s.judge(t)
		file.Close()
	})
	s.run(t)
	return s
}

// run starts the process, also again after it ended, and signs in.
func (s *server) run(t *testing.T) {
	t.Helper()
	args := []string{"serve"}
	if s.config != "" {
		args = append(args, "--config", s.config)
	}
	for _, kv := range s.set {
		args = append(args, "--set", kv)
	}
	s.cmd = exec.Command(shared.binary, args...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.Env = cleanEnv()
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", shared.binary, err)
	}
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		s.err = cmd.Wait()
		close(exited)
	}(s.cmd, s.exited)
	deadline := time.Now().Add(30 * time.Second)
	for !s.ready() {
		select {
		case <-s.exited:
			t.Fatalf("the server ended at its start: %v\n%s", s.err, tail(s.log.String(), 40))
		case <-time.After(30 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server is not ready within 30 s\n%s", tail(s.log.String(), 40))
		}
	}
	s.token = s.signIn(t, "admin", adminPassword)
}

func (s *server) ready() bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (s *server) alive() bool {
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// terminate sends SIGTERM and waits for a clean end.
func (s *server) terminate(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("SIGTERM: %v", err)
	}
	select {
	case <-s.exited:
		if s.err != nil {
			t.Fatalf("the server ended after SIGTERM with %v", s.err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the server runs 20 s after SIGTERM")
	}
}

// kill ends it as a power cut would.
func (s *server) kill(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatalf("kill: %v", err)
	}
	<-s.exited
}

// end stops the process if it still runs. Every server must end cleanly.
func (s *server) end(t *testing.T) {
	if s.exited == nil {
		return
	}
	if !s.alive() {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
		if s.err != nil {
			t.Errorf("the server ended after SIGTERM with %v", s.err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the server runs 20 s after SIGTERM: killed")
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
}

// crashes are words that no log may hold.
var crashes = regexp.MustCompile(`panic: |request panicked|fatal error:|DATA RACE|"level":"(fatal|panic)"`)

// judge fails a test whose server crashed, and prints the log of a failed one.
func (s *server) judge(t *testing.T) {
	log := s.log.String()
	if at := crashes.FindStringIndex(log); at != nil {
		t.Errorf("the server's log holds a crash:\n%s", log[at[0]:min(len(log), at[0]+3000)])
	}
	if t.Failed() {
		t.Logf("last lines of %s:\n%s", s.log.file.Name(), tail(log, 60))
	}
}

// cleanEnv is ours without settings of the server.
func cleanEnv() []string {
	var out []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "FENGSUI_") {
			out = append(out, kv)
		}
	}
	return out
}

// program runs the binary with arguments until it ends.
func program(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return finished(t, exec.CommandContext(ctx, shared.binary, args...))
}

// finished runs a command and tells its exit code and what it printed.
func finished(t *testing.T, cmd *exec.Cmd) (code int, out string) {
	t.Helper()
	cmd.Env = cleanEnv()
	b, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	return cmd.ProcessState.ExitCode(), string(b)
}
