package quirks

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fengsui/gb28181/quirk"
)

// mark begins the line of a test's comment that names rows.
const mark = "Quirk: "

const preface = `# Devices that behave otherwise

Made by ` + "`make docs`" + ` from the rules' names in gb28181/quirk and the marks of tests; a test fails while it is stale.

## Names

Give them by rules in ` + "`quirks.yaml`" + ` ([configs/quirks.yaml](../configs/quirks.yaml) says how), or to one device with
` + "`PATCH /api/v1/devices/{device} {\"quirks\": [\"media-tcp\", \"-utc-time\"]}`" + `, where ` + "`-`" + ` takes away what a rule gives. The device's
view says which it has and why.

| Name | The server then | Rows | Read in |
|---|---|---|---|
`

const between = `
## Rows of signalling.md section 9

*Always* is what every device is given; *by name* what only those are that have the quirk.

| Row | Quirk | Seen with | Always | By name | Not | Tests |
|---|---|---|---|---|---|---|
`

// Page makes docs/quirks.md from the tests below root.
func Page(root string) (string, error) {
	tests, err := collect(root)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(preface)
	byRow := map[int][]string{}
	for _, q := range quirk.All() {
		var numbers []string
		for _, n := range q.Rows {
			numbers = append(numbers, strconv.Itoa(n))
			byRow[n] = append(byRow[n], "`"+q.Word+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", q.Word, q.Does, strings.Join(numbers, ", "), q.Where)
	}
	b.WriteString(between)
	var errs []error
	for i, r := range rows {
		n := i + 1
		if handled := r.does != "" || byRow[n] != nil; handled && tests[n] == nil {
			errs = append(errs, fmt.Errorf("row %d is said to be handled, but no test says `%s%d`", n, mark, n))
		} else if !handled && (r.not == "" || tests[n] != nil) {
			errs = append(errs, fmt.Errorf("row %d is not handled: want why, and no test", n))
		}
		slices.Sort(tests[n])
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | %s | %s |\n", n, r.quirk, r.with, r.does, strings.Join(byRow[n], " "), r.not,
			strings.Join(slices.Compact(tests[n]), "<br>"))
		delete(tests, n)
	}
	for n, names := range tests {
		errs = append(errs, fmt.Errorf("%v name row %d, which there is not", names, n))
	}
	return b.String(), errors.Join(errs...)
}

// collect finds the tests of each row.
func collect(root string) (map[int][]string, error) {
	tests := map[int][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "web" || d.Name() == "bin"):
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(src), "\n// "+mark) {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		return marks(tests, filepath.ToSlash(rel), path, src)
	})
	return tests, err
}

func marks(tests map[int][]string, pkg, path string, src []byte) error {
	file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Doc == nil || !strings.HasPrefix(f.Name.Name, "Test") {
			continue
		}
		for line := range strings.SplitSeq(f.Doc.Text(), "\n") {
			text, ok := strings.CutPrefix(line, mark)
			if !ok {
				continue
			}
			for _, word := range strings.Fields(text) {
				n, err := strconv.Atoi(word)
				if err != nil {
					return fmt.Errorf("%s: %s: %q: want numbers of rows", path, f.Name.Name, text)
				}
				tests[n] = append(tests[n], pkg+" "+f.Name.Name)
			}
		}
	}
	return nil
}
