//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"fengsui/test/bench/report"
)

func main() { report.Main("fuzz", run) }

func run(ctx context.Context, args []string, out, errOut io.Writer) (err error) {
	fs := flag.NewFlagSet("fuzz", flag.ContinueOnError)
	fs.SetOutput(errOut)
	long := fs.Duration("time", 10*time.Minute, "how long each target runs, at least 1s")
	jobs := fs.Int("jobs", 1, "targets that run at a time, each on one core")
	only := fs.String("only", "", "run the targets that match this expression, as sip/intake.FuzzScan; they are not written")
	write := fs.String("write", "", "page to put the section into, docs/benchmarks.md; its JSON stands beside it")
	if err := fs.Parse(args); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*only)
	switch {
	case err != nil:
		return fmt.Errorf("-only: %w", err)
	case *long < time.Second:
		return fmt.Errorf("-time %v: want at least 1s", *long)
	case *jobs < 1:
		return fmt.Errorf("-jobs %d: want at least 1", *jobs)
	case *only != "" && *write != "":
		return errors.New("-only is some of the targets, and the page is of all: leave -only or -write out")
	}
	all, err := find(ctx, ".")
	if err != nil {
		return err
	}
	all = matching(all, wanted)
	if len(all) == 0 {
		return fmt.Errorf("no fuzz target matches %q", *only)
	}
	began := time.Now()
	commit, err := report.Commit(ctx)
	if err != nil {
		return err
	}
	kept, err := corpus(ctx)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "fengsui-fuzz-")
	if err != nil {
		return fmt.Errorf("temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	if err := build(ctx, all, temp, out); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d targets, %v each, %d at a time\n", len(all), *long, *jobs)
	results := fuzzAll(ctx, all, *long, *jobs, kept, out)
	if ctx.Err() != nil {
		return fmt.Errorf("%w: nothing is written", context.Cause(ctx))
	}
	if *write != "" {
		s := section(results, began, commit, report.Machine(), fmt.Sprintf("make fuzz FUZZ_TIME=%v FUZZ_JOBS=%d", *long, *jobs))
		if err := report.Write(*write, s); err != nil {
			return err
		}
	}
	return failures(results)
}

func matching(all []target, wanted *regexp.Regexp) (some []target) {
	for _, t := range all {
		if wanted.MatchString(t.String()) {
			some = append(some, t)
		}
	}
	return some
}

// fuzzAll runs the targets, some at a time, in their order.
func fuzzAll(ctx context.Context, all []target, long time.Duration, jobs int, corpus string, out io.Writer) []result {
	results := make([]result, len(all))
	next := make(chan int)
	var say sync.Mutex
	var working sync.WaitGroup
	for range min(jobs, len(all)) {
		working.Go(func() {
			for i := range next {
				results[i] = all[i].fuzz(ctx, long, corpus)
				say.Lock()
				fmt.Fprintln(out, results[i].line())
				say.Unlock()
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	working.Wait()
	return results
}

// failures names the targets that failed, with what they said.
func failures(results []result) error {
	var failed []error
	for _, r := range results {
		if r.failed {
			failed = append(failed, fmt.Errorf("%s: %s\n%s", r.target, r.outcome(), strings.TrimSpace(r.words)))
		}
	}
	return errors.Join(failed...)
}
