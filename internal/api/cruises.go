package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181/ptz"
	"fengsui/internal/rights"
)

type cruiseView struct {
	Cruise int    `json:"cruise" doc:"number, from 0"`
	Name   string `json:"name"`
}

type cruiseList struct {
	Body struct {
		Items    []cruiseView `json:"items"`
		Total    int          `json:"total"`
		Complete bool         `json:"complete" doc:"all came that the device announced"`
	}
}

type cruisePointView struct {
	Preset int `json:"preset"`
	Dwell  int `json:"dwell_seconds"`
	Speed  int `json:"speed" doc:"on the way there, 1 to 15"`
}

type cruiseOutput struct {
	Body struct {
		cruiseView
		Points   []cruisePointView `json:"points" doc:"in the order they are gone round"`
		Complete bool              `json:"complete" doc:"all came that the device announced"`
	}
}

// CruisePath names a cruise.
type CruisePath struct {
	CommandedChannel
	Cruise int `path:"cruise" doc:"0 to 255"`
}

type cruiseInput struct {
	CruisePath
	Body struct {
		Speed *int   `json:"speed,omitempty" doc:"0 to 4095"`
		Dwell *int   `json:"dwell_seconds,omitempty" doc:"at each preset, 0 to 4095"`
		Name  string `json:"name,omitempty" maxLength:"32" doc:"2022 only; goes with speed or dwell"`
	}
}

type cruisePointInput struct {
	CruisePath
	Body struct {
		Preset int    `json:"preset" doc:"1 to 255; comes after those that are there"`
		Name   string `json:"name,omitempty" maxLength:"32" doc:"of the cruise; 2022 only"`
	}
}

type cruisePointPath struct {
	CruisePath
	Preset int `path:"preset" doc:"1 to 255"`
}

type cruiseStart struct {
	CruisePath
	Body *struct {
		Duration int `json:"duration_ms,omitempty" doc:"stopped after so long, up to a day, also when the caller is gone; absent = it goes on until it is stopped"`
	}
}

func (s *Server) addCruises() {
	const all = "/api/v1/devices/{device}/channels/{channel}/cruises"
	const one = all + "/{cruise}"
	tags := []string{"control"}
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "list-cruises", Method: http.MethodGet, Path: all, Tags: tags,
		Summary: "Cruises, asked of the device (2022 only)", Description: "What came before the device fell silent is given with complete: false. "}, s.listCruises)
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "get-cruise", Method: http.MethodGet, Path: one, Tags: tags, Summary: "The presets of a cruise, asked of the device (2022 only)"}, s.getCruise)
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "set-cruise", Method: http.MethodPatch, Path: one, Tags: tags, Summary: "Set speed and dwell of a cruise"}, s.setCruise)
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "delete-cruise", Method: http.MethodDelete, Path: one, Tags: tags, Summary: "Have a camera forget a cruise"}, s.deleteCruise)
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "add-cruise-point", Method: http.MethodPost, Path: one + "/points", Tags: tags, Summary: "Add a preset to a cruise"}, s.addCruisePoint)
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "delete-cruise-point", Method: http.MethodDelete, Path: one + "/points/{preset}", Tags: tags, Summary: "Take a preset out of a cruise"}, s.deleteCruisePoint)
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "start-cruise", Method: http.MethodPost, Path: one + "/start", Tags: tags, Summary: "Start a cruise"}, s.startCruise)
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "stop-cruise", Method: http.MethodPost, Path: one + "/stop", Tags: tags,
		Summary: "Stop a cruise", Description: "The standard has one stop for all that a camera does: whichever cruise, scan or movement runs is stopped. "}, s.stopCruise)
}

func (s *Server) listCruises(ctx context.Context, in *CommandedChannel) (*cruiseList, error) {
	device, channel, err := s.commanded(*in)
	if err != nil {
		return nil, err
	}
	list, err := s.svc.Commands.CruiseTracks(ctx, device, channel, in.edition())
	if err != nil {
		return nil, err
	}
	out := &cruiseList{}
	out.Body.Items, out.Body.Total, out.Body.Complete = make([]cruiseView, 0, len(list.Items)), len(list.Items), list.Complete
	for _, t := range list.Items {
		out.Body.Items = append(out.Body.Items, cruiseView{t.Number, t.Name})
	}
	return out, nil
}

func (s *Server) getCruise(ctx context.Context, in *CruisePath) (*cruiseOutput, error) {
	device, channel, err := s.commanded(in.CommandedChannel)
	if err != nil {
		return nil, err
	}
	t, err := s.svc.Commands.CruiseTrack(ctx, device, channel, in.Cruise, in.edition())
	if err != nil {
		return nil, err
	}
	out := &cruiseOutput{}
	out.Body.cruiseView, out.Body.Points, out.Body.Complete = cruiseView{t.Number, t.Name}, make([]cruisePointView, 0, len(t.Points)), t.Complete
	for _, p := range t.Points {
		out.Body.Points = append(out.Body.Points, cruisePointView{p.Preset, p.Stay, p.Speed})
	}
	return out, nil
}

func (s *Server) setCruise(ctx context.Context, in *cruiseInput) (*struct{}, error) {
	for _, set := range []struct {
		value *int
		do    ptz.CruiseVerb
	}{{in.Body.Speed, ptz.CruiseSpeed}, {in.Body.Dwell, ptz.Dwell}} {
		if set.value == nil {
			continue
		}
		if err := s.actOn(ctx, in.CommandedChannel, ptz.Cruise{Do: set.do, Group: in.Cruise, Value: *set.value}, in.Body.Name); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (s *Server) deleteCruise(ctx context.Context, in *CruisePath) (*struct{}, error) {
	return nil, s.actOn(ctx, in.CommandedChannel, ptz.Cruise{Do: ptz.DeleteCruise, Group: in.Cruise}, "")
}

func (s *Server) addCruisePoint(ctx context.Context, in *cruisePointInput) (*struct{}, error) {
	return nil, s.actOn(ctx, in.CommandedChannel, ptz.Cruise{Do: ptz.AddPoint, Group: in.Cruise, Value: in.Body.Preset}, in.Body.Name)
}

func (s *Server) deleteCruisePoint(ctx context.Context, in *cruisePointPath) (*struct{}, error) {
	return nil, s.actOn(ctx, in.CommandedChannel, ptz.Cruise{Do: ptz.DeletePoint, Group: in.Cruise, Value: in.Preset}, "")
}

func (s *Server) startCruise(ctx context.Context, in *cruiseStart) (*struct{}, error) {
	duration := 0
	if in.Body != nil {
		duration = in.Body.Duration
	}
	return nil, s.patrol(ctx, in.CommandedChannel, ptz.Cruise{Do: ptz.StartCruise, Group: in.Cruise}, duration)
}

func (s *Server) stopCruise(ctx context.Context, in *CruisePath) (*struct{}, error) {
	return nil, s.rest(ctx, in.CommandedChannel)
}
