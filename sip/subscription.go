package sip

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"fengsui/sip/intake"
)

// Subscription is a SUBSCRIBE dialog in which we subscribe. It holds no timer:
// its owner calls [Endpoint.Subscribe] again before the time granted is over.
type Subscription struct {
	event string // set once

	mu   sync.Mutex    // guards all below
	leg  *leg          // nil until subscribed
	busy bool          // during a request: a dialog has one at a time
	free chan struct{} // closed when that is over; nil while nobody waits
}

// NewSubscription is a subscription to the value of an Event header, such as
// "Catalog;id=4021".
func NewSubscription(event string) *Subscription {
	return &Subscription{event: event}
}

// Event is the Event header.
func (s *Subscription) Event() string { return s.event }

// CallID is the Call-ID of the present dialog, "" when there is none. NOTIFYs
// carry it, the first perhaps before Subscribe returns.
func (s *Subscription) CallID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leg == nil {
		return ""
	}
	return s.leg.callID
}

// Reset forgets the dialog, because the peer has: it restarted, or said so.
// The next Subscribe begins a new one.
func (s *Subscription) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leg = nil
}

// Subscribe subscribes, refreshes in the same dialog, or cancels it with
// expires 0. It returns the time granted by a 2xx, which is never more than was
// asked for (RFC 6665, 3.1.1). Another answer is a
// [*Rejected], with the answer beside it; 481 forgets the dialog, so that the
// next call begins a new one. The first request of a dialog that fails, and
// each cancel, forget it too.
func (e *Endpoint) Subscribe(ctx context.Context, p Peer, s *Subscription, expires time.Duration, contentType string, body []byte) (granted time.Duration, resp *Response, err error) {
	if err := s.enter(ctx); err != nil {
		return 0, nil, fmt.Errorf("SUBSCRIBE to %s: %w", p.User, err)
	}
	defer s.leave()
	s.mu.Lock()
	l := s.leg
	s.mu.Unlock()
	first := l == nil
	if first {
		if l, err = e.newLeg(p); err != nil {
			return 0, nil, fmt.Errorf("SUBSCRIBE to %s: %w", p.User, err)
		}
		s.set(l)
	}
	seconds := int(expires / time.Second)
	res, err := e.do(ctx, p, l, Outgoing{Method: "SUBSCRIBE", ContentType: contentType, Body: body, Headers: []intake.Header{
		{Name: "Event", Value: s.event},
		{Name: "Expires", Value: strconv.Itoa(seconds)},
	}})
	if err != nil {
		if first || seconds == 0 {
			s.Reset()
		}
		return 0, nil, err
	}
	resp = newResponse(res)
	if !resp.Success() {
		if first || seconds == 0 || resp.Status == 481 {
			s.Reset()
		}
		return 0, resp, fmt.Errorf("SUBSCRIBE to %s: %w", p.User, &Rejected{Status: resp.Status, Reason: resp.Reason})
	}
	if seconds == 0 {
		s.Reset()
		return 0, resp, nil
	}
	l.learn(res)
	// Forgotten meanwhile stays forgotten: Reset wins.
	granted = expires
	if n, err := strconv.Atoi(strings.TrimSpace(resp.Header("Expires"))); err == nil && n > 0 && n < seconds {
		granted = time.Duration(n) * time.Second
	}
	return granted, resp, nil
}

// enter waits until no other request is under way.
func (s *Subscription) enter(ctx context.Context) error {
	for {
		s.mu.Lock()
		if !s.busy {
			s.busy = true
			s.mu.Unlock()
			return nil
		}
		if s.free == nil {
			s.free = make(chan struct{})
		}
		free := s.free
		s.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return ended(ctx)
		}
	}
}

// leave lets the next request enter.
func (s *Subscription) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	if s.free != nil {
		close(s.free)
		s.free = nil
	}
}

func (s *Subscription) set(l *leg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leg = l
}
