package report

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
)

// Main runs a runner until it is done or interrupted, and ends the process if
// it failed. Its name stands before what went wrong.
func Main(name string, run func(ctx context.Context, args []string, out, errOut io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Commit is what the working tree is at, as "1e69b61c66-dirty"; an error outside
// of one.
func Commit(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=10").Output()
	if err != nil {
		return "", fmt.Errorf("commit of the working tree: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Machine is what a run was on: processor, number of CPUs, version of Go.
func Machine() string {
	return fmt.Sprintf("%s, %d CPUs, %s", CPU(), runtime.NumCPU(), runtime.Version())
}

// CPU is the name of the processor.
func CPU() string {
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	return "unknown CPU"
}
