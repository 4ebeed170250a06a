package api

import (
	"context"

	"fengsui/gb28181"
	"fengsui/gb28181/catalog"
	"fengsui/internal/rights"
)

// sight is what one caller may look at, worked out once for a request: a map
// lookup for each device, and for a device that is seen in part the shape of its
// catalog once. One goroutine uses it.
type sight struct {
	set     rights.Set
	catalog Catalog
	parts   map[gb28181.ID]catalog.Part
}

// sight is that of the caller of a request.
func (s *Server) sight(ctx context.Context) *sight {
	return &sight{set: callOf(ctx).who.rights, catalog: s.svc.Catalog}
}

// all reports whether nothing is hidden.
func (v *sight) all() bool { return v.set.Everywhere(rights.Look) }

// device reports whether the device, or a part of it, is seen.
func (v *sight) device(id gb28181.ID) bool { return v.set.Touches(rights.Look, string(id)) }

// whole reports whether all of the device is seen.
func (v *sight) whole(id gb28181.ID) bool { return v.set.Device(rights.Look, string(id)) }

// channel reports whether a channel or other item of a device is seen.
func (v *sight) channel(device, channel gb28181.ID) bool {
	return v.whole(device) || v.part(device).Inside[channel]
}

// node reports whether an item belongs into the tree: it is seen, or leads to
// what is seen.
func (v *sight) node(device, item gb28181.ID) bool {
	return v.channel(device, item) || v.part(device).Above[item]
}

// children is how many nodes of one level are seen.
func (v *sight) children(device gb28181.ID, nodes []catalog.Node) int {
	n := 0
	for i := range nodes {
		if v.node(device, nodes[i].Channel.ID) {
			n++
		}
	}
	return n
}

func (v *sight) part(device gb28181.ID) catalog.Part {
	p, known := v.parts[device]
	if !known {
		if items := v.set.Items(rights.Look, string(device)); len(items) > 0 {
			p = v.catalog.Part(device, items...)
		}
		if v.parts == nil {
			v.parts = map[gb28181.ID]catalog.Part{}
		}
		v.parts[device] = p
	}
	return p
}

// counted is a device as it is seen: with the channels of the part, where not
// all of it is.
func (v *sight) counted(d gb28181.Device) gb28181.Device {
	if v.whole(d.ID) {
		return d
	}
	d.Channels, d.OnlineChannels = 0, 0
	for _, c := range v.catalog.Channels(d.ID) {
		if v.channel(d.ID, c.ID) {
			d.Channels++
			if c.On {
				d.OnlineChannels++
			}
		}
	}
	return d
}
