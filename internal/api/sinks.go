package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/internal/sink"
	"fengsui/shadow/journal"
)

// Sinks is what the face asks of the receivers outside; sink.Sinks has it.
type Sinks interface {
	States() []sink.State
	Letters(name, state string, before uint64, limit int) ([]journal.Filed, error)
	Resend(name string, places ...uint64) (int, error)
	Discard(name string, places ...uint64) (int, error)
}

type sinkView struct {
	Name        string   `json:"name"`
	Kind        string   `json:"kind" enum:"webhook,kafka,redis"`
	Target      string   `json:"target" doc:"without what may be secret"`
	Events      []string `json:"events" nullable:"false" doc:"beginnings of types; none = all"`
	Subtrees    []string `json:"subtrees" nullable:"false" doc:"none = all"`
	State       string   `json:"state" enum:"ok,waiting,failing" doc:"failing = the last try failed; waiting = events are on their way"`
	Pending     int      `json:"pending" doc:"events that it has still to be told"`
	Dead        int      `json:"dead" doc:"events that were given up and can be sent again"`
	Dropped     int64    `json:"dropped" doc:"since the start, the oldest of too many pending or dead"`
	Sent        int64    `json:"sent" doc:"since the start"`
	LastSentAt  *stamp   `json:"last_sent_at,omitempty"`
	LastError   string   `json:"last_error,omitempty"`
	LastErrorAt *stamp   `json:"last_error_at,omitempty"`
}

type sinksOutput struct {
	Body struct {
		Items []sinkView `json:"items" nullable:"false" doc:"by name"`
		Total int        `json:"total"`
	}
}

type lettersInput struct {
	Sink   string `path:"sink" maxLength:"64"`
	State  string `query:"state" enum:"pending,sent,dead" default:"dead"`
	Before uint64 `query:"before" doc:"for the next page, place of the last item"`
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}

type letterView struct {
	Place  uint64    `json:"place" doc:"names it within the sink"`
	Key    string    `json:"key" doc:"idempotency key, webhook-id"`
	Event  eventView `json:"event"`
	At     *stamp    `json:"at,omitempty" doc:"when it was acknowledged or given up"`
	Tries  int       `json:"tries"`
	Reason string    `json:"reason,omitempty" doc:"why it was given up"`
}

type lettersOutput struct {
	Body struct {
		Items []letterView `json:"items" nullable:"false" doc:"the newest first"`
		More  bool         `json:"more" doc:"there are older ones"`
	}
}

type resendInput struct {
	Sink string `path:"sink" maxLength:"64"`
	Body struct {
		Places []uint64 `json:"places,omitempty" maxItems:"10000" nullable:"false" doc:"absent or empty = all"`
	}
}

type discardInput struct {
	Sink   string   `path:"sink" maxLength:"64"`
	Places []uint64 `query:"place" maxItems:"1000" doc:"absent = all"`
}

type countOutput struct {
	Body struct {
		Letters int `json:"letters" doc:"how many there were"`
	}
}

func (s *Server) addSinks() {
	tags := []string{"sinks"}
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "list-sinks", Method: http.MethodGet, Path: "/api/v1/sinks", Tags: tags,
		Summary: "Receivers outside and how they do", Description: "Webhooks, Kafka and Redis Streams, as configured under sinks. "}, s.listSinks)
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "list-letters", Method: http.MethodGet, Path: "/api/v1/sinks/{sink}/letters", Tags: tags,
		Summary: "Events that a sink has still to be told, was told, or was given up with", Description: "Of those sent the last 1,000 are known, of the dead the last 10,000. "}, s.listLetters)
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "resend-letters", Method: http.MethodPost, Path: "/api/v1/sinks/{sink}/resend", Tags: tags,
		Summary: "Send dead letters again", Description: "Behind all that is pending, under their old keys. "}, s.resendLetters)
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "discard-letters", Method: http.MethodDelete, Path: "/api/v1/sinks/{sink}/letters", Tags: tags,
		Summary: "Delete dead letters"}, s.discardLetters)
}

func (s *Server) sinks() (Sinks, error) {
	if s.svc.Sinks == nil {
		return nil, fault.New(fault.NotBuiltIn, "there are no sinks")
	}
	return s.svc.Sinks, nil
}

func sinkFault(err error) error {
	switch {
	case errors.Is(err, sink.ErrUnknown):
		return fault.Wrap(fault.UnknownSink, err)
	case err != nil:
		return fault.Wrap(fault.Internal, err)
	}
	return nil
}

func (s *Server) listSinks(context.Context, *struct{}) (*sinksOutput, error) {
	all, err := s.sinks()
	if err != nil {
		return nil, err
	}
	out := &sinksOutput{}
	out.Body.Items = []sinkView{}
	for _, st := range all.States() {
		out.Body.Items = append(out.Body.Items, sinkView{
			Name: st.Name, Kind: st.Kind, Target: st.Target, Events: append([]string{}, st.Events...), Subtrees: append([]string{}, st.Subtrees...), State: st.State,
			Pending: st.Pending, Dead: st.Dead, Dropped: st.Dropped, Sent: st.Sent,
			LastSentAt: at(st.LastSentAt), LastError: st.LastError, LastErrorAt: at(st.LastErrorAt),
		})
	}
	out.Body.Total = len(out.Body.Items)
	return out, nil
}

func (s *Server) listLetters(_ context.Context, in *lettersInput) (*lettersOutput, error) {
	all, err := s.sinks()
	if err != nil {
		return nil, err
	}
	list, err := all.Letters(in.Sink, in.State, in.Before, in.Limit+1)
	if err != nil {
		return nil, sinkFault(err)
	}
	out := &lettersOutput{}
	out.Body.More = len(list) > in.Limit
	out.Body.Items = make([]letterView, 0, len(list))
	for _, l := range list[:min(len(list), in.Limit)] {
		out.Body.Items = append(out.Body.Items, letterView{l.Seq, l.Key, viewEvent(l.Event), at(l.At), l.Tries, l.Reason})
	}
	return out, nil
}

func (s *Server) resendLetters(ctx context.Context, in *resendInput) (*countOutput, error) {
	all, err := s.sinks()
	if err != nil {
		return nil, err
	}
	return settled(ctx, all.Resend, in.Sink, in.Body.Places)
}

func (s *Server) discardLetters(ctx context.Context, in *discardInput) (*countOutput, error) {
	all, err := s.sinks()
	if err != nil {
		return nil, err
	}
	return settled(ctx, all.Discard, in.Sink, in.Places)
}

// settled does something to dead letters, and names what it was done to in the audit.
func settled(ctx context.Context, do func(string, ...uint64) (int, error), name string, places []uint64) (*countOutput, error) {
	n, err := do(name, places...)
	if err != nil {
		return nil, sinkFault(err)
	}
	callOf(ctx).target = fmt.Sprintf("letters: %d", n)
	out := &countOutput{}
	out.Body.Letters = n
	return out, nil
}
