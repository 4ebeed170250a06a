package subscribe

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/agenda"
	"fengsui/gb28181/manscdp"
	"fengsui/shadow"
	"fengsui/sip"
)

// Notify answers a NOTIFY and hands its body on; it is the endpoint's handler of
// that method. Any Event is taken; so is a NOTIFY without a dialog of ours, from
// the address that its device is registered at (signalling.md section 5.1).
func (s *Subscriptions) Notify(r *sip.Request) (sip.Response, func()) {
	k, ours := s.owner(r)
	if !ours && !s.bound(k.device, r) {
		s.m.notifies.WithLabelValues("stranger").Inc()
		return sip.Response{Status: 481}, nil
	}
	var m *manscdp.Message
	if len(r.Body) > 0 {
		var err error
		if m, err = manscdp.Decode(r.Body); err != nil && !errors.Is(err, manscdp.ErrEmpty) {
			s.m.notifies.WithLabelValues("unreadable").Inc()
			s.log.Warn().Err(err).Str("device", string(k.device)).Str("call_id", r.CallID).Msg("body of NOTIFY cannot be read")
			return sip.Response{Status: 400}, nil
		}
	}
	match := "dialog"
	if !ours {
		match = "device"
		if m != nil {
			k.kind = kindOf(m.CmdType)
		}
	}
	s.m.notifies.WithLabelValues(match).Inc()
	s.dev.Heard(k.device, shadow.ByNotify, r.Flow, r.At)
	if ours {
		s.ended(k, r.SubscriptionState)
	}
	hand := s.note(k, m)
	if hand == nil {
		return sip.Response{Status: 200}, nil
	}
	return sip.Response{Status: 200}, func() { hand(k.device, m) }
}

// Message hands on what a device reports by MESSAGE, subscribed or not: some
// deliver all their reports so (signalling.md section 3.7.1). It reports whether
// the message is of a kind that somebody wants.
func (s *Subscriptions) Message(device gb28181.ID, m *manscdp.Message) bool {
	hand := s.note(key{device, kindOf(m.CmdType)}, m)
	if hand == nil {
		return false
	}
	s.m.notifies.WithLabelValues("message").Inc()
	hand(device, m)
	return true
}

// owner is whose NOTIFY it is: the subscription's by Call-ID, else the sender's.
func (s *Subscriptions) owner(r *sip.Request) (k key, ours bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ours = s.calls[r.CallID]; ours {
		return k, true
	}
	return key{device: gb28181.ID(r.FromUser)}, false
}

// bound reports whether the request comes from where the device is registered.
// Its port may differ: NAT and devices with a socket per dialog change it.
func (s *Subscriptions) bound(device gb28181.ID, r *sip.Request) bool {
	f, err := s.dev.Flow(device)
	return err == nil && f.Remote.Addr().Unmap() == r.Flow.Remote.Addr().Unmap()
}

// note takes down that a report came and returns who wants its body, nil when
// nobody does. What was never subscribed gets a row too, for its last report.
func (s *Subscriptions) note(k key, m *manscdp.Message) func(gb28181.ID, *manscdp.Message) {
	if m == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	hand, r := s.hands[kindOf(m.CmdType)], s.rows[k] // a dialog may report of another kind too
	if r == nil && hand != nil {
		r, _ = s.row(k) // a full table is counted
	}
	if r != nil {
		r.lastNotify = time.Now()
		r.notifies++
	}
	return hand
}

// ended looks whether the device has ended its subscription.
func (s *Subscriptions) ended(k key, header string) {
	state, params, _ := strings.Cut(header, ";")
	if !strings.EqualFold(strings.TrimSpace(state), "terminated") {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rows[k]; r != nil && r.on {
		s.terminated(k, r, params)
	}
}

// terminatedPause is before a subscription that its device ended is made again.
const terminatedPause = 10 * time.Second

// terminated begins anew after a pause: the one asked for, a long one when the
// device does not want us, else some seconds. The caller holds mu.
func (s *Subscriptions) terminated(k key, r *row, params string) {
	after, refused := agenda.Jitter(terminatedPause), false
	reason := "ended by the device"
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		switch strings.ToLower(name) {
		case "reason":
			reason += ": " + value
			refused = strings.EqualFold(value, "rejected") || strings.EqualFold(value, "noresource")
		case "retry-after":
			if n, err := strconv.Atoi(value); err == nil && n > 0 && n <= 86400 {
				after = time.Duration(n) * time.Second
			}
		}
	}
	if refused {
		s.refuse(k, r, reason)
		return
	}
	s.anew(k, r, reason, after)
}
