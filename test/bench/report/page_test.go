package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func section(name, value string) Section {
	return Section{
		Name: name, Title: "The " + name, Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Commit: "c0ffee", Command: "make " + name, Machine: "a machine",
		Rows: []Row{Bar("time", value, "< 100 ms", true), Bar("memory", "1 GB", "< 200 MB", false), Plain("plain", "7")}, Notes: []string{"a note on " + name},
	}
}

func readPage(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestARunReplacesItsOwnSectionsOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "benchmarks.md")
	if err := Write(path, section("rates", "5 ms"), section("tcp", "6 ms")); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, section("fuzz", "7 ms")); err != nil {
		t.Fatal(err)
	}
	later := section("rates", "8 ms")
	later.Commit, later.Date = "badcafe", later.Date.AddDate(0, 0, 1)
	if err := Write(path, later); err != nil {
		t.Fatal(err)
	}
	text := readPage(t, path)
	for _, want := range []string{
		"| [The rates](#rates) | **1 of 2** | 2026-01-03 03:04 UTC | badcafe |", "| [The fuzz](#fuzz) | **1 of 2** | 2026-01-02 03:04 UTC | c0ffee |",
		"| time | 8 ms | < 100 ms | yes |", "| time | 6 ms |", "| time | 7 ms |", "| memory | 1 GB | < 200 MB | **no** |", "| plain | 7 |  |  |",
		"2026-01-03 03:04 UTC; badcafe; a machine; `make rates`", "2026-01-02 03:04 UTC; c0ffee; a machine; `make tcp`", "- a note on fuzz",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "5 ms") {
		t.Errorf("the page still has the figures that were replaced:\n%s", text)
	}
	if r, c, f := strings.Index(text, "## The rates"), strings.Index(text, "## The tcp"), strings.Index(text, "## The fuzz"); r > c || c > f {
		t.Errorf("sections changed places: %d, %d, %d", r, c, f)
	}
}

func TestTextCannotBreakItsTable(t *testing.T) {
	s := section("rates", "1 | 2\n3")
	if text := Page([]Section{s}); !strings.Contains(text, `| time | 1 \| 2 3 | < 100 ms | yes |`) {
		t.Errorf("page:\n%s", text)
	}
}

func TestAnIncompleteSectionIsRefusedAndChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "benchmarks.md")
	if err := Write(path, section("rates", "5 ms")); err != nil {
		t.Fatal(err)
	}
	before := readPage(t, path)
	for name, change := range map[string]func(*Section){
		"name": func(s *Section) { s.Name = "The Rates" }, "title": func(s *Section) { s.Title = "" }, "date": func(s *Section) { s.Date = time.Time{} },
		"commit": func(s *Section) { s.Commit = "" }, "command": func(s *Section) { s.Command = "" }, "machine": func(s *Section) { s.Machine = "" },
		"verdict": func(s *Section) { s.Rows[0].Met = "maybe" }, "row": func(s *Section) { s.Rows[0].What = "" },
	} {
		s := section("rates", "9 ms")
		change(&s)
		if err := Write(path, s); err == nil {
			t.Errorf("a section with a bad %s is taken", name)
		}
	}
	if after := readPage(t, path); after != before {
		t.Errorf("the page changed to\n%s", after)
	}
}

func TestDamagedFormerFiguresAreNotThrownAway(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "benchmarks.json")
	if err := os.WriteFile(data, []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "benchmarks.md"), section("rates", "5 ms")); err == nil || !strings.Contains(err.Error(), data) {
		t.Errorf("Write = %v, want an error that names %s", err, data)
	}
	if b, _ := os.ReadFile(data); string(b) != "[{" {
		t.Errorf("the file became %q", b)
	}
}
