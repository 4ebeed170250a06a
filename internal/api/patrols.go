package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181/ptz"
	"fengsui/internal/rights"
)

type scanInput struct {
	CommandedChannel
	Body struct {
		Scan     int    `json:"scan,omitempty" doc:"number, 0 to 255"`
		Do       string `json:"do" enum:"start,stop,left_limit,right_limit,speed" doc:"a limit is set where the camera looks; stop ends whatever it does"`
		Speed    int    `json:"speed,omitempty" doc:"with speed: 0 to 4095"`
		Duration int    `json:"duration_ms,omitempty" doc:"with start: stopped after so long, up to a day, also when the caller is gone; absent = it goes on until it is stopped"`
	}
}

type auxInput struct {
	CommandedChannel
	Body struct {
		Switch int  `json:"switch" doc:"0 to 255: 1 the wiper; of some makers 2 infrared lamp, 3 heater, 4 defogger, 5 cooler"`
		On     bool `json:"on"`
	}
}

func (s *Server) addPatrols() {
	const path = "/api/v1/devices/{device}/channels/{channel}"
	tags := []string{"control"}
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "scan", Method: http.MethodPost, Path: path + "/scan", Tags: tags, Summary: "Sweep a camera between two limits, or set these"}, s.scan)
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "switch-auxiliary", Method: http.MethodPost, Path: path + "/aux", Tags: tags, Summary: "Turn a camera's wiper, lamp or other switch on or off"}, s.switchAuxiliary)
}

func (s *Server) scan(ctx context.Context, in *scanInput) (*struct{}, error) {
	b := &in.Body
	switch b.Do {
	case "stop":
		return nil, s.rest(ctx, in.CommandedChannel)
	case "start":
		return nil, s.patrol(ctx, in.CommandedChannel, ptz.Scan{Do: ptz.StartScan, Group: b.Scan}, b.Duration)
	}
	do := map[string]ptz.ScanVerb{"left_limit": ptz.LeftLimit, "right_limit": ptz.RightLimit, "speed": ptz.ScanSpeed}[b.Do]
	return nil, s.actOn(ctx, in.CommandedChannel, ptz.Scan{Do: do, Group: b.Scan, Speed: b.Speed}, "")
}

func (s *Server) switchAuxiliary(ctx context.Context, in *auxInput) (*struct{}, error) {
	return nil, s.actOn(ctx, in.CommandedChannel, ptz.Auxiliary{Number: in.Body.Switch, On: in.Body.On}, "")
}

// patrol starts a cruise or scan; 0 ms is until it is stopped.
func (s *Server) patrol(ctx context.Context, in CommandedChannel, a ptz.Action, ms int) error {
	device, channel, err := s.commanded(in)
	if err != nil {
		return err
	}
	return s.svc.Commands.Patrol(ctx, device, channel, a, "", time.Duration(ms)*time.Millisecond, in.edition())
}

// rest stops all that a camera does.
func (s *Server) rest(ctx context.Context, in CommandedChannel) error {
	device, channel, err := s.commanded(in)
	if err != nil {
		return err
	}
	return s.svc.Commands.Rest(ctx, device, channel, in.edition())
}
