// Package arch_test proves the direction of imports that docs/architecture.md
// section 2 fixes: a package imports only from lower levels, and sideways only
// what is listed here.
package arch_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "fengsui/"

// levels lists every package of the house by its level; a trailing /... takes a subtree.
var levels = [][]string{
	0: {"gb28181", "gb28181/manscdp", "gb28181/setting", "gb28181/mansrtsp", "gb28181/ptz", "gb28181/gbsdp", "gb28181/quirk", "sip/digest", "sip/note", "media", "media/ps",
		"shadow", "shadow/breaker", "shadow/health", "configs", "gb28181/agenda", "media/mediatest", "internal/reuse", "internal/rights"},
	1: {"internal/authority", "media/voice", "media/whip", "sip/intake", "sip", "sip/flow", "sip/guard", "sip/trace", "sip/siptest", "media/rtp", "media/engine", "media/out/...",
		"media/record", "shadow/journal", "shadow/hub", "hiksdk/abi", "internal/store", "internal/telemetry",
		"internal/mmsg", "internal/epoll", "internal/lease", "internal/backup"},
	2: {"gb28181/device", "gb28181/registrar", "gb28181/catalog", "gb28181/command", "gb28181/subscribe", "gb28181/report", "gb28181/traits", "gb28181/checkup", "gb28181/play", "gb28181/download", "gb28181/records", "gb28181/upgrade", "gb28181/snapshot",
		"gb28181/talk", "gb28181/cascade", "hiksdk", "internal/cluster", "internal/sink/..."},
	3: {"internal/api/...", "web", "internal/sim/..."},
	4: {"internal/app"},
	5: {"cmd/...", "test/..."},
}

// sideways are the imports allowed inside one level.
var sideways = map[string][]string{
	"gb28181":               {"shadow"},
	"gb28181/manscdp":       {"gb28181"},
	"gb28181/setting":       {"gb28181", "gb28181/manscdp", "shadow"},
	"gb28181/gbsdp":         {"gb28181"},
	"gb28181/quirk":         {"gb28181"},
	"media/ps":              {"media"},
	"configs":               {"gb28181"},
	"sip":                   {"sip/flow", "sip/intake", "sip/trace"},
	"sip/intake":            {"sip/flow", "sip/trace", "internal/mmsg", "internal/epoll", "internal/lease"},
	"sip/trace":             {"sip/flow"},
	"sip/siptest":           {"sip/flow", "sip/intake"},
	"media/rtp":             {"internal/lease", "internal/mmsg"},
	"media/engine":          {"media/rtp", "internal/lease"},
	"media/out/flv":         {"internal/lease"},
	"media/out/whep":        {"internal/lease"},
	"media/whip":            {"internal/lease"},
	"gb28181/registrar":     {"gb28181/device"},
	"gb28181/talk":          {"gb28181/play"}, // its stages and words
	"gb28181/download":      {"gb28181/play"},
	"internal/api":          {"internal/api/fault"},
	"internal/sim":          {"internal/sim/clips", "internal/sim/stream", "internal/sim/wire"},
	"internal/sim/stream":   {"internal/sim/clips"},
	"media/mediatest":       {"media", "media/ps"},
	"internal/sink/webhook": {"internal/sink"},
	"internal/sink/redis":   {"internal/sink"},
	"internal/sink/kafka":   {"internal/sink"},
}

// forbidden are subtrees that must not know each other, whatever their level.
var forbidden = map[string][]string{
	"sip":     {"gb28181", "media", "hiksdk", "internal/api", "internal/store"},
	"media":   {"gb28181", "sip", "hiksdk", "internal/api", "internal/store"},
	"gb28181": {"internal/api", "internal/store", "hiksdk", "internal/app"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImportsOnlyPointDown(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		fromLevel, ok := level(from)
		if !ok {
			t.Errorf("package %s has no level: give it one in docs/architecture.md section 2 and here", from)
			continue
		}
		for _, imp := range p.Imports {
			to, ours := strings.CutPrefix(imp, module)
			if !ours {
				continue
			}
			toLevel, _ := level(to)
			if toLevel > fromLevel || toLevel == fromLevel && fromLevel < 5 && !allowed(from, to) {
				t.Errorf("%s (level %d) imports %s (level %d)", from, fromLevel, to, toLevel)
			}
			for _, tree := range forbidden[root(from)] {
				if to == tree || strings.HasPrefix(to, tree+"/") {
					t.Errorf("%s imports %s: %s/** must not know %s", from, to, root(from), tree)
				}
			}
		}
	}
}

func TestOnlyPackageSIPImportsSipgo(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			if strings.HasPrefix(imp, "github.com/emiago/sipgo") && p.ImportPath != module+"sip" {
				t.Errorf("%s imports %s", p.ImportPath, imp)
			}
			if imp == "C" && p.ImportPath != module+"hiksdk/abi" {
				t.Errorf("%s imports C", p.ImportPath)
			}
		}
	}
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	return all
}

func level(name string) (int, bool) {
	for n, list := range levels {
		for _, entry := range list {
			if tree, ok := strings.CutSuffix(entry, "/..."); ok && (name == tree || strings.HasPrefix(name, tree+"/")) || name == entry {
				return n, true
			}
		}
	}
	return 0, false
}

func allowed(from, to string) bool {
	if strings.HasPrefix(to, from+"/") && level0(from) == level0(to) && isTree(from) {
		return true
	}
	for _, a := range sideways[from] {
		if a == to {
			return true
		}
	}
	return false
}

func isTree(name string) bool {
	for _, list := range levels {
		for _, entry := range list {
			if tree, ok := strings.CutSuffix(entry, "/..."); ok && (name == tree || strings.HasPrefix(name, tree+"/")) {
				return true
			}
		}
	}
	return false
}

func level0(name string) int { n, _ := level(name); return n }

func root(name string) string { r, _, _ := strings.Cut(name, "/"); return r }
