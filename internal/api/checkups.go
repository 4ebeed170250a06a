package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181"
	"fengsui/gb28181/checkup"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
)

// Checkups runs the conformance test of a device.
type Checkups interface {
	Checkup(ctx context.Context, id gb28181.ID, act bool) (*checkup.Report, error)
}

type checkupInput struct {
	DevicePath
	Act bool `query:"act" doc:"also turn a camera and stop it; else nothing is changed at the device"`
}

type checkupOutput struct{ Body *checkup.Report }

func (s *Server) addCheckups() {
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "check-device", Method: http.MethodPost, Path: "/api/v1/devices/{device}/checkup", Tags: []string{"devices"},
		Summary: "Run the conformance test of a device", Description: "It asks for all that the standard has, plays a picture over UDP and TCP, and says of each step what was seen, with its messages. It takes a minute or two. "},
		s.checkDevice)
}

func (s *Server) checkDevice(ctx context.Context, in *checkupInput) (*checkupOutput, error) {
	d, err := s.device(in.Device)
	if err != nil {
		return nil, err
	}
	if s.svc.Checkups == nil {
		return nil, fault.New(fault.NotBuiltIn, "check-ups")
	}
	report, err := s.svc.Checkups.Checkup(ctx, d.live.ID, in.Act)
	if err != nil {
		return nil, err
	}
	for i := range report.Steps {
		for j := range report.Steps[i].Messages {
			m := &report.Steps[i].Messages[j]
			m.Text = readable([]byte(m.Text))
		}
	}
	return &checkupOutput{report}, nil
}
