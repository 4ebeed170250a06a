package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"fengsui/media"
	"fengsui/media/engine"
	"fengsui/media/rtp"
)

func TestThousandFailedReceivesReturnEverything(t *testing.T) {
	e := onLoopback(t, 400)
	before := e.Counts()
	gone, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	for i := range 1000 {
		w := engine.Want{Key: key, Mode: "single", From: camera.Addr(), History: i%2 == 0}
		w.Transport = []string{"udp", "tcp-passive", "tcp-active"}[i%3]
		if i%10 < 3 {
			w.Mode = "range"
		}
		r, err := e.Receive(t.Context(), w)
		if err != nil {
			t.Fatalf("receive %d: %v", i, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		switch i % 4 {
		case 0: // the device does not answer
		case 1: // its answer is refused by us
			_ = r.Expect(engine.Answered{SSRC: "0123456789", Setup: "passive"})
		case 2: // nobody listens where it says
			_ = r.Expect(engine.Answered{Remote: netip.MustParseAddrPort(gone.Addr().String())})
			if w.Transport == "tcp-active" && r.Connect(ctx) == nil {
				t.Fatal("connected to nobody")
			}
		case 3: // no media comes
			if _, err := r.WaitPacket(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("WaitPacket = %v", err)
			}
		}
		cancel()
		_ = r.Close()
		_ = r.Close()
	}
	if after := e.Counts(); after != before {
		t.Fatalf("counts %+v, before %+v", after, before)
	}
}

func TestReceivesFailWhenEverythingIsLeased(t *testing.T) {
	e := onLoopback(t, 3)
	var err error
	var n int
	for n = range 5 {
		if _, err = e.Receive(t.Context(), engine.Want{Key: media.Key(fmt.Sprint(n)), Mode: "range"}); err != nil {
			break
		}
	}
	if !errors.Is(err, rtp.ErrNoPort) || n == 0 {
		t.Fatalf("receive %d: %v", n, err)
	}
	if c := e.Counts(); c.Receivers != n || c.Ports != n || c.SSRCs != n {
		t.Fatalf("counts %+v after %d", c, n)
	}
}
