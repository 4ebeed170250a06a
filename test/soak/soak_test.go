//go:build linux

package main

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The short form against the real binary: FENGSUI_BINARY if it is set, else one
// built here. It sees a loss, a wrong answer, an end of the server, a connection
// left open and growth beyond what short allows; what grows by less per message
// shows in the long form only.
func TestMemoryStaysWhateverIsSent(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	binary := os.Getenv("FENGSUI_BINARY")
	switch {
	case binary == "":
		binary = filepath.Join(t.TempDir(), "fengsui")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "fengsui/cmd/fengsui").CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
	case !filepath.IsAbs(binary):
		binary = filepath.Join("../..", binary)
	}
	rows, err := run(ctx, binary, short, "../corpus/testdata/rfc4475", t.Output())
	if err != nil {
		t.Error(err)
	}
	if len(rows) != 6 {
		t.Errorf("%d trials", len(rows))
	}
}

func TestReplyIsRead(t *testing.T) {
	head := "SIP/2.0 503 Service Unavailable\r\nVia: SIP/2.0/UDP 127.1.0.1:5;rport=5;branch=z9hG4bKsff;received=127.1.0.1\r\n"
	for text, want := range map[string]reply{
		head + "Retry-After: 7\r\n\r\n": {status: 503, serial: 255, after: 7},
		strings.Replace(head, ";received=127.1.0.1", "", 1) + "WWW-Authenticate: Digest realm=\"3402000000\",nonce=\"ab\"\r\n\r\n": {status: 503, serial: 255, nonce: []byte("ab")},
	} {
		got, ok := readReply([]byte(text))
		if !ok || got.status != want.status || got.serial != want.serial || got.after != want.after || string(got.nonce) != string(want.nonce) {
			t.Errorf("%q: %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "SIP/2.0 200 OK\r\n\r\n", "SIP/2.0 abc\r\n" + head} {
		if got, ok := readReply([]byte(text)); ok {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

// A device whose requests get lost repeats them, and is not lost itself.
func TestFleetRepeatsAndComplains(t *testing.T) {
	server, err := openSocket(netip.MustParseAddrPort("127.0.0.1:9"))
	if err != nil {
		t.Fatal(err)
	}
	defer server.close()
	f, err := openFleet(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), server.port), honestNet, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond)
	defer cancel()
	if err := f.run(ctx, work{kind: keeping, ops: 3}); err == nil {
		t.Error("nobody answers, and the work is done")
	}
	if f.Repeats != 3 || f.open != 3 {
		t.Errorf("%d repeats, %d open", f.Repeats, f.open)
	}
	for i := range f.devices {
		d := &f.devices[i]
		text := strings.Replace("SIP/2.0 404 Not Found\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKs0\r\n\r\n", "s0", "s"+strconv.FormatUint(uint64(d.serial), 16), 1)
		if err := f.take(d.addr, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.fault(); err == nil || !strings.Contains(err.Error(), "404 to a") || f.open != 0 {
		t.Errorf("fault %v, %d open", err, f.open)
	}
}
