//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startTime  = 30 * time.Second
	readyPause = 10 * time.Millisecond // between two questions whether it is ready
	stopTime   = 20 * time.Second
)

// process is a child that runs on the server's core.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // of Wait; read after exited
	log    string
}

// startPinned starts a command bound to one CPU. It ends with us.
func startPinned(ctx context.Context, core int, logFile string, name string, args ...string) (*process, error) {
	out, err := os.Create(logFile)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", name, err)
	}
	defer out.Close()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), pinnedEnv+"=") // ours is not its
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	p := &process{cmd: cmd, exited: make(chan struct{}), log: logFile}
	started := make(chan error)
	// A child inherits the affinity of the thread that starts it, and dies with
	// that thread: this goroutine keeps both until the child has ended.
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is bound to another CPU
		err := pinThread(core)
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop asks the process to end and, when it does not, makes it.
func (p *process) stop() error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s ended by itself: %w\n%s", filepath.Base(p.cmd.Path), errors.Join(p.err, errEnded), p.tail())
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return nil
	case <-time.After(stopTime):
	}
	_ = p.cmd.Process.Kill()
	<-p.exited
	return fmt.Errorf("%s did not end within %v of SIGTERM\n%s", filepath.Base(p.cmd.Path), stopTime, p.tail())
}

var errEnded = errors.New("unexpected end")

// tail is the end of what the process wrote.
func (p *process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	if len(b) > 4000 {
		b = b[len(b)-4000:]
	}
	return string(bytes.TrimSpace(b))
}

// server is one run of the binary under test, with a data folder of its own.
type server struct {
	*process
	*api
	dir              string
	args             []string
	sip, http, media netip.AddrPort
	readyAfter       time.Duration // from its start to the first 200 of /readyz
}

// guarded makes the guard count this machine's addresses too, which it does not
// by default.
var guarded = []string{"sip.guard.allow=[]"}

// startServer runs the binary with its defaults, apart from addresses, data
// folder, passwords and the settings given, and signs in.
func startServer(ctx context.Context, b *bench, settings ...string) (_ *server, err error) {
	dir, err := os.MkdirTemp(b.temp, "server-")
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	ports, err := freePorts(ctx, 4)
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, sip: ports[0], http: ports[1], media: ports[2]}
	s.api = newAPI("http://" + s.http.String())
	s.args = []string{"serve"}
	for _, kv := range append([]string{
		"data_dir=" + filepath.Join(dir, "data"), "sip.listen=" + s.sip.String(), "http.listen=" + s.http.String(),
		"media.listen=" + s.media.String(), "media.webrtc_listen=" + ports[3].String(),
		"auth.admin_password=" + adminPass, "sip.password=" + devicePass,
	}, settings...) {
		s.args = append(s.args, "--set", kv)
	}
	return s, s.launch(ctx, b)
}

// launch starts the process, waits until it is ready and signs in.
func (s *server) launch(ctx context.Context, b *bench) (err error) {
	start := time.Now()
	if s.process, err = startPinned(ctx, b.cores.server, filepath.Join(s.dir, "log"), b.binary, s.args...); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.process.stop())
		}
	}()
	err = until(ctx, startTime, readyPause, "the server's readiness", func() (bool, string, error) {
		select {
		case <-s.exited:
			return false, "", fmt.Errorf("the server did not start: %w\n%s", errors.Join(s.err, errEnded), s.tail())
		default:
		}
		err := s.ready(ctx)
		return err == nil, fmt.Sprint(err), nil
	})
	if err != nil {
		return err
	}
	s.readyAfter = time.Since(start)
	return s.signIn(ctx, adminPass)
}

// restart ends the process as an operator does and starts it again with the
// same folder, ports and settings.
func (s *server) restart(ctx context.Context, b *bench) error {
	if err := s.process.stop(); err != nil {
		return err
	}
	return s.launch(ctx, b)
}

func (s *server) close() error {
	s.api.close()
	return errors.Join(s.process.stop(), os.RemoveAll(s.dir))
}

// freePorts finds ports of 127.0.0.1 that are free over TCP and UDP.
func freePorts(ctx context.Context, n int) ([]netip.AddrPort, error) {
	var lc net.ListenConfig
	var out []netip.AddrPort
	var held []interface{ Close() error }
	defer func() {
		for _, h := range held {
			_ = h.Close()
		}
	}()
	for try := 0; len(out) < n && try < 100; try++ {
		l, err := lc.Listen(ctx, "tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		held = append(held, l)
		addr := l.Addr().(*net.TCPAddr).AddrPort()
		u, err := lc.ListenPacket(ctx, "udp4", addr.String())
		if err != nil {
			continue
		}
		held = append(held, u)
		out = append(out, addr)
	}
	if len(out) < n {
		return nil, fmt.Errorf("found only %d of %d free ports", len(out), n)
	}
	return out, nil
}

// socketDrops is how many datagrams the kernel dropped at a UDP port because its
// reader was slow, out of /proc/net/udp.
func socketDrops(port uint16) (drops int64, err error) {
	for range 20 { // a table that changes while it is read may miss lines
		var b []byte
		if b, err = os.ReadFile("/proc/net/udp"); err != nil {
			return 0, fmt.Errorf("read dropped datagrams: %w", err)
		}
		if drops, err = parseDrops(string(b), port); err == nil {
			return drops, nil
		}
	}
	return 0, err
}

func parseDrops(table string, port uint16) (int64, error) {
	want := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) > 12 && strings.HasSuffix(f[1], want) {
			return strconv.ParseInt(f[12], 10, 64)
		}
	}
	return 0, fmt.Errorf("no UDP socket has port %d", port)
}
