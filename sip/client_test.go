package sip_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fengsui/sip"
	"fengsui/sip/digest"
	"fengsui/sip/flow"
	"fengsui/sip/intake"
	"fengsui/sip/siptest"
)

type answered struct {
	res *sip.Response
	err error
}

func (r *rig) doing(ctx context.Context, p sip.Peer, o sip.Outgoing) <-chan answered {
	c := make(chan answered, 1)
	go func() {
		res, err := r.Do(ctx, p, o)
		c <- answered{res, err}
	}()
	return c
}

var query = sip.Outgoing{Method: "MESSAGE", ContentType: "Application/MANSCDP+xml", Body: []byte("<Query/>"),
	Headers: []intake.Header{{Name: "X-Extra", Value: "1"}}}

// verify fails the test unless the request proves the password.
func verify(t *testing.T, m *siptest.Message, password string) {
	t.Helper()
	name := "Authorization"
	if m.Get(name) == "" {
		name = "Proxy-Authorization"
	}
	c, err := digest.Parse([]byte(m.Get(name)))
	if err != nil || !c.Verify(m.Method, password) || c.Username != serverID || c.URI != m.URI {
		t.Errorf("credentials %q do not verify: %v", m.Get(name), err)
	}
}

func TestRequestIsSentAndAnswered(t *testing.T) {
	for _, transport := range []string{flow.UDP, flow.TCP} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := inMemory(t, nil, nil)
				d, peer := r.known(transport)
				result := r.doing(t.Context(), peer, query)
				req := d.Expect("MESSAGE")
				if string(req.Body) != "<Query/>" || req.Get("Content-Type") != query.ContentType || req.Get("X-Extra") != "1" ||
					req.Get("Contact") != "" || req.URI != "sip:"+channelID+"@192.0.2.20:5060" || req.From != serverAddr {
					t.Errorf("from %v:\n%s", req.From, req.Raw)
				}
				d.Answer(req, 200, "OK", "", siptest.Header{Name: "X-Back", Value: "2"})
				got := <-result
				if got.err != nil || !got.res.Success() || got.res.Header("x-back") != "2" {
					t.Errorf("%+v", got)
				}
				r.settle(time.Second)
				if n := r.metric("fengsui_sip_requests_sent_total", "MESSAGE", "2xx"); n != 1 {
					t.Errorf("counted %v times", n)
				}
			})
		})
	}
}

func TestRequestIsRepeatedUntilAnsweredOrTimedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		result := r.doing(t.Context(), peer, query)
		d.Expect("MESSAGE")
		d.Answer(d.Expect("MESSAGE"), 404, "Not Found", "")
		if got := <-result; got.err != nil || got.res.Status != 404 || got.res.Reason != "Not Found" {
			t.Errorf("%+v", got)
		}
		begin := time.Now()
		if got := <-r.doing(t.Context(), peer, query); !errors.Is(got.err, sip.ErrTimeout) || time.Since(begin) != 32*time.Second {
			t.Errorf("after %v: %v", time.Since(begin), got.err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if got := <-r.doing(ctx, peer, query); !errors.Is(got.err, sip.ErrTimeout) || !errors.Is(got.err, context.DeadlineExceeded) {
			t.Errorf("%v", got.err)
		}
		r.settle(time.Second)
	})
}

func TestChallengeIsAnsweredWithTheSecret(t *testing.T) {
	for _, tc := range []struct {
		status            int
		header, challenge string
	}{
		{401, "WWW-Authenticate", `Digest realm="3402000000",nonce="n1"`},
		{401, "WWW-Authenticate", `Digest realm="3402000000", nonce="n1", algorithm=SHA-256, qop="auth,auth-int", opaque="o"`},
		{401, "WWW-Authenticate", `Digest realm="3402000000", nonce="n1", algorithm=SM3`},
		{407, "Proxy-Authenticate", `Digest realm="3402000000", nonce="n1", algorithm=md5, qop="auth"`},
	} {
		t.Run(fmt.Sprint(tc.status, tc.challenge), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := inMemory(t, nil, nil)
				d, peer := r.known(flow.UDP)
				peer.Secret = func() string { return "12345678" }
				result := r.doing(t.Context(), peer, query)
				first := d.Expect("MESSAGE")
				d.Answer(first, tc.status, "Unauthorized", "", siptest.Header{Name: tc.header, Value: tc.challenge})
				second := d.Expect("MESSAGE")
				verify(t, second, "12345678")
				if second.Get("Call-ID") != first.Get("Call-ID") || second.Get("CSeq") == first.Get("CSeq") {
					t.Errorf("second:\n%s", headersOf(second))
				}
				d.Answer(second, 200, "OK", "")
				if got := <-result; got.err != nil || got.res.Status != 200 {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

func TestChallengeIsNotAnsweredForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		serial := 0
		refuse := func(fresh bool) func(*siptest.Message) []byte {
			return func(m *siptest.Message) []byte {
				if fresh {
					serial++
				}
				return d.Response(m, 401, "Unauthorized", "", siptest.Header{Name: "WWW-Authenticate",
					Value: fmt.Sprintf(`Digest realm="3402000000",nonce="n%d",stale=true`, serial)}).Bytes()
			}
		}
		count := func() int { return strings.Count(d.Transcript(), "\nMESSAGE ") }
		for _, tc := range []struct {
			name   string
			secret func() string
			fresh  bool
			want   int
		}{
			{"no secret", nil, true, 1},
			{"empty secret", func() string { return "" }, true, 1},
			{"wrong secret, same nonce", func() string { return "x" }, false, 2},
			{"stale for ever", func() string { return "x" }, true, 3},
		} {
			before := count()
			d.React(refuse(tc.fresh))
			peer.Secret = tc.secret
			if got := <-r.doing(t.Context(), peer, query); got.err != nil || got.res.Status != 401 {
				t.Errorf("%s: %+v", tc.name, got)
			}
			if n := count() - before; n != tc.want {
				t.Errorf("%s: sent %d times, want %d", tc.name, n, tc.want)
			}
		}
	})
}

// Signalling reference 2.2 rule 3: the device behind NAT cannot be dialled. On
// real sockets, as the library would dial by itself.
func TestClosedConnectionIsNeverDialledAgain(t *testing.T) {
	r := start(t, nil, sip.Config{Listeners: []sip.Listen{{Network: "tcp", Address: "127.0.0.1:0"}}}, nil, nil)
	hear := func(d *siptest.Device) {
		hello := d.Request("OPTIONS", "")
		d.Send(hello.Bytes())
		d.ExpectAnswer(hello)
	}
	d := siptest.NewDevice(t, siptest.Config{Server: r.Addrs()[0].Local, Transport: flow.TCP})
	hear(d)
	other := siptest.NewDevice(t, siptest.Config{Server: r.Addrs()[0].Local, Transport: flow.TCP})
	hear(other) // the newest connection must not stand in
	peer := sip.Peer{User: deviceID, Flow: d.Flow(0)}
	d.Abort()
	for r.Counts().Connections > 1 {
		time.Sleep(time.Millisecond)
	}
	ln, err := net.Listen("tcp", d.Local().String())
	if err != nil {
		t.Fatal(err)
	}
	dialled := make(chan bool, 1)
	go func() {
		c, err := ln.Accept()
		if err == nil {
			_ = c.Close()
		}
		dialled <- err == nil
	}()
	begin := time.Now()
	if got := <-r.doing(t.Context(), peer, query); !errors.Is(got.err, sip.ErrUnreachable) || time.Since(begin) > time.Second {
		t.Errorf("after %v: %v", time.Since(begin), got.err)
	}
	if got := <-r.inviting(t.Context(), peer, sip.Invite{}); !errors.Is(got.err, sip.ErrUnreachable) {
		t.Errorf("invite: %v", got.err)
	}
	_ = ln.Close()
	if <-dialled {
		t.Error("the device was dialled")
	}
	other.Silence(50*time.Millisecond, nil)
}

func TestRequestPendingOnAConnectionEndsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.TCP)
		result := r.doing(t.Context(), peer, query)
		d.Expect("MESSAGE")
		begin := time.Now()
		d.Close()
		if got := <-result; !errors.Is(got.err, sip.ErrUnreachable) || time.Since(begin) > time.Second {
			t.Errorf("after %v: %v", time.Since(begin), got.err)
		}
	})
}

// Signalling reference 9 row 48: a device hears only the address it registered to.
//
// Quirk: 48
func TestRequestLeavesFromTheSocketThatHeardTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := netip.MustParseAddrPort("203.0.113.9:5080")
		r := inMemory(t, func(c *sip.Config) {
			c.Listeners = append(c.Listeners, sip.Listen{Network: "udp", Address: second.String(), Advertise: "sip.example.net:15080"})
		}, nil)
		d := r.device(flow.UDP, "")
		for i, listener := range []int{0, 2, 0, 2} {
			p := sip.Peer{User: deviceID, Flow: d.Flow(listener)}
			from, by := serverAddr, "198.51.100.5:5060"
			if listener == 2 {
				from, by = second, "sip.example.net:15080"
			}
			result := r.doing(t.Context(), p, sip.Outgoing{Method: "OPTIONS"})
			req := d.Expect("OPTIONS")
			if req.From != from || !strings.Contains(req.Get("Via"), " "+by+";") || req.Get("Contact") != "<sip:"+serverID+"@"+by+">" {
				t.Errorf("%d: from %v, want %v:\n%s", i, req.From, from, headersOf(req))
			}
			d.Answer(req, 200, "OK", "")
			<-result
		}
		p := sip.Peer{User: deviceID, Flow: d.Flow(1)} // a TCP listener
		p.Flow.Transport = flow.UDP
		if got := <-r.doing(t.Context(), p, query); !errors.Is(got.err, sip.ErrUnreachable) {
			t.Errorf("no such socket: %v", got.err)
		}
	})
}

// One camera talks to both of our addresses in turn from one port.
func TestAnswerLeavesFromTheSocketThatWasAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := netip.MustParseAddrPort("203.0.113.9:5080")
		r := inMemory(t, func(c *sip.Config) {
			c.Listeners = append(c.Listeners, sip.Listen{Network: "udp", Address: second.String()})
		}, nil)
		camera, err := r.net.ListenPacket(t.Context(), "udp", "192.0.2.77:5060")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = camera.Close() }()
		shape := r.device(flow.UDP, "192.0.2.78:5060")
		buf := make([]byte, 4096)
		for _, to := range []netip.AddrPort{serverAddr, second, serverAddr, second, second, serverAddr} {
			if _, err := camera.WriteTo(shape.Request("OPTIONS", "").Bytes(), netAddr(to)); err != nil {
				t.Fatal(err)
			}
			_, from, err := camera.ReadFrom(buf)
			if err != nil || from.String() != to.String() {
				t.Errorf("asked at %v, answered from %v, %v", to, from, err)
			}
		}
	})
}

// sipgo refuses UDP messages over 1300 bytes unless told otherwise.
func TestLargeMessagesPassOverUDP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bodies := make(chan int, 1)
		large := strings.Repeat("x", 60_000)
		r := inMemory(t, nil, func(e *sip.Endpoint) {
			e.Handle("MESSAGE", func(r *sip.Request) (sip.Response, func()) {
				bodies <- len(r.Body)
				return sip.Response{Status: 200, Body: []byte(large)}, nil
			})
		})
		d, peer := r.known(flow.UDP)
		o := query
		o.Body = []byte(large)
		result := r.doing(t.Context(), peer, o)
		req := d.Expect("MESSAGE")
		if len(req.Body) != len(large) {
			t.Errorf("body of %d bytes", len(req.Body))
		}
		d.Answer(req, 200, "OK", "")
		if got := <-result; got.err != nil {
			t.Error(got.err)
		}
		back := d.Request("MESSAGE", "<Response>"+large+"</Response>")
		d.Send(back.Bytes())
		if res := d.ExpectAnswer(back); len(res.Body) != len(large) {
			t.Errorf("answer of %d bytes", len(res.Body))
		}
		if n := <-bodies; n != len(large)+21 {
			t.Errorf("heard %d bytes", n)
		}
		o.Body = bytes.Repeat([]byte("x"), 66_000)
		if got := <-r.doing(t.Context(), peer, o); !errors.Is(got.err, sip.ErrTooLarge) {
			t.Errorf("over a datagram: %v", got.err)
		}
	})
}

func TestLargeMessagePassesOverTCP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bodies := make(chan int, 1)
		r := inMemory(t, nil, func(e *sip.Endpoint) {
			e.Handle("MESSAGE", func(r *sip.Request) (sip.Response, func()) {
				return sip.Response{Status: 200}, func() { bodies <- len(r.Body) }
			})
		})
		d := r.device(flow.TCP, "")
		body := "<Response>" + strings.Repeat("x", 3<<20) + "</Response>"
		req := d.Request("MESSAGE", body)
		d.Send(req.Bytes())
		d.ExpectAnswer(req)
		if n := <-bodies; n != len(body) {
			t.Errorf("heard %d bytes of %d", n, len(body))
		}
	})
}

func TestRequestURIHostCanBeTheDomain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		peer.URIHost = "3402000001"
		result := r.doing(t.Context(), peer, query)
		req := d.Expect("MESSAGE")
		if req.URI != "sip:"+channelID+"@3402000001" || req.Get("To") != "<"+req.URI+">" {
			t.Errorf("%s", headersOf(req))
		}
		d.Answer(req, 200, "OK", "")
		<-result
	})
}

func TestRequestBeforeRunWaitsAndAfterRunIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		pending := r.doing(t.Context(), peer, query)
		d.Expect("MESSAGE")
		begin := time.Now()
		r.stop()
		if got := <-pending; !errors.Is(got.err, sip.ErrClosed) {
			t.Errorf("pending: %v", got.err)
		}
		if got := <-r.doing(t.Context(), peer, query); !errors.Is(got.err, sip.ErrClosed) {
			t.Errorf("after: %v", got.err)
		}
		if _, err := r.Invite(t.Context(), peer, sip.Invite{}); !errors.Is(err, sip.ErrClosed) {
			t.Errorf("invite after: %v", err)
		}
		if time.Since(begin) > time.Second {
			t.Errorf("closing took %v", time.Since(begin))
		}
	})
}
