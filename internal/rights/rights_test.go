package rights_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"fengsui/internal/rights"
)

const (
	cam = "34020000001320000001"
	nvr = "34020000001180000002"
	org = "34020000002160000003"
)

func TestGrantsAllowTheirActInTheirSubtreeOnly(t *testing.T) {
	role := func(name string) []rights.Grant {
		g, ok := rights.Builtin(name)
		if !ok {
			t.Fatalf("no role %s", name)
		}
		return g
	}
	grant := func(a rights.Act, subtree string) []rights.Grant { return []rights.Grant{{Act: a, Subtree: subtree}} }
	for _, c := range []struct {
		name                   string
		grants                 []rights.Grant
		act                    rights.Act
		device                 string
		whole, part, all, some bool
	}{
		{"nothing", nil, rights.Look, cam, false, false, false, false},
		{"everywhere", grant(rights.Look, "*"), rights.Look, cam, true, true, true, true},
		{"another act", grant(rights.Look, "*"), rights.PTZ, cam, false, false, false, false},
		{"an act includes look", grant(rights.PTZ, cam), rights.Look, cam, true, true, false, true},
		{"look includes no act", grant(rights.Look, cam), rights.Talk, cam, false, false, false, false},
		{"this device", grant(rights.PTZ, cam), rights.PTZ, cam, true, true, false, true},
		{"another device", grant(rights.PTZ, cam), rights.PTZ, nvr, false, false, false, true},
		{"a prefix is no device", grant(rights.Look, cam[:19]), rights.Look, cam, false, false, false, true},
		{"a part", grant(rights.Talk, nvr+"/"+org), rights.Talk, nvr, false, true, false, true},
		{"look by a part", grant(rights.Talk, nvr+"/"+org), rights.Look, nvr, false, true, false, true},
		{"a part of another", grant(rights.Talk, nvr+"/"+org), rights.Talk, cam, false, false, false, true},
		{"admin has all acts", grant(rights.Admin, "*"), rights.Configure, nvr, true, true, true, true},
		{"narrow admin is nothing", grant(rights.Admin, cam), rights.Admin, cam, false, false, false, false},
		{"viewer looks", role("viewer"), rights.Look, cam, true, true, true, true},
		{"viewer plays back", role("viewer"), rights.Playback, cam, true, true, true, true},
		{"viewer moves nothing", role("viewer"), rights.PTZ, cam, false, false, false, false},
		{"operator configures", role("operator"), rights.Configure, cam, true, true, true, true},
		{"operator is no administrator", role("operator"), rights.Admin, cam, false, false, false, false},
		{"administrator", role(rights.Administrator), rights.Admin, cam, true, true, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := rights.Of(c.grants...)
			if s.Device(c.act, c.device) != c.whole || s.Touches(c.act, c.device) != c.part || s.Everywhere(c.act) != c.all || s.Somewhere(c.act) != c.some {
				t.Errorf("%s at %s: whole %v, part %v, everywhere %v, somewhere %v", c.act, c.device,
					s.Device(c.act, c.device), s.Touches(c.act, c.device), s.Everywhere(c.act), s.Somewhere(c.act))
			}
		})
	}
}

func TestGrantsThatCanMeanNothingAreRefused(t *testing.T) {
	for _, text := range []string{
		`{"act":"look"}`, `{"act":"look","subtree":""}`, `{"act":"look","subtree":"a b"}`, `{"act":"look","subtree":"a/"}`, `{"act":"look","subtree":"/b"}`,
		`{"act":"look","subtree":"a/b/c"}`, `{"act":"look","subtree":"a*"}`, `{"subtree":"*"}`, `{"act":"admin","subtree":"` + cam + `"}`,
	} {
		var g rights.Grant
		if err := json.Unmarshal([]byte(text), &g); err != nil {
			t.Fatal(err)
		}
		if g.Check() == nil {
			t.Errorf("%s is taken", text)
		}
		if s := rights.Of(g); len(s.Acts()) != 0 {
			t.Errorf("%s allows %v", text, s.Acts())
		}
	}
	var g rights.Grant
	if err := json.Unmarshal([]byte(`{"act":"fly","subtree":"*"}`), &g); err == nil {
		t.Error("act fly is taken")
	}
}

func TestGrantsAreWrittenAsTheyAreRead(t *testing.T) {
	in := `[{"act":"look","subtree":"*"},{"act":"ptz","subtree":"` + nvr + "/" + org + `"}]`
	var g []rights.Grant
	if err := json.Unmarshal([]byte(in), &g); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(g)
	if err != nil || string(out) != in {
		t.Errorf("%s, %v", out, err)
	}
}

// A thousand grants are judged as fast as one.
func BenchmarkTouches(b *testing.B) {
	for _, n := range []int{1, 1000} {
		var grants []rights.Grant
		for i := range n {
			grants = append(grants, rights.Grant{Act: rights.Look, Subtree: fmt.Sprintf("3402000000132%07d", i)})
		}
		s := rights.Of(grants...)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				s.Touches(rights.Look, cam)
			}
		})
	}
}
