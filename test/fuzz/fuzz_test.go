//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// module writes a module of its own with a package "words" that has two targets.
func module(t *testing.T, body string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":         "module example\n\ngo 1.26\n",
		"words/words.go": "package words\n\nfunc Upper(b []byte) bool { return len(b) > 0 && b[0] >= 'A' && b[0] <= 'Z' }\n",
		"words/words_test.go": "package words\n\nimport \"testing\"\n\nfunc FuzzInside(f *testing.F) {\n" +
			"\tf.Add([]byte(\"seed\"))\n\tf.Fuzz(func(t *testing.T, b []byte) {\n" + body + "\n\t})\n}\n\nfunc TestFuzz(t *testing.T) {}\n\nfunc Fuzzy() {}\n",
		"words/outside_test.go": "package words_test\n\nimport \"testing\"\n\nfunc FuzzOutside(f *testing.F) { f.Fuzz(func(*testing.T, string) {}) }\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestEveryTargetOfTheModuleIsFound(t *testing.T) {
	all, err := find(t.Context(), module(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, one := range all {
		names = append(names, one.String())
	}
	if want := []string{"words.FuzzInside", "words.FuzzOutside"}; !slices.Equal(names, want) {
		t.Fatalf("found %v, want %v", names, want)
	}
}

func TestTargetIsRunAndCounted(t *testing.T) {
	r := one(t, module(t, "\t\t_ = Upper(b)")).fuzz(t.Context(), time.Second, t.TempDir())
	if r.failed || r.execs == 0 || r.took < time.Second || r.outcome() != "ok" {
		t.Fatalf("%+v", r)
	}
}

func TestWhatDoesNotBuildIsNamed(t *testing.T) {
	all, err := find(t.Context(), module(t, "\t\treturn b"))
	if err != nil {
		t.Fatal(err)
	}
	if err := build(t.Context(), all, t.TempDir(), io.Discard); err == nil || !strings.Contains(err.Error(), "example/words") || !strings.Contains(err.Error(), "too many return values") {
		t.Fatalf("%v", err)
	}
}

func TestFailingInputIsNamed(t *testing.T) {
	dir := module(t, "\t\tif Upper(b) {\n\t\t\tt.Fatal(\"upper\")\n\t\t}")
	target, kept := one(t, dir), t.TempDir()
	for _, found := range []string{"now", "before"} {
		r := target.fuzz(t.Context(), 30*time.Second, kept)
		file, ok := strings.CutPrefix(r.outcome(), "failed: words/")
		if _, err := os.Stat(filepath.Join(dir, "words", file)); !r.failed || !ok || err != nil {
			t.Fatalf("found %s: %+v, %v", found, r, err)
		}
		if err := failures([]result{r}); err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "upper") {
			t.Fatalf("found %s: the end says %v", found, err)
		}
	}
}

func one(t *testing.T, dir string) target {
	t.Helper()
	all, err := find(t.Context(), dir)
	if err == nil {
		err = build(t.Context(), all, t.TempDir(), io.Discard)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

const tail = "FAIL\nexit status 1\nFAIL\texample/words\t2.1s\n"

// outputs of Go 1.26.
var outputs = map[string]struct {
	text     string
	failed   bool
	numbers  string
	outcomes string
}{
	"good": {
		"fuzz: elapsed: 0s, gathering baseline coverage: 0/73 completed\nfuzz: elapsed: 3s, execs: 94815 (31602/sec), new interesting: 3 (total: 49)\n" +
			"fuzz: elapsed: 10m0s, execs: 18610940 (31602/sec), new interesting: 27 (total: 73)\nPASS\nok  \texample/words\t600.05s\n",
		false, "18,610,940 inputs, 27 new of 73 interesting, 10m0s", "ok",
	},
	"crash": {
		"fuzz: elapsed: 2s, execs: 94 (47/sec), new interesting: 3 (total: 49)\n--- FAIL: FuzzX (2.00s)\n    --- FAIL: FuzzX (0.00s)\n        x_test.go:7: bad\n    \n" +
			"    Failing input written to testdata/fuzz/FuzzX/582528ddfad69eb5\n    To re-run:\n    go test -run=FuzzX/582528ddfad69eb5\n" + tail,
		true, "94 inputs, 3 new of 49 interesting, 2s", "failed: words/testdata/fuzz/FuzzX/582528ddfad69eb5",
	},
	"old crash": {
		"fuzz: elapsed: 0s, gathering baseline coverage: 0/2 completed\nfailure while testing seed corpus entry: FuzzX/582528ddfad69eb5\n--- FAIL: FuzzX (0.02s)\n" + tail,
		true, "0 inputs, 0 new of 0 interesting, 0s", "failed: words/testdata/fuzz/FuzzX/582528ddfad69eb5",
	},
	"late": {
		"fuzz: elapsed: 2s, execs: 94 (47/sec), new interesting: 3 (total: 49)\n--- FAIL: FuzzX (2.00s)\n    context deadline exceeded\n" + tail,
		false, "94 inputs, 3 new of 49 interesting, 2s", "ok",
	},
	"does not build": {"# example/words\n./x.go:1:1: syntax error\nFAIL\texample/words [build failed]\nFAIL\n", true, "0 inputs, 0 new of 0 interesting, 0s", "failed"},
}

func TestOutputIsReadAsWhatItIs(t *testing.T) {
	for name, o := range outputs {
		r := parse([]byte(o.text))
		r.target = target{at: "words", name: "FuzzX"}
		r.failed = strings.Contains(o.text, "FAIL") && !r.late([]byte(o.text))
		if r.failed != o.failed || r.numbers() != o.numbers || r.outcome() != o.outcomes {
			t.Errorf("%s: failed %v, %q, %q; want %v, %q, %q", name, r.failed, r.numbers(), r.outcome(), o.failed, o.numbers, o.outcomes)
		}
	}
}

func TestSectionHasEachTargetAndEachFailure(t *testing.T) {
	good, bad := parse([]byte(outputs["good"].text)), parse([]byte(outputs["crash"].text))
	good.target, bad.target, bad.failed = target{at: "a", name: "FuzzGood"}, target{at: "b", name: "FuzzBad"}, true
	s := section([]result{good, bad}, time.Unix(0, 0), "c0ffee", "a machine", "make fuzz")
	got := fmt.Sprint(s.Rows, s.Notes)
	for _, want := range []string{
		"{a.FuzzGood 18,610,940 inputs, 27 new of 73 interesting, 10m0s no failure yes}", "{b.FuzzBad 94 inputs, 3 new of 49 interesting, 2s no failure no}",
		"`b.FuzzBad` failed: b/testdata/fuzz/FuzzX/582528ddfad69eb5", "2 targets, each on one core, tried 18,611,034 inputs",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the section has no %q:\n%s", want, got)
		}
	}
}

func TestBadArgumentsAreRefusedBeforeAnythingRuns(t *testing.T) {
	for want, args := range map[string][]string{
		"-time 10ms":        {"-time", "10ms"},
		"-jobs 0":           {"-jobs", "0"},
		"-only":             {"-only", "("},
		"leave -only":       {"-only", "x", "-write", "y"},
		"no fuzz target ma": {"-only", "^nothing$"},
	} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", args, err, want)
		}
	}
}
