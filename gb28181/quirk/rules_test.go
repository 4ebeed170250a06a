package quirk

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"fengsui/gb28181"
)

func load(t *testing.T, own string) Rules {
	t.Helper()
	builtin, err := os.ReadFile("../../configs/quirks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := Load(builtin, []byte(own), "own.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestRulesMatchByWhatADeviceSays(t *testing.T) {
	rules := load(t, `
rules:
  - match: {user_agent: "odd phone"}
    quirks: [any-realm, write-utf-8]
    because: it computes with its own domain
  - match: {id: "3402000000", model: "c-9"}
    quirks: [utc-time]
  - match: {manufacturer: huawei, id: "34020000001180000007"}
    without: [keepalive-extends]
`)
	for _, c := range []struct {
		facts Facts
		hand  string
		want  string
	}{
		{Facts{ID: "34020000001320000001"}, "", ""},
		{Facts{ID: "34020000001320000001", Manufacturer: "HUAWEI Technologies"}, "", "keepalive-extends"},
		{Facts{ID: "34020000001180000007", Manufacturer: "Huawei"}, "", ""},
		{Facts{ID: "34020000001180000007", Manufacturer: "Huawei"}, "keepalive-extends", "keepalive-extends"},
		{Facts{ID: "34020000001180000001", Manufacturer: "Huawei"}, "-keepalive-extends media-tcp", "media-tcp"},
		{Facts{ID: "34020000001320000001", UserAgent: "The Odd Phone 2.1"}, "", "any-realm, write-utf-8"},
		{Facts{ID: "34020000001320000001", UserAgent: "The Odd Phone 2.1"}, "write-gb18030", "any-realm, write-gb18030"},
		{Facts{ID: "34020000001320000001", Model: "IPC-C-900"}, "", "utc-time"},
		{Facts{ID: "31020000001320000001", Model: "IPC-C-900"}, "", ""},
	} {
		hand, err := ParseHand(strings.Fields(c.hand))
		if err != nil {
			t.Fatal(err)
		}
		if got := rules.Set(c.facts, hand).String(); got != c.want {
			t.Errorf("%+v by hand %q: %q, want %q", c.facts, c.hand, got, c.want)
		}
	}
	why := rules.Explain(Facts{ID: "34020000001320000001", UserAgent: "odd phone"}, Hand{Give: []Name{UTCTime}})
	if len(why) != 3 || why[0].Why != `user_agent "odd phone" (own.yaml): it computes with its own domain` || why[2].Why != "set by hand" {
		t.Errorf("explained as %+v", why)
	}
}

func TestOwnRulesCanDropThoseOfTheServer(t *testing.T) {
	f := Facts{ID: "34020000001320000001", Manufacturer: "Huawei"}
	if got := load(t, "builtin: true\n").Set(f, Hand{}); !got.Has(KeepaliveExtends) {
		t.Errorf("with those of the server: %s", got)
	}
	if got := load(t, "builtin: false\n").Set(f, Hand{}); got != 0 {
		t.Errorf("without those of the server: %s", got)
	}
}

func TestFaultyRulesAreRefusedWithAllTheirFaults(t *testing.T) {
	for text, want := range map[string][]string{
		"rules:\n  - match: {id: \"34\"}\n    quirks: [any-relm]\n  - match: {}\n    quirks: [utc-time]\n": {
			`own.yaml: rule 1: unknown quirk "any-relm": want one of any-realm, `, "key-frame-iframe", "rule 2: matches nothing"},
		"rules:\n  - match: {id: \"x\"}\n":                                                  {`id "x"`, "gives nothing"},
		"rules:\n  - match: {id: \"34\"}\n    without: [nothing]\n":                         {`unknown quirk "nothing"`},
		"rules:\n  - match: {id: \"34\"}\n    quirks: [edition-2016, edition-2022]\n":       {"edition-2016 and edition-2022 exclude each other"},
		"rules:\n  - matches: {id: \"34\"}\n":                                               {"matches"},
		"rules: 7\n":                                                                        {"own.yaml"},
		"rules:\n" + strings.Repeat("  - {match: {id: \"1\"}, quirks: [utc-time]}\n", 1001): {"1001 rules"},
	} {
		_, err := Load(nil, []byte(text), "own.yaml")
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%.80q: %v, want %q", text, err, w)
			}
		}
	}
	for _, words := range [][]string{{"no-such"}, {"-no-such"}, {"write-utf-8", "write-gb18030"}, {"utc-time", "-utc-time"}} {
		if h, err := ParseHand(words); err == nil {
			t.Errorf("%q is taken as %v", words, h)
		}
	}
	if _, err := ParseHand([]string{"nonsense"}); !errors.As(err, new(ErrUnknown)) {
		t.Errorf("%v is no ErrUnknown", err)
	}
}

func TestEveryBehaviourHasAWordOfItsOwnThatIsRead(t *testing.T) {
	words := Words()
	for i, b := range All() {
		n, err := Parse(strings.ToUpper(b.Word))
		if err != nil || int(n) != i || b.Name != n || b.Does == "" || b.Where == "" || slices.Index(words, b.Word) != i {
			t.Errorf("%d %+v: parsed as %v, %v", i, b, n, err)
		}
	}
}

func TestFactsOfADevice(t *testing.T) {
	d := gb28181.Device{ID: "34020000001320000001", Manufacturer: "a", Model: "b", UserAgent: "c"}
	if f := FactsOf(&d); f != (Facts{d.ID, "a", "b", "c"}) {
		t.Errorf("%+v", f)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("rules:\n  - match: {manufacturer: a}\n    quirks: [utc-time]\n", "m", "u")
	f.Add("builtin: false\nrules: []", "", "")
	f.Fuzz(func(t *testing.T, text, manufacturer, agent string) {
		rules, err := Load(nil, []byte(text), "own.yaml")
		if err != nil {
			return
		}
		facts := Facts{ID: "34020000001320000001", Manufacturer: manufacturer, UserAgent: agent}
		for _, a := range rules.Explain(facts, Hand{}) {
			if a.Why == "" {
				t.Errorf("%s has no reason", a.Name)
			}
		}
	})
}
