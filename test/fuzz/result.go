//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// grace is how long a target may take beside its own time: to read its corpus and
// to make a failing input small.
const grace = 10 * time.Minute

// result is what came of a target.
type result struct {
	target  target
	execs   int64 // inputs tried
	fresh   int   // of them new and interesting
	corpus  int   // interesting inputs in all
	took    time.Duration
	failed  bool
	crasher string // file of the failing input; empty if there is none
	words   string // end of what a failed target said
}

// fuzz runs the target on one core, with the inputs kept in a corpus.
func (t target) fuzz(ctx context.Context, long time.Duration, corpus string) result {
	ctx, cancel := context.WithTimeout(ctx, long+grace)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.binary, "-test.run", "^$", "-test.fuzz", "^"+t.name+"$", "-test.fuzzcachedir", filepath.Join(corpus, t.path),
		"-test.fuzztime", long.String(), "-test.fuzzminimizetime", "5s", "-test.parallel", "1", "-test.timeout", "0")
	cmd.Dir = t.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // its workers are ended with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	r := parse(out)
	r.target = t
	if ctx.Err() != nil {
		r.words += "\nended after " + (long + grace).String()
	}
	r.failed = err != nil && !r.late(out)
	return r
}

var (
	progress = regexp.MustCompile(`(?m)^fuzz: elapsed: (\S+), execs: (\d+) .*new interesting: (\d+) \(total: (\d+)\)`)
	input    = regexp.MustCompile(`Failing input written to (\S+)`)
	seed     = regexp.MustCompile(`failure while testing seed corpus entry: (\S+)`)
	deadline = regexp.MustCompile(`(?m)^--- FAIL: \S+ \(\S+\)\n {4}context deadline exceeded\nFAIL\n`)
)

const maxWords = 4 << 10 // bytes of what a failed target said

// parse reads what a test prints that fuzzes.
func parse(out []byte) (r result) {
	if all := progress.FindAllSubmatch(out, -1); len(all) > 0 {
		last := all[len(all)-1]
		r.took, _ = time.ParseDuration(string(last[1]))
		r.execs, _ = strconv.ParseInt(string(last[2]), 10, 64)
		r.fresh, _ = strconv.Atoi(string(last[3]))
		r.corpus, _ = strconv.Atoi(string(last[4]))
	}
	if m := input.FindSubmatch(out); m != nil {
		r.crasher = string(m[1])
	} else if m := seed.FindSubmatch(out); m != nil {
		r.crasher = "testdata/fuzz/" + string(m[1])
	}
	r.words = string(out[max(0, len(out)-maxWords):])
	return r
}

// late reports a failure that is none: where a worker is busy when the time is
// over, Go before 1.27 may take the end of the time for an error of the target
// (go.dev/issue/75804). There is no failing input then.
func (r *result) late(out []byte) bool {
	return r.crasher == "" && r.execs > 0 && deadline.Match(out) && bytes.Count(out, []byte("--- FAIL")) == 1
}

// outcome is "ok", or where the failing input is.
func (r *result) outcome() string {
	switch {
	case !r.failed:
		return "ok"
	case r.crasher != "":
		return "failed: " + path.Join(r.target.at, r.crasher)
	}
	return "failed"
}

func (r *result) line() string {
	return fmt.Sprintf("%-52s %s, %s", r.target, r.numbers(), r.outcome())
}

// numbers is "1,234,567 inputs, 12 new of 345 interesting, 10m0s".
func (r *result) numbers() string {
	return fmt.Sprintf("%s inputs, %d new of %d interesting, %v", grouped(r.execs), r.fresh, r.corpus, r.took)
}

func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}
