package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
)

// Subscription is what one device notifies us of by itself.
type Subscription struct {
	Terms
	Enabled      bool
	State        string // active, pending, refused; "" = off
	Reason       string // why, in words
	ExpiresAt    time.Time
	LastNotifyAt time.Time
	Notifies     uint64
}

// Terms are what a device is asked for. A zero is what is configured.
type Terms struct {
	Expires  time.Duration // time at a time
	Interval time.Duration // between two positions
}

// Subscriptions is what the face asks of the subscriptions.
type Subscriptions interface {
	// Subscription is false for a device that was never subscribed to a kind, and
	// has never reported of it.
	Subscription(device gb28181.ID, kind string) (Subscription, bool)
	// Subscribe asks the device. It does not wait for it: the state is pending
	// first. It reports a *subscribe.EditionError.
	Subscribe(ctx context.Context, device gb28181.ID, kind string, t Terms) error
	Unsubscribe(ctx context.Context, device gb28181.ID, kind string) error
}

type subscriptionView struct {
	Kind         string `json:"kind" enum:"catalog,alarm,position,ptz"`
	Enabled      bool   `json:"enabled"`
	State        string `json:"state" enum:"active,pending,refused,off"`
	StateReason  string `json:"state_reason"`
	Expires      int    `json:"expires" doc:"seconds asked for at a time"`
	Interval     int    `json:"interval" doc:"of position: seconds between two reports; of the others: as expires"`
	ExpiresAt    *stamp `json:"expires_at,omitempty"`
	LastNotifyAt *stamp `json:"last_notify_at,omitempty" doc:"the last report, by NOTIFY or MESSAGE, asked for or not"`
	Notifies     uint64 `json:"notifies"`
}

type subscriptionOutput struct{ Body subscriptionView }

// SubscriptionPath names a subscription.
type SubscriptionPath struct {
	DevicePath
	Kind string `path:"kind" maxLength:"32" doc:"catalog, alarm, position or ptz" example:"catalog"`
}

type subscriptionInput struct {
	SubscriptionPath
	Body struct {
		Enabled  bool `json:"enabled"`
		Expires  int  `json:"expires,omitempty" minimum:"60" maximum:"604800" doc:"seconds at a time; absent = as configured"`
		Interval int  `json:"interval,omitempty" minimum:"1" maximum:"604800" doc:"of position: seconds between two reports, at most 86400; of the others: another name for expires"`
	}
}

// terms reads what a caller asks for.
func (in *subscriptionInput) terms() (Terms, error) {
	t := Terms{Expires: time.Duration(in.Body.Expires) * time.Second}
	interval := time.Duration(in.Body.Interval) * time.Second
	switch {
	case in.Kind == kindPosition && interval > 24*time.Hour:
		return t, fault.Invalid("body.interval", in.Body.Interval, "expected 1 to 86400 seconds between two positions")
	case in.Kind == kindPosition:
		t.Interval = interval
	case interval != 0 && interval < time.Minute:
		return t, fault.Invalid("body.interval", in.Body.Interval, "expected 60 seconds or more at a time")
	case t.Expires == 0:
		t.Expires = interval
	}
	return t, nil
}

// Kinds of subscription.
const (
	kindCatalog  = "catalog"
	kindAlarm    = "alarm"
	kindPosition = "position"
	kindPTZ      = "ptz"
)

func (s *Server) addSubscriptions() {
	tags := []string{"subscriptions"}
	const path = "/api/v1/devices/{device}/subscriptions/{kind}"
	op(s, access{act: rights.Look}, huma.Operation{OperationID: "get-subscription", Method: http.MethodGet, Path: path, Tags: tags, Summary: "State of a subscription"}, s.getSubscription)
	op(s, access{act: rights.Configure}, huma.Operation{OperationID: "put-subscription", Method: http.MethodPut, Path: path, Tags: tags, Summary: "Subscribe or not",
		Description: "Does not wait for the device: the state is pending until it answers. "}, s.putSubscription)
	op(s, access{act: rights.Configure}, huma.Operation{OperationID: "remove-subscription", Method: http.MethodDelete, Path: path, Tags: tags, Summary: "Unsubscribe"}, s.removeSubscription)
}

// subscribed finds the device of a path and refuses kinds that are not there.
func (s *Server) subscribed(in SubscriptionPath) (gb28181.ID, error) {
	switch in.Kind {
	case kindCatalog, kindAlarm, kindPosition, kindPTZ:
	default:
		return "", fault.New(fault.UnknownSubscription, "subscription %q", in.Kind)
	}
	if s.svc.Subscriptions == nil {
		return "", fault.New(fault.NotBuiltIn, "subscriptions are off")
	}
	d, err := s.device(in.Device)
	return d.live.ID, err
}

func (s *Server) viewSubscription(id gb28181.ID, kind string) *subscriptionOutput {
	sub, ok := s.svc.Subscriptions.Subscription(id, kind)
	v := subscriptionView{
		Kind: kind, Enabled: sub.Enabled, State: sub.State, StateReason: sub.Reason, Expires: int(sub.Expires / time.Second),
		ExpiresAt: at(sub.ExpiresAt), LastNotifyAt: at(sub.LastNotifyAt), Notifies: sub.Notifies,
	}
	v.Interval = v.Expires
	if kind == kindPosition {
		v.Interval = int(sub.Interval / time.Second)
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
	return s.viewSubscription(id, in.Kind), nil
}

func (s *Server) putSubscription(ctx context.Context, in *subscriptionInput) (*subscriptionOutput, error) {
	id, err := s.subscribed(in.SubscriptionPath)
	if err != nil {
		return nil, err
	}
	t, err := in.terms()
	if err != nil {
		return nil, err
	}
	if in.Body.Enabled {
		err = s.svc.Subscriptions.Subscribe(ctx, id, in.Kind, t)
	} else {
		err = s.svc.Subscriptions.Unsubscribe(ctx, id, in.Kind)
	}
	if err != nil {
		return nil, err
	}
	return s.viewSubscription(id, in.Kind), nil
}

func (s *Server) removeSubscription(ctx context.Context, in *SubscriptionPath) (*struct{}, error) {
	id, err := s.subscribed(*in)
	if err != nil {
		return nil, err
	}
	return nil, s.svc.Subscriptions.Unsubscribe(ctx, id, in.Kind)
}
