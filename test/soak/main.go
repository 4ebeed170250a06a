//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"fengsui/test/bench/report"
)

func main() { report.Main("soak", command) }

func command(ctx context.Context, args []string, out, errOut io.Writer) error {
	fs := flag.NewFlagSet("soak", flag.ContinueOnError)
	fs.SetOutput(errOut)
	binary := fs.String("binary", "bin/fengsui", "the server to load")
	write := fs.String("write", "", "page to put the section into, docs/benchmarks.md; its JSON stands beside it")
	brief := fs.Bool("short", false, "run the short form, of a minute; it is not written")
	mix := fs.Duration("mix", long.mix, "how long the mix of garbage lasts, at least 10s")
	torture := fs.String("torture", "test/corpus/testdata/rfc4475", "folder with the messages of RFC 4475")
	if err := fs.Parse(args); err != nil {
		return err
	}
	f := long
	f.mix = *mix
	switch {
	case *brief && *write != "":
		return errors.New("-short is not what the page is about: leave -short or -write out")
	case *mix < 10*time.Second:
		return fmt.Errorf("-mix %v: want at least 10s", *mix)
	case *brief:
		f = short
	}
	path, err := filepath.Abs(*binary)
	if err != nil {
		return err
	}
	began := time.Now()
	commit, err := report.Commit(ctx)
	if err != nil {
		return err
	}
	rows, failed := run(ctx, path, f, *torture, out)
	if ctx.Err() != nil {
		return errors.Join(failed, errors.New("interrupted: nothing is written"))
	}
	if *write == "" || len(rows) == 0 {
		return failed
	}
	return errors.Join(failed, report.Write(*write, report.Section{
		Name: "soak", Title: "Memory under load and attack", Date: began, Commit: commit, Machine: report.Machine(),
		Command: strings.Join(append([]string{"go run ./test/soak"}, args...), " "), Rows: rows,
		Notes: []string{
			"`sip.guard.allow` is emptied, as it names 127.0.0.0/8 by default, from where all load comes. Nothing else differs from the defaults.",
			fmt.Sprintf("VmRSS of the server with %d registered devices, as soon as it is within the bound, at the latest %v after the load; "+
				"compared with that before the first load and after a warm-up by a tenth of each, which fills what has a fixed size.", f.devices, f.settle),
			fmt.Sprintf("Beside each attack the devices send %d keepalives a second and %d new ones register; a request is repeated as RFC 3261 has it, and none may stay without its right answer.", honestRate, newcomerCount),
		},
	}))
}
