package sip_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"fengsui/sip"
	"fengsui/sip/flow"
	"fengsui/sip/siptest"
)

// accepting answers every INVITE of a peer; the dialogs come by the channel.
func accepting(t *testing.T) (*rig, chan *sip.Dialog) {
	t.Helper()
	dialogs := make(chan *sip.Dialog, 4)
	r := inMemory(t, nil, func(e *sip.Endpoint) {
		e.Handle("INVITE", func(r *sip.Request) (sip.Response, func()) {
			res, d, err := e.Accept(r, nil, []byte(answerSDP))
			if err != nil {
				return sip.Response{Status: 482}, nil
			}
			dialogs <- d
			return res, nil
		})
	})
	return r, dialogs
}

// inDialog is a request of the peer in the dialog of its INVITE.
func inDialog(d *siptest.Device, method string, invite, answer *siptest.Message) *siptest.Message {
	return d.Request(method, "", siptest.Header{Name: "Call-ID", Value: invite.Get("Call-ID")},
		siptest.Header{Name: "From", Value: invite.Get("From")}, siptest.Header{Name: "To", Value: answer.Get("To")})
}

// Signalling reference 6.9: a device invites us to speak.
func TestAnInviteOfThePeerIsAcceptedAndEnded(t *testing.T) {
	for _, transport := range []string{flow.UDP, flow.TCP} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, dialogs := accepting(t)
				d, _ := r.known(transport)
				invite := d.Request("INVITE", "v=0\r\n", siptest.Header{Name: "Contact", Value: "<sip:" + deviceID + "@192.0.2.20:5060>"})
				d.Send(invite.Bytes())
				answer := d.ExpectAnswer(invite)
				if answer.Status != 200 || answer.Get("Content-Type") != "application/sdp" || string(answer.Body) != answerSDP ||
					answer.Param("To", "tag") == "" || answer.Get("Contact") != "<sip:"+serverID+"@198.51.100.5:5060>" {
					t.Fatalf("answer:\n%s", headersOf(answer))
				}
				dialog := <-dialogs
				select {
				case <-dialog.Acked():
					t.Error("acknowledged before the ACK")
				default:
				}
				d.Send(inDialog(d, "ACK", invite, answer).Bytes())
				<-dialog.Acked()
				ended := make(chan error, 1)
				go func() { ended <- dialog.Bye(t.Context()) }()
				bye := d.Expect("BYE")
				if bye.URI != "sip:"+deviceID+"@192.0.2.20:5060" || bye.Get("Call-ID") != invite.Get("Call-ID") ||
					bye.Param("From", "tag") != answer.Param("To", "tag") || bye.Param("To", "tag") != invite.Param("From", "tag") {
					t.Errorf("BYE:\n%s", headersOf(bye))
				}
				d.Answer(bye, 200, "OK", "")
				if err := <-ended; err != nil {
					t.Error(err)
				}
				<-dialog.Done()
				r.settle(10 * time.Second)
			})
		})
	}
}

// RFC 3261 13.3.1.4: the answer is repeated, then the call is given up.
func TestAnAcceptedInviteWithoutAckIsAnsweredAgainAndEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, dialogs := accepting(t)
		d, _ := r.known(flow.UDP)
		invite := d.Request("INVITE", "v=0\r\n")
		begin := time.Now()
		d.Send(invite.Bytes())
		dialog := <-dialogs
		for range 11 { // at 0, 0.5, 1.5, 3.5 s, then every 4 s until 32 s
			if again := d.ExpectAnswer(invite); again.Status != 200 {
				t.Fatalf("answered %d", again.Status)
			}
		}
		d.Answer(d.Expect("BYE"), 200, "OK", "")
		<-dialog.Done()
		if took := time.Since(begin); took != 32*time.Second || !errors.Is(dialog.Err(), sip.ErrTimeout) {
			t.Errorf("ended after %v by %v", took, dialog.Err())
		}
		d.Silence(time.Minute, nil)
		r.settle(time.Minute)
	})
}

func TestThePeerEndsADialogThatItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, dialogs := accepting(t)
		d, _ := r.known(flow.UDP)
		invite := d.Request("INVITE", "v=0\r\n")
		d.Send(invite.Bytes())
		answer := d.ExpectAnswer(invite)
		dialog := <-dialogs
		d.Send(inDialog(d, "ACK", invite, answer).Bytes())
		<-dialog.Acked()
		again := d.Request("INVITE", "v=0\r\n", siptest.Header{Name: "Call-ID", Value: invite.Get("Call-ID")})
		d.Send(again.Bytes())
		if res := d.ExpectAnswer(again); res.Status != 482 {
			t.Errorf("a second INVITE under the same Call-ID was answered %d", res.Status)
		}
		bye := inDialog(d, "BYE", invite, answer)
		d.Send(bye.Bytes())
		if res := d.ExpectAnswer(bye); res.Status != 200 {
			t.Errorf("BYE answered %d", res.Status)
		}
		<-dialog.Done()
		if !errors.Is(dialog.Err(), sip.ErrPeerBye) {
			t.Errorf("cause %v", dialog.Err())
		}
		r.settle(time.Minute)
	})
}
