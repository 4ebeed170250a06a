package rtp_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"fengsui/media/rtp"
)

// packet is an RTP packet of the sequence number with n bytes of payload.
func packet(ssrc uint32, seq, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(seq + i)
	}
	return rtp.Append(nil, rtp.Header{PayloadType: 96, Sequence: uint16(seq), SSRC: ssrc, Timestamp: 3600}, p)
}

func frame(p []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(p))), p...)
}

func interleaved(p []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{'$', 0}, uint16(len(p))), p...)
}

// split feeds a stream in chunks whose sizes repeat and collects the packets.
func split(s *rtp.Splitter, stream []byte, chunks []byte) ([][]byte, error) {
	var out [][]byte
	for i := 0; len(stream) > 0; i++ {
		n := len(stream)
		if len(chunks) > 0 {
			n = 1 + int(chunks[i%len(chunks)])
		}
		n = copy(s.Space(), stream[:min(n, len(stream))])
		s.Filled(n, time.Unix(0, 0))
		stream = stream[n:]
		for {
			p, err := s.Next()
			if err != nil {
				return out, err
			}
			if p == nil {
				break
			}
			out = append(out, bytes.Clone(p))
		}
	}
	return out, nil
}

func sequences(packets [][]byte) []int {
	var out []int
	for _, p := range packets {
		if rtp.IsRTCP(p) {
			out = append(out, -1)
		} else {
			out = append(out, int(binary.BigEndian.Uint16(p[2:])))
		}
	}
	return out
}

var senderReport = append([]byte{0x80, 200, 0, 6}, make([]byte, 24)...)

func TestSplitterTakesBothForms(t *testing.T) {
	for name, wrap := range map[string]func([]byte) []byte{"RFC 4571": frame, "interleaved": interleaved} {
		t.Run(name, func(t *testing.T) {
			var stream []byte
			var want [][]byte
			for i := range 50 {
				p := packet(7, 65520+i, 100*i)
				if i%10 == 5 {
					p = senderReport
				}
				want = append(want, p)
				stream = append(stream, wrap(p)...)
			}
			for _, chunks := range [][]byte{nil, {0}, {2, 0, 200}, {99}} {
				got, err := split(&rtp.Splitter{}, stream, chunks)
				if err != nil || len(got) != len(want) {
					t.Fatalf("chunks %v: %d packets, %v", chunks, len(got), err)
				}
				for i := range want {
					if !bytes.Equal(got[i], want[i]) {
						t.Fatalf("chunks %v: packet %d differs", chunks, i)
					}
				}
			}
		})
	}
}

// Bug of cameras with a non-blocking socket: a packet is cut short and the next
// length follows (media.md section 2.3).
func TestSplitterResumesAfterATruncatedPacket(t *testing.T) {
	for name, wrap := range map[string]func([]byte) []byte{"RFC 4571": frame, "interleaved": interleaved} {
		t.Run(name, func(t *testing.T) {
			var stream []byte
			for i := range 40 {
				f := wrap(packet(0x0BEBC201, i, 1000))
				if i == 20 {
					f = f[:311]
				}
				stream = append(stream, f...)
			}
			s := &rtp.Splitter{}
			got, err := split(s, stream, []byte{250})
			if err != nil {
				t.Fatal(err)
			}
			q := sequences(got)
			if q[len(q)-1] != 39 || len(q) < 38 || s.Resyncs != 1 || !s.TakeGap() {
				t.Fatalf("packets %v, %d resyncs", q, s.Resyncs)
			}
		})
	}
}

func TestSplitterFollowsAChangeOfSSRC(t *testing.T) {
	var stream []byte
	for i := range 10 {
		stream = append(stream, frame(packet(1, 100+i, 100))...)
	}
	for i := range 10 {
		stream = append(stream, frame(packet(2, 60000+i, 100))...)
	}
	got, err := split(&rtp.Splitter{}, stream, []byte{30})
	if err != nil || len(got) != 20 {
		t.Fatalf("%v, %v", sequences(got), err)
	}
}

func TestSplitterKeepsAllPacketsWhenTheSourceRestarts(t *testing.T) {
	var stream []byte
	for i := range 20 {
		seq := 40000 + i
		if i >= 10 {
			seq = i
		}
		stream = append(stream, frame(packet(1, seq, 100))...)
	}
	got, err := split(&rtp.Splitter{}, stream, []byte{30})
	if err != nil || len(got) != 20 {
		t.Fatalf("%v, %v", sequences(got), err)
	}
}

func TestSplitterRefusesWhatIsNotRTP(t *testing.T) {
	for _, in := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00", "\x01\x00\x01\x00\x00\x00"} {
		if got, err := split(&rtp.Splitter{}, []byte(in), nil); !errors.Is(err, rtp.ErrFraming) {
			t.Errorf("%q: %d packets, %v", in, len(got), err)
		}
	}
}

func TestSplitterGivesUpAfterAMebibyteWithoutFraming(t *testing.T) {
	stream := frame(packet(0x0BEBC201, 1, 100))
	stream = append(stream, bytes.Repeat([]byte{0x55}, 2<<20)...)
	if _, err := split(&rtp.Splitter{}, stream, []byte{255}); !errors.Is(err, rtp.ErrFraming) {
		t.Fatalf("err = %v, want ErrFraming", err)
	}
}

func TestSplitterGivesUpAfterThreeResyncsInAMinute(t *testing.T) {
	var stream []byte
	for i := range 100 {
		f := frame(packet(0x0BEBC201, i, 1000))
		if i%10 == 5 {
			f = f[:311]
		}
		stream = append(stream, f...)
	}
	s := &rtp.Splitter{}
	if _, err := split(s, stream, nil); !errors.Is(err, rtp.ErrFraming) || s.Resyncs != 3 {
		t.Fatalf("err = %v after %d resyncs", err, s.Resyncs)
	}
}

func TestPeekLeavesThePacketAndPassesRTCP(t *testing.T) {
	s := &rtp.Splitter{}
	in := append(frame(senderReport), frame(packet(9, 1, 50))...)
	for i, b := range in {
		s.Space()[0] = b
		s.Filled(1, time.Unix(0, 0))
		p, err := s.Peek()
		if err != nil {
			t.Fatal(err)
		}
		if want := i >= 2+len(senderReport)+2+11; (p != nil) != want {
			t.Fatalf("after %d bytes: peeked %v", i+1, p != nil)
		}
	}
	if p, _ := s.Next(); !rtp.IsRTCP(p) {
		t.Fatal("the RTCP packet is gone")
	}
}

func FuzzSplitterChunkingMakesNoDifference(f *testing.F) {
	var good []byte
	for i := range 8 {
		good = append(good, frame(packet(0x0BEBC201, i, 40))...)
	}
	f.Add(good, []byte{0})
	f.Add(append(bytes.Clone(good[:100]), good...), []byte{3, 50})
	f.Add(bytes.ReplaceAll(good, []byte{0, 52, 0x80}, []byte{'$', 0, 0, 52, 0x80}), []byte{6})
	f.Add(append(frame(senderReport), good[7:]...), []byte{12, 1})
	f.Fuzz(func(t *testing.T, stream, chunks []byte) {
		whole, errWhole := split(&rtp.Splitter{}, stream, nil)
		parts, errParts := split(&rtp.Splitter{}, stream, chunks)
		if !errors.Is(errParts, errWhole) || len(whole) != len(parts) {
			t.Fatalf("whole %d packets, %v; in chunks %d, %v", len(whole), errWhole, len(parts), errParts)
		}
		for i := range whole {
			if !bytes.Equal(whole[i], parts[i]) {
				t.Fatalf("packet %d differs", i)
			}
		}
	})
}
