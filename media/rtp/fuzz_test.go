package rtp_test

import (
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fengsui/media/rtp"
)

// Reports and junk on the media port never reach a sink, whatever they hold.
func FuzzReportsAreNotMedia(f *testing.F) {
	f.Add(senderReport)
	f.Add(append([]byte{0x81, 201, 0, 7}, make([]byte, 28)...))
	f.Add(append([]byte{0x80, 200, 255, 255}, make([]byte, 30)...))
	f.Add(inside(200000001, 1))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := rtp.New(rtp.Config{Domain: domain}, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		r := &recorder{}
		n, err := s.Open(rtp.Want{}, r)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		now := time.Now()
		s.Deliver(pack(n.SSRC(), 1), camera, now)
		s.Deliver(in, camera, now)
		h, _, bad := rtp.Parse(in)
		if media := bad == nil && !rtp.IsRTCP(in) && h.SSRC == n.SSRC(); !media && len(r.log()) != 1 {
			t.Fatalf("%x reached the sink: %v", in, r.log())
		}
		s.Tick(now.Add(10 * time.Second))
	})
}
