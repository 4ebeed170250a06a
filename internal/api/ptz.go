package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181"
	"fengsui/gb28181/command"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/ptz"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
)

// Commands is what the face asks of devices; command.Commander has it. as is the
// edition to speak in place of the device's own, unless it is unknown.
type Commands interface {
	Control(ctx context.Context, device, target gb28181.ID, cmd manscdp.Command, as gb28181.Edition) (command.Outcome, error)
	Move(ctx context.Context, device, channel gb28181.ID, v command.Movement, as gb28181.Edition) error
	Act(ctx context.Context, device, channel gb28181.ID, a ptz.Action, name string, as gb28181.Edition) error
	Patrol(ctx context.Context, device, channel gb28181.ID, a ptz.Action, name string, length time.Duration, as gb28181.Edition) error
	Rest(ctx context.Context, device, channel gb28181.ID, as gb28181.Edition) error

	Presets(ctx context.Context, device, channel gb28181.ID, as gb28181.Edition) (command.List[manscdp.Preset], error)
	CruiseTracks(ctx context.Context, device, channel gb28181.ID, as gb28181.Edition) (command.List[manscdp.CruiseTrack], error)
	CruiseTrack(ctx context.Context, device, channel gb28181.ID, number int, as gb28181.Edition) (command.Track, error)
	HomePosition(ctx context.Context, device, channel gb28181.ID, as gb28181.Edition) (*manscdp.HomePosition, error)
	PTZPosition(ctx context.Context, device, channel gb28181.ID, as gb28181.Edition) (manscdp.PTZPosition, error)
	SDCards(ctx context.Context, device, target gb28181.ID, as gb28181.Edition) (command.List[manscdp.SDCard], error)
	Status(ctx context.Context, device, target gb28181.ID) (manscdp.DeviceStatus, error)
	Position(ctx context.Context, device, target gb28181.ID, as gb28181.Edition) (manscdp.PositionNotify, error)
	Alarms(ctx context.Context, device gb28181.ID, q manscdp.AlarmQuery, as gb28181.Edition) (command.Outcome, error)
}

// SpeakAs is the edition to speak this once.
type SpeakAs struct {
	Edition string `query:"edition" enum:"2016,2022" doc:"edition of the standard to speak this once; absent = the device's"`
}

func (e SpeakAs) edition() gb28181.Edition { return gb28181.ParseEdition(e.Edition) }

// CommandedChannel is a channel of a path and how to speak to its device.
type CommandedChannel struct {
	DevicePath
	Channel string `path:"channel" maxLength:"64" doc:"20 digits" example:"34020000001320000001"`
	SpeakAs
}

type ptzInput struct {
	CommandedChannel
	Body struct {
		Pan      float64 `json:"pan,omitempty" doc:"-1 (left) to 1 (right), share of the highest speed"`
		Tilt     float64 `json:"tilt,omitempty" doc:"-1 (down) to 1 (up)"`
		Zoom     float64 `json:"zoom,omitempty" doc:"-1 (out) to 1 (in)"`
		Focus    float64 `json:"focus,omitempty" doc:"-1 (far) to 1 (near)"`
		Iris     float64 `json:"iris,omitempty" doc:"-1 (close) to 1 (open)"`
		Duration int     `json:"duration_ms,omitempty" doc:"stopped after so long, up to 60000, also when the caller is gone; absent = 60000"`
	}
}

type ptzOutput struct {
	Body struct {
		Moving  bool   `json:"moving"`
		StopsAt *stamp `json:"stops_at,omitempty"`
	}
}

func (s *Server) addPTZ() {
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "move-camera", Method: http.MethodPost, Path: "/api/v1/devices/{device}/channels/{channel}/ptz", Tags: []string{"control"},
		Summary: "Turn a camera, move its lens, or stop it", Description: "The body is the whole movement: what is 0 or absent rests, and an empty one stops all, cruises and scans included. "}, s.move)
	s.addPresets()
	s.addCruises()
	s.addPatrols()
	s.addPlaces()
	s.addCards()
	s.addConditions()
	s.addCommands()
}

// commanded finds the device and channel of a path.
func (s *Server) commanded(in CommandedChannel) (device, channel gb28181.ID, err error) {
	return s.targeted(Target{DevicePath: in.DevicePath, Channel: in.Channel})
}

// targeted finds the device and the target of a command.
func (s *Server) targeted(in Target) (device, target gb28181.ID, err error) {
	if s.svc.Commands == nil {
		return "", "", fault.New(fault.NotBuiltIn, "commands are off")
	}
	return s.target(in.Device, in.Channel)
}

func (s *Server) move(ctx context.Context, in *ptzInput) (*ptzOutput, error) {
	device, channel, err := s.commanded(in.CommandedChannel)
	if err != nil {
		return nil, err
	}
	b := &in.Body
	v := command.Movement{Pan: b.Pan, Tilt: b.Tilt, Zoom: b.Zoom, Focus: b.Focus, Iris: b.Iris, For: time.Duration(b.Duration) * time.Millisecond}
	start := time.Now()
	if err := s.svc.Commands.Move(ctx, device, channel, v, in.edition()); err != nil {
		return nil, err
	}
	out := &ptzOutput{}
	if v.Rests() {
		return out, nil
	}
	if v.For == 0 {
		v.For = command.MaxMove
	}
	out.Body.Moving, out.Body.StopsAt = true, at(start.Add(v.For))
	return out, nil
}
