package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/sip/trace"
)

type watchView struct {
	Peer      string `json:"peer" doc:"a device's ID, or an IP address"`
	By        string `json:"by" doc:"who asked"`
	Since     stamp  `json:"since"`
	Until     stamp  `json:"until" doc:"ends by itself then"`
	Remaining int    `json:"remaining" doc:"seconds"`
	Kept      uint64 `json:"kept" doc:"REGISTER and keepalive exchanges so far"`
}

// PeerPath names whom a watch is of.
type PeerPath struct {
	Peer string `path:"peer" maxLength:"64" doc:"ID that a device speaks under, or an IP address without port" example:"34020000001320000001"`
}

type watchInput struct {
	PeerPath
	Body struct {
		Seconds int `json:"seconds,omitempty" minimum:"10" maximum:"3600" default:"600" doc:"how long from now"`
	}
}

type watchOutput struct{ Body watchView }

func (s *Server) addWatches() {
	tags := []string{"trace"}
	const path = "/api/v1/trace/watches"
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "list-trace-watches", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "Peers whose every message is kept"}, s.listWatches)
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "put-trace-watch", Method: http.MethodPut, Path: path + "/{peer}", Tags: tags,
		Summary:     "Keep every REGISTER and keepalive of a peer for a time",
		Description: "Of others only the last three of each are kept. At most 32 peers at a time; again for one that is watched sets a new end. "}, s.putWatch)
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "remove-trace-watch", Method: http.MethodDelete, Path: path + "/{peer}", Tags: tags,
		Summary: "End it before its time"}, s.removeWatch)
}

func viewWatch(w trace.Watch) watchView {
	return watchView{w.Peer.String(), w.By, stamp(w.Since), stamp(w.Until), int(time.Until(w.Until).Round(time.Second) / time.Second), w.Kept}
}

// watchOf is the watch that keeps what a query asks for, of the device before
// that of its address.
func (s *Server) watchOf(q trace.Query) (v *watchView) {
	if q.Device == "" {
		return nil
	}
	for _, w := range s.svc.Trace.Watches() {
		named := w.Peer.Device == q.Device
		if named || v == nil && q.Remote.IsValid() && w.Peer.Source == q.Remote.Addr() {
			view := viewWatch(w)
			v = &view
		}
		if named {
			return v
		}
	}
	return v
}

func (s *Server) listWatches(_ context.Context, in *ListInput) (*listOutput[watchView], error) {
	if s.svc.Trace == nil {
		return nil, fault.New(fault.NotBuiltIn, "the SIP trace is off")
	}
	return listing[trace.Watch, watchView]{
		words: func(w trace.Watch) []string { return []string{w.Peer.String(), w.By} },
		first: "until",
		sorts: map[string]func(trace.Watch) string{
			"peer":  func(w trace.Watch) string { return w.Peer.String() },
			"since": func(w trace.Watch) string { return sortable(w.Since) },
			"until": func(w trace.Watch) string { return sortable(w.Until) },
		},
		id:   func(w trace.Watch) string { return w.Peer.String() },
		view: viewWatch,
	}.page(*in, s.svc.Trace.Watches())
}

func (s *Server) putWatch(ctx context.Context, in *watchInput) (*watchOutput, error) {
	p, err := s.peer(in.PeerPath)
	if err != nil {
		return nil, err
	}
	w, err := s.svc.Trace.Watch(p, callOf(ctx).who.name, time.Duration(in.Body.Seconds)*time.Second)
	if err != nil {
		return nil, err
	}
	return &watchOutput{viewWatch(w)}, nil
}

func (s *Server) removeWatch(_ context.Context, in *PeerPath) (*struct{}, error) {
	p, err := s.peer(*in)
	if err == nil && !s.svc.Trace.Unwatch(p) {
		err = fault.New(fault.UnknownWatch, "peer %s", p)
	}
	return nil, err
}

func (s *Server) peer(in PeerPath) (trace.Peer, error) {
	if s.svc.Trace == nil {
		return trace.Peer{}, fault.New(fault.NotBuiltIn, "the SIP trace is off")
	}
	return trace.ParsePeer(in.Peer)
}
