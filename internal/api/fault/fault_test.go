package fault_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"fengsui/internal/api/fault"
)

var update = flag.Bool("update", false, "write docs/errors.md")

func TestTableIsSoundAndInOrder(t *testing.T) {
	names := map[string]bool{}
	last := fault.Code(0)
	for _, f := range fault.Table() {
		class := int(f.Code) / 1000 % 10
		switch {
		case f.Code < 100000 || f.Code > 999999 || class < 4 || class > 7:
			t.Errorf("%d is not MMCNNN", f.Code)
		case f.Code <= last:
			t.Errorf("%d stands after %d", f.Code, last)
		case f.Name == "" || names[f.Name]:
			t.Errorf("%d: name %q is empty or used twice", f.Code, f.Name)
		case f.Status < 400 || f.Status > 599:
			t.Errorf("%d: status %d", f.Code, f.Status)
		case f.Title.EN == "" || f.Title.ZH == "" || f.Remedy.EN == "" || f.Remedy.ZH == "":
			t.Errorf("%d lacks words", f.Code)
		}
		last, names[f.Name] = f.Code, true
	}
}

func TestUnknownCodeIsAnInternalFault(t *testing.T) {
	if got := fault.Of(999999); got.Code != fault.Internal {
		t.Errorf("Of(999999) = %+v", got)
	}
}

func TestInvalidNamesFieldAndValue(t *testing.T) {
	err := fault.Invalid("query.sort", "size", "want id or name")
	if err.Detail != "query.sort: want id or name (got size)" {
		t.Errorf("detail = %q", err.Detail)
	}
	long := fault.Invalid("body.name", strings.Repeat("长", 500), "too long")
	if len([]rune(long.Detail)) > 200 {
		t.Errorf("detail has %d characters", len([]rune(long.Detail)))
	}
}

func TestErrorPageIsInStepWithTheTable(t *testing.T) {
	const page = "../../../docs/errors.md"
	want := fault.Markdown()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || string(got) != want {
		t.Errorf("docs/errors.md is not in step (%v): run go test ./internal/api/fault -update", err)
	}
}
