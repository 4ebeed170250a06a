package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181"
	"fengsui/gb28181/quirk"
	"fengsui/gb28181/traits"
)

// Traits is what the face asks of what devices are like.
type Traits interface {
	Explain(d *gb28181.Device) []quirk.Applied
	Said(id gb28181.ID) []traits.Field
	// Changed is told of a device for which a person decided anew.
	Changed(id gb28181.ID)
}

type quirkOf struct {
	Name string `json:"name"`
	Why  string `json:"why" doc:"the rule that gives it, or that it was set by hand"`
}

type vendorOf struct {
	In    string `json:"in" doc:"method or CmdType"`
	Name  string `json:"name"`
	Value string `json:"value"`
	At    stamp  `json:"at"`
}

// viewTraits shows what a device is like.
func (s *Server) viewTraits(v *deviceView, d *gb28181.Device) {
	if s.svc.Traits == nil {
		return
	}
	for _, q := range s.svc.Traits.Explain(d) {
		v.Quirks = append(v.Quirks, quirkOf{q.Name.String(), q.Why})
	}
	for _, f := range s.svc.Traits.Said(d.ID) {
		v.Vendor = append(v.Vendor, vendorOf{f.In, f.Name, f.Value, stamp(f.At)})
	}
}

type quirkView struct {
	Name string `json:"name"`
	Does string `json:"does" doc:"what the server then does"`
}

type quirkList struct {
	Body struct {
		Items []quirkView `json:"items"`
		Total int         `json:"total"`
	}
}

func (s *Server) addQuirks() {
	op(s, access{member: true}, huma.Operation{OperationID: "list-quirks", Method: http.MethodGet, Path: "/api/v1/quirks", Tags: []string{"devices"},
		Summary: "Ways in which devices can be treated otherwise than the standard says", Description: "Give them to a device with PATCH /api/v1/devices/{device} {\"quirks\"}, or by rules in quirks.yaml. "},
		func(context.Context, *struct{}) (*quirkList, error) {
			out := &quirkList{}
			for _, b := range quirk.All() {
				out.Body.Items = append(out.Body.Items, quirkView{b.Word, b.Does})
			}
			out.Body.Total = len(out.Body.Items)
			return out, nil
		})
}
