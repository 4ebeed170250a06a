package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181/command"
	"fengsui/gb28181/manscdp"
	"fengsui/internal/rights"
)

type homeView struct {
	Enabled bool `json:"enabled"`
	Reset   *int `json:"reset_seconds,omitempty" doc:"left alone so long, the camera returns; only with enabled"`
	Preset  *int `json:"preset,omitempty" doc:"where it returns to, 0 to 255; only with enabled"`
}

type homeOutput struct{ Body homeView }

type homeInput struct {
	CommandedChannel
	Body homeView
}

type lookView struct {
	Pan  *float64 `json:"pan,omitempty" doc:"degrees clockwise seen from above, 0 to 360"`
	Tilt *float64 `json:"tilt,omitempty" doc:"degrees below the horizon, -90 to 90: up is negative"`
	Zoom *float64 `json:"zoom,omitempty" doc:"1 or more; beyond the lens it goes on digitally"`
}

type lookOutput struct {
	Body struct {
		lookView
		HorizontalAngle *float64 `json:"horizontal_angle,omitempty" doc:"of the view, degrees"`
		VerticalAngle   *float64 `json:"vertical_angle,omitempty" doc:"of the view, degrees"`
		Distance        *float64 `json:"distance,omitempty" doc:"how far it sees, metres"`
	}
}

type lookInput struct {
	CommandedChannel
	Body lookView
}

type outcomeOutput struct {
	Body struct {
		Answered bool `json:"answered" doc:"false: the device took it with 200, and said no more than that"`
		Due      bool `json:"due" doc:"the standard has an answer to this"`
	}
}

func outcomeOf(o command.Outcome) *outcomeOutput {
	out := &outcomeOutput{}
	out.Body.Answered, out.Body.Due = o.Answered, o.Due
	return out
}

func (s *Server) addPlaces() {
	const path = "/api/v1/devices/{device}/channels/{channel}"
	tags := []string{"control"}
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "get-home-position", Method: http.MethodGet, Path: path + "/home_position", Tags: tags, Summary: "Where a camera returns to, asked of the device (2022 only)"}, s.getHome)
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "put-home-position", Method: http.MethodPut, Path: path + "/home_position", Tags: tags, Summary: "Set where a camera returns to when it is left alone"}, s.putHome)
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "get-ptz-position", Method: http.MethodGet, Path: path + "/ptz_position", Tags: tags, Summary: "Where a camera looks, asked of the device (2022 only)"}, s.getLook)
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "put-ptz-position", Method: http.MethodPut, Path: path + "/ptz_position", Tags: tags,
		Summary: "Turn a camera to given angles (2022 only)", Description: "What is absent stays. What is out of its reach it comes as near to as it can. "}, s.putLook)
}

func (s *Server) getHome(ctx context.Context, in *CommandedChannel) (*homeOutput, error) {
	device, channel, err := s.commanded(*in)
	if err != nil {
		return nil, err
	}
	h, err := s.svc.Commands.HomePosition(ctx, device, channel, in.edition())
	if err != nil || h == nil {
		return &homeOutput{}, err
	}
	return &homeOutput{homeView{h.Enabled, h.ResetTime, h.PresetIndex}}, nil
}

func (s *Server) putHome(ctx context.Context, in *homeInput) (*outcomeOutput, error) {
	return s.control(ctx, in.CommandedChannel, manscdp.HomePosition{Enabled: in.Body.Enabled, ResetTime: in.Body.Reset, PresetIndex: in.Body.Preset})
}

func (s *Server) getLook(ctx context.Context, in *CommandedChannel) (*lookOutput, error) {
	device, channel, err := s.commanded(*in)
	if err != nil {
		return nil, err
	}
	p, err := s.svc.Commands.PTZPosition(ctx, device, channel, in.edition())
	if err != nil {
		return nil, err
	}
	out := &lookOutput{}
	out.Body.lookView = lookView{p.Pan, p.Tilt, p.Zoom}
	out.Body.HorizontalAngle, out.Body.VerticalAngle, out.Body.Distance = p.HorizontalFieldAngle, p.VerticalFieldAngle, p.MaxViewDistance
	return out, nil
}

func (s *Server) putLook(ctx context.Context, in *lookInput) (*outcomeOutput, error) {
	return s.control(ctx, in.CommandedChannel, manscdp.PTZPreciseCtrl{Pan: in.Body.Pan, Tilt: in.Body.Tilt, Zoom: in.Body.Zoom})
}

func (s *Server) control(ctx context.Context, in CommandedChannel, cmd manscdp.Command) (*outcomeOutput, error) {
	device, channel, err := s.commanded(in)
	if err != nil {
		return nil, err
	}
	o, err := s.svc.Commands.Control(ctx, device, channel, cmd, in.edition())
	if err != nil {
		return nil, err
	}
	return outcomeOf(o), nil
}
