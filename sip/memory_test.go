package sip_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"fengsui/internal/reuse"
	"fengsui/sip"
	"fengsui/sip/flow"
)

// After the first few nothing is made for a request, received or sent, and all
// that was taken is back.
func TestWhatRequestsNeedIsUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := reuse.NewKeeper(1 << 30)
		r := inMemory(t, func(c *sip.Config) { c.Reuse = k }, func(e *sip.Endpoint) {
			e.Handle("MESSAGE", func(r *sip.Request) (sip.Response, func()) {
				return sip.Response{Status: 200}, func() { _ = r.Header("From") }
			})
			e.Handle("NOTIFY", ok)
		})
		d, peer := r.known(flow.UDP)
		for i := range 60 {
			method := []string{"MESSAGE", "NOTIFY", "REGISTER"}[i%3]
			req := d.Request(method, fmt.Sprintf("<Notify>%d</Notify>", i))
			d.Send(req.Bytes())
			d.ExpectAnswer(req)
			result := r.doing(t.Context(), peer, query)
			d.Answer(d.Expect("MESSAGE"), 200, "OK", "")
			if got := <-result; got.err != nil {
				t.Fatal(got.err)
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for _, row := range k.State().Kept {
			c := row.Counts
			if c.Out() != 0 || c.Twice != 0 {
				t.Errorf("%s: %d are out, %d came back twice", row.Name, c.Out(), c.Twice)
			}
			// How many are out at once is the scheduler's choice.
			if c.Missed > max(reuse.Floor, c.Taken/2) {
				t.Errorf("%s: %d of %d made", row.Name, c.Missed, c.Taken)
			}
		}
		for _, name := range []string{"sip_request", "sip_outgoing", "sip_ticket", "sip_lane"} {
			if n := taken(k, name); n < 30 {
				t.Errorf("%s: taken %d times", name, n)
			}
		}
	})
}

func taken(k *reuse.Keeper, name string) uint64 {
	for _, row := range k.State().Kept {
		if row.Name == name {
			return row.Counts.Taken
		}
	}
	return 0
}

// A handler that is slow has its request to itself, whatever comes meanwhile.
func TestRequestStaysItsHandlersUntilItsWorkIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := make(chan string, 100)
		r := inMemory(t, nil, func(e *sip.Endpoint) {
			e.Handle("MESSAGE", func(r *sip.Request) (sip.Response, func()) {
				id, body := r.CallID, string(r.Body)
				return sip.Response{Status: 200}, func() {
					time.Sleep(100 * time.Millisecond)
					if r.CallID != id || string(r.Body) != body {
						wrong <- fmt.Sprintf("%s %q became %s %q", id, body, r.CallID, r.Body)
					}
				}
			})
		})
		d := r.device(flow.UDP, "")
		for i := range 50 {
			req := d.Request("MESSAGE", fmt.Sprintf("<Response>%d</Response>", i))
			d.Send(req.Bytes())
			d.ExpectAnswer(req)
		}
		time.Sleep(6 * time.Second)
		close(wrong)
		for w := range wrong {
			t.Error(w)
		}
	})
}
