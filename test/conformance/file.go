// Package conformance reads the literal messages that tests compare with what is
// written and read, and makes docs/conformance.md from them.
//
// To add a row: put a file NAME.msg into the testdata/conformance of the package
// whose test compares it, and have that test call [Load]. A file is a head of
// lines, an empty line, and then the body byte for byte (in the charset that its
// declaration names, CR LF where the writer puts them):
//
//	Message: Control/DeviceControl/RecordCmd
//	Editions: 2022
//	From: server
//	Clause: 2022 A.2.3.1.4; signalling.md 3.15.4
//	Proves: codec
//	Unverified: order of the elements
//
//	<?xml version="1.0" encoding="GB2312"?>
//	<Control><CmdType>DeviceControl</CmdType>...
//
// Message is root, CmdType and, where there is one, the sub-command or config
// type. Editions are those that the very bytes hold for. From is who sends it,
// server or device. Proves says what the test shows, one or more of: codec (our
// structs are written as these bytes and read from them), server (the server
// sends or takes it, with what follows), simulator (the simulated device sends
// it, or does what it says). Unverified is left out when all is verified.
//
// A test that shows the server or the simulator do it without comparing bytes
// says so in its comment, once for each message that has a file:
//
//	// Conformance: simulator Query/PresetQuery 2016 2022
//	func TestPresetsAreKept(t *testing.T) {
//
// Then run `make docs`: a test fails while docs/conformance.md is stale.
package conformance

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fengsui/gb28181"
)

// File is one message.
type File struct {
	Path       string // as found
	Message    string // "Control/DeviceControl/RecordCmd"
	Editions   []gb28181.Edition
	From       string   // server or device
	Clause     string   // "2022 A.2.3.1.4; signalling.md 3.15.4"
	Proves     []string // codec, server, simulator
	Unverified string   // what is not sure, "" when all is
	Body       []byte
}

// Name is the file's name without its ending.
func (f File) Name() string { return strings.TrimSuffix(filepath.Base(f.Path), ".msg") }

// Load reads the messages of a folder. It fails the test when there is none, or
// one that cannot be read.
func Load(t testing.TB, dir string) []File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.msg"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no messages in %s: %v", dir, err)
	}
	files := make([]File, len(paths))
	for i, p := range paths {
		if files[i], err = Read(p); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// Read reads one message.
func Read(path string) (File, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return File{}, err
	}
	f, err := parse(raw)
	f.Path = path
	if err != nil {
		return File{}, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

func parse(raw []byte) (f File, err error) {
	head, body, ok := bytes.Cut(raw, []byte("\n\n"))
	if !ok || len(body) == 0 {
		return f, fmt.Errorf("want a head, an empty line and a body")
	}
	f.Body = body
	for line := range strings.SplitSeq(string(head), "\n") {
		key, value, ok := strings.Cut(line, ": ")
		if !ok {
			return f, fmt.Errorf("line %q has no key", line)
		}
		switch key {
		case "Message":
			f.Message = value
		case "Editions":
			for year := range strings.SplitSeq(value, ", ") {
				f.Editions = append(f.Editions, gb28181.ParseEdition(year))
			}
		case "From":
			f.From = value
		case "Clause":
			f.Clause = value
		case "Proves":
			f.Proves = strings.Split(value, ", ")
		case "Unverified":
			f.Unverified = value
		default:
			return f, fmt.Errorf("unknown key %q", key)
		}
	}
	return f, f.check()
}

func (f File) check() error {
	if parts := strings.Split(f.Message, "/"); len(parts) < 2 || !slices.Contains([]string{"Control", "Query", "Notify", "Response"}, parts[0]) {
		return fmt.Errorf("message %q: want root/CmdType[/sub-command]", f.Message)
	}
	if len(f.Editions) == 0 || slices.Contains(f.Editions, gb28181.EditionUnknown) {
		return fmt.Errorf("editions %v: want years, separated by a comma and a blank", f.Editions)
	}
	if f.From != "server" && f.From != "device" {
		return fmt.Errorf("from %q: want server or device", f.From)
	}
	if f.Clause == "" {
		return fmt.Errorf("no clause")
	}
	for _, what := range f.Proves {
		if !slices.Contains(proofs, what) {
			return fmt.Errorf("proves %q: want %s", what, strings.Join(proofs, ", "))
		}
	}
	if len(f.Proves) == 0 {
		return fmt.Errorf("proves nothing")
	}
	return nil
}

// proofs are the columns of the page.
var proofs = []string{"codec", "server", "simulator"}
