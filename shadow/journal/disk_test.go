package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"fengsui/shadow/journal"
)

const (
	cam = "34020000001320000001"
	nvr = "34020000001180000002"
)

func open(t testing.TB, c journal.Config) *journal.Journal {
	t.Helper()
	if c.Path == "" {
		c.Path = filepath.Join(t.TempDir(), "journal.db")
	}
	j, err := journal.Open(c, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, j) })
	return j
}

func shut(t testing.TB, j *journal.Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

func flush(t testing.TB, j *journal.Journal) {
	t.Helper()
	if err := j.Flush(); err != nil {
		t.Fatal(err)
	}
}

func run(t testing.TB, j *journal.Journal) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- j.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// numbers are what fill counted into the events.
func numbers(events []journal.Event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprint(&b, e.Data["n"], " ")
	}
	return strings.TrimSpace(b.String())
}

func TestAnEventOfAnEarlierProcessIsReplayedFrom(t *testing.T) {
	c := journal.Config{Path: filepath.Join(t.TempDir(), "sub", "journal.db"), Ring: 4}
	j := open(t, c)
	first, last := fill(j, 10)
	shut(t, j)

	shut(t, open(t, c)) // a process in which nothing happened

	j = open(t, c)
	if events, lost := j.Since(last, 10); lost || len(events) != 0 || j.Last() != last {
		t.Errorf("nothing has happened since: %v, lost %v, last %d of %d", events, lost, j.Last(), last)
	}
	fill(j, 6) // two are in the file only
	flush(t, j)
	for _, c := range []struct {
		after uint64
		limit int
		want  string
	}{
		{last, 100, "0 1 2 3 4 5"}, {first + 7, 100, "8 9 0 1 2 3 4 5"}, {first + 7, 3, "8 9 0"}, {0, 100, "0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5"}, {j.Last() - 2, 9, "4 5"},
	} {
		if events, lost := j.Since(c.after, c.limit); lost || numbers(events) != c.want {
			t.Errorf("after %d: %q, lost %v, want %q", c.after, numbers(events), lost, c.want)
		}
	}
	events, _ := j.Since(first, 1)
	if e := events[0]; e.ID != first+1 || e.Type != "device.online" || e.At.IsZero() {
		t.Errorf("an event from the file is %+v", e)
	}
	if _, lost := j.Since(last+1, 9); !lost {
		t.Error("an ID between two processes passes for one of ours")
	}
}

func TestWhatACrashLostIsSaid(t *testing.T) {
	dir := t.TempDir()
	j := open(t, journal.Config{Path: filepath.Join(dir, "a")})
	_, kept := fill(j, 3)
	flush(t, j)
	_, lastGiven := fill(j, 2)
	if err := j.Crash(filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	j = open(t, journal.Config{Path: filepath.Join(dir, "b")})
	fill(j, 1)
	for _, id := range []uint64{kept, lastGiven} {
		if events, lost := j.Since(id, 9); !lost || numbers(events) != "0" {
			t.Errorf("after %d: %q, lost %v", id, numbers(events), lost)
		}
	}
	if events, lost := j.Since(kept-1, 1); lost || numbers(events) != "2" {
		t.Errorf("what was written is gone: %q, lost %v", numbers(events), lost)
	}
}

func TestRunWritesWithinATenthOfASecond(t *testing.T) {
	j := open(t, journal.Config{})
	run(t, j)
	j.Append(journal.Event{Type: "device.online", Device: cam})
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		events, err := j.History(cam, time.Unix(0, 0), time.Now().Add(time.Hour), 1)
		if err != nil || time.Now().After(deadline) {
			t.Fatal("not written", err)
		}
		if len(events) == 1 {
			return
		}
	}
}

func TestHistoryIsOfADeviceAndATime(t *testing.T) {
	j := open(t, journal.Config{})
	start := time.UnixMilli(1_800_000_000_000)
	for i := range 6 {
		j.Append(journal.Event{At: start.Add(time.Duration(i) * time.Second), Device: []string{cam, nvr}[i%2], Type: "device.online", Data: map[string]any{"n": i}})
	}
	flush(t, j)
	for _, c := range []struct {
		device   string
		from, to int // seconds
		limit    int
		want     string
	}{
		{cam, 0, 10, 9, "4 2 0"}, {nvr, 0, 10, 9, "5 3 1"}, {nvr, 3, 5, 9, "3"}, {cam, 0, 10, 2, "4 2"}, {cam, 5, 10, 9, ""}, {"3402", 0, 10, 9, ""}, {nvr, 0, 6, 1, "5"},
	} {
		events, err := j.History(c.device, start.Add(time.Duration(c.from)*time.Second), start.Add(time.Duration(c.to)*time.Second), c.limit)
		if err != nil || numbers(events) != c.want {
			t.Errorf("%+v: %q, %v", c, numbers(events), err)
		}
	}
	if events, err := journal.New(3).History(cam, start, time.Now(), 1); err != nil || events != nil {
		t.Errorf("without a file: %v, %v", events, err)
	}
}

func TestRetentionByTimeAndSize(t *testing.T) {
	c := journal.Config{Path: filepath.Join(t.TempDir(), "j"), Ring: 1, Keep: time.Hour}
	j := open(t, c)
	now := time.Now().Truncate(time.Second)
	for i := range 5000 {
		j.Append(journal.Event{At: now.Add(-2*time.Hour + time.Duration(i)*time.Second), Device: cam, Type: "device.online", Data: map[string]any{"n": i}})
	}
	flush(t, j)
	if err := j.Prune(now); err != nil {
		t.Fatal(err)
	}
	events, lost := j.Since(0, 1)
	if lost || numbers(events) != "3600" {
		t.Errorf("the oldest is %q", numbers(events))
	}
	if _, lost = j.Since(events[0].ID-2, 1); !lost {
		t.Error("what was deleted is not said to be lost")
	}
	if history, _ := j.History(cam, now.Add(-3*time.Hour), now.Add(-time.Hour), 1); len(history) != 0 {
		t.Errorf("history still has %v", history)
	}
	shut(t, j)

	c.Bytes = 100 << 10 // some 600 events
	j = open(t, c)
	if err := j.Prune(now); err != nil {
		t.Fatal(err)
	}
	events, _ = j.Since(0, 5000)
	if n := len(events); n < 300 || n > 900 || numbers(events[n-1:]) != "4999" {
		t.Errorf("%d events are left in 100 KiB", n)
	}
}

func TestAFullQueueIsCountedAndSeen(t *testing.T) {
	reg := prometheus.NewRegistry()
	j, err := journal.Open(journal.Config{Path: filepath.Join(t.TempDir(), "j"), Ring: 2, Queue: 5}, reg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, j)
	before := j.Last()
	fill(j, 9)
	flush(t, j)
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`# HELP fengsui_journal_dropped_total Events that are not in the file because too many waited to be written.
# TYPE fengsui_journal_dropped_total counter
fengsui_journal_dropped_total 4
`), "fengsui_journal_dropped_total"); err != nil {
		t.Error(err)
	}
	if events, lost := j.Since(before, 100); !lost || numbers(events) != "0 1 2 3 4 7 8" {
		t.Errorf("%q, lost %v", numbers(events), lost)
	}
}

func TestADiskThatIsFullLosesNothingThatFitsTheQueue(t *testing.T) {
	var log bytes.Buffer
	j, err := journal.Open(journal.Config{Path: filepath.Join(t.TempDir(), "j"), Ring: 1}, nil, zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, j)
	before := j.Last()
	j.LimitFile(64 << 10)
	for i := range 2000 {
		j.Append(journal.Event{Type: "device.online", Device: cam, Data: map[string]any{"n": i, "reason": strings.Repeat("x", 100)}})
	}
	for range 2 {
		if j.Flush() == nil {
			t.Fatal("2,000 events fit in 64 KiB")
		}
	}
	if n := strings.Count(log.String(), "disk is full"); n != 1 {
		t.Errorf("told %d times: %s", n, log.String())
	}
	j.LimitFile(0)
	flush(t, j)
	if events, lost := j.Since(before, 5000); lost || len(events) != 2000 {
		t.Errorf("%d events, lost %v", len(events), lost)
	}
}

// A storm of registrations while the disk does not move at all.
func TestAppendNeverWaitsForTheDisk(t *testing.T) {
	j := open(t, journal.Config{})
	run(t, j)
	before := j.Last()
	release, err := j.Hold()
	if err != nil {
		t.Fatal(err)
	}
	_, last := fill(j, 100_000)
	if err := release(); err != nil {
		t.Fatal(err)
	}
	flush(t, j)
	for from, want := range map[uint64]string{before: "0 1 2", before + 50_000: "50000 50001 50002", last - 3: "99997 99998 99999"} {
		if events, lost := j.Since(from, 3); lost || numbers(events) != want {
			t.Errorf("%q, lost %v, want %q", numbers(events), lost, want)
		}
	}
}

func TestADamagedFileIsPutAside(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"garbage": func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("no journal "), 4000), 0o600) },
		"torn": func(path string) error {
			info, err := os.Stat(path)
			return errors.Join(err, os.Truncate(path, info.Size()/2))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "j")
			j := open(t, journal.Config{Path: path})
			_, last := fill(j, 1000)
			shut(t, j)
			if err := damage(path); err != nil {
				t.Fatal(err)
			}
			j = open(t, journal.Config{Path: path})
			fill(j, 1)
			flush(t, j)
			if events, lost := j.Since(last, 9); !lost || len(events) != 1 {
				t.Errorf("%v, lost %v", events, lost)
			}
			if aside, _ := filepath.Glob(path + ".broken-*"); len(aside) != 1 {
				t.Errorf("put aside: %v", aside)
			}
		})
	}
}

func TestAFileThatCannotServeIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, journal.Config{Path: path})
	if _, err := journal.Open(journal.Config{Path: path}, nil, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "stop the other process") {
		t.Errorf("opened twice: %v", err)
	}
	shut(t, j)
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte{0, 0, 0, 0, 0, 0, 0, 9})
	})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Open(journal.Config{Path: path}, nil, zerolog.Nop()); !errors.Is(err, journal.ErrNewer) {
		t.Errorf("a newer layout: %v", err)
	}
}

// BenchmarkAppend is what a storm of registrations sees: the caller's cost,
// beside that of the one that writes.
func BenchmarkAppend(b *testing.B) {
	j := open(b, journal.Config{Queue: 1 << 30})
	run(b, j)
	for b.Loop() {
		j.Append(journal.Event{Type: "device.online", Device: cam, Data: map[string]any{"state": "online"}})
	}
}

// BenchmarkWrite is the cost of an event in the file: 2,000 changes a second of
// 100,000 devices, in batches of a tenth of a second.
func BenchmarkWrite(b *testing.B) {
	j := open(b, journal.Config{})
	o, err := j.Outbox("hook", 1000, func(journal.Event) bool { return true })
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		j.Append(journal.Event{Type: "device.online", Device: fmt.Sprintf("3402000000132%07d", rand.IntN(100_000)), Trace: "a84b4c76e66710@192.0.2.1", Data: map[string]any{
			"state": "online", "before": "offline", "reason": "registered", "evidence": "register", "transport": "udp", "remote": "192.0.2.1:5060"}})
		if n++; n%200 == 0 {
			flush(b, j)
			letters, err := o.Next(0, 200)
			if err != nil {
				b.Fatal(err)
			}
			for _, l := range letters {
				o.Sent(l, time.Now(), 1)
			}
		}
	}
}
