package conformance

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"

	"fengsui/gb28181"
)

// mark begins a line of a test's comment that says what the test shows.
const mark = "Conformance: "

// Claim is what a test says that it shows.
type Claim struct {
	Test     string // "internal/sim TestPresets"
	Proves   string // server or simulator
	Message  string
	Editions []gb28181.Edition
}

// claims reads the marks in the comments of the tests of a Go file of a package.
func claims(pkg, path string, src []byte) (list []Claim, err error) {
	if !strings.Contains(string(src), "// "+mark) {
		return nil, nil
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
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
			c, err := claim(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", path, f.Name.Name, err)
			}
			c.Test = pkg + " " + f.Name.Name
			list = append(list, c)
		}
	}
	return list, nil
}

func claim(text string) (Claim, error) {
	words := strings.Fields(text)
	if len(words) < 3 || !slices.Contains(proofs[1:], words[0]) {
		return Claim{}, fmt.Errorf("%q: want %s, a message, and editions", text, strings.Join(proofs[1:], " or "))
	}
	c := Claim{Proves: words[0], Message: words[1]}
	for _, year := range words[2:] {
		e := gb28181.ParseEdition(year)
		if e == gb28181.EditionUnknown {
			return Claim{}, fmt.Errorf("%q: no edition %s", text, year)
		}
		c.Editions = append(c.Editions, e)
	}
	return c, nil
}
