package rtp_test

import (
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fengsui/media/rtp"
)

// inOrder is a sink that sees that packets come in order, each once.
type inOrder struct {
	t     *testing.T
	sent  map[uint16]bool
	last  uint16
	begun bool
}

func (s *inOrder) First(rtp.First) {}
func (s *inOrder) Gap(int)         {}
func (s *inOrder) Tick(time.Time)  {}
func (s *inOrder) Restart()        { s.begun = false }
func (s *inOrder) Packet(h rtp.Header, _ []byte, _ time.Time) {
	if !s.sent[h.Sequence] {
		s.t.Fatalf("packet %d was never sent", h.Sequence)
	}
	if s.begun && int16(h.Sequence-s.last) <= 0 {
		s.t.Fatalf("packet %d after %d", h.Sequence, s.last)
	}
	s.last, s.begun = h.Sequence, true
}

// FuzzOrder: whatever the network loses, repeats and mixes up, a sink hears what
// was sent, in order and once. Each byte of the way is a packet: how far it is from the
// one before, and whether time passes.
func FuzzOrder(f *testing.F) {
	f.Add(uint16(65530), []byte{1, 1, 1, 3, 2, 1, 0, 1, 9, 8, 7})
	f.Add(uint16(0), []byte{127, 126, 1, 200, 255, 128, 1, 1, 1, 1})
	f.Fuzz(func(t *testing.T, first uint16, way []byte) {
		if len(way) > 2000 {
			return
		}
		s, err := rtp.New(rtp.Config{Domain: domain}, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		sink := &inOrder{t: t, sent: map[uint16]bool{}}
		n, err := s.Open(rtp.Want{}, sink)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		now := time.Now()
		for i, step := range way {
			if first += uint16(int8(step)); i%7 == 6 {
				now = now.Add(time.Duration(step) * time.Millisecond)
				s.Tick(now)
			}
			sink.sent[first] = true
			s.Deliver(pack(n.SSRC(), int(first)), camera, now)
		}
		s.Tick(now.Add(time.Second))
	})
}

// FuzzSSRC: what is written is read again as the same.
func FuzzSSRC(f *testing.F) {
	f.Add("0100000001")
	f.Add(" 1 ")
	f.Add("99999999999")
	f.Fuzz(func(t *testing.T, y string) {
		ssrc, err := rtp.ParseSSRC(y)
		if err != nil {
			return
		}
		if again, err := rtp.ParseSSRC(rtp.FormatSSRC(ssrc)); err != nil || again != ssrc {
			t.Fatalf("%q is %d, read again as %d, %v", y, ssrc, again, err)
		}
	})
}
