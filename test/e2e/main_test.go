package e2e_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Most tests wait more than they work, so some run beside each other even on
// two cores.
const beside = "6"

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	parallel := flag.Lookup("test.parallel")
	if parallel.Value.String() == parallel.DefValue {
		if err := parallel.Value.Set(beside); err != nil {
			return 1, err
		}
	}
	if flag.Lookup("test.list").Value.String() != "" {
		return m.Run(), nil
	}
	work, err := os.MkdirTemp("", "fengsui-e2e-")
	if err != nil {
		return 1, err
	}
	if err := prepare(work); err != nil {
		return 1, errors.Join(err, os.RemoveAll(work))
	}
	code = m.Run()
	if code != 0 {
		fmt.Fprintf(os.Stderr, "e2e: logs and data of the tests that failed are kept in %s\n", work)
		return code, nil
	}
	return code, os.RemoveAll(work)
}

// shared is what all tests of a run have in common. TestMain sets it before any
// test, and nothing changes it after.
var shared struct{ binary, work, root string }

// prepare finds or builds the binary.
func prepare(work string) error {
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	shared.work, shared.root = work, root
	if shared.binary = os.Getenv("FENGSUI_BINARY"); shared.binary != "" {
		if !filepath.IsAbs(shared.binary) {
			shared.binary = filepath.Join(root, shared.binary)
		}
		if _, err := os.Stat(shared.binary); err != nil {
			return fmt.Errorf("FENGSUI_BINARY: %w", err)
		}
		return nil
	}
	shared.binary = filepath.Join(work, "fengsui")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-o", shared.binary, "./cmd/fengsui")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return nil
}

// tool fails the test when a program it needs is not there.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("this test needs %s: run scripts/test-tools.sh (%v)", name, err)
	}
	return path
}

// ports gives out ports of loopback that were free a moment ago, for UDP and
// TCP, below the range from which the kernel takes those of clients.
type ports struct {
	mu   sync.Mutex
	next int
}

const (
	firstPort = 12000
	lastPort  = 31000
)

var loopbackPorts = ports{next: firstPort + rand.IntN(lastPort-firstPort)&^1}

// run finds n ports in a row, the first one even.
func (p *ports) run(t *testing.T, n int) int {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for range lastPort - firstPort {
		if p.next+n >= lastPort {
			p.next = firstPort
		}
		first := p.next
		p.next += (n + 1) &^ 1
		if free(first, n) {
			return first
		}
	}
	t.Fatalf("no %d free ports in a row from %d to %d", n, firstPort, lastPort)
	return 0
}

func (p *ports) one(t *testing.T) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.run(t, 1)))
}

func free(first, n int) bool {
	for port := first; port < first+n; port++ {
		u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			return false
		}
		u.Close()
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// eventually waits until check says nothing more, or fails with what it said last.
func eventually(t *testing.T, within time.Duration, check func() string) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		why := check()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, why)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
