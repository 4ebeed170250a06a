package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181/manscdp"
	"fengsui/internal/rights"
)

type cardView struct {
	Card     int    `json:"card" doc:"number, from 1"`
	Name     string `json:"name"`
	State    string `json:"state" doc:"ok, formatting, unformatted, idle or error"`
	Progress *int   `json:"progress,omitempty" doc:"of formatting, percent"`
	Capacity int    `json:"capacity_mb"`
	Free     int    `json:"free_mb"`
}

type cardList struct {
	Body struct {
		Items    []cardView `json:"items"`
		Total    int        `json:"total"`
		Complete bool       `json:"complete" doc:"all came that the device announced"`
	}
}

// CardPath names a memory card.
type CardPath struct {
	Target
	Card int `path:"card" minimum:"0" doc:"from 1; 0 = all"`
}

func (s *Server) addCards() {
	const path = "/api/v1/devices/{device}/sdcards"
	tags := []string{"control"}
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "list-sdcards", Method: http.MethodGet, Path: path, Tags: tags, Summary: "Memory cards, asked of the device (2022 only)"}, s.listCards)
	op(s, access{act: rights.Configure}, huma.Operation{OperationID: "format-sdcard", Method: http.MethodPost, Path: path + "/{card}/format", Tags: tags,
		Summary: "Format a memory card (2022 only): all that is on it is lost", Description: "The device says no more than that it was told; the list of cards tells how far it is. "}, s.formatCard)
}

func (s *Server) listCards(ctx context.Context, in *Target) (*cardList, error) {
	device, target, err := s.targeted(*in)
	if err != nil {
		return nil, err
	}
	list, err := s.svc.Commands.SDCards(ctx, device, target, in.edition())
	if err != nil {
		return nil, err
	}
	out := &cardList{}
	out.Body.Items, out.Body.Total, out.Body.Complete = make([]cardView, 0, len(list.Items)), len(list.Items), list.Complete
	for _, c := range list.Items {
		out.Body.Items = append(out.Body.Items, cardView{c.ID, c.Name, c.Status, c.FormatProgress, c.Capacity, c.FreeSpace})
	}
	return out, nil
}

func (s *Server) formatCard(ctx context.Context, in *CardPath) (*outcomeOutput, error) {
	device, target, err := s.targeted(in.Target)
	if err != nil {
		return nil, err
	}
	o, err := s.svc.Commands.Control(ctx, device, target, manscdp.FormatSDCard{Card: in.Card}, in.edition())
	if err != nil {
		return nil, err
	}
	return outcomeOf(o), nil
}
