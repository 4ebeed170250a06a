package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/shadow/journal"
)

// Timeline is what the face asks of the journal's file; journal.Journal has it.
type Timeline interface {
	// History returns up to limit events of a device with times from <= t < to,
	// the newest first.
	History(device string, from, to time.Time, limit int) ([]journal.Event, error)
}

type timelineInput struct {
	Device string    `path:"device" maxLength:"20"`
	Since  time.Time `query:"since" doc:"happened then or later; absent = all that is kept"`
	Until  time.Time `query:"until" doc:"happened before; absent = now. For the next page give at of the last item"`
	Limit  int       `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}

type timelineOutput struct {
	Body struct {
		Items []eventView `json:"items" nullable:"false" doc:"the newest first"`
		More  bool        `json:"more" doc:"older ones are kept too"`
	}
}

func (s *Server) addTimeline() {
	op(s, access{act: rights.Look}, huma.Operation{OperationID: "get-timeline", Method: http.MethodGet, Path: "/api/v1/devices/{device}/timeline", Tags: []string{"events"},
		Summary: "What happened to a device", Description: "As kept by the journal (journal.keep, journal.size), for devices that are removed too. Positions have a list of their own. "}, s.timeline)
}

func (s *Server) timeline(_ context.Context, in *timelineInput) (*timelineOutput, error) {
	if s.svc.Timeline == nil {
		return nil, fault.New(fault.NotBuiltIn, "no journal is kept")
	}
	since, until := in.Since, in.Until
	if since.IsZero() {
		since = time.UnixMilli(0)
	}
	if until.IsZero() {
		until = time.Now().Add(time.Hour) // the clock may have been set back
	}
	events, err := s.svc.Timeline.History(in.Device, since, until, in.Limit+1)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err)
	}
	out := &timelineOutput{}
	out.Body.More = len(events) > in.Limit
	out.Body.Items = make([]eventView, 0, in.Limit)
	for _, e := range events[:min(len(events), in.Limit)] {
		out.Body.Items = append(out.Body.Items, viewEvent(e))
	}
	return out, nil
}
