package sip_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fengsui/sip"
	"fengsui/sip/flow"
	"fengsui/sip/siptest"
)

// Signalling reference 6.5: the INVITE of live play, its ACK and its BYE.
func TestInviteAnsweredAcknowledgedAndEnded(t *testing.T) {
	for _, transport := range []string{flow.UDP, flow.TCP} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := inMemory(t, nil, nil)
				d, peer := r.known(transport)
				result := r.inviting(t.Context(), peer, sip.Invite{Subject: channelID + ":0200000001," + serverID + ":0", SDP: []byte("v=0\r\n")})
				invite := d.Expect("INVITE")
				if invite.URI != "sip:"+channelID+"@192.0.2.20:5060" || invite.Get("To") != "<"+invite.URI+">" ||
					invite.Get("Contact") != "<sip:"+serverID+"@198.51.100.5:5060>" ||
					invite.Get("Content-Type") != "application/sdp" || string(invite.Body) != "v=0\r\n" ||
					invite.Get("Subject") != channelID+":0200000001,"+serverID+":0" || invite.Get("Max-Forwards") != "70" ||
					!strings.HasPrefix(invite.Get("From"), "<sip:"+serverID+"@"+domain+">;tag=") ||
					!strings.HasPrefix(invite.Get("Via"), "SIP/2.0/"+strings.ToUpper(transport)+" 198.51.100.5:5060;rport;branch=z9hG4bK") {
					t.Errorf("INVITE:\n%s", headersOf(invite))
				}
				for _, m := range []string{"INVITE", "ACK", "INFO", "CANCEL", "BYE", "OPTIONS", "MESSAGE"} {
					if !strings.Contains(invite.Get("Allow"), m) {
						t.Errorf("Allow %q lacks %s", invite.Get("Allow"), m)
					}
				}
				d.Answer(invite, 200, "OK", answerSDP)
				got := <-result
				if got.err != nil {
					t.Fatal(got.err)
				}
				dialog := got.dialog
				if string(dialog.SDP()) != answerSDP || dialog.CallID() != invite.Get("Call-ID") || dialog.Source().String() != "192.0.2.20" {
					t.Errorf("dialog: call-id %s, source %v, SDP %q", dialog.CallID(), dialog.Source(), dialog.SDP())
				}
				d.Silence(100*time.Millisecond, nil) // no ACK until asked: the receiver is made ready first
				if err := dialog.Ack(t.Context()); err != nil {
					t.Fatal(err)
				}
				ack := d.Expect("ACK")
				inviteSeq, _ := invite.CSeq()
				if seq, method := ack.CSeq(); seq != inviteSeq || method != "ACK" || ack.URI != "sip:"+deviceID+"@192.0.2.20:5060" || ack.Param("To", "tag") == "" {
					t.Errorf("ACK:\n%s", headersOf(ack))
				}
				ended := make(chan error, 1)
				go func() { ended <- dialog.Bye(t.Context()) }()
				bye := d.Expect("BYE")
				if seq, _ := bye.CSeq(); seq <= inviteSeq || bye.Param("To", "tag") != ack.Param("To", "tag") ||
					bye.Param("From", "tag") != invite.Param("From", "tag") || bye.Get("Call-ID") != invite.Get("Call-ID") {
					t.Errorf("BYE:\n%s", headersOf(bye))
				}
				d.Answer(bye, 200, "OK", "")
				if err := <-ended; err != nil {
					t.Error(err)
				}
				<-dialog.Done()
				if dialog.Err() != nil {
					t.Errorf("cause %v after our own BYE", dialog.Err())
				}
				if err := dialog.Bye(t.Context()); err != nil {
					t.Errorf("second Bye = %v", err)
				}
				r.settle(10 * time.Second)
			})
		})
	}
}

func TestInviteRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		result := r.inviting(t.Context(), peer, sip.Invite{})
		invite := d.Expect("INVITE")
		d.Answer(invite, 100, "Trying", "")
		d.Answer(invite, 486, "Busy Here", "")
		got := <-result
		var rejected *sip.Rejected
		if !errors.As(got.err, &rejected) || rejected.Status != 486 || rejected.Reason != "Busy Here" {
			t.Errorf("err = %v", got.err)
		}
		if got := got.err.Error(); got != "INVITE to "+channelID+": rejected: 486 Busy Here" {
			t.Errorf("text %q", got)
		}
		ack := d.Expect("ACK")
		if ack.Get("Via") != invite.Get("Via") {
			t.Errorf("ACK in another transaction:\n%s", headersOf(ack))
		}
		d.Silence(5*time.Second, nil)
	})
}

func TestInviteTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		begin := time.Now()
		got := <-r.inviting(t.Context(), peer, sip.Invite{})
		if !errors.Is(got.err, sip.ErrTimeout) || time.Since(begin) != 32*time.Second {
			t.Errorf("after %v: %v", time.Since(begin), got.err)
		}
		for range 7 { // at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s
			d.Expect("INVITE")
		}
		d.Silence(time.Minute, nil)
		r.settle(time.Second)
	})
}

func TestInviteWithoutFinalAnswerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		result := r.inviting(t.Context(), peer, sip.Invite{})
		invite := d.Expect("INVITE")
		d.Answer(invite, 180, "Ringing", "")
		begin := time.Now()
		if got := <-result; !errors.Is(got.err, sip.ErrTimeout) || time.Since(begin) != 3*time.Minute {
			t.Errorf("after %v: %v", time.Since(begin), got.err)
		}
		d.Expect("CANCEL")
	})
}

// Signalling reference 9 row 12: 101 is provisional too.
//
// Quirk: 12
func TestProvisionalAnswersAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		var told []string
		result := r.inviting(t.Context(), peer, sip.Invite{Provisional: func(status int, reason string) {
			told = append(told, fmt.Sprint(status, reason))
		}})
		invite := d.Expect("INVITE")
		want := []string{}
		for i := range 15 { // more than a library may think reasonable
			d.Answer(invite, 100+i, "Dialog Establishement", "")
			time.Sleep(time.Second)
			want = append(want, fmt.Sprint(100+i, "Dialog Establishement"))
		}
		d.Answer(invite, 200, "OK", answerSDP)
		if got := <-result; got.err != nil {
			t.Fatal(got.err)
		}
		if !slices.Equal(told, want) {
			t.Errorf("told %v", told)
		}
	})
}

func TestCancelFollowsAProvisionalAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		ctx, cancel := context.WithCancel(t.Context())
		result := r.inviting(ctx, peer, sip.Invite{})
		invite := d.Expect("INVITE")
		d.Answer(invite, 100, "Trying", "")
		synctest.Wait()
		begin := time.Now()
		cancel()
		if got := <-result; !errors.Is(got.err, context.Canceled) || time.Since(begin) != 0 {
			t.Errorf("after %v: %v", time.Since(begin), got.err)
		}
		c := d.Expect("CANCEL")
		inviteSeq, _ := invite.CSeq()
		if seq, method := c.CSeq(); seq != inviteSeq || method != "CANCEL" || c.Get("Via") != invite.Get("Via") ||
			c.URI != invite.URI || c.Get("To") != invite.Get("To") || len(c.All("Via")) != 1 {
			t.Errorf("CANCEL:\n%s", headersOf(c))
		}
		d.Answer(c, 200, "OK", "")
		d.Answer(invite, 487, "Request Terminated", "")
		d.Expect("ACK")
		d.Silence(time.Minute, nil)
		r.settle(time.Second)
	})
}

func TestCancelBeforeAnyAnswerWaitsForOneInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		ctx, cancel := context.WithCancel(t.Context())
		result := r.inviting(ctx, peer, sip.Invite{})
		invite := d.Expect("INVITE")
		begin := time.Now()
		cancel()
		if got := <-result; !errors.Is(got.err, context.Canceled) || time.Since(begin) != 0 {
			t.Errorf("after %v: %v", time.Since(begin), got.err)
		}
		isCancel := func(m *siptest.Message) bool { return m.Method == "CANCEL" }
		d.Silence(5*time.Second, isCancel)
		d.Answer(invite, 100, "Trying", "")
		c := d.Expect("CANCEL")
		d.Answer(c, 200, "OK", "")
		d.Answer(invite, 487, "Request Terminated", "")
		d.Expect("ACK")
		r.settle(time.Minute)
	})
}

// The device hears nothing at all: nothing is left after 32 s.
func TestCancelOfAnUnansweredInviteLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		got := <-r.inviting(ctx, peer, sip.Invite{})
		if !errors.Is(got.err, sip.ErrTimeout) || !errors.Is(got.err, context.DeadlineExceeded) {
			t.Errorf("err = %v", got.err)
		}
		if c := r.Counts(); c.Dialogs != 1 {
			t.Errorf("while it is wound up: %+v", c)
		}
		r.settle(23 * time.Second)
		d.Silence(time.Minute, func(m *siptest.Message) bool { return m.Method != "INVITE" })
	})
}

// Signalling reference 6.8: if a 200 crosses the CANCEL, ACK then BYE.
func TestAnswerCrossingTheCancelIsAcknowledgedAndEnded(t *testing.T) {
	for _, early := range []bool{true, false} {
		t.Run(fmt.Sprintf("early=%v", early), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := inMemory(t, nil, nil)
				d, peer := r.known(flow.UDP)
				ctx, cancel := context.WithCancel(t.Context())
				result := r.inviting(ctx, peer, sip.Invite{})
				invite := d.Expect("INVITE")
				if early {
					d.Answer(invite, 100, "Trying", "")
					synctest.Wait()
				}
				cancel()
				<-result
				if early {
					d.Answer(d.Expect("CANCEL"), 481, "Call/Transaction Does Not Exist", "")
				}
				d.Answer(invite, 200, "OK", answerSDP)
				d.Expect("ACK")
				bye := d.Expect("BYE")
				if bye.Param("To", "tag") == "" {
					t.Errorf("BYE:\n%s", headersOf(bye))
				}
				d.Answer(bye, 200, "OK", "")
				r.settle(time.Minute)
			})
		})
	}
}

// Signalling reference 6.5: 200 without To tag, without Contact.
func TestAnswerWithoutToTagOrContactMakesADialog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		result := r.inviting(t.Context(), peer, sip.Invite{})
		invite := d.Expect("INVITE")
		res := d.Response(invite, 200, "OK", answerSDP)
		res.Remove("Contact")
		res.Set("To", invite.Get("To"))
		d.Send(res.Bytes())
		got := <-result
		if got.err != nil {
			t.Fatal(got.err)
		}
		if err := got.dialog.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ack := d.Expect("ACK"); ack.URI != invite.URI || ack.Get("To") != invite.Get("To") {
			t.Errorf("ACK:\n%s", headersOf(ack))
		}
		bye := d.Request("BYE", "", siptest.Header{Name: "Call-ID", Value: got.dialog.CallID()},
			siptest.Header{Name: "To", Value: invite.Get("From")}, siptest.Header{Name: "From", Value: invite.Get("To")})
		d.Send(bye.Bytes())
		if res := d.ExpectAnswer(bye); res.Status != 200 {
			t.Errorf("BYE without From tag answered %d", res.Status)
		}
		<-got.dialog.Done()
	})
}

// Signalling reference 9 row 31: ACK and BYE go where the device was heard,
// whatever its Contact and Via say.
//
// Quirk: 31 32
func TestDialogKeepsToTheLearntAddress(t *testing.T) {
	for _, contact := range []string{"<sip:34020000001320000001@10.1.1.1:5060>", "<sip:10.1.1.1>", "<:::>"} {
		t.Run(contact, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := inMemory(t, nil, nil)
				d, peer := r.known(flow.UDP)
				result := r.inviting(t.Context(), peer, sip.Invite{})
				invite := d.Expect("INVITE")
				d.Answer(invite, 200, "OK", answerSDP, siptest.Header{Name: "Contact", Value: contact})
				got := <-result
				if got.err != nil {
					t.Fatal(got.err)
				}
				if err := got.dialog.Ack(t.Context()); err != nil {
					t.Fatal(err)
				}
				target := strings.Trim(contact, "<>")
				if !strings.HasPrefix(target, "sip:") {
					target = invite.URI
				}
				if ack := d.Expect("ACK"); ack.URI != target {
					t.Errorf("ACK to %s, want %s", ack.URI, target)
				}
				go func() { _ = got.dialog.Bye(t.Context()) }()
				bye := d.Expect("BYE")
				if bye.URI != target {
					t.Errorf("BYE to %s, want %s", bye.URI, target)
				}
				d.Answer(bye, 481, "Call/Transaction Does Not Exist", "") // row 32
				<-got.dialog.Done()
			})
		})
	}
}

func TestRepeatedAnswerIsAcknowledgedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		dialog, invite := r.established(d, peer)
		for range 3 {
			time.Sleep(4 * time.Second)
			d.Answer(invite, 200, "OK", answerSDP)
			d.Expect("ACK")
		}
		other := d.Response(invite, 200, "OK", answerSDP)
		other.Set("To", invite.Get("To")+";tag=another")
		d.Send(other.Bytes())
		if ack := d.Expect("ACK"); ack.Param("To", "tag") != "another" {
			t.Errorf("ACK of the repeat:\n%s", headersOf(ack))
		}
		d.Silence(time.Minute, nil)
		if dialog.Err() != nil {
			t.Error(dialog.Err())
		}
	})
}

func TestByeWithoutAckAcknowledgesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		result := r.inviting(t.Context(), peer, sip.Invite{})
		d.Answer(d.Expect("INVITE"), 200, "OK", answerSDP)
		dialog := (<-result).dialog
		go func() { _ = dialog.Bye(t.Context()) }()
		bye := d.Expect("BYE")
		d.Answer(bye, 200, "OK", "")
		<-dialog.Done()
		if at := strings.Index(d.Transcript(), "\nACK "); at < 0 || at > strings.Index(d.Transcript(), "\nBYE ") {
			t.Errorf("no ACK before BYE:\n%s", d.Transcript())
		}
		if err := dialog.Ack(t.Context()); !errors.Is(err, sip.ErrEnded) {
			t.Errorf("Ack after the end = %v", err)
		}
	})
}

// Who ends a dialog does not wait for ever; the BYE itself is not given up.
func TestByeIsRepeatedAfterItsCallerHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		dialog, _ := r.established(d, peer)
		lost := 0
		r.net.Filter(func(p siptest.Packet) bool {
			if bytes.HasPrefix(p.Data, []byte("BYE ")) && lost < 5 {
				lost++
				return false
			}
			return true
		})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := dialog.Bye(ctx); !errors.Is(err, sip.ErrTimeout) {
			t.Errorf("Bye = %v", err)
		}
		<-dialog.Done()
		d.Answer(d.Expect("BYE"), 200, "OK", "")
		r.settle(time.Second)
		d.Silence(time.Minute, nil)
	})
}

// A device that goes on sending after its BYE was answered is told again, where
// it is now.
func TestAnEndedDialogCanBeToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		dialog, invite := r.established(d, peer)
		told := make(chan error, 1)
		go func() { told <- dialog.Bye(t.Context()) }()
		first := d.Expect("BYE")
		d.Answer(first, 200, "OK", "")
		if err := <-told; err != nil {
			t.Fatal(err)
		}
		moved := r.device(flow.UDP, "192.0.2.20:6000")
		dialog.Move(moved.Flow(0))
		go func() { told <- dialog.ByeAgain(t.Context()) }()
		again := moved.Expect("BYE")
		a, _ := first.CSeq()
		if b, _ := again.CSeq(); b <= a || again.Get("Call-ID") != invite.Get("Call-ID") || again.Get("To") != first.Get("To") {
			t.Errorf("second BYE:\n%s", headersOf(again))
		}
		moved.Answer(again, 481, "Call/Transaction Does Not Exist", "")
		if err := <-told; err != nil {
			t.Error(err)
		}
		d.Silence(time.Minute, nil)
	})
}

func TestByeOfThePeerEndsTheDialog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		dialog, invite := r.established(d, peer)
		bye := d.Request("BYE", "", siptest.Header{Name: "Call-ID", Value: dialog.CallID()},
			siptest.Header{Name: "To", Value: invite.Get("From")}, siptest.Header{Name: "From", Value: invite.Get("To") + ";tag=x"})
		d.Send(bye.Bytes())
		if res := d.ExpectAnswer(bye); res.Status != 200 {
			t.Errorf("BYE answered %d", res.Status)
		}
		<-dialog.Done()
		if !errors.Is(dialog.Err(), sip.ErrPeerBye) {
			t.Errorf("cause %v", dialog.Err())
		}
		if err := dialog.Bye(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := dialog.Info(t.Context(), "", nil); !errors.Is(err, sip.ErrEnded) {
			t.Errorf("Info after the end = %v", err)
		}
		d.Silence(time.Minute, nil)
		r.settle(time.Second)
	})
}

func TestByeThatOvertakesTheAnswerEndsTheInvite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		result := r.inviting(t.Context(), peer, sip.Invite{})
		invite := d.Expect("INVITE")
		bye := d.Request("BYE", "", siptest.Header{Name: "Call-ID", Value: invite.Get("Call-ID")},
			siptest.Header{Name: "To", Value: invite.Get("From")}, siptest.Header{Name: "From", Value: invite.Get("To") + ";tag=x"})
		d.Send(bye.Bytes())
		d.ExpectAnswer(bye)
		d.Answer(invite, 200, "OK", answerSDP)
		if got := <-result; !errors.Is(got.err, sip.ErrPeerBye) {
			t.Errorf("err = %v", got.err)
		}
		d.Expect("ACK")
		r.settle(time.Minute)
	})
}

func TestRequestsInTheDialogGoBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := make(chan [3]string, 2)
		handler := func(r *sip.Request) (sip.Response, func()) {
			heard <- [3]string{r.Method, r.CallID, r.ToTag}
			return sip.Response{Status: 200}, nil
		}
		r := inMemory(t, nil, func(e *sip.Endpoint) {
			e.Handle("INFO", handler)
			e.Handle("MESSAGE", handler)
		})
		d, peer := r.known(flow.UDP)
		dialog, invite := r.established(d, peer)
		for _, method := range []string{"INFO", "MESSAGE"} {
			req := d.Request(method, "PAUSE", siptest.Header{Name: "Call-ID", Value: dialog.CallID()},
				siptest.Header{Name: "To", Value: invite.Get("From")})
			d.Send(req.Bytes())
			d.ExpectAnswer(req)
			if got := <-heard; got != [3]string{method, dialog.CallID(), invite.Param("From", "tag")} {
				t.Errorf("%s: heard %q", method, got)
			}
		}
		type answered struct {
			res *sip.Response
			err error
		}
		result := make(chan answered, 1)
		info := func() {
			res, err := dialog.Info(t.Context(), "Application/MANSRTSP", []byte("PLAY MANSRTSP/1.0\r\n"))
			result <- answered{res, err}
		}
		go info()
		req := d.Expect("INFO")
		if string(req.Body) != "PLAY MANSRTSP/1.0\r\n" || req.Get("Content-Type") != "Application/MANSRTSP" || req.Get("Call-ID") != dialog.CallID() {
			t.Errorf("INFO:\n%s", req.Raw)
		}
		d.Answer(req, 200, "OK", "MANSRTSP/1.0 200 OK\r\n", siptest.Header{Name: "Content-Type", Value: "Application/MANSRTSP"})
		if got := <-result; got.err != nil || got.res.Status != 200 || got.res.ContentType != "Application/MANSRTSP" || string(got.res.Body) != "MANSRTSP/1.0 200 OK\r\n" {
			t.Errorf("%+v", got)
		}
		go info()
		d.Answer(d.Expect("INFO"), 481, "Call/Transaction Does Not Exist", "")
		<-result
		<-dialog.Done()
	})
}

func TestDialogEndsWithItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.TCP)
		dialog, _ := r.established(d, peer)
		pending := r.inviting(t.Context(), peer, sip.Invite{})
		d.Expect("INVITE")
		begin := time.Now()
		d.Close()
		<-dialog.Done()
		if !errors.Is(dialog.Err(), sip.ErrUnreachable) {
			t.Errorf("cause %v", dialog.Err())
		}
		if got := <-pending; !errors.Is(got.err, sip.ErrUnreachable) {
			t.Errorf("pending INVITE: %v", got.err)
		}
		if time.Since(begin) > time.Second {
			t.Errorf("seen after %v", time.Since(begin))
		}
		if got := <-r.inviting(t.Context(), peer, sip.Invite{}); !errors.Is(got.err, sip.ErrUnreachable) {
			t.Errorf("new INVITE: %v", got.err)
		}
		r.settle(time.Second)
		if n := r.Counts().Connections; n != 0 {
			t.Errorf("%d connections", n)
		}
	})
}

// FIELD: some devices challenge INVITE (signalling reference 6.8).
func TestChallengedInviteIsSentAgainWithCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		peer.Secret = func() string { return "12345678" }
		result := r.inviting(t.Context(), peer, sip.Invite{SDP: []byte("v=0\r\n")})
		first := d.Expect("INVITE")
		d.Answer(first, 401, "Unauthorized", "", siptest.Header{Name: "WWW-Authenticate", Value: `Digest realm="3402000000", nonce="abc", algorithm=MD5, qop="auth"`})
		d.Expect("ACK")
		second := d.Expect("INVITE")
		a, _ := first.CSeq()
		if b, _ := second.CSeq(); b != a+1 || second.Get("Call-ID") != first.Get("Call-ID") || second.Param("Via", "branch") == first.Param("Via", "branch") {
			t.Errorf("second INVITE:\n%s", headersOf(second))
		}
		verify(t, second, "12345678")
		d.Answer(second, 200, "OK", answerSDP)
		got := <-result
		if got.err != nil {
			t.Fatal(got.err)
		}
		if err := got.dialog.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ack := d.Expect("ACK"); ack.Get("Authorization") != second.Get("Authorization") {
			t.Errorf("ACK:\n%s", headersOf(ack)) // RFC 3261 22.1
		}
	})
}

func TestThousandFailedInvitesLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d, peer := r.known(flow.UDP)
		before := r.Counts()
		d.React(func(m *siptest.Message) []byte {
			switch {
			case m.Method == "ACK":
				return []byte{} // taken
			case m.Method == "CANCEL":
				return d.Response(m, 200, "OK", "").Bytes()
			case m.Method != "INVITE":
				return nil
			}
			switch serial := m.Get("Subject"); serial[len(serial)-1] {
			case '0', '1', '2':
				return d.Response(m, 486, "Busy Here", "").Bytes()
			case '3':
				return d.Response(m, 100, "Trying", "").Bytes() // then nothing
			}
			return []byte{} // never answered
		})
		results := make(chan error, 1000)
		for i := range 1000 {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i%40)*time.Second)
				defer cancel()
				_, err := r.Invite(ctx, peer, sip.Invite{Subject: fmt.Sprint(i)})
				results <- err
			}()
		}
		for range 1000 {
			if err := <-results; err == nil {
				t.Error("an INVITE succeeded")
			}
		}
		r.settle(2 * time.Minute)
		after := r.Counts()
		if after != before {
			t.Errorf("before %+v, after %+v", before, after)
		}
	})
}
