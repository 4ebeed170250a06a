package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181/ptz"
	"fengsui/internal/rights"
)

type presetView struct {
	Preset int    `json:"preset" doc:"number, 0 when the device's is none of 1 to 255"`
	ID     string `json:"id" doc:"as the device writes it"`
	Name   string `json:"name"`
}

type presetList struct {
	Body struct {
		Items    []presetView `json:"items"`
		Total    int          `json:"total"`
		Complete bool         `json:"complete" doc:"all came that the device announced"`
	}
}

type presetInput struct {
	CommandedChannel
	Body struct {
		Preset int    `json:"preset" doc:"1 to 255"`
		Name   string `json:"name,omitempty" maxLength:"255" doc:"2022 only"`
	}
}

// PresetPath names a preset.
type PresetPath struct {
	CommandedChannel
	Preset int `path:"preset" doc:"1 to 255"`
}

func (s *Server) addPresets() {
	const path = "/api/v1/devices/{device}/channels/{channel}/presets"
	tags := []string{"control"}
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "list-presets", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "Presets, asked of the device", Description: "What came before the device fell silent is given with complete: false. "}, s.listPresets)
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "set-preset", Method: http.MethodPost, Path: path, Tags: tags, Summary: "Keep where a camera looks as a preset"}, s.setPreset)
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "goto-preset", Method: http.MethodPost, Path: path + "/{preset}/goto", Tags: tags, Summary: "Turn a camera to a preset"}, s.gotoPreset)
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "delete-preset", Method: http.MethodDelete, Path: path + "/{preset}", Tags: tags, Summary: "Have a camera forget a preset"}, s.deletePreset)
}

func (s *Server) listPresets(ctx context.Context, in *CommandedChannel) (*presetList, error) {
	device, channel, err := s.commanded(*in)
	if err != nil {
		return nil, err
	}
	list, err := s.svc.Commands.Presets(ctx, device, channel, in.edition())
	if err != nil {
		return nil, err
	}
	out := &presetList{}
	out.Body.Items, out.Body.Total, out.Body.Complete = make([]presetView, 0, len(list.Items)), len(list.Items), list.Complete
	for _, p := range list.Items {
		out.Body.Items = append(out.Body.Items, presetView{p.Number(), p.ID, p.Name})
	}
	return out, nil
}

func (s *Server) setPreset(ctx context.Context, in *presetInput) (*struct{}, error) {
	return nil, s.actOn(ctx, in.CommandedChannel, ptz.Preset{Do: ptz.SetPreset, Number: in.Body.Preset}, in.Body.Name)
}

func (s *Server) gotoPreset(ctx context.Context, in *PresetPath) (*struct{}, error) {
	return nil, s.actOn(ctx, in.CommandedChannel, ptz.Preset{Do: ptz.GotoPreset, Number: in.Preset}, "")
}

func (s *Server) deletePreset(ctx context.Context, in *PresetPath) (*struct{}, error) {
	return nil, s.actOn(ctx, in.CommandedChannel, ptz.Preset{Do: ptz.DeletePreset, Number: in.Preset}, "")
}

func (s *Server) actOn(ctx context.Context, in CommandedChannel, a ptz.Action, name string) error {
	device, channel, err := s.commanded(in)
	if err != nil {
		return err
	}
	return s.svc.Commands.Act(ctx, device, channel, a, name, in.edition())
}
