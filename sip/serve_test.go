package sip_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fengsui/sip"
	"fengsui/sip/flow"
	"fengsui/sip/intake"
	"fengsui/sip/siptest"
)

func ok(*sip.Request) (sip.Response, func()) { return sip.Response{Status: 200}, nil }

func TestRequestReachesItsHandler(t *testing.T) {
	for _, transport := range []string{flow.UDP, flow.TCP} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, judged := make(chan *sip.Request), make(chan struct{})
				r := inMemory(t, nil, func(e *sip.Endpoint) {
					e.Handle("NOTIFY", func(r *sip.Request) (sip.Response, func()) {
						after := func() { got <- r; <-judged } // it is r until this returns
						return sip.Response{Status: 200, Headers: []intake.Header{{Name: "X-Test", Value: "yes"}}}, after
					})
				})
				d := r.device(transport, "192.0.2.20:7001")
				req := d.Request("NOTIFY", "<Notify/>", siptest.Header{Name: "Event", Value: "Catalog;id=4021"},
					siptest.Header{Name: "Subscription-State", Value: "active;expires=590"},
					siptest.Header{Name: "User-Agent", Value: "IP Camera"})
				d.Send(req.Bytes())
				res := d.ExpectAnswer(req)
				if res.Status != 200 || res.Get("X-Test") != "yes" || res.Get("User-Agent") != "Fengsui" || res.Param("To", "tag") == "" {
					t.Errorf("answer:\n%s", headersOf(res))
				}
				h := <-got
				defer close(judged)
				listener := 0
				if transport == flow.TCP {
					listener = 1
				}
				want := sip.Request{Method: "NOTIFY", URIUser: serverID, FromUser: deviceID, ToUser: serverID,
					FromTag: req.Param("From", "tag"), CallID: req.Get("Call-ID"), CSeq: 20, Event: "Catalog;id=4021",
					SubscriptionState: "active;expires=590", ContentType: "Application/MANSCDP+xml", UserAgent: "IP Camera", Flow: d.Flow(listener)}
				if string(h.Body) != "<Notify/>" || h.Seq == 0 || h.At.IsZero() || h.Header("max-forwards") != "70" {
					t.Errorf("body %q, seq %d, at %v, max-forwards %q", h.Body, h.Seq, h.At, h.Header("max-forwards"))
				}
				if fmt.Sprint(h.Method, h.URIUser, h.FromUser, h.ToUser, h.FromTag, h.CallID, h.CSeq, h.Event, h.SubscriptionState, h.ContentType, h.UserAgent, h.Flow) !=
					fmt.Sprint(want.Method, want.URIUser, want.FromUser, want.ToUser, want.FromTag, want.CallID, want.CSeq, want.Event, want.SubscriptionState, want.ContentType, want.UserAgent, want.Flow) {
					t.Errorf("request = %+v, want %+v", h, &want)
				}
			})
		})
	}
}

// Signalling reference 2.2 rule 5: most devices name a private address in Via.
func TestAnswerGoesToTheSourceWhateverViaSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, func(e *sip.Endpoint) { e.Handle("MESSAGE", ok) })
		for i, via := range []string{
			"SIP/2.0/UDP 10.1.1.1:5060;branch=z9hG4bKa",
			"SIP/2.0/UDP 10.1.1.1:5060;rport=5060;branch=z9hG4bKb",
			"SIP/2.0/UDP 10.1.1.1:5060;rport;branch=z9hG4bKc",
			"SIP/2.0/UDP camera.invalid;branch=z9hG4bKd",
		} {
			d := r.device(flow.UDP, fmt.Sprintf("192.0.2.20:%d", 7000+i))
			req := d.Request("MESSAGE", "<Response/>", siptest.Header{Name: "Via", Value: via})
			d.Send(req.Bytes())
			if res := d.ExpectAnswer(req); res.Status != 200 {
				t.Errorf("%s: answered %d", via, res.Status)
			}
		}
	})
}

func TestOptionsIsAnsweredWithAllow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, func(e *sip.Endpoint) { e.Handle("NOTIFY", ok) })
		d := r.device(flow.UDP, "")
		req := d.Request("OPTIONS", "")
		d.Send(req.Bytes())
		res := d.ExpectAnswer(req)
		if want := "ACK, BYE, CANCEL, MESSAGE, NOTIFY, OPTIONS, REGISTER"; res.Status != 200 || res.Get("Allow") != want {
			t.Errorf("%d, Allow %q, want %q", res.Status, res.Get("Allow"), want)
		}
	})
}

func TestMethodWithoutHandlerIsRefusedWithAllow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d := r.device(flow.UDP, "")
		for method, want := range map[string]int{"PUBLISH": 405, "FOO": 501, "SUBSCRIBE": 405} {
			req := d.Request(method, "")
			d.Send(req.Bytes())
			if res := d.ExpectAnswer(req); res.Status != want || !strings.Contains(res.Get("Allow"), "OPTIONS") {
				t.Errorf("%s:\n%s", method, headersOf(res))
			}
		}
	})
}

// Signalling reference 9 row 11: Dahua devices answer 403 to a 100 they did not expect.
//
// Quirk: 11
func TestSlowHandlerSendsNoProvisionalAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, func(e *sip.Endpoint) {
			e.Handle("MESSAGE", func(*sip.Request) (sip.Response, func()) {
				time.Sleep(3 * time.Second)
				return sip.Response{Status: 200}, nil
			})
		})
		d := r.device(flow.UDP, "")
		req := d.Request("MESSAGE", "<Response/>")
		d.Send(req.Bytes())
		d.ExpectAnswer(req)
		if strings.Contains(d.Transcript(), "SIP/2.0 1") {
			t.Errorf("a provisional answer was sent:\n%s", d.Transcript())
		}
	})
}

func TestRepeatedRequestGetsTheSameAnswerAndNoSecondEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handled atomic.Int32
		r := inMemory(t, nil, func(e *sip.Endpoint) {
			e.Handle("MESSAGE", func(*sip.Request) (sip.Response, func()) {
				handled.Add(1)
				return sip.Response{Status: 200}, nil
			})
		})
		d := r.device(flow.UDP, "")
		req := d.Request("MESSAGE", "<Response/>")
		d.Send(req.Bytes())
		first := d.ExpectAnswer(req)
		for _, wait := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second} {
			time.Sleep(wait)
			d.Send(req.Bytes())
			if again := d.ExpectAnswer(req); string(again.Raw) != string(first.Raw) {
				t.Errorf("answer changed:\n%s", headersOf(again))
			}
		}
		if handled.Load() != 1 {
			t.Errorf("handled %d times", handled.Load())
		}
	})
}

// RFC 3261 keeps the transaction of each request for 32 s, 4 KB each.
func TestRequestIsForgottenAfterFourSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handled atomic.Int32
		r := inMemory(t, nil, func(e *sip.Endpoint) {
			e.Handle("MESSAGE", func(*sip.Request) (sip.Response, func()) {
				handled.Add(1)
				return sip.Response{Status: 200}, nil
			})
		})
		d := r.device(flow.UDP, "")
		req := d.Request("MESSAGE", "<Response/>")
		for range 2 {
			d.Send(req.Bytes())
			d.ExpectAnswer(req)
			time.Sleep(4*time.Second + time.Millisecond)
		}
		if handled.Load() != 2 {
			t.Errorf("handled %d times", handled.Load())
		}
	})
}

func TestAfterFunctionsRunInOrderOfReceipt(t *testing.T) {
	for _, transport := range []string{flow.UDP, flow.TCP} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const notifies = 1000
				var mu sync.Mutex
				order := map[string][]string{}
				r := inMemory(t, nil, func(e *sip.Endpoint) {
					e.Handle("NOTIFY", func(r *sip.Request) (sip.Response, func()) {
						return sip.Response{Status: 200}, func() {
							mu.Lock()
							defer mu.Unlock()
							order[r.FromUser] = append(order[r.FromUser], string(r.Body))
						}
					})
				})
				devices := []*siptest.Device{
					siptest.NewDevice(t, siptest.Config{ID: "34020000001320000001", Net: r.net, Server: serverAddr, Transport: transport, Local: "192.0.2.20:5060"}),
					siptest.NewDevice(t, siptest.Config{ID: "34020000001320000002", Net: r.net, Server: serverAddr, Transport: transport, Local: "192.0.2.21:5060"}),
				}
				var want []string
				for i := range notifies {
					want = append(want, fmt.Sprint(i))
					for _, d := range devices {
						d.Send(d.Request("NOTIFY", fmt.Sprint(i)).Bytes())
					}
				}
				for _, d := range devices {
					for range notifies {
						d.ExpectStatus(200)
					}
				}
				synctest.Wait()
				for _, d := range devices {
					if !slices.Equal(order[d.ID()], want) {
						t.Errorf("%s: %d in order %v", d.ID(), len(order[d.ID()]), order[d.ID()])
					}
				}
				if n := r.Counts().Queued; n != 0 {
					t.Errorf("%d still queued", n)
				}
			})
		})
	}
}

// A slow handler finishes last, but was first.
func TestOrderHoldsWhenHandlersFinishOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan string, 10)
		r := inMemory(t, nil, func(e *sip.Endpoint) {
			e.Handle("NOTIFY", func(r *sip.Request) (sip.Response, func()) {
				if string(r.Body) == "slow" {
					time.Sleep(5 * time.Second)
				}
				return sip.Response{Status: 200}, func() { done <- string(r.Body) }
			})
		})
		d := r.device(flow.UDP, "")
		d.Send(d.Request("NOTIFY", "slow").Bytes())
		d.Send(d.Request("NOTIFY", "quick").Bytes())
		if a, b := <-done, <-done; a != "slow" || b != "quick" {
			t.Errorf("order %s, %s", a, b)
		}
	})
}

// The library absorbs a repeat: its handler never starts, and nobody waits for it.
func TestRepeatDoesNotHoldBackTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan time.Time, 10)
		r := inMemory(t, nil, func(e *sip.Endpoint) {
			e.Handle("NOTIFY", func(r *sip.Request) (sip.Response, func()) {
				return sip.Response{Status: 200}, func() { done <- time.Now() }
			})
		})
		d := r.device(flow.UDP, "")
		first := d.Request("NOTIFY", "1")
		d.Send(first.Bytes())
		<-done
		d.Send(first.Bytes())
		d.ExpectStatus(200)
		sent := time.Now()
		d.Send(d.Request("NOTIFY", "2").Bytes())
		if took := (<-done).Sub(sent); took > 100*time.Millisecond {
			t.Errorf("the next waited %v", took)
		}
	})
}

// A message the parser refuses takes a place in the order and never comes.
func TestMissingMessageIsWaitedForNoLongerThanASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan time.Time, 10)
		r := inMemory(t, nil, func(e *sip.Endpoint) {
			e.Handle("NOTIFY", func(r *sip.Request) (sip.Response, func()) {
				return sip.Response{Status: 200}, func() { done <- time.Now() }
			})
		})
		// Two requests with one branch are one transaction to the library, but
		// different messages to us.
		d := r.device(flow.UDP, "")
		first := d.Request("NOTIFY", "1")
		other := d.Request("NOTIFY", "2", siptest.Header{Name: "Via", Value: first.Get("Via")})
		d.Send(first.Bytes())
		<-done
		d.Send(other.Bytes())
		synctest.Wait()
		sent := time.Now()
		d.Send(d.Request("NOTIFY", "3").Bytes())
		if took := (<-done).Sub(sent); took > time.Second {
			t.Errorf("waited %v", took)
		}
		if n := r.metric("fengsui_sip_order_unclaimed_total"); n != 1 {
			t.Errorf("unclaimed counted %v times", n)
		}
	})
}

func TestFullQueueDropsTheNewestAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var mu sync.Mutex
		var ran []string
		r := inMemory(t, func(c *sip.Config) { c.QueueLen = 3 }, func(e *sip.Endpoint) {
			e.Handle("NOTIFY", func(r *sip.Request) (sip.Response, func()) {
				return sip.Response{Status: 200}, func() {
					<-release
					mu.Lock()
					defer mu.Unlock()
					ran = append(ran, string(r.Body))
				}
			})
		})
		d := r.device(flow.UDP, "")
		for i := range 10 {
			req := d.Request("NOTIFY", fmt.Sprint(i))
			d.Send(req.Bytes())
			d.ExpectAnswer(req) // answered all the same
			synctest.Wait()
		}
		if n := r.Counts().Queued; n != 3 {
			t.Errorf("%d queued, want 3", n)
		}
		close(release)
		synctest.Wait()
		if want := []string{"0", "1", "2", "3"}; !slices.Equal(ran, want) {
			t.Errorf("ran %v, want %v", ran, want)
		}
		if n := r.metric("fengsui_sip_after_dropped_total"); n != 6 {
			t.Errorf("dropped counted %v times, want 6", n)
		}
	})
}

func TestTooManyHandlersAreAnswered503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := inMemory(t, func(c *sip.Config) { c.MaxHandlers = 2 }, func(e *sip.Endpoint) {
			e.Handle("MESSAGE", func(*sip.Request) (sip.Response, func()) {
				<-release
				return sip.Response{Status: 200}, nil
			})
		})
		d := r.device(flow.UDP, "")
		for range 2 {
			d.Send(d.Request("MESSAGE", "<Response/>").Bytes())
		}
		synctest.Wait()
		third := d.Request("MESSAGE", "<Response/>")
		d.Send(third.Bytes())
		if res := d.ExpectAnswer(third); res.Status != 503 {
			t.Errorf("answered %d", res.Status)
		}
		close(release)
		d.ExpectStatus(200)
		d.ExpectStatus(200)
	})
}

// The library answers what it finds no socket for from a new one of its own,
// which nobody would close.
func TestRepeatsInFlightAtTheEndLeaveNoSocket(t *testing.T) {
	for range 60 {
		synctest.Test(t, func(t *testing.T) {
			r := inMemory(t, nil, func(e *sip.Endpoint) { e.Handle("MESSAGE", ok) })
			d := r.device(flow.UDP, "")
			req := d.Request("MESSAGE", "<Response/>")
			d.Send(req.Bytes())
			d.ExpectAnswer(req)
			for range 20 {
				d.Send(req.Bytes())
			}
			r.stop() // a socket of the system would hang the test
		})
	}
}

func TestRequestsReadAreAnsweredBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, func(e *sip.Endpoint) {
			e.Handle("MESSAGE", func(*sip.Request) (sip.Response, func()) {
				time.Sleep(500 * time.Millisecond)
				return sip.Response{Status: 200}, nil
			})
		})
		d := r.device(flow.UDP, "")
		req := d.Request("MESSAGE", "<Response/>")
		d.Send(req.Bytes())
		synctest.Wait()
		go r.stop()
		synctest.Wait()
		d.Send(d.Request("MESSAGE", "<Response/>").Bytes()) // too late
		if res := d.ExpectAnswer(req); res.Status != 200 {
			t.Errorf("answered %d", res.Status)
		}
		d.Silence(10*time.Second, nil)
	})
}

func TestByeOfUnknownDialogIsAnswered481(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d := r.device(flow.UDP, "")
		for _, method := range []string{"BYE", "CANCEL"} {
			req := d.Request(method, "")
			d.Send(req.Bytes())
			if res := d.ExpectAnswer(req); res.Status != 481 {
				t.Errorf("%s answered %d", method, res.Status)
			}
		}
	})
}

// Two hops of Via are more than the intake answers itself.
func TestRegisterThroughAProxyIsAnsweredByTheSameFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d := r.device(flow.UDP, "")
		req := d.Request("REGISTER", "", siptest.Header{Name: "Contact", Value: "<sip:34020000001320000001@10.1.1.1:5060>"})
		top := req.Get("Via")
		req.Headers = append([]siptest.Header{{Name: "Via", Value: top}, {Name: "Via", Value: "SIP/2.0/UDP 10.9.9.9:5060;branch=z9hG4bKinner"}}, req.Headers[1:]...)
		d.Send(req.Bytes())
		res := d.ExpectAnswer(req)
		if res.Status != 200 || res.Get("Expires") != "3600" || len(res.All("Via")) != 2 || res.Param("To", "tag") == "" {
			t.Errorf("answer:\n%s", headersOf(res))
		}
		if r.metric("fengsui_sip_requests_received_total", "REGISTER") != 1 {
			t.Error("the request did not come this way")
		}
	})
}
