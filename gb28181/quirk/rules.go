package quirk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"fengsui/gb28181"
)

// Facts are what rules look at.
type Facts struct {
	ID                             gb28181.ID
	Manufacturer, Model, UserAgent string // "" while it is not known
}

// FactsOf are those of a device.
func FactsOf(d *gb28181.Device) Facts { return Facts{d.ID, d.Manufacturer, d.Model, d.UserAgent} }

// Match says which devices a rule is about: all that is given must hold, and
// something must be given.
type Match struct {
	Manufacturer string `yaml:"manufacturer"` // is part of it, in any case
	Model        string `yaml:"model"`        // likewise
	UserAgent    string `yaml:"user_agent"`   // likewise
	ID           string `yaml:"id"`           // the ID begins with it; 20 digits are one device
}

func (m Match) holds(f Facts) bool {
	return strings.HasPrefix(string(f.ID), m.ID) && within(f.Manufacturer, m.Manufacturer) &&
		within(f.Model, m.Model) && within(f.UserAgent, m.UserAgent)
}

func within(text, part string) bool {
	return part == "" || strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

// String is the match in words.
func (m Match) String() string {
	var terms []string
	for _, t := range [...]struct{ name, value string }{
		{"manufacturer", m.Manufacturer}, {"model", m.Model}, {"user_agent", m.UserAgent}, {"id", m.ID},
	} {
		if t.value != "" {
			terms = append(terms, fmt.Sprintf("%s %q", t.name, t.value))
		}
	}
	return strings.Join(terms, " and ")
}

// Rule gives quirks to devices, or takes away what an earlier rule gave.
type Rule struct {
	Match   Match
	Give    []Name
	Take    []Name
	Because string // what a person wrote about it
	From    string // the file that it stands in
}

// Rules are asked in their order; a later one goes before an earlier one.
type Rules []Rule

// maxRules bounds a file: each is asked for each device that changes.
const maxRules = 1000

// file is a file of rules.
type file struct {
	// Builtin false drops the rules that come with the server; default true.
	Builtin *bool `yaml:"builtin"`
	Rules   []struct {
		Match   Match    `yaml:"match"`
		Quirks  []string `yaml:"quirks"`
		Without []string `yaml:"without"`
		Because string   `yaml:"because"`
	} `yaml:"rules"`
}

// Load reads the rules that come with the server and a person's own after them; own
// may be empty. name is that of the person's file. The error names every fault.
func Load(builtin, own []byte, name string) (Rules, error) {
	first, _, err := parse(builtin, "quirks.yaml of the server")
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(own)) == 0 {
		return first, nil
	}
	second, keep, err := parse(own, name)
	if err != nil {
		return nil, err
	}
	if !keep {
		first = nil
	}
	return append(first, second...), nil
}

func parse(text []byte, name string) (rules Rules, builtin bool, err error) {
	var f file
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, false, fmt.Errorf("%s: %w; want builtin and rules, of which each has match, quirks, without and because", name, err)
	}
	if len(f.Rules) > maxRules {
		return nil, false, fmt.Errorf("%s: %d rules: want at most %d", name, len(f.Rules), maxRules)
	}
	var errs []error
	for i, r := range f.Rules {
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("%s: rule %d: %w", name, i+1, fmt.Errorf(format, args...)))
		}
		rule := Rule{Match: r.Match, Because: r.Because, From: name}
		if r.Match == (Match{}) {
			bad("matches nothing: want manufacturer, model, user_agent or id")
		}
		if strings.Trim(r.Match.ID, "0123456789") != "" || len(r.Match.ID) > 20 {
			bad("id %q: want the first digits of an ID, in quotes", r.Match.ID)
		}
		for _, w := range r.Quirks {
			n, err := Parse(w)
			if err != nil {
				bad("%w", err)
				continue
			}
			for _, other := range rule.Give {
				if excludes(n, other) {
					bad("%s and %s exclude each other", other, n)
				}
			}
			rule.Give = append(rule.Give, n)
		}
		for _, w := range r.Without {
			n, err := Parse(w)
			if err != nil {
				bad("%w", err)
				continue
			}
			rule.Take = append(rule.Take, n)
		}
		if len(r.Quirks)+len(r.Without) == 0 {
			bad("gives nothing: want quirks or without")
		}
		rules = append(rules, rule)
	}
	return rules, f.Builtin == nil || *f.Builtin, errors.Join(errs...)
}

func excludes(a, b Name) bool {
	return a != b && behaviours[a].group != 0 && behaviours[a].group == behaviours[b].group
}

// Hand is what a person decided for one device, before any rule.
type Hand struct{ Give, Take []Name }

// ParseHand reads a list in which "-" before a word takes the quirk away. The
// error is an [ErrUnknown], or names two that exclude each other.
func ParseHand(words []string) (h Hand, err error) {
	for _, w := range words {
		word, taken := strings.CutPrefix(strings.TrimSpace(w), "-")
		n, err := Parse(word)
		if err != nil {
			return Hand{}, err
		}
		if taken {
			h.Take = append(h.Take, n)
			continue
		}
		for _, other := range h.Give {
			if excludes(n, other) {
				return Hand{}, fmt.Errorf("%s and %s exclude each other", other, n)
			}
		}
		h.Give = append(h.Give, n)
	}
	for _, n := range h.Give {
		if slices.Contains(h.Take, n) {
			return Hand{}, fmt.Errorf("%s is both given and taken away", n)
		}
	}
	return h, nil
}

// Words is the list that [ParseHand] reads.
func (h Hand) Words() []string {
	var list []string
	for _, n := range h.Give {
		list = append(list, n.String())
	}
	for _, n := range h.Take {
		list = append(list, "-"+n.String())
	}
	return list
}

// Applied is one quirk of a device and why it has it.
type Applied struct {
	Name Name
	Why  string // `manufacturer "Huawei" (quirks.yaml of the server): never registers again`, "set by hand"
}

// Set are the quirks of a device.
func (rs Rules) Set(f Facts, h Hand) (s Set) {
	for i := range rs {
		if !rs[i].Match.holds(f) {
			continue
		}
		for _, n := range rs[i].Take {
			s = s.Without(n)
		}
		for _, n := range rs[i].Give {
			s = s.With(n)
		}
	}
	for _, n := range h.Take {
		s = s.Without(n)
	}
	for _, n := range h.Give {
		s = s.With(n)
	}
	return s
}

// Explain are the quirks of a device with their reasons, in the order of their names.
func (rs Rules) Explain(f Facts, h Hand) []Applied {
	list := make([]Applied, 0, 4)
	for _, n := range rs.Set(f, h).Names() {
		list = append(list, Applied{n, rs.why(n, f, h)})
	}
	return list
}

func (rs Rules) why(n Name, f Facts, h Hand) string {
	if slices.Contains(h.Give, n) {
		return "set by hand"
	}
	for i := len(rs) - 1; i >= 0; i-- {
		r := &rs[i]
		if !slices.Contains(r.Give, n) || !r.Match.holds(f) {
			continue
		}
		why := r.Match.String() + " (" + r.From + ")"
		if r.Because != "" {
			why += ": " + r.Because
		}
		return why
	}
	return ""
}
