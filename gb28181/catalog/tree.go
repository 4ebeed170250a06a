package catalog

import (
	"slices"
	"strings"

	"fengsui/gb28181"
)

// Kind is what a node of the resource tree stands for.
type Kind string

// The kinds of nodes.
const (
	KindDevice       Kind = "device" // a registered device, the root of its catalog
	KindRegion       Kind = "region"
	KindSystem       Kind = "system"
	KindGroup        Kind = "group"
	KindOrganisation Kind = "organisation"
	KindChannel      Kind = "channel" // everything else
)

// Node is one node of the resource tree.
type Node struct {
	// Root is what to give [Catalog.Children] for the level below: "<device>" or
	// "<device>/<item>".
	Root     string
	Kind     Kind
	Device   gb28181.ID
	Channel  gb28181.Channel // zero for a device
	Children int             // nodes on the level below
}

// Children is one level of the resource tree: the devices for "", the top of a
// device's catalog for "<device>", what is under an item for "<device>/<item>".
//
// An item is placed by the first of these that the same catalog has: its
// organisations (ParentID tokens of type 216, several possible), its business
// group, the device or other item that it names as parent, its system, its
// region. What names none of them is on top, until the parent arrives. Nodes
// that form a ring are on top too.
func (c *Catalog) Children(root string) []Node {
	if root == "" {
		return c.top()
	}
	device, item, _ := strings.Cut(root, "/")
	t := newTree(c.cfg.Self, gb28181.ID(device), c.Channels(gb28181.ID(device)))
	kids := t.kids[item]
	out := make([]Node, len(kids))
	for i, r := range kids {
		out[i] = Node{
			Root: device + "/" + string(r.ID), Kind: kindOf(r.ID), Device: gb28181.ID(device), Channel: c.shown(*r),
			Children: len(t.kids[string(r.ID)]),
		}
	}
	return out
}

func (c *Catalog) top() []Node {
	ids := c.Devices()
	out := make([]Node, len(ids))
	for i, id := range ids {
		out[i] = Node{Root: string(id), Kind: KindDevice, Device: id, Children: len(newTree(c.cfg.Self, id, c.Channels(id)).kids[""])}
	}
	return out
}

func kindOf(id gb28181.ID) Kind {
	switch t := id.Type(); {
	case id.Region():
		return KindRegion
	case t == gb28181.TypePlatform:
		return KindSystem
	case t == gb28181.TypeBusinessGroup:
		return KindGroup
	case t == gb28181.TypeOrganisation:
		return KindOrganisation
	}
	return KindChannel
}

// tree is the shape of one device's catalog, made for one request.
type tree struct {
	self, device gb28181.ID
	byID         map[gb28181.ID]*gb28181.Channel
	kids         map[string][]*gb28181.Channel // by parent, "" the top; in the order of IDs
	up           map[gb28181.ID][]string       // parents of each item
}

func newTree(self, device gb28181.ID, channels []gb28181.Channel) *tree {
	t := &tree{self: self, device: device,
		byID: make(map[gb28181.ID]*gb28181.Channel, len(channels)), kids: make(map[string][]*gb28181.Channel)}
	for i := range channels {
		t.byID[channels[i].ID] = &channels[i]
	}
	parents := make(map[gb28181.ID][]string, len(channels))
	for i := range channels {
		parents[channels[i].ID] = t.parents(&channels[i])
	}
	t.breakRings(channels, parents)
	t.up = parents
	for i := range channels {
		for _, p := range parents[channels[i].ID] {
			t.kids[p] = append(t.kids[p], &channels[i])
		}
	}
	return t
}

// breakRings puts on top one node of each ring that first parents form. Further
// parents cannot form one: only organisations are, and those have one parent.
func (t *tree) breakRings(channels []gb28181.Channel, parents map[gb28181.ID][]string) {
	seen := make(map[gb28181.ID]int, len(channels)) // the walk that met it; -1 leads to the top
	for walk := range channels {
		path := []gb28181.ID{}
		for id := channels[walk].ID; id != ""; id = gb28181.ID(parents[id][0]) {
			if w, met := seen[id]; met {
				if w == walk {
					parents[id] = []string{""}
				}
				break
			}
			seen[id] = walk
			path = append(path, id)
		}
		for _, id := range path {
			seen[id] = -1
		}
	}
}

// parents are the items that r is under, "" for the top; at least one.
func (t *tree) parents(r *gb28181.Channel) []string {
	switch kindOf(r.ID) {
	case KindRegion:
		if n := len(r.ID); n > 2 {
			return t.oneOf(r, string(r.ID[:n-2]))
		}
		return []string{""}
	case KindGroup, KindSystem:
		return t.oneOf(r, append(t.tokens(r), r.CivilCode)...)
	case KindOrganisation:
		return t.oneOf(r, append(t.tokens(r), string(r.BusinessGroup))...)
	default:
		return t.places(r)
	}
}

// places are the parents of a device or channel.
func (t *tree) places(r *gb28181.Channel) []string {
	var organisations []string
	var group, system string
	var rest []string
	for _, tok := range t.tokens(r) {
		switch id := gb28181.ID(tok); kindOf(id) {
		case KindOrganisation:
			if t.byID[id] != nil && !slices.Contains(organisations, tok) {
				organisations = append(organisations, tok)
			}
		case KindGroup:
			group = tok
		case KindSystem:
			system = tok
		default:
			rest = append(rest, tok)
		}
	}
	if len(organisations) > 0 {
		return organisations
	}
	return t.oneOf(r, append(append([]string{string(r.BusinessGroup), group}, rest...), system, region(r))...)
}

// oneOf is the first candidate that the catalog has, else the top.
func (t *tree) oneOf(r *gb28181.Channel, candidates ...string) []string {
	for _, p := range candidates {
		if p != "" && gb28181.ID(p) != r.ID && t.byID[gb28181.ID(p)] != nil {
			return []string{p}
		}
	}
	return []string{""}
}

// tokens are the parents that r names, without what means the top level: itself,
// its device, this platform, "null".
func (t *tree) tokens(r *gb28181.Channel) []string {
	if r.ParentID == "" {
		return nil
	}
	var out []string
	for tok := range strings.SplitSeq(r.ParentID, "/") {
		tok = strings.TrimSpace(tok)
		id := gb28181.ID(tok)
		if tok == "" || strings.EqualFold(tok, "null") || id == r.ID || id == t.device || id == t.self {
			continue
		}
		out = append(out, tok)
	}
	return out
}

// region is the administrative division of an item.
func region(r *gb28181.Channel) string {
	switch {
	case r.CivilCode != "":
		return r.CivilCode
	case !r.ID.Full():
		return ""
	case r.ID[6:8] != "00":
		return string(r.ID[:8])
	}
	return string(r.ID[:6])
}

// Part says how the items of a device's catalog lie to some of its nodes.
type Part struct {
	Inside map[gb28181.ID]bool // the nodes and all that is under them
	Above  map[gb28181.ID]bool // what leads to them from the top, and is not inside
}

// Part finds what lies at, under and above the nodes of a device.
func (c *Catalog) Part(device gb28181.ID, nodes ...string) Part {
	t := newTree(c.cfg.Self, device, c.Channels(device))
	p := Part{Inside: map[gb28181.ID]bool{}, Above: map[gb28181.ID]bool{}}
	for _, n := range nodes {
		if r := t.byID[gb28181.ID(n)]; r != nil {
			t.enter(r, p.Inside)
		}
	}
	for id := range p.Inside {
		t.climb(id, p)
	}
	return p
}

// enter adds an item and all that is under it. Items have no rings.
func (t *tree) enter(r *gb28181.Channel, inside map[gb28181.ID]bool) {
	if inside[r.ID] {
		return
	}
	inside[r.ID] = true
	for _, kid := range t.kids[string(r.ID)] {
		t.enter(kid, inside)
	}
}

// climb adds what is above an item.
func (t *tree) climb(id gb28181.ID, p Part) {
	for _, parent := range t.up[id] {
		up := gb28181.ID(parent)
		if up == "" || p.Inside[up] || p.Above[up] {
			continue
		}
		p.Above[up] = true
		t.climb(up, p)
	}
}
