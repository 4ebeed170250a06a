package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181"
	"fengsui/gb28181/catalog"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/shadow"
)

// Catalog is what the face asks of the channels; catalog.Catalog has it.
type Catalog interface {
	Sync(ctx context.Context, id gb28181.ID) (catalog.Job, error)
	Channels(device gb28181.ID) []gb28181.Channel
	Channel(device, id gb28181.ID) (gb28181.Channel, bool)
	Job(device gb28181.ID) (catalog.Job, bool)
	Children(root string) []catalog.Node
	Part(device gb28181.ID, nodes ...string) catalog.Part
	Completeness(device gb28181.ID) gb28181.Completeness
	Devices() []gb28181.ID
}

type channelView struct {
	Device        string  `json:"device"`
	ID            string  `json:"id"`
	Name          string  `json:"name"`
	Parent        string  `json:"parent"`
	CivilCode     string  `json:"civil_code"`
	State         string  `json:"state" enum:"online,offline,unknown" doc:"the channel's own and its device's together"`
	StateReason   string  `json:"state_reason"`
	Invitable     bool    `json:"invitable" doc:"live pictures can be asked of it"`
	Manufacturer  string  `json:"manufacturer"`
	Model         string  `json:"model"`
	Address       string  `json:"address"`
	Parental      bool    `json:"parental" doc:"has children"`
	BusinessGroup string  `json:"business_group"`
	PTZType       int     `json:"ptz_type" doc:"1 dome … 7 split channel; 0 unknown"`
	Longitude     float64 `json:"longitude"`
	Latitude      float64 `json:"latitude"`
	Streams       string  `json:"streams" doc:"stream numbers offered: 0/1"`
	Secrecy       bool    `json:"secrecy"`
}

func viewChannel(c gb28181.Channel, device shadow.State) channelView {
	v := channelView{
		Device: string(c.Device), ID: string(c.ID), Name: c.Name, Parent: c.ParentID, CivilCode: c.CivilCode,
		Invitable: c.Invitable(), Manufacturer: c.Manufacturer, Model: c.Model, Address: c.Address, Parental: c.Parental,
		BusinessGroup: string(c.BusinessGroup), PTZType: c.PTZType, Longitude: c.Longitude, Latitude: c.Latitude, Streams: c.Streams, Secrecy: c.Secrecy,
	}
	state, reason := effective(c, device)
	v.State, v.StateReason = state.String(), reason
	return v
}

// effective is the state of a channel: its own and its device's together.
func effective(c gb28181.Channel, device shadow.State) (shadow.State, string) {
	switch {
	case device == shadow.Offline:
		return shadow.Offline, "its device is offline"
	case !c.On && c.OffReason != "":
		return shadow.Offline, "the device says " + c.OffReason
	case !c.On:
		return shadow.Offline, "the device says OFF"
	case device == shadow.Unknown:
		return shadow.Unknown, "its device is in doubt"
	}
	return shadow.Online, "the device says ON"
}

type channelRow struct {
	channel gb28181.Channel
	device  shadow.State
}

func (s *Server) channelRows(see *sight, device gb28181.ID, rows []channelRow) []channelRow {
	state := shadow.Unknown
	if d, ok := s.svc.Devices.Device(device); ok {
		state = d.Presence.State
	}
	for _, c := range s.svc.Catalog.Channels(device) {
		if see.channel(device, c.ID) {
			rows = append(rows, channelRow{c, state})
		}
	}
	return rows
}

var channelListing = listing[channelRow, channelView]{
	words: func(r channelRow) []string {
		return []string{string(r.channel.ID), r.channel.Name, string(r.channel.Device), r.channel.Manufacturer, r.channel.Model, r.channel.Address}
	},
	first: "id",
	sorts: map[string]func(channelRow) string{
		"id":           func(r channelRow) string { return string(r.channel.ID) },
		"name":         func(r channelRow) string { return r.channel.Name },
		"device":       func(r channelRow) string { return string(r.channel.Device) },
		"parent":       func(r channelRow) string { return r.channel.ParentID },
		"civil_code":   func(r channelRow) string { return r.channel.CivilCode },
		"manufacturer": func(r channelRow) string { return r.channel.Manufacturer },
		"ptz_type":     func(r channelRow) string { return strconv.Itoa(r.channel.PTZType) },
		"state":        func(r channelRow) string { st, _ := effective(r.channel, r.device); return st.String() },
	},
	id:   func(r channelRow) string { return string(r.channel.Device) + string(r.channel.ID) },
	view: func(r channelRow) channelView { return viewChannel(r.channel, r.device) },
}

// ChannelFilter narrows a list of channels.
type ChannelFilter struct {
	State     string `query:"state" enum:"online,offline,unknown"`
	Parent    string `query:"parent" maxLength:"64" doc:"only children of this item"`
	Invitable bool   `query:"invitable" doc:"only those that send pictures"`
}

func (f ChannelFilter) keep(rows []channelRow) []channelRow {
	kept := rows[:0]
	for _, r := range rows {
		state, _ := effective(r.channel, r.device)
		if (f.State == "" || f.State == state.String()) && (f.Parent == "" || f.Parent == r.channel.ParentID) && (!f.Invitable || r.channel.Invitable()) {
			kept = append(kept, r)
		}
	}
	return kept
}

// ChannelList asks for channels.
type ChannelList struct {
	ListInput
	ChannelFilter
}

type deviceChannelList struct {
	DevicePath
	ChannelList
}

type channelPath struct {
	DevicePath
	Channel string `path:"channel" maxLength:"64" doc:"20 digits" example:"34020000001320000001"`
}

type channelOutput struct{ Body channelView }

type jobView struct {
	ID        uint64 `json:"id"`
	Device    string `json:"device"`
	State     string `json:"state" enum:"running,complete,partial,failed"`
	Attempt   int    `json:"attempt" doc:"queries sent so far"`
	StartedAt *stamp `json:"started_at,omitempty"`
	EndedAt   *stamp `json:"ended_at,omitempty"`
	CatalogView
	Error string `json:"error,omitempty" doc:"why it is not complete"`
}

func viewJob(j catalog.Job) *jobView {
	return &jobView{j.ID, string(j.Device), string(j.State), j.Attempt, at(j.Started), at(j.Ended), viewCatalog(j.Result), j.Err}
}

type jobOutput struct {
	Body struct {
		Job *jobView `json:"job"`
	}
}

func (s *Server) addChannels() {
	tags := []string{"channels"}
	op(s, access{act: rights.Configure}, huma.Operation{OperationID: "query-catalog", Method: http.MethodPost, Path: "/api/v1/devices/{device}/catalog", DefaultStatus: http.StatusAccepted, Tags: tags,
		Summary: "Ask a device for its catalog again", Description: "One query at a time for each device; what is missing is asked for again. "}, s.syncCatalog)
	op(s, access{act: rights.Look}, huma.Operation{OperationID: "get-catalog", Method: http.MethodGet, Path: "/api/v1/devices/{device}/catalog", Tags: tags,
		Summary: "How much of a device's catalog has arrived"}, s.getCatalog)
	op(s, access{act: rights.Look}, huma.Operation{OperationID: "list-device-channels", Method: http.MethodGet, Path: "/api/v1/devices/{device}/channels", Tags: tags, Summary: "Channels of a device"}, s.listDeviceChannels)
	op(s, access{act: rights.Look}, huma.Operation{OperationID: "get-channel", Method: http.MethodGet, Path: "/api/v1/devices/{device}/channels/{channel}", Tags: tags, Summary: "One channel"}, s.getChannel)
	op(s, access{act: rights.Look, judged: true}, huma.Operation{OperationID: "list-channels", Method: http.MethodGet, Path: "/api/v1/channels", Tags: tags, Summary: "Channels of all devices"}, s.listChannels)
	op(s, access{act: rights.Look, judged: true}, huma.Operation{OperationID: "get-tree", Method: http.MethodGet, Path: "/api/v1/tree", Tags: tags,
		Summary: "One level of the resource tree", Description: "Without root: the devices. "}, s.tree)
}

func (s *Server) listDeviceChannels(ctx context.Context, in *deviceChannelList) (*listOutput[channelView], error) {
	d, err := s.device(in.Device)
	if err != nil {
		return nil, err
	}
	return channelListing.page(in.ListInput, in.keep(s.channelRows(s.sight(ctx), d.live.ID, nil)))
}

func (s *Server) listChannels(ctx context.Context, in *ChannelList) (*listOutput[channelView], error) {
	var rows []channelRow
	see := s.sight(ctx)
	for _, id := range s.svc.Catalog.Devices() {
		if see.device(id) {
			rows = s.channelRows(see, id, rows)
		}
	}
	return channelListing.page(in.ListInput, in.keep(rows))
}

func (s *Server) getChannel(_ context.Context, in *channelPath) (*channelOutput, error) {
	d, err := s.device(in.Device)
	if err != nil {
		return nil, err
	}
	c, ok := s.svc.Catalog.Channel(d.live.ID, gb28181.ID(in.Channel))
	if !ok {
		return nil, fault.New(fault.UnknownChannel, "channel %s of device %s", in.Channel, d.live.ID)
	}
	return &channelOutput{viewChannel(c, d.live.Presence.State)}, nil
}

type catalogOutput struct {
	Body struct {
		CatalogView
		Job *jobView `json:"job,omitempty" doc:"the running query, else the last one"`
	}
}

func (s *Server) getCatalog(_ context.Context, in *DevicePath) (*catalogOutput, error) {
	d, err := s.device(in.Device)
	if err != nil {
		return nil, err
	}
	out := &catalogOutput{}
	out.Body.CatalogView = viewCatalog(s.svc.Catalog.Completeness(d.live.ID))
	if j, ok := s.svc.Catalog.Job(d.live.ID); ok {
		out.Body.Job = viewJob(j)
	}
	return out, nil
}

func (s *Server) syncCatalog(ctx context.Context, in *DevicePath) (*jobOutput, error) {
	d, err := s.device(in.Device)
	if err != nil {
		return nil, err
	}
	if d.live.Presence.State == shadow.Offline || d.live.Remote == "" {
		return nil, fault.New(fault.DeviceOffline, "device %s: %s", d.live.ID, d.live.Presence.Reason)
	}
	j, err := s.svc.Catalog.Sync(ctx, d.live.ID)
	if err != nil {
		return nil, err
	}
	out := &jobOutput{}
	out.Body.Job = viewJob(j)
	return out, nil
}
