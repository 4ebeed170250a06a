//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// target is one fuzz target.
type target struct {
	path   string // import path
	dir    string // of its package
	name   string // FuzzScan
	at     string // package within the module: sip/intake
	binary string // of its package's tests; set by build
}

func (t target) String() string { return t.at + "." + t.name }

// listed is what "go list" says of a package.
type listed struct {
	ImportPath, Dir           string
	TestGoFiles, XTestGoFiles []string
	Module                    struct{ Path string }
}

// find lists the fuzz targets of the module that dir is in, by package and file.
func find(ctx context.Context, dir string) ([]target, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles,Module", "./...")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	var all []target
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("list packages: %w", err)
		}
		for _, file := range append(p.TestGoFiles, p.XTestGoFiles...) {
			names, err := targets(filepath.Join(p.Dir, file))
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				at := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, p.Module.Path), "/")
				all = append(all, target{path: p.ImportPath, dir: p.Dir, name: name, at: at})
			}
		}
	}
}

// build makes the tests of all packages into a folder, with what the fuzzer counts
// by: all targets are of one commit, whatever happens to the files while they run.
func build(ctx context.Context, all []target, into string, out io.Writer) error {
	binaries := map[string]string{}
	for i, t := range all {
		if binaries[t.path] == "" {
			binaries[t.path] = filepath.Join(into, strconv.Itoa(len(binaries))+".test")
			fmt.Fprintln(out, "build", t.path)
			cmd := exec.CommandContext(ctx, "go", "test", "-c", "-fuzz", "Fuzz", "-o", binaries[t.path], t.path)
			cmd.Dir = t.dir
			if said, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("build the tests of %s: %w\n%s", t.path, err, said)
			}
		}
		all[i].binary = binaries[t.path]
	}
	return nil
}

// corpus is the folder in which Go keeps interesting inputs, for all packages.
func corpus(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOCACHE").Output()
	if err != nil {
		return "", fmt.Errorf("find Go's build cache: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "fuzz"), nil
}

// targets are the functions of a file of the form func FuzzX(f *testing.F).
func targets(file string) (names []string, err error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("find fuzz targets: %w", err)
	}
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Fuzz") || len(f.Type.Params.List) != 1 {
			continue
		}
		star, ok := f.Type.Params.List[0].Type.(*ast.StarExpr)
		if !ok {
			continue
		}
		if of, ok := star.X.(*ast.SelectorExpr); ok && of.Sel.Name == "F" {
			names = append(names, f.Name.Name)
		}
	}
	return names, nil
}
