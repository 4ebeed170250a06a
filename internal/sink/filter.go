package sink

import (
	"strings"

	"fengsui/internal/rights"
	"fengsui/shadow/journal"
)

// Filter is what a sink is told of.
type Filter struct {
	// Events are beginnings of types, as device or device.offline; none means all.
	Events []string
	// Subtrees are as those of grants: "*", a device, or device/item. None means all.
	Subtrees []string
	// Inside reports whether a channel lies under one of the items of a device's
	// catalog. Asked only for subtrees with an item.
	Inside func(device, channel string, items []string) bool
}

// judge makes the filter a function. It may be called by one goroutine at a time.
func (f Filter) judge() func(journal.Event) bool {
	var grants []rights.Grant
	for _, s := range f.Subtrees {
		grants = append(grants, rights.Grant{Act: rights.Look, Subtree: s})
	}
	if grants == nil {
		grants = []rights.Grant{{Act: rights.Look, Subtree: rights.Everywhere}}
	}
	set := rights.Of(grants...)
	return func(e journal.Event) bool { return f.kind(e.Type) && f.place(&set, &e) }
}

func (f *Filter) kind(name string) bool {
	for _, prefix := range f.Events {
		if rest, ok := strings.CutPrefix(name, prefix); ok && (rest == "" || rest[0] == '.' || strings.HasSuffix(prefix, ".")) {
			return true
		}
	}
	return len(f.Events) == 0
}

// place reports whether an event is of what the subtrees hold: of a device that
// is in it in part, its own state and the channels that are.
func (f *Filter) place(set *rights.Set, e *journal.Event) bool {
	switch {
	case set.Everywhere(rights.Look):
		return true
	case e.Device == "":
		return false
	case e.Channel == "":
		return set.Touches(rights.Look, e.Device)
	case set.Device(rights.Look, e.Device):
		return true
	}
	items := set.Items(rights.Look, e.Device)
	return len(items) > 0 && f.Inside(e.Device, e.Channel, items)
}
