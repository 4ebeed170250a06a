//go:build linux

package journal_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fengsui/shadow/journal"
)

// resident is what of a file counts as this process's memory, KiB.
func resident(t *testing.T, path string) (kib int) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ours := false
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.Contains(s.Text(), "-") && strings.Contains(s.Text(), " r") {
			ours = strings.HasSuffix(s.Text(), path)
		}
		var n int
		if _, err := fmt.Sscanf(s.Text(), "Rss: %d kB", &n); err == nil && ours {
			kib += n
		}
	}
	return kib
}

func TestTheFileIsNoMemoryOfOurs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, journal.Config{Path: path})
	for round := range 10 {
		for i := range 2000 {
			j.Append(journal.Event{Type: "device.online", Device: fmt.Sprintf("3402000000132%07d", i), At: time.Now(), Data: map[string]any{"reason": strings.Repeat("x", 100+round)}})
		}
		flush(t, j)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := resident(t, path); got > 256 {
		t.Errorf("%d KiB of %d are resident", got, info.Size()>>10)
	}
	if events, err := j.History("34020000001320000007", time.Unix(0, 0), time.Now(), 100); err != nil || len(events) != 10 {
		t.Errorf("a device's history has %d events of 10, %v", len(events), err)
	}
}
