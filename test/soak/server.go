//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startTime = 30 * time.Second
	stopTime  = 20 * time.Second
)

// server is a run of the binary with its defaults, apart from addresses, data
// folder, passwords, the networks that are never limited and, if it is not 0, the
// rate of questions.
type server struct {
	cmd    *exec.Cmd
	exited chan struct{}
	dir    string
	sip    netip.AddrPort
}

func startServer(ctx context.Context, binary string, queryRate int) (_ *server, err error) {
	dir, err := os.MkdirTemp("", "fengsui-soak-")
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	s := &server{dir: dir, exited: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	ports, err := freePorts(ctx, 4)
	if err != nil {
		return nil, err
	}
	s.sip = ports[0]
	args := []string{"serve"}
	for _, kv := range [][2]string{
		{"data_dir", filepath.Join(dir, "data")}, {"sip.listen", ports[0].String()}, {"http.listen", ports[1].String()},
		{"media.listen", ports[2].String()}, {"media.webrtc_listen", ports[3].String()},
		{"auth.admin_password", "soak-admin-1"}, {"sip.password", password},
		{"sip.guard.allow", "[]"}, // which names 127.0.0.0/8: these sources are to be treated as any
	} {
		args = append(args, "--set", kv[0]+"="+kv[1])
	}
	if queryRate > 0 {
		args = append(args, "--set", "sip.query_rate="+strconv.Itoa(queryRate))
	}
	out, err := os.Create(s.log())
	if err != nil {
		return nil, fmt.Errorf("log of the server: %w", err)
	}
	defer out.Close()
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), binary, args...)
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	go func() {
		_ = s.cmd.Wait() // stop tells an end that was not asked for
		close(s.exited)
	}()
	if err := s.ready(ctx, "http://"+ports[1].String()+"/readyz"); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *server) log() string { return filepath.Join(s.dir, "log") }

func (s *server) ready(ctx context.Context, url string) error {
	for deadline := time.Now().Add(startTime); ; time.Sleep(50 * time.Millisecond) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.exited:
			return fmt.Errorf("the server did not start:\n%s", s.tail())
		case <-ctx.Done():
			return context.Cause(ctx)
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server is not ready after %v:\n%s", startTime, s.tail())
		}
	}
}

// stop ends the server, and tells if it had ended by itself.
func (s *server) stop() (err error) {
	select {
	case <-s.exited:
		err = fmt.Errorf("the server ended by itself:\n%s", s.tail())
	default:
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.exited:
		case <-time.After(stopTime):
			err = fmt.Errorf("the server did not end within %v of SIGTERM:\n%s", stopTime, s.tail())
			_ = s.cmd.Process.Kill()
			<-s.exited
		}
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// tail is the end of what the server wrote.
func (s *server) tail() string {
	b, err := os.ReadFile(s.log())
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(b[max(0, len(b)-4000):]))
}

// resident is the server's resident memory in bytes.
func (s *server) resident() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("memory of the server: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("the server has no memory: it ended")
}

// settled is the resident memory as soon as it is at most the limit, or else
// after the time.
func (s *server) settled(ctx context.Context, limit int64, wait time.Duration) (int64, error) {
	for deadline := time.Now().Add(wait); ; {
		n, err := s.resident()
		if err != nil || n <= limit || time.Now().After(deadline) {
			return n, err
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// freePorts finds ports of 127.0.0.1 that are free over TCP and UDP.
func freePorts(ctx context.Context, n int) (out []netip.AddrPort, err error) {
	var lc net.ListenConfig
	var held []io.Closer
	defer func() {
		for _, h := range held {
			_ = h.Close()
		}
	}()
	for try := 0; len(out) < n; try++ {
		l, err := lc.Listen(ctx, "tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		held = append(held, l)
		at := l.Addr().(*net.TCPAddr).AddrPort()
		u, err := lc.ListenPacket(ctx, "udp4", at.String())
		switch {
		case err == nil:
			held = append(held, u)
			out = append(out, at)
		case try > 100:
			return nil, fmt.Errorf("find a free port: %w", err)
		}
	}
	return out, nil
}
