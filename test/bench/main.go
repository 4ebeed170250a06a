//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"fengsui/test/bench/report"
)

// pinnedEnv tells a process that it runs on the driver's core already.
const pinnedEnv = "BENCH_CORES"

// bench is what all figures share.
type bench struct {
	binary  string
	temp    string
	cores   cores
	rounds  int
	verbose bool
	many    int            // devices of that figure
	lax     bool           // rounds count however disturbed
	zone    *time.Location // of the server's Date
	out     io.Writer
	start   time.Time
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.out, "%6.0fs  %s\n", time.Since(b.start).Seconds(), fmt.Sprintf(format, args...))
}

// detail says what only who watches wants to know.
func (b *bench) detail(format string, args ...any) {
	if b.verbose {
		b.say("  "+format, args...)
	}
}

// figure is one thing that is measured, and a section of the report.
type figure struct {
	name  string
	title string
	run   func(ctx context.Context, b *bench) (*result, error)
}

// result is what a figure found.
type result struct {
	rows  []report.Row
	notes []string
}

func figures() []figure {
	return []figure{
		{"firstframe", "First picture", firstFrame},
		{"receive", "200 streams", receive},
		{"devices", "10,000 devices", devices},
		{"catalogs", "1,000 catalogs of 1,000 channels at once", catalogs},
		{"rates", "REGISTER and keepalive beside Kamailio", rates},
		{"tcp", "TCP", tcp},
		{"many", "100,000 devices, and a start with them", many},
	}
}

func main() { report.Main("bench", run) }

func run(ctx context.Context, args []string, out, errOut io.Writer) (err error) {
	var names []string
	for _, f := range figures() {
		names = append(names, f.name)
	}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(errOut)
	binary := fs.String("binary", "bin/fengsui", "the server to measure")
	only := fs.String("only", "", "figures to measure, by comma: "+strings.Join(names, ", "))
	write := fs.String("write", "", "page to put the sections into, docs/benchmarks.md; its JSON stands beside it")
	rounds := fs.Int("rounds", 3, "undisturbed rounds of each figure")
	lax := fs.Bool("disturbed", false, "to try the code on a busy machine: every round counts, and nothing is written")
	useCores := fs.String("cores", "", "CPUs of server and driver, as 0,1; default the first two")
	many := fs.Int("many", manyCount, "devices of the figure of that name; others than the default only with -disturbed")
	verbose := fs.Bool("v", false, "tell each step of a search")
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
	if *lax && *write != "" {
		return errors.New("-disturbed gives no figures to be written: leave -write out")
	}
	if *many != manyCount && !*lax || *many < 1 {
		return fmt.Errorf("-many %d: want %d, or at least 1 with -disturbed", *many, manyCount)
	}
	b := &bench{many: *many, rounds: *rounds, lax: *lax, verbose: *verbose, out: out, start: time.Now()}
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
	head, err := b.head(ctx, args)
	if err != nil {
		return err
	}
	if b.temp, err = os.MkdirTemp("", "fengsui-bench-"); err != nil {
		return fmt.Errorf("temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.temp)) }()

	sections := []report.Section{head.method(b)}
	var failed error
	for _, f := range chosen {
		b.say("%s …", f.title)
		began := time.Now()
		res, err := f.run(ctx, b)
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), failed)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", f.name, err))
			b.say("%s failed: %v", f.title, err)
			res = &result{rows: []report.Row{{What: f.title, Value: "not measured", Met: report.No}}, notes: []string{"The measurement failed: " + firstLine(err.Error())}}
		}
		b.say("%s took %.0f s", f.title, time.Since(began).Seconds())
		sections = append(sections, head.section(f, res))
	}
	fmt.Fprint(out, "\n", report.Page(sections))
	if *write != "" {
		failed = errors.Join(failed, report.Write(*write, sections...))
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
