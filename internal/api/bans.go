package api

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/sip/guard"
)

// Bans is what the face asks of the addresses that are kept away; guard.Guard
// has it.
type Bans interface {
	Bans() []guard.Ban
	Unban(netip.Addr) bool
}

type banView struct {
	IP     string `json:"ip" doc:"IPv4 address, or the first of a banned IPv6 /64"`
	Source string `json:"source" doc:"what is banned: an IPv4 /32 or an IPv6 /64" example:"198.51.100.66/32"`
	Reason string `json:"reason"`
	Since  stamp  `json:"since"`
	Until  stamp  `json:"until"`
}

type banInput struct {
	IP string `path:"ip" maxLength:"64" doc:"any address of the banned source" example:"198.51.100.66"`
}

func (s *Server) addBans() {
	tags := []string{"bans"}
	op(s, access{act: rights.Configure}, huma.Operation{OperationID: "list-bans", Method: http.MethodGet, Path: "/api/v1/bans", Tags: tags,
		Summary: "Addresses kept away for a time", Description: "Newest first. "}, s.listBans)
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "remove-ban", Method: http.MethodDelete, Path: "/api/v1/bans/{ip}", Tags: tags,
		Summary: "Let an address in again"}, s.removeBan)
}

func (s *Server) listBans(_ context.Context, in *ListInput) (*listOutput[banView], error) {
	if s.svc.Bans == nil {
		return nil, fault.New(fault.NotBuiltIn, "bans are not kept")
	}
	if in.Sort == "" {
		in.Sort = "-since"
	}
	return listing[guard.Ban, banView]{
		words: func(b guard.Ban) []string { return []string{b.Source.String(), b.Reason} },
		first: "since",
		sorts: map[string]func(guard.Ban) string{
			"since": func(b guard.Ban) string { return sortable(b.Since) },
			"until": func(b guard.Ban) string { return sortable(b.Until) },
			"ip":    func(b guard.Ban) string { return b.Source.Addr().StringExpanded() },
		},
		id: func(b guard.Ban) string { return b.Source.String() },
		view: func(b guard.Ban) banView {
			return banView{b.Source.Addr().String(), b.Source.String(), b.Reason, stamp(b.Since), stamp(b.Until)}
		},
	}.page(*in, s.svc.Bans.Bans())
}

func (s *Server) removeBan(_ context.Context, in *banInput) (*struct{}, error) {
	if s.svc.Bans == nil {
		return nil, fault.New(fault.NotBuiltIn, "bans are not kept")
	}
	ip, err := netip.ParseAddr(in.IP)
	if err != nil {
		return nil, fault.Invalid("path.ip", in.IP, "expected an IP address")
	}
	if !s.svc.Bans.Unban(ip) {
		return nil, fault.New(fault.UnknownBan, "address %s", ip)
	}
	return nil, nil
}
