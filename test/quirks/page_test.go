package quirks

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/quirks.md")

func TestPageIsFresh(t *testing.T) {
	page, err := Page("../..")
	if err != nil {
		t.Fatal(err)
	}
	const path = "../../docs/quirks.md"
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != page {
		t.Errorf("docs/quirks.md is stale: run make docs (%v)", err)
	}
}

func TestRowsWithoutTestsAndTestsWithoutRowsAreRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) error {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "p_test.go"), []byte("package p\n\n"+text+"func TestX(t *testing.T) {}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Page(dir)
		return err
	}
	for text, want := range map[string]string{
		"":                           "row 1 is said to be handled, but no test says",
		"// X.\n//\n// Quirk: 99\n":  "name row 99, which there is not",
		"// X.\n//\n// Quirk: all\n": "want numbers of rows",
		"// X.\n//\n// Quirk: 47\n":  "row 47 is not handled",
	} {
		if err := write(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
