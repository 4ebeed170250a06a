package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181"
	"fengsui/gb28181/registrar"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/internal/store"
)

// Attempts is what the face asks of the refused registrations;
// registrar.Attempts has it.
type Attempts interface {
	List() []registrar.Attempt
	Forget(id string)
}

type attemptView struct {
	ID        string `json:"id" doc:"device ID as sent"`
	Remote    string `json:"remote" doc:"address:port"`
	Transport string `json:"transport"`
	UserAgent string `json:"user_agent"`
	At        stamp  `json:"at" doc:"the last one"`
	Check     string `json:"check" doc:"which check failed: password, realm, unknown id, nonce, pending approval, no second REGISTER …"`
	Detail    string `json:"detail" doc:"what to do about it"`
	Count     int    `json:"count"`
}

type approveInput struct {
	DevicePath
	Body *struct {
		Name     *string `json:"name,omitempty" maxLength:"255"`
		Password *string `json:"password,omitempty" maxLength:"128" doc:"its own; absent = as it was, or the common one"`
	}
}

func (s *Server) addAttempts() {
	tags := []string{"attempts"}
	op(s, access{act: rights.Configure}, huma.Operation{OperationID: "list-attempts", Method: http.MethodGet, Path: "/api/v1/attempts", Tags: tags,
		Summary: "Refused registrations with the reason", Description: "One row for each ID, address and check; newest first. "}, s.listAttempts)
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "approve-attempt", Method: http.MethodPost, Path: "/api/v1/attempts/{device}/approve", Tags: tags,
		Summary: "Let a device register", Description: "Provisions it, approved. "}, s.approve)
}

func (s *Server) listAttempts(_ context.Context, in *ListInput) (*listOutput[attemptView], error) {
	if s.svc.Attempts == nil {
		return nil, fault.New(fault.NotBuiltIn, "registration attempts are not kept")
	}
	if in.Sort == "" {
		in.Sort = "-at"
	}
	return listing[registrar.Attempt, attemptView]{
		words: func(a registrar.Attempt) []string { return []string{a.ID, a.Remote, a.UserAgent, a.Check} },
		first: "at",
		sorts: map[string]func(registrar.Attempt) string{
			"at":     func(a registrar.Attempt) string { return sortable(a.At) },
			"id":     func(a registrar.Attempt) string { return a.ID },
			"remote": func(a registrar.Attempt) string { return a.Remote },
			"check":  func(a registrar.Attempt) string { return a.Check },
		},
		id: func(a registrar.Attempt) string { return a.ID + a.Remote + a.Check },
		view: func(a registrar.Attempt) attemptView {
			return attemptView{a.ID, a.Remote, a.Transport, a.UserAgent, stamp(a.At), a.Check, a.Detail, a.Count}
		},
	}.page(*in, s.svc.Attempts.List())
}

func (s *Server) approve(ctx context.Context, in *approveInput) (*deviceOutput, error) {
	id, err := gb28181.ParseID(in.Device)
	if err != nil {
		return nil, err
	}
	k, known := s.svc.Store.Provisioned(id)
	if !known {
		if !s.attempted(in.Device) {
			return nil, fault.New(fault.UnknownAttempt, "device %s", id)
		}
		k = store.Device{ID: id, Kind: gb28181.KindGB28181, Auth: store.AuthDigest}
	}
	k.Approved = true
	if in.Body != nil && in.Body.Name != nil {
		k.Name = *in.Body.Name
	}
	if in.Body != nil && in.Body.Password != nil {
		k.Password = *in.Body.Password
	}
	if _, err := s.svc.Store.PutDevice(ctx, k); err != nil {
		return nil, storeFault(err)
	}
	return s.provisioned(id, k.Name)
}

func (s *Server) attempted(id string) bool {
	if s.svc.Attempts == nil {
		return false
	}
	for _, a := range s.svc.Attempts.List() {
		if a.ID == id {
			return true
		}
	}
	return false
}
