package conformance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fengsui/gb28181"
)

// row is one message of one edition.
type row struct {
	message    string
	edition    gb28181.Edition
	from       string
	proofs     map[string][]string // by column: files and tests
	clauses    []string
	unverified []string
}

// Page makes docs/conformance.md from the messages and the tests below root, the
// folder of the repository.
func Page(root string) (string, error) {
	files, marks, err := collect(root)
	if err != nil {
		return "", err
	}
	rows, err := table(files, marks)
	if err != nil {
		return "", err
	}
	return render(rows), nil
}

// collect walks the repository.
func collect(root string) (files []File, marks []Claim, err error) {
	loaders := map[string]string{} // by folder: the text of its tests that load messages
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if name == "node_modules" || name == ".git" || name == "web" || name == "bin" {
				return fs.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case strings.HasSuffix(name, ".msg"):
			f, err := Read(path)
			if err != nil {
				return err
			}
			f.Path = rel
			files = append(files, f)
		case strings.HasSuffix(name, "_test.go"):
			src, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			pkg := rel[:max(0, strings.LastIndexByte(rel, '/'))]
			if strings.Contains(string(src), "conformance.Load(") {
				loaders[pkg] += string(src)
			}
			list, err := claims(pkg, rel, src)
			if err != nil {
				return err
			}
			marks = append(marks, list...)
		}
		return nil
	})
	if err == nil {
		err = loaded(files, loaders)
	}
	return files, marks, err
}

// loaded reports files that no test beside them compares.
func loaded(files []File, loaders map[string]string) error {
	for _, f := range files {
		pkg, rest, ok := strings.Cut(f.Path, "/testdata/")
		dir := "testdata/" + rest[:max(0, strings.LastIndexByte(rest, '/'))]
		if !ok || !strings.Contains(loaders[pkg], `"`+dir+`"`) {
			return fmt.Errorf("%s: no test in %s calls conformance.Load with %q", f.Path, pkg, dir)
		}
	}
	return nil
}

// table makes the rows in their order.
func table(files []File, marks []Claim) ([]*row, error) {
	var rows []*row
	find := func(message string, e gb28181.Edition) *row {
		for _, r := range rows {
			if r.message == message && r.edition == e {
				return r
			}
		}
		return nil
	}
	var errs []error
	for _, f := range files {
		for _, e := range f.Editions {
			r := find(f.Message, e)
			if r == nil {
				r = &row{message: f.Message, edition: e, from: f.From, proofs: map[string][]string{}}
				rows = append(rows, r)
			}
			if r.from != f.From {
				errs = append(errs, fmt.Errorf("%s: from %s, in others from %s", f.Path, f.From, r.from))
			}
			for _, p := range f.Proves {
				r.proofs[p] = add(r.proofs[p], f.Name())
			}
			for clause := range strings.SplitSeq(f.Clause, "; ") {
				r.clauses = add(r.clauses, clause)
			}
			if f.Unverified != "" {
				r.unverified = add(r.unverified, f.Unverified)
			}
		}
	}
	for _, c := range marks {
		for _, e := range c.Editions {
			r := find(c.Message, e)
			if r == nil {
				errs = append(errs, fmt.Errorf("%s is about %s of %s, of which no file says the bytes", c.Test, c.Message, e))
				continue
			}
			r.proofs[c.Proves] = add(r.proofs[c.Proves], c.Test)
		}
	}
	slices.SortFunc(rows, func(a, b *row) int {
		if n := strings.Compare(a.message, b.message); n != 0 {
			return n
		}
		return int(a.edition) - int(b.edition)
	})
	return rows, errors.Join(errs...)
}

func add(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	list = append(list, s)
	slices.Sort(list)
	return list
}

const preface = `# What is spoken, and what proves it

Made by ` + "`make docs`" + ` from the messages and tests of this repository; a test fails while it is stale. How to add a row stands in
[test/conformance/file.go](../test/conformance/file.go).

One row is one message (root, CmdType, sub-command or config type) of one edition of GB/T 28181. *Codec* names the files of
literal bytes that our structs are written as and read from. *Server* names the tests that show the server send it, or take
it and act on it; *simulator* those that show the simulated device do so. An empty cell is not shown by any test.
*Unverified* is what could not be checked against a primary text; see section 10 of the signalling reference.

`

// sections are the roots in the order of Annex A.
var sections = [...]struct{ root, title string }{
	{"Control", "Controls"}, {"Query", "Queries"}, {"Notify", "Notifications"}, {"Response", "Answers"},
}

func render(rows []*row) string {
	var b strings.Builder
	b.WriteString(preface)
	count := map[string]int{}
	for _, r := range rows {
		for _, p := range proofs {
			if len(r.proofs[p]) > 0 {
				count[p]++
			}
		}
		if len(r.unverified) > 0 {
			count["unverified"]++
		}
	}
	fmt.Fprintf(&b, "%d rows: %d with a codec, %d with a test of the server, %d with one of the simulator; %d have something unverified.\n",
		len(rows), count["codec"], count["server"], count["simulator"], count["unverified"])
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| Message | Edition | From | Codec | Server | Simulator | Clause | Unverified |\n|---|---|---|---|---|---|---|---|\n", s.title)
		for _, r := range rows {
			if name, ok := strings.CutPrefix(r.message, s.root+"/"); ok {
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", name, r.edition, r.from, cell(r.proofs["codec"]),
					cell(r.proofs["server"]), cell(r.proofs["simulator"]), strings.Join(r.clauses, "; "), strings.Join(r.unverified, "; "))
			}
		}
	}
	return b.String()
}

func cell(list []string) string { return strings.Join(list, "<br>") }
