package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/internal/api/fault"
	"fengsui/internal/lease"
	"fengsui/internal/rights"
)

// Leases is what the face asks of what is held open; lease.Book has it.
type Leases interface {
	List() []lease.Entry
}

type leaksInput struct {
	ListInput
	Orphaned bool `query:"orphaned" doc:"only what has no living owner"`
}

type leaseView struct {
	Kind       string `json:"kind" enum:"sip_connection,media_connection,media_receiver,flv_viewer,webrtc_viewer,media_sender,webrtc_talker"`
	Owner      string `json:"owner" doc:"device:<id>, stream:<key>; empty while nobody has claimed it"`
	Local      string `json:"local"`
	Remote     string `json:"remote" doc:"empty before anybody is known"`
	OpenedAt   stamp  `json:"opened_at"`
	Age        int64  `json:"age" doc:"seconds"`
	UsedAt     *stamp `json:"used_at,omitempty" doc:"last activity"`
	OrphanedAt *stamp `json:"orphaned_at,omitempty" doc:"since when it has no living owner; it is closed 10 s later"`
}

func (s *Server) addLeaks() {
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "list-leaks", Method: http.MethodGet, Path: "/api/v1/system/leaks", Tags: []string{"system"},
		Summary: "Connections, sockets and viewers that are open, whose they are, and which have lost their owner", Description: "The longest open first. "}, s.listLeaks)
}

func (s *Server) listLeaks(_ context.Context, in *leaksInput) (*listOutput[leaseView], error) {
	if s.svc.Leases == nil {
		return nil, fault.New(fault.NotBuiltIn, "what is held open is not watched")
	}
	rows := s.svc.Leases.List()
	if in.Orphaned {
		kept := rows[:0]
		for _, e := range rows {
			if !e.Orphaned.IsZero() {
				kept = append(kept, e)
			}
		}
		rows = kept
	}
	now := time.Now()
	return listing[lease.Entry, leaseView]{
		words: func(e lease.Entry) []string { return []string{e.Kind.String(), e.Owner, e.Local, e.Remote} },
		first: "opened_at",
		sorts: map[string]func(lease.Entry) string{
			"opened_at":   func(e lease.Entry) string { return sortable(e.Opened) },
			"used_at":     func(e lease.Entry) string { return sortable(e.Used) },
			"orphaned_at": func(e lease.Entry) string { return sortable(e.Orphaned) },
			"owner":       func(e lease.Entry) string { return e.Owner },
			"kind":        func(e lease.Entry) string { return e.Kind.String() },
		},
		id: func(e lease.Entry) string { return e.Kind.String() + " " + e.Owner + " " + e.Local + " " + e.Remote },
		view: func(e lease.Entry) leaseView {
			return leaseView{
				Kind: e.Kind.String(), Owner: e.Owner, Local: e.Local, Remote: e.Remote,
				OpenedAt: stamp(e.Opened), Age: int64(now.Sub(e.Opened) / time.Second), UsedAt: at(e.Used), OrphanedAt: at(e.Orphaned),
			}
		},
	}.page(in.ListInput, rows)
}
