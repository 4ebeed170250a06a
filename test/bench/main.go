//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pinnedEnv tells a process that it runs on the driver's core already.
const pinnedEnv = "BENCH_CORES"

// bench is what all figures share.
type bench struct {
	binary string
	temp   string
	cores  cores
	rounds int
	zone   *time.Location // of the server's Date
	out    io.Writer
	start  time.Time
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.out, "%6.0fs  %s\n", time.Since(b.start).Seconds(), fmt.Sprintf(format, args...))
}

// figure is one thing that is measured.
type figure struct {
	name  string
	title string
	run   func(ctx context.Context, b *bench) (*result, error)
}

func figures() []figure {
	return []figure{
		{"firstframe", "First picture", firstFrame},
		{"receive", "200 streams", receive},
		{"devices", "10,000 devices", devices},
		{"rates", "REGISTER and keepalive", rates},
		{"tcp", "10,000 devices over TCP", tcpIdle},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, errOut io.Writer) (err error) {
	var names []string
	for _, f := range figures() {
		names = append(names, f.name)
	}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(errOut)
	binary := fs.String("binary", "bin/fengsui", "the server to measure")
	only := fs.String("only", "", "figures to measure, by comma: "+strings.Join(names, ", "))
	write := fs.String("write", "", "file to write the report to")
	rounds := fs.Int("rounds", 3, "undisturbed rounds of each figure")
	useCores := fs.String("cores", "", "CPUs of server and driver, as 0,1; default the first two")
	floorKind := fs.String("floor", "", "internal: be the floor, echo or sink")
	listen := fs.String("listen", "", "internal: where the floor listens")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *floorKind != "" {
		return runFloor(ctx, *floorKind, *listen)
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	if *rounds < 1 {
		return fmt.Errorf("-rounds %d: want at least 1", *rounds)
	}
	b := &bench{rounds: *rounds, out: out, start: time.Now()}
	if b.cores, err = pin(*useCores); err != nil {
		return err
	}
	if err := selfCheck(); err != nil {
		return err
	}
	if b.zone, err = time.LoadLocation("Asia/Shanghai"); err != nil {
		return fmt.Errorf("time zone of the server's Date: %w", err)
	}
	if b.binary, err = filepath.Abs(*binary); err != nil {
		return err
	}
	rep := report{when: time.Now(), rounds: *rounds, command: strings.Join(append([]string{"go run ./test/bench"}, args...), " ")}
	if rep.machine, err = describeMachine(b.cores); err != nil {
		return err
	}
	version, err := exec.CommandContext(ctx, b.binary, "version").Output()
	if err != nil {
		return fmt.Errorf("run %s: %w", b.binary, err)
	}
	rep.binary = strings.TrimSpace(string(version))
	rep.commit = commit(ctx)
	if b.temp, err = os.MkdirTemp("", "fengsui-bench-"); err != nil {
		return fmt.Errorf("temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.temp)) }()

	var failed error
	for _, f := range chosen {
		b.say("%s …", f.title)
		res, err := f.run(ctx, b)
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), failed)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", f.name, err))
			b.say("%s failed: %v", f.title, err)
			res = &result{rows: []row{{f.title, "not measured", "", "**no**"}}, notes: []string{"The measurement failed: " + firstLine(err.Error())}}
		}
		res.title = f.title
		rep.results = append(rep.results, *res)
	}
	text := rep.String()
	fmt.Fprint(out, "\n", text)
	if *write != "" {
		if err := os.WriteFile(*write, []byte(text), 0o644); err != nil {
			return errors.Join(failed, fmt.Errorf("write report: %w", err))
		}
	}
	return failed
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func choose(only string) ([]figure, error) {
	all := figures()
	if only == "" {
		return all, nil
	}
	var out []figure
	for _, name := range strings.Split(only, ",") {
		i := slices.IndexFunc(all, func(f figure) bool { return f.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no figure is named %q", name)
		}
		out = append(out, all[i])
	}
	return out, nil
}

// pin makes the whole process run on the driver's core: it starts itself again
// there, so that the runtime counts one CPU from the beginning.
func pin(chosen string) (cores, error) {
	if v := os.Getenv(pinnedEnv); v != "" {
		return parseCores(v)
	}
	c, err := allowedCores()
	if chosen != "" {
		c, err = parseCores(chosen)
	}
	if err != nil {
		return c, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := pinThread(c.driver); err != nil {
		return c, err
	}
	self, err := os.Executable()
	if err != nil {
		return c, fmt.Errorf("find own binary: %w", err)
	}
	err = unix.Exec(self, os.Args, append(os.Environ(), pinnedEnv+"="+c.String()))
	return c, fmt.Errorf("start again on CPU %d: %w", c.driver, err)
}
