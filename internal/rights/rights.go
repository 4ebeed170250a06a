// Package rights says who may do what where: acts, grants on subtrees, and what
// a caller's grants come to. It is the one place where rights are judged; it
// knows neither users nor routes.
package rights

import (
	"fmt"
	"slices"
	"strings"
)

// Act is what a grant allows.
type Act uint8

// The acts. Each includes Look at the same place; Admin includes all.
const (
	None      Act = iota
	Look          // see devices, channels, alarms and positions; watch live pictures
	PTZ           // move cameras, presets, cruises, what an operator does at a device
	Playback      // query, watch and download what devices recorded
	Talk          // speak to devices
	Configure     // change settings of devices, subscriptions and catalogs; end streams
	Admin         // provision devices; users, roles, keys, audit, trace; only everywhere
)

var actNames = [...]string{"", "look", "ptz", "playback", "talk", "configure", "admin"}

// Acts are all acts, the least first.
func Acts() []Act { return []Act{Look, PTZ, Playback, Talk, Configure, Admin} }

func (a Act) String() string { return actNames[a] }

// MarshalText writes the act's name.
func (a Act) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads an act's name.
func (a *Act) UnmarshalText(text []byte) error {
	i := slices.Index(actNames[1:], string(text))
	if i < 0 {
		return fmt.Errorf("act %q: want %s", text, strings.Join(actNames[1:], ", "))
	}
	*a = Act(i + 1)
	return nil
}

// Everywhere is the subtree that holds all devices, those to come included.
const Everywhere = "*"

// Grant allows one act in one subtree: [Everywhere], "<device>", or
// "<device>/<item>" for an item of the device's catalog (channel, region, group,
// organisation) with all that is under it. These are the roots of the resource tree.
type Grant struct {
	Act     Act    `json:"act"`
	Subtree string `json:"subtree"`
}

// Check reports a grant that can mean nothing.
func (g Grant) Check() error {
	if g.Act == None || int(g.Act) >= len(actNames) {
		return fmt.Errorf("act is missing: want %s", strings.Join(actNames[1:], ", "))
	}
	if g.Subtree == Everywhere {
		return nil
	}
	if g.Act == Admin {
		return fmt.Errorf("admin in subtree %q: want %q, it cannot be narrowed", g.Subtree, Everywhere)
	}
	device, item, deep := strings.Cut(g.Subtree, "/")
	if !word(device) || deep && !word(item) {
		return fmt.Errorf("subtree %q: want %q, \"<device>\" or \"<device>/<item>\"", g.Subtree, Everywhere)
	}
	return nil
}

// word reports whether s can be the ID of a device or item.
func word(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '/' || r == '*' || r == 0x7f })
}

// builtin are the grants of the roles that every house has, by their names. Read only.
var builtin = map[string][]Grant{
	"viewer":      {{Look, Everywhere}, {Playback, Everywhere}},
	"operator":    {{Look, Everywhere}, {PTZ, Everywhere}, {Playback, Everywhere}, {Talk, Everywhere}, {Configure, Everywhere}},
	Administrator: {{Admin, Everywhere}},
}

// Administrator is the role that may everything.
const Administrator = "administrator"

// Builtin returns the grants of a role that every house has; false for any other.
func Builtin(role string) ([]Grant, bool) {
	g, ok := builtin[role]
	return slices.Clone(g), ok
}

// BuiltinRoles are the names of the roles that every house has, the least first.
func BuiltinRoles() []string { return []string{"viewer", "operator", Administrator} }

// Set is what several grants come to. The zero Set allows nothing. It is not
// changed after it was made, so it may be used by several goroutines.
type Set struct{ places [len(actNames)]place }

// place is where one act is allowed.
type place struct {
	all     bool
	devices map[string]bool     // whole devices
	items   map[string][]string // parts of devices: items by device
}

// Of adds grants up. Those that fail [Grant.Check] allow nothing.
func Of(grants ...Grant) Set {
	var s Set
	for _, g := range grants {
		switch {
		case g.Check() != nil:
		case g.Act == Admin:
			for _, a := range Acts() {
				s.places[a].all = true
			}
		default:
			s.places[g.Act].add(g.Subtree)
			s.places[Look].add(g.Subtree)
		}
	}
	return s
}

func (p *place) add(subtree string) {
	device, item, part := strings.Cut(subtree, "/")
	switch {
	case subtree == Everywhere:
		p.all = true
	case !part:
		if p.devices == nil {
			p.devices = map[string]bool{}
		}
		p.devices[device] = true
	case !slices.Contains(p.items[device], item):
		if p.items == nil {
			p.items = map[string][]string{}
		}
		p.items[device] = append(p.items[device], item)
	}
}

// Everywhere reports whether the act is allowed at every device.
func (s Set) Everywhere(a Act) bool { return s.places[a].all }

// Somewhere reports whether the act is allowed at any place at all.
func (s Set) Somewhere(a Act) bool {
	p := &s.places[a]
	return p.all || len(p.devices) > 0 || len(p.items) > 0
}

// Device reports whether the act is allowed at the whole device.
func (s Set) Device(a Act, device string) bool {
	p := &s.places[a]
	return p.all || p.devices[device]
}

// Touches reports whether the act is allowed at the device or a part of it.
func (s Set) Touches(a Act, device string) bool {
	return s.Device(a, device) || len(s.places[a].items[device]) > 0
}

// Items are the parts of a device where the act is allowed, besides the whole.
// The slice is not to be changed.
func (s Set) Items(a Act, device string) []string { return s.places[a].items[device] }

// Acts are those allowed somewhere, the least first.
func (s Set) Acts() []Act {
	acts := []Act{}
	for _, a := range Acts() {
		if s.Somewhere(a) {
			acts = append(acts, a)
		}
	}
	return acts
}
