package api

import (
	"context"
	"fmt"
	"strings"

	"fengsui/gb28181"
	"fengsui/gb28181/catalog"
	"fengsui/internal/api/fault"
)

type treeInput struct {
	ListInput
	Root   string `query:"root" maxLength:"130" doc:"root of a node of the level above, or its id together with device; absent = the top"`
	Device string `query:"device" maxLength:"64" doc:"device of the node, where root is an id"`
}

type nodeView struct {
	Root      string       `json:"root" doc:"give it as root to get the level below"`
	ID        string       `json:"id"`
	Device    string       `json:"device"`
	Name      string       `json:"name"`
	Kind      string       `json:"kind" enum:"device,region,system,group,organisation,channel"`
	Children  int          `json:"children" doc:"nodes on the level below"`
	State     string       `json:"state" enum:"online,offline,unknown"`
	Total     int          `json:"channels,omitempty" doc:"of a device"`
	Online    int          `json:"online_channels,omitempty" doc:"of a device"`
	Invitable bool         `json:"invitable" doc:"live pictures can be asked of it"`
	Channel   *channelView `json:"channel,omitempty"`
}

type treeRow struct {
	place int
	node  catalog.Node
	live  gb28181.Device // of the node's device
	name  string
}

func (s *Server) tree(ctx context.Context, in *treeInput) (*listOutput[nodeView], error) {
	if in.Device != "" && in.Root != "" && in.Root != in.Device && !strings.Contains(in.Root, "/") {
		in.Root = in.Device + "/" + in.Root
	}
	see := s.sight(ctx)
	if err := s.treeNode(see, in.Root); err != nil {
		return nil, err
	}
	nodes := s.svc.Catalog.Children(in.Root)
	if in.Root == "" {
		nodes = s.withoutCatalog(nodes)
	}
	nodes = s.seenNodes(see, nodes)
	lives := map[gb28181.ID]gb28181.Device{}
	rows := make([]treeRow, len(nodes))
	for i, n := range nodes {
		live, ok := lives[n.Device]
		if !ok {
			if d, err := s.device(string(n.Device)); err == nil {
				live = see.counted(d.live)
				live.Name = s.viewDevice(d).Name
			}
			lives[n.Device] = live
		}
		rows[i] = treeRow{i, n, live, n.Channel.Name}
		if n.Kind == catalog.KindDevice {
			rows[i].name = live.Name
		}
	}
	return listing[treeRow, nodeView]{
		words: func(r treeRow) []string { return []string{r.name, string(r.node.Device), string(r.node.Channel.ID)} },
		first: "order",
		sorts: map[string]func(treeRow) string{
			"order": func(r treeRow) string { return fmt.Sprintf("%09d", r.place) },
			"name":  func(r treeRow) string { return r.name },
			"id":    func(r treeRow) string { return r.node.Root },
			"kind":  func(r treeRow) string { return string(r.node.Kind) },
		},
		id:   func(r treeRow) string { return r.node.Root },
		view: viewNode,
	}.page(in.ListInput, rows)
}

func viewNode(r treeRow) nodeView {
	n := r.node
	v := nodeView{
		Root: n.Root, ID: string(n.Device), Device: string(n.Device), Name: r.name, Kind: string(n.Kind), Children: n.Children,
		State: r.live.Presence.State.String(),
	}
	if n.Kind == catalog.KindDevice {
		v.Total, v.Online = r.live.Channels, r.live.OnlineChannels
		return v
	}
	c := viewChannel(n.Channel, r.live.Presence.State)
	v.ID, v.State = c.ID, c.State
	if n.Kind == catalog.KindChannel {
		v.Channel, v.Invitable = &c, c.Invitable
	} else {
		v.State = r.live.Presence.State.String() // a node of the tree has no state of its own
	}
	return v
}

// seenNodes are those of one level that the caller sees, with the children that
// it sees.
func (s *Server) seenNodes(see *sight, nodes []catalog.Node) []catalog.Node {
	if see.all() {
		return nodes
	}
	kept := nodes[:0]
	for _, n := range nodes {
		switch device := n.Kind == catalog.KindDevice; {
		case see.whole(n.Device), !device && see.channel(n.Device, n.Channel.ID):
		case device && see.device(n.Device), !device && see.node(n.Device, n.Channel.ID):
			n.Children = see.children(n.Device, s.svc.Catalog.Children(n.Root))
		default:
			continue
		}
		kept = append(kept, n)
	}
	return kept
}

// treeNode reports a root that is not there, or not for the caller.
func (s *Server) treeNode(see *sight, root string) error {
	if root == "" {
		return nil
	}
	device, item, deep := strings.Cut(root, "/")
	d, err := s.device(device)
	if err != nil {
		return err
	}
	if !see.device(d.live.ID) {
		return fault.New(fault.UnknownDevice, "device %s", d.live.ID)
	}
	if _, there := s.svc.Catalog.Channel(d.live.ID, gb28181.ID(item)); deep && (!there || !see.node(d.live.ID, gb28181.ID(item))) {
		return fault.New(fault.UnknownNode, "root %q", root)
	}
	return nil
}

// withoutCatalog adds the devices that have no catalog yet.
func (s *Server) withoutCatalog(nodes []catalog.Node) []catalog.Node {
	seen := map[gb28181.ID]bool{}
	kept := nodes[:0]
	for _, n := range nodes {
		seen[n.Device] = true
		kept = append(kept, n)
	}
	var live []gb28181.ID
	for d := range s.svc.Devices.All() {
		live = append(live, d.ID)
	}
	for _, d := range s.svc.Store.Devices() {
		live = append(live, d.ID)
	}
	for _, id := range live {
		if !seen[id] {
			seen[id] = true
			kept = append(kept, catalog.Node{Root: string(id), Kind: catalog.KindDevice, Device: id})
		}
	}
	return kept
}
