package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181"
	"fengsui/internal/api/fault"
)

// Subscription is what one device notifies us of by itself.
type Subscription struct {
	Enabled      bool
	State        string // active, pending, refused; "" = off
	Reason       string // why, in words
	Expires      time.Duration
	ExpiresAt    time.Time
	LastNotifyAt time.Time
	Notifies     uint64
}

// Subscriptions is what the face asks of the subscriptions of catalogs.
type Subscriptions interface {
	// Subscription is false for a device that was never subscribed.
	Subscription(device gb28181.ID) (Subscription, bool)
	// Subscribe asks the device, for so long at a time; 0 = as configured. It does
	// not wait for the device: the state is pending first.
	Subscribe(ctx context.Context, device gb28181.ID, expires time.Duration) error
	Unsubscribe(ctx context.Context, device gb28181.ID) error
}

type subscriptionView struct {
	Kind         string `json:"kind" enum:"catalog"`
	Enabled      bool   `json:"enabled"`
	State        string `json:"state" enum:"active,pending,refused,off"`
	StateReason  string `json:"state_reason"`
	Interval     int    `json:"interval" doc:"seconds asked for at a time"`
	ExpiresAt    *stamp `json:"expires_at,omitempty"`
	LastNotifyAt *stamp `json:"last_notify_at,omitempty"`
	Notifies     uint64 `json:"notifies"`
}

type subscriptionOutput struct{ Body subscriptionView }

// SubscriptionPath names a subscription.
type SubscriptionPath struct {
	DevicePath
	Kind string `path:"kind" maxLength:"32" doc:"catalog" example:"catalog"`
}

type subscriptionInput struct {
	SubscriptionPath
	Body struct {
		Enabled  bool `json:"enabled"`
		Interval int  `json:"interval,omitempty" minimum:"60" maximum:"604800" doc:"seconds at a time; absent = as configured"`
	}
}

func (s *Server) addSubscriptions() {
	tags := []string{"subscriptions"}
	const path = "/api/v1/devices/{device}/subscriptions/{kind}"
	op(s, access{role: Viewer}, huma.Operation{OperationID: "get-subscription", Method: http.MethodGet, Path: path, Tags: tags, Summary: "State of a subscription"}, s.getSubscription)
	op(s, access{role: Operator}, huma.Operation{OperationID: "put-subscription", Method: http.MethodPut, Path: path, Tags: tags, Summary: "Subscribe or not",
		Description: "Does not wait for the device: the state is pending until it answers. "}, s.putSubscription)
	op(s, access{role: Operator}, huma.Operation{OperationID: "remove-subscription", Method: http.MethodDelete, Path: path, Tags: tags, Summary: "Unsubscribe"}, s.removeSubscription)
}

// subscribed finds the device of a path and refuses kinds that are not there.
func (s *Server) subscribed(in SubscriptionPath) (gb28181.ID, error) {
	if in.Kind != "catalog" {
		return "", fault.New(fault.UnknownSubscription, "subscription %q", in.Kind)
	}
	if s.svc.Subscriptions == nil {
		return "", fault.New(fault.NotBuiltIn, "subscriptions are off")
	}
	d, err := s.device(in.Device)
	return d.live.ID, err
}

func (s *Server) viewSubscription(id gb28181.ID) *subscriptionOutput {
	sub, ok := s.svc.Subscriptions.Subscription(id)
	v := subscriptionView{
		Kind: "catalog", Enabled: sub.Enabled, State: sub.State, StateReason: sub.Reason, Interval: int(sub.Expires / time.Second),
		ExpiresAt: at(sub.ExpiresAt), LastNotifyAt: at(sub.LastNotifyAt), Notifies: sub.Notifies,
	}
	if !ok || v.State == "" {
		v.State = "off"
	}
	return &subscriptionOutput{v}
}

func (s *Server) getSubscription(_ context.Context, in *SubscriptionPath) (*subscriptionOutput, error) {
	id, err := s.subscribed(*in)
	if err != nil {
		return nil, err
	}
	return s.viewSubscription(id), nil
}

func (s *Server) putSubscription(ctx context.Context, in *subscriptionInput) (*subscriptionOutput, error) {
	id, err := s.subscribed(in.SubscriptionPath)
	if err != nil {
		return nil, err
	}
	if in.Body.Enabled {
		err = s.svc.Subscriptions.Subscribe(ctx, id, time.Duration(in.Body.Interval)*time.Second)
	} else {
		err = s.svc.Subscriptions.Unsubscribe(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	return s.viewSubscription(id), nil
}

func (s *Server) removeSubscription(ctx context.Context, in *SubscriptionPath) (*struct{}, error) {
	id, err := s.subscribed(*in)
	if err != nil {
		return nil, err
	}
	return nil, s.svc.Subscriptions.Unsubscribe(ctx, id)
}
