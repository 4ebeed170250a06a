package conformance

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fengsui/gb28181/command"
)

var update = flag.Bool("update", false, "write docs/conformance.md")

func TestPageIsFresh(t *testing.T) {
	page, err := Page("../..")
	if err != nil {
		t.Fatal(err)
	}
	page += command.Markdown()
	const path = "../../docs/conformance.md"
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != page {
		t.Errorf("docs/conformance.md is stale: run make docs (%v)", err)
	}
}

const (
	message = "Message: Query/PresetQuery\nEditions: 2016, 2022\nFrom: server\nClause: 2022 A.2.4.8\nProves: codec\n\n<Query/>"
	loader  = "package p\n\nfunc TestAll(t *testing.T) { conformance.Load(t, \"testdata/conformance\") }\n"
)

// repository writes files and makes their page.
func repository(t *testing.T, files map[string]string) (string, error) {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Page(root)
}

func TestARowSaysWhatProvesIt(t *testing.T) {
	page, err := repository(t, map[string]string{
		"p/testdata/conformance/query_preset.msg": strings.Replace(message, "Proves", "Unverified: case\nProves", 1),
		"p/p_test.go": loader,
		"sim/sim_test.go": "package sim\n\n// TestPresets asks.\n//\n// Conformance: simulator Query/PresetQuery 2022\n" +
			"func TestPresets(t *testing.T) {}\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"2 rows: 2 with a codec, 0 with a test of the server, 1 with one of the simulator; 2 have something unverified.",
		"| PresetQuery | 2016 | server | query_preset |  |  | 2022 A.2.4.8 | case |\n",
		"| PresetQuery | 2022 | server | query_preset |  | sim TestPresets | 2022 A.2.4.8 | case |\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}

func TestWhatProvesNothingIsRefused(t *testing.T) {
	const file = "p/testdata/conformance/a.msg"
	for want, files := range map[string]map[string]string{
		`no test in p calls conformance.Load with "testdata/conformance"`: {file: message},
		`no test in p calls conformance.Load with "testdata/conformance/b"`: {
			"p/testdata/conformance/b/a.msg": message, "p/p_test.go": loader,
		},
		`of which no file says the bytes`: {
			"p/p_test.go": "package p\n\n// Conformance: server Query/Catalog 2016\nfunc TestX(t *testing.T) {}\n",
		},
		`want server or simulator, a message, and editions`: {
			"p/p_test.go": "package p\n\n// Conformance: codec Query/Catalog 2016\nfunc TestX(t *testing.T) {}\n",
		},
		`no edition 2017`: {
			"p/p_test.go": "package p\n\n// Conformance: server Query/Catalog 2017\nfunc TestX(t *testing.T) {}\n",
		},
		`want root/CmdType`:        {file: strings.Replace(message, "Query/", "Question/", 1), "p/p_test.go": loader},
		`want years`:               {file: strings.Replace(message, "2016, ", "16, ", 1), "p/p_test.go": loader},
		`want server or device`:    {file: strings.Replace(message, ": server", ": nobody", 1), "p/p_test.go": loader},
		`proves "faith"`:           {file: strings.Replace(message, ": codec", ": faith", 1), "p/p_test.go": loader},
		`no clause`:                {file: strings.Replace(message, "Clause: 2022 A.2.4.8\n", "", 1), "p/p_test.go": loader},
		`unknown key "Rumour"`:     {file: strings.Replace(message, "Clause", "Rumour", 1), "p/p_test.go": loader},
		`an empty line and a body`: {file: "Message: Query/Catalog\n", "p/p_test.go": loader},
	} {
		if _, err := repository(t, files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
