package sip_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"fengsui/sip"
	"fengsui/sip/flow"
	"fengsui/sip/siptest"
)

type subscribed struct {
	granted time.Duration
	res     *sip.Response
	err     error
}

func (r *rig) subscribing(ctx context.Context, p sip.Peer, s *sip.Subscription, expires time.Duration) <-chan subscribed {
	c := make(chan subscribed, 1)
	go func() {
		granted, res, err := r.Subscribe(ctx, p, s, expires, "Application/MANSCDP+xml", []byte("<Query/>"))
		c <- subscribed{granted, res, err}
	}()
	return c
}

// Signalling reference 5.2.
func TestSubscriptionIsRefreshedAndCancelledInItsDialog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		s := sip.NewSubscription("Catalog;id=4021")
		if s.CallID() != "" {
			t.Errorf("call-id %q before the first request", s.CallID())
		}
		result := r.subscribing(t.Context(), peer, s, 600*time.Second)
		first := d.Expect("SUBSCRIBE")
		if first.Get("Event") != "Catalog;id=4021" || first.Get("Expires") != "600" || first.Get("Contact") == "" ||
			first.Get("Content-Type") != "Application/MANSCDP+xml" || string(first.Body) != "<Query/>" || first.Param("To", "tag") != "" {
			t.Errorf("SUBSCRIBE:\n%s", first.Raw)
		}
		if s.CallID() != first.Get("Call-ID") { // a NOTIFY may overtake the answer
			t.Errorf("call-id %q", s.CallID())
		}
		d.Answer(first, 200, "OK", "<Response/>", siptest.Header{Name: "Expires", Value: "300"})
		got := <-result
		if got.err != nil || got.granted != 300*time.Second || string(got.res.Body) != "<Response/>" {
			t.Fatalf("%+v", got)
		}
		tag := d.Response(first, 200, "OK", "").Param("To", "tag")

		result = r.subscribing(t.Context(), peer, s, 600*time.Second)
		refresh := d.Expect("SUBSCRIBE")
		a, _ := first.CSeq()
		if b, _ := refresh.CSeq(); b != a+1 || refresh.Get("Call-ID") != first.Get("Call-ID") || refresh.Param("To", "tag") != tag ||
			refresh.Param("From", "tag") != first.Param("From", "tag") || refresh.URI != "sip:"+deviceID+"@192.0.2.20:5060" {
			t.Errorf("refresh:\n%s", headersOf(refresh))
		}
		d.Answer(refresh, 200, "OK", "") // without Expires
		if got := <-result; got.err != nil || got.granted != 600*time.Second {
			t.Errorf("%+v", got)
		}

		result = r.subscribing(t.Context(), peer, s, 0)
		cancel := d.Expect("SUBSCRIBE")
		if cancel.Get("Expires") != "0" || cancel.Get("Call-ID") != first.Get("Call-ID") {
			t.Errorf("cancel:\n%s", headersOf(cancel))
		}
		d.Answer(cancel, 200, "OK", "")
		if got := <-result; got.err != nil || s.CallID() != "" {
			t.Errorf("%+v, call-id %q", got, s.CallID())
		}
	})
}

func TestNoMoreIsGrantedThanWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		for _, expires := range []string{
			"601", "9999999999", // in nanoseconds more than 63 bits hold
			"99999999999999999999", "-1", "0", "soon", "",
		} {
			result := r.subscribing(t.Context(), peer, sip.NewSubscription("Catalog"), 600*time.Second)
			d.Answer(d.Expect("SUBSCRIBE"), 200, "OK", "", siptest.Header{Name: "Expires", Value: expires})
			if got := <-result; got.err != nil || got.granted != 600*time.Second {
				t.Errorf("Expires %q: %v, %v", expires, got.granted, got.err)
			}
		}
	})
}

func TestForgottenSubscriptionBeginsANewDialog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		s := sip.NewSubscription("Catalog")
		var before string
		for i, forget := range []func(){
			func() {},
			func() { // the notifier has forgotten: 481
				result := r.subscribing(t.Context(), peer, s, time.Minute)
				d.Answer(d.Expect("SUBSCRIBE"), 481, "Subscription does not exist", "")
				got := <-result
				var rejected *sip.Rejected
				if !errors.As(got.err, &rejected) || rejected.Status != 481 || got.res.Status != 481 {
					t.Errorf("%+v", got)
				}
			},
			s.Reset, // it restarted
		} {
			forget()
			result := r.subscribing(t.Context(), peer, s, time.Minute)
			req := d.Expect("SUBSCRIBE")
			if req.Param("To", "tag") != "" || req.Get("Call-ID") == before {
				t.Errorf("%d: still in the old dialog:\n%s", i, headersOf(req))
			}
			before = req.Get("Call-ID")
			d.Answer(req, 200, "OK", "")
			if got := <-result; got.err != nil {
				t.Error(got.err)
			}
		}
	})
}

func TestFailedRefreshKeepsTheDialog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		s := sip.NewSubscription("Catalog")
		result := r.subscribing(t.Context(), peer, s, time.Minute)
		d.Answer(d.Expect("SUBSCRIBE"), 200, "OK", "")
		<-result
		callID := s.CallID()
		if got := <-r.subscribing(t.Context(), peer, s, time.Minute); !errors.Is(got.err, sip.ErrTimeout) {
			t.Errorf("%+v", got)
		}
		if s.CallID() != callID {
			t.Errorf("call-id %q, was %q", s.CallID(), callID)
		}
		fresh := sip.NewSubscription("Catalog")
		if got := <-r.subscribing(t.Context(), peer, fresh, time.Minute); !errors.Is(got.err, sip.ErrTimeout) || fresh.CallID() != "" {
			t.Errorf("%+v, call-id %q", got, fresh.CallID())
		}
	})
}

// RFC 3261, 12.2.1.1: requests of a dialog are numbered, so they go one by one.
func TestASubscriptionHasOneRequestAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		s := sip.NewSubscription("Catalog")
		first := r.subscribing(t.Context(), peer, s, time.Minute)
		req := d.Expect("SUBSCRIBE")
		second := r.subscribing(t.Context(), peer, s, time.Minute)
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if got := <-r.subscribing(short, peer, s, time.Minute); !errors.Is(got.err, sip.ErrTimeout) {
			t.Errorf("one that could not wait: %+v", got)
		}
		d.Answer(req, 200, "OK", "")
		if got := <-first; got.err != nil {
			t.Error(got.err)
		}
		a, _ := req.CSeq()
		next := d.Expect("SUBSCRIBE")
		if b, _ := next.CSeq(); b != a+1 || next.Get("Call-ID") != req.Get("Call-ID") {
			t.Errorf("CSeq %d after %d:\n%s", b, a, headersOf(next))
		}
		d.Answer(next, 200, "OK", "")
		if got := <-second; got.err != nil {
			t.Error(got.err)
		}
	})
}
