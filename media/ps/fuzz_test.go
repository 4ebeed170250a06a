package ps_test

import (
	"testing"
	"time"

	"fengsui/media"
	"fengsui/media/mediatest"
	"fengsui/media/ps"
	"fengsui/test/fuzz/bound"
)

// FuzzDemuxer: a stream in any pieces gives the same frames, and no frame is
// longer than the limit or than what came in.
func FuzzDemuxer(f *testing.F) {
	h264, h265 := clip(media.H264), clip(media.H265)
	whole := mux(mediatest.Woven(h264[:6], mediatest.G711(media.PCMA, 6)), media.H264, media.PCMA)
	f.Add(whole, uint16(1400))
	f.Add(mux(h265[:4], media.H265, ""), uint16(1))
	for n := 1; n < len(whole); n += 371 {
		f.Add(whole[:n], uint16(n%97+1))
	}
	for n := 0; n < len(whole)-3; n += 200 {
		bad := append([]byte(nil), whole...)
		bad[n] ^= 1
		bad[n+3] ^= 0x80
		f.Add(bad, uint16(300))
	}
	f.Add(join(keyHead(h264[0], 0x24, 0x0F), openPES(0xE0, 5, es(h264[0])), pes(0xC0, 5, none, 0xFF, 0xF1, 0x50)), uint16(7))
	f.Add([]byte{0, 0, 1, 0xB9, 0, 0, 1, 0xBB, 0, 0, 1, 0xE0, 0, 1, 0x80}, uint16(2))
	adts := mediatest.ADTS()
	f.Add(join(psm(0x0F, 0xC0), pes(0xC0, 9, none, adts[:700]...), pes(0xC0, 9, none, adts[700:1000]...)), uint16(33))

	f.Fuzz(func(t *testing.T, in []byte, size uint16) {
		var want []*media.Frame
		bound.Bytes(t, 1<<20+64*len(in), func() { want, _ = run(in, len(in)+1) })
		got, d := run(in, int(size)%3000+1)
		same(t, got, want)
		for i, fr := range got {
			if fr.Size() > 4<<20 || fr.Size() > len(in) || fr.Track == nil || len(fr.Units) == 0 {
				t.Fatalf("frame %d: %d bytes of %d", i, fr.Size(), len(in))
			}
			if fr.PTS < fr.DTS {
				t.Fatalf("frame %d: %d is before %d", i, fr.PTS, fr.DTS)
			}
		}
		// A whole stream behind it is read again.
		d.Gap()
		before := d.Stats().Frames
		for p := range chunks(whole, 1400) {
			d.Write(p, 0, false, start)
		}
		d.Flush(time.Time{})
		if d.Stats().Frames == before {
			t.Fatalf("nothing after the damage: %+v", d.Stats())
		}
	})
}

// FuzzMuxer: any unit of any length comes back from the demuxer.
func FuzzMuxer(f *testing.F) {
	h264 := clip(media.H264)
	f.Add([]byte{1, 2, 3}, int64(0), int64(0))
	f.Add(make([]byte, 70000), int64(1)<<33-1, int64(9000))
	f.Fuzz(func(t *testing.T, unit []byte, at, cts int64) {
		at &= 1<<33 - 1
		cts &= 1<<18 - 1
		u := []byte{0x41}
		for _, c := range unit { // nothing that would be a start code or end in zeros
			u = append(u, c|4)
		}
		frame := &media.Frame{Track: h264[0].Track, PTS: at + cts, DTS: at, Key: true,
			Units: append(append([][]byte(nil), h264[0].Units...), u)}
		got, _ := run(ps.NewMuxer(media.H264, "").Append(nil, frame), 1400)
		same(t, got, []*media.Frame{frame})
	})
}

func BenchmarkDemuxer(b *testing.B) {
	for _, c := range []struct {
		name string
		size int // bytes of a frame: 25 frames a second give 1 and 4 Mbit/s
	}{{"1Mbit", 5000}, {"4Mbit", 20000}} {
		b.Run(c.name, func(b *testing.B) {
			frames := clip(media.H264)
			seed := uint32(1)
			for _, f := range frames {
				last := len(f.Units) - 1
				u := append([]byte(nil), f.Units[last][:2]...)
				for len(u) < c.size { // noise without start codes
					seed = seed*1664525 + 1013904223
					u = append(u, byte(seed>>24)|4)
				}
				f.Units[last] = u
			}
			stream := mux(frames, media.H264, "")
			var packets [][]byte
			for p := range chunks(stream, 1400) {
				packets = append(packets, p)
			}
			d := ps.NewDemuxer(func(*media.Frame) {})
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				for _, p := range packets {
					d.Write(p, 0, false, start)
				}
			}
			b.ReportMetric(float64(len(frames)), "frames/op")
		})
	}
}
