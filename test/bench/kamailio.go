//go:build linux

package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// kamailioConfig is the fastest that is fair: what it does is in its comments.
//
//go:embed testdata/kamailio.cfg
var kamailioConfig []byte

// Kamailio's memory, in MB: far more than it fills.
const (
	kamailioShared  = 1024 // locations and TCP connections
	kamailioPrivate = 64   // of each process
	kamailioBuffer  = 8 << 20
)

// Allocators of Kamailio. What Debian's package takes when nobody says otherwise
// checks more; with the fast one a REGISTER pair costs half.
const (
	debianMalloc = ""
	fastMalloc   = "fm"
)

// kamailio is the reference server, with a folder of its own.
type kamailio struct {
	*process
	dir     string
	sip     netip.AddrPort
	version string
}

// startKamailio runs Kamailio on the server's core; transport is "udp" or "tcp",
// malloc one of its allocators.
func startKamailio(ctx context.Context, b *bench, transport, malloc string) (_ *kamailio, err error) {
	path, err := exec.LookPath("kamailio")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/kamailio"); err != nil {
			return nil, errors.New("kamailio is not installed: run scripts/bench-tools.sh")
		}
	}
	k := &kamailio{}
	if k.version, err = kamailioVersion(ctx, path); err != nil {
		return nil, err
	}
	if k.dir, err = os.MkdirTemp(b.temp, "kamailio-"); err != nil {
		return nil, fmt.Errorf("folder of kamailio: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(k.dir))
		}
	}()
	config := filepath.Join(k.dir, "kamailio.cfg")
	if err = os.WriteFile(config, kamailioConfig, 0o600); err != nil {
		return nil, fmt.Errorf("configuration of kamailio: %w", err)
	}
	ports, err := freePorts(ctx, 1)
	if err != nil {
		return nil, err
	}
	k.sip = ports[0]
	args := []string{"-DD", "-E", "-f", config, "-w", k.dir, "-Y", k.dir, "-l", transport + ":" + k.sip.String(),
		"-m", strconv.Itoa(kamailioShared), "-M", strconv.Itoa(kamailioPrivate), "-b", strconv.Itoa(kamailioBuffer)}
	if malloc != debianMalloc {
		args = append(args, "-x", malloc, "-X", malloc)
	}
	if transport == "tcp" {
		args = append(args, "-A", "WITH_TCP")
	}
	if k.process, err = startPinned(ctx, b.cores.server, filepath.Join(k.dir, "log"), path, args...); err != nil {
		return nil, err
	}
	err = until(ctx, startTime, 20*time.Millisecond, "kamailio's socket", func() (bool, string, error) {
		select {
		case <-k.exited:
			return false, "", fmt.Errorf("kamailio ended: %w\n%s", errors.Join(k.err, errEnded), k.tail())
		default:
		}
		open, err := listens(transport, k.sip.Port())
		return open, k.tail(), err
	})
	if err != nil {
		_ = k.stop()
		return nil, err
	}
	return k, nil
}

func (k *kamailio) close() error { return errors.Join(k.stop(), os.RemoveAll(k.dir)) }

// kamailioVersion is such as "5.6.3".
func kamailioVersion(ctx context.Context, path string) (string, error) {
	out, err := exec.CommandContext(ctx, path, "-v").Output()
	if err != nil {
		return "", fmt.Errorf("version of kamailio: %w", err)
	}
	return parseKamailioVersion(string(out))
}

func parseKamailioVersion(text string) (string, error) {
	f := strings.Fields(text)
	if len(f) < 3 || f[0] != "version:" || f[1] != "kamailio" {
		return "", fmt.Errorf("version of kamailio: it says %.100q", text)
	}
	return f[2], nil
}

// listens says whether something listens at a port of this machine.
func listens(transport string, port uint16) (bool, error) {
	b, err := os.ReadFile("/proc/net/" + transport)
	if err != nil {
		return false, fmt.Errorf("read sockets: %w", err)
	}
	return parseListens(string(b), transport, port), nil
}

func parseListens(table, transport string, port uint16) bool {
	state := map[string]string{"udp": "07", "tcp": "0A"}[transport]
	want := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) > 3 && strings.HasSuffix(f[1], want) && f[3] == state {
			return true
		}
	}
	return false
}
