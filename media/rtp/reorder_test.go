package rtp_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"fengsui/media/rtp"
)

// heard writes down what a sink is told: "5" a packet, "gap2", "restart".
type heard struct{ log []string }

func (s *heard) First(rtp.First) {}
func (s *heard) Packet(h rtp.Header, payload []byte, _ time.Time) {
	if len(payload) > 0 && payload[0] != byte(h.Sequence) {
		s.log = append(s.log, "corrupt")
	}
	s.log = append(s.log, fmt.Sprint(h.Sequence))
}
func (s *heard) Gap(n int)      { s.log = append(s.log, fmt.Sprint("gap", n)) }
func (s *heard) Restart()       { s.log = append(s.log, "restart") }
func (s *heard) Tick(time.Time) {}

func push(r *rtp.Reorder, s *heard, at time.Time, seqs ...int) {
	for _, q := range seqs {
		r.Push(rtp.Header{Sequence: uint16(q)}, []byte{byte(q)}, at, s)
	}
}

func span(from, to int) []int {
	var out []int
	for i := from; i <= to; i++ {
		out = append(out, i)
	}
	return out
}

func words(v ...any) []string {
	var out []string
	for _, x := range v {
		switch x := x.(type) {
		case []int:
			for _, n := range x {
				out = append(out, fmt.Sprint(n))
			}
		default:
			out = append(out, fmt.Sprint(x))
		}
	}
	return out
}

func TestReorder(t *testing.T) {
	start := time.Unix(1000, 0)
	ms := func(n int) time.Time { return start.Add(time.Duration(n) * time.Millisecond) }
	for _, c := range []struct {
		name string
		do   func(*rtp.Reorder, *heard)
		want []string
	}{
		{"in order at once", func(r *rtp.Reorder, s *heard) { push(r, s, start, 7, 8, 9) }, words(7, 8, 9)},
		{"swapped pair", func(r *rtp.Reorder, s *heard) { push(r, s, start, 7, 9, 8, 10) }, words(7, 8, 9, 10)},
		{"wrap of 16 bits", func(r *rtp.Reorder, s *heard) { push(r, s, start, 65534, 0, 65535, 1) }, words(65534, 65535, 0, 1)},
		{"duplicates", func(r *rtp.Reorder, s *heard) { push(r, s, start, 7, 7, 9, 9, 8, 8) }, words(7, 8, 9)},
		{"lost, given up after the delay", func(r *rtp.Reorder, s *heard) {
			push(r, s, start, 7, 10, 11)
			r.Expire(ms(149), s)
			s.log = append(s.log, "|")
			r.Expire(ms(150), s)
			push(r, s, ms(151), 8, 12)
		}, words(7, "|", "gap2", 10, 11, 12)},
		{"lost, given up by a later packet", func(r *rtp.Reorder, s *heard) {
			push(r, s, start, 7, 9)
			push(r, s, ms(150), 10)
		}, words(7, "gap1", 9, 10)},
		{"lost, given up when the window is full", func(r *rtp.Reorder, s *heard) {
			push(r, s, start, append([]int{7}, span(9, 72)...)...)
		}, words(7, "gap1", span(9, 72))},
		{"reordered by 63", func(r *rtp.Reorder, s *heard) {
			push(r, s, start, append([]int{7}, span(9, 71)...)...)
			push(r, s, start, 8)
		}, words(7, 8, span(9, 71))},
		{"two gaps have each their delay", func(r *rtp.Reorder, s *heard) {
			push(r, s, start, 1, 3)
			push(r, s, ms(100), 5)
			r.Expire(ms(150), s)
			s.log = append(s.log, "|")
			r.Expire(ms(250), s)
		}, words(1, "gap1", 3, "|", "gap1", 5)},
		{"one stray packet is no restart", func(r *rtp.Reorder, s *heard) {
			push(r, s, start, 30000, 30001, 5, 30002)
		}, words(30000, 30001, 30002)},
		{"source restarts at zero", func(r *rtp.Reorder, s *heard) {
			push(r, s, start, 30000, 30001, 0, 1, 2)
		}, words(30000, 30001, "restart", 0, 1, 2)},
		{"source restarts a little back", func(r *rtp.Reorder, s *heard) {
			push(r, s, start, append(span(1, 900), span(1, 300)...)...)
		}, words(span(1, 900), "restart", span(257, 300))},
		{"jump ahead of all bounds", func(r *rtp.Reorder, s *heard) {
			push(r, s, start, 1, 20001, 20002)
		}, words(1, "restart", 20001, 20002)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &rtp.Reorder{Window: 64, Delay: 150 * time.Millisecond}
			s := &heard{}
			c.do(r, s)
			if !slices.Equal(s.log, c.want) {
				t.Fatalf("got  %v\nwant %v", s.log, c.want)
			}
		})
	}
}

func TestReorderWithoutWindowTellsAGapAtOnce(t *testing.T) {
	r, s := &rtp.Reorder{}, &heard{}
	push(r, s, time.Unix(0, 0), 1, 2, 5, 6)
	if want := words(1, 2, "gap2", 5, 6); !slices.Equal(s.log, want) {
		t.Fatalf("got %v, want %v", s.log, want)
	}
}

// Any shuffle within the window is undone; loss and duplicates keep the order
// and the sum.
func TestReorderUndoesEveryShuffleWithinItsWindow(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		first := rng.IntN(65536)
		seqs := span(first, first+999)
		for i := 1; i < len(seqs); i++ { // keeps each within 30 of its place
			if j := i - rng.IntN(30); j > 0 && i-seqs[j]+first < 30 && seqs[i]-first-j < 30 {
				seqs[i], seqs[j] = seqs[j], seqs[i]
			}
		}
		r, s := &rtp.Reorder{Window: 64, Delay: time.Second}, &heard{}
		if seqs[0] != first {
			t.Fatal("the first must stay")
		}
		push(r, s, time.Unix(0, 0), seqs...)
		want := words(span(first, first+999))
		for i := range want {
			want[i] = fmt.Sprint(uint16(first + i))
		}
		if !slices.Equal(s.log, want) || r.Lost+r.Late+r.Duplicate+r.Restarts != 0 {
			t.Fatalf("lost %d late %d: %v", r.Lost, r.Late, s.log)
		}
	}
}

func TestReorderCostsNoAllocation(t *testing.T) {
	r := &rtp.Reorder{Window: 64, Delay: time.Second}
	s := drain{}
	payload := make([]byte, 1400)
	seq := uint16(0)
	at := time.Unix(0, 0)
	step := func() {
		for _, d := range []uint16{0, 2, 1, 3} {
			r.Push(rtp.Header{Sequence: seq + d}, payload, at, s)
		}
		seq += 4
	}
	for range 64 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Fatalf("%v allocations for four packets", n)
	}
}

type drain struct{}

func (drain) First(rtp.First)                      {}
func (drain) Packet(rtp.Header, []byte, time.Time) {}
func (drain) Gap(int)                              {}
func (drain) Restart()                             {}
func (drain) Tick(time.Time)                       {}
