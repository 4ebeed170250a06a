package ps_test

import (
	"testing"
	"time"

	"fengsui/media"
	"fengsui/media/ps"
)

// live feeds a demuxer frame by frame, each in one or more RTP packets.
type live struct {
	d       *ps.Demuxer
	out     []*media.Frame
	rtp     uint32
	arrived time.Time
}

func newLive() *live {
	l := &live{arrived: start}
	l.d = ps.NewDemuxer(func(f *media.Frame) { l.out = append(l.out, f) })
	return l
}

// frame writes one frame's bytes in packets of 1000 bytes, 40 ms after the last.
func (l *live) frame(b []byte, marker bool) {
	l.arrived = l.arrived.Add(40 * time.Millisecond)
	for len(b) > 0 {
		n := min(1000, len(b))
		l.d.Write(b[:n], l.rtp, marker && n == len(b), l.arrived)
		b = b[n:]
	}
}

func video(f *media.Frame, pts, dts int64) []byte {
	return join(keyHead(f, 0x1B, 0), pes(0xE0, pts, dts, es(f)...))
}

// steps returns the differences of the frames' decoding times.
func steps(frames []*media.Frame) (s []int64) {
	for i := 1; i < len(frames); i++ {
		s = append(s, frames[i].DTS-frames[i-1].DTS)
	}
	return s
}

func wantSteps(t *testing.T, frames []*media.Frame, want int64) {
	t.Helper()
	for i, s := range steps(frames) {
		if s != want {
			t.Fatalf("step %d is %d, want %d", i+1, s, want)
		}
	}
}

func TestTimeStampsGoOnOverWrapAndJumps(t *testing.T) {
	frames := clip(media.H264)
	const half = 37
	for _, c := range []struct {
		name  string
		at    func(i int64) int64
		jumps uint64
	}{
		{"33-bit wrap", func(i int64) int64 { return (1<<33 - half*3600 + i*3600) & (1<<33 - 1) }, 0},
		{"ten seconds forward", func(i int64) int64 { return 5e6 + i*3600 + i/half*900000 }, 2},
		{"ten seconds back", func(i int64) int64 { return 5e6 + i*3600 - i/half*900000 }, 2},
		{"start over at zero", func(i int64) int64 {
			if i < half {
				return 5e6 + i*3600
			}
			return (i - half) * 3600
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLive()
			for i, f := range frames {
				l.frame(video(f, c.at(int64(i)), none), false)
			}
			l.d.Flush(time.Time{})
			if len(l.out) != len(frames) {
				t.Fatalf("%d frames", len(l.out))
			}
			wantSteps(t, l.out, 3600)
			if s := l.d.Stats(); s.Jumps != c.jumps {
				t.Fatalf("%d jumps, want %d", s.Jumps, c.jumps)
			}
		})
	}
}

func TestSoundStaysWithPictureOverAJump(t *testing.T) {
	frames := clip(media.H264)
	l := newLive()
	for i, f := range frames {
		at := 5e6 + int64(i)*3600
		if i >= 30 {
			at += 4e8
		}
		b := join(keyHead(f, 0x1B, 0x90), pes(0xE0, at, none, es(f)...), pes(0xC0, at+450, none, make([]byte, 320)...))
		l.frame(b, false)
	}
	l.d.Flush(time.Time{})
	sound, picture := of(l.out, false), of(l.out, true)
	if len(sound) != len(frames) || len(picture) != len(frames) {
		t.Fatalf("%d and %d frames", len(sound), len(picture))
	}
	for i := range sound {
		if d := sound[i].PTS - picture[i].PTS; d != 450 {
			t.Fatalf("frame %d: sound is %d after the picture, want 450", i, d)
		}
	}
}

func TestSoundWithoutAClockIsCountedBesideThePicture(t *testing.T) {
	for name, at := range map[string]func(i int64) int64{
		"constant zero":   func(int64) int64 { return 0 },
		"milliseconds":    func(i int64) int64 { return 777 + i*40 },
		"half the step":   func(i int64) int64 { return 123456789 + i*1800 },
		"no stamp at all": func(int64) int64 { return none },
	} {
		t.Run(name, func(t *testing.T) {
			frames := clip(media.H264)
			l := newLive()
			for i := range 150 {
				f := frames[i%len(frames)]
				pts := 5e6 + int64(i)*3600
				l.frame(join(keyHead(f, 0x1B, 0x90), pes(0xE0, pts, none, es(f)...),
					pes(0xC0, at(int64(i)), none, make([]byte, 320)...)), false)
			}
			sound, picture := of(l.out, false), of(l.out, true)
			last, now := sound[len(sound)-1], picture[len(picture)-1]
			if d := last.PTS - now.PTS; d < -27000-3600 || d > 27000+3600 {
				t.Fatalf("sound is %d ms from the picture", d/90)
			}
			wantSteps(t, sound[60:], 3600)
		})
	}
}

func TestBPicturesKeepTheirDecodingTimes(t *testing.T) {
	frames := clip(media.H264)
	l := newLive()
	order := []int64{0, 3, 1, 2} // display order of a group of I P B B
	for i, f := range frames {
		dts := 5e6 + int64(i)*3600
		pts := 5e6 + (int64(i)/4*4+order[i%4]+2)*3600
		if pts == dts {
			l.frame(video(f, pts, none), false)
		} else {
			l.frame(video(f, pts, dts), false)
		}
	}
	l.d.Flush(time.Time{})
	wantSteps(t, l.out, 3600)
	for i, f := range l.out {
		if want := 5e6 + (int64(i)/4*4+order[i%4]+2)*3600; f.PTS != want {
			t.Fatalf("frame %d: presentation time %d, want %d", i, f.PTS, want)
		}
	}
}

func TestBPicturesWithoutDecodingTimesGetThem(t *testing.T) {
	frames := clip(media.H264)
	l := newLive()
	order := []int64{0, 3, 1, 2}
	for i, f := range frames {
		l.frame(video(f, 5e6+(int64(i)/4*4+order[i%4])*3600, none), false)
	}
	l.d.Flush(time.Time{})
	for i, f := range l.out {
		if i > 0 && f.DTS <= l.out[i-1].DTS {
			t.Fatalf("frame %d: decoding time %d after %d", i, f.DTS, l.out[i-1].DTS)
		}
		if f.PTS < f.DTS {
			t.Fatalf("frame %d is shown before it is decoded", i)
		}
	}
	wantSteps(t, l.out[20:], 3600)
}

func TestOneStepBackIsNotTakenForBPictures(t *testing.T) {
	frames := clip(media.H264)
	l := newLive()
	for i, f := range frames {
		at := 5e6 + int64(i)*3600
		if i >= 40 {
			at -= 45000
		}
		l.frame(video(f, at, none), false)
	}
	l.d.Flush(time.Time{})
	for i, f := range l.out {
		if f.PTS != f.DTS {
			t.Fatalf("frame %d: %d and %d", i, f.PTS, f.DTS)
		}
	}
}

func TestSourceWithoutPTSIsTimedByRTP(t *testing.T) {
	frames := clip(media.H264)
	for name, shape := range map[string]func(e []byte) []byte{
		"bounded":   func(e []byte) []byte { return pes(0xE0, none, none, e...) },
		"unbounded": func(e []byte) []byte { return join([]byte{0, 0, 1, 0xE0, 0, 0, 0x80, 0, 0}, e) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLive()
			l.rtp = 1<<32 - 30*3600 // wraps
			for _, f := range frames {
				l.frame(join(keyHead(f, 0x1B, 0), shape(es(f))), false)
				l.rtp += 3600
			}
			l.d.Flush(time.Time{})
			if len(l.out) != len(frames) {
				t.Fatalf("%d frames, want %d", len(l.out), len(frames))
			}
			wantSteps(t, l.out, 3600)
		})
	}
}

func TestSourceWithoutAnyTimeStampIsTimedByArrival(t *testing.T) {
	frames := clip(media.H264)
	l := newLive()
	for _, f := range frames {
		l.frame(join(keyHead(f, 0x1B, 0), pes(0xE0, none, none, es(f)...)), false)
	}
	l.d.Flush(time.Time{})
	if len(l.out) != len(frames) {
		t.Fatalf("%d frames, want %d", len(l.out), len(frames))
	}
	wantSteps(t, l.out, 3600)
}

func TestConstantPTSIsFoundOut(t *testing.T) {
	frames := clip(media.H264)
	for name, step := range map[string]uint32{"rtp moves": 3600, "rtp stands still too": 0} {
		t.Run(name, func(t *testing.T) {
			l := newLive()
			for i := range 200 {
				l.frame(video(frames[i%len(frames)], 4711, none), false)
				l.rtp += step
			}
			if len(l.out) < 150 {
				t.Fatalf("%d frames of 200", len(l.out))
			}
			wantSteps(t, l.out[20:], 3600)
		})
	}
}

func TestTimeStampsInMillisecondsGiveWayToArrival(t *testing.T) {
	frames := clip(media.H264)
	l := newLive()
	for i := range 300 {
		l.frame(video(frames[i%len(frames)], 1000+int64(i)*40, none), false)
	}
	wantSteps(t, l.out[150:], 3600)
}

func TestProvenMarkerEndsAFrameAtOnce(t *testing.T) {
	frames := clip(media.H264)
	l := newLive()
	for i := range 100 {
		l.frame(video(frames[i%len(frames)], int64(i)*3600, none), true)
		want := i // the frame before, ended by this one's time stamp
		if i >= 50 {
			want = i + 1
		}
		if len(l.out) != want {
			t.Fatalf("after frame %d: %d given out, want %d", i, len(l.out), want)
		}
	}
	if s := l.d.Stats(); s.Damaged != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestMarkersThatLieAreNotBelieved(t *testing.T) {
	frames := clip(media.H264)
	for name, marked := range map[string]func(i, n int) bool{
		"never":      func(i, n int) bool { return false },
		"each pes":   func(i, n int) bool { return true },
		"the middle": func(i, n int) bool { return n == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLive()
			for i := range 120 {
				f := frames[i%len(frames)]
				e := es(f)
				for n, part := range [][]byte{join(keyHead(f, 0x1B, 0), pes(0xE0, int64(i)*3600, none, e[:len(e)/2]...)),
					pes(0xE0, int64(i)*3600, none, e[len(e)/2:]...)} {
					l.d.Write(part, uint32(i)*3600, marked(i, n), start)
				}
			}
			l.d.Flush(time.Time{})
			if s := l.d.Stats(); len(l.out) != 120 || s.Damaged != 0 {
				t.Fatalf("%d frames, %+v", len(l.out), s)
			}
		})
	}
}

func TestMarkersThatBeginToLieCostOneFrame(t *testing.T) {
	frames := clip(media.H264)
	l := newLive()
	for i := range 120 {
		f := frames[i%len(frames)]
		if i < 60 {
			l.frame(video(f, int64(i)*3600, none), true)
			continue
		}
		e := es(f)
		l.frame(join(keyHead(f, 0x1B, 0), pes(0xE0, int64(i)*3600, none, e[:len(e)/2]...)), true)
		l.frame(pes(0xE0, int64(i)*3600, none, e[len(e)/2:]...), true)
	}
	l.d.Flush(time.Time{})
	if s := l.d.Stats(); len(l.out) < 119 || s.Damaged > 1 {
		t.Fatalf("%d frames, %+v", len(l.out), s)
	}
}

func TestSoundBehindAKeyFrameEndsIt(t *testing.T) {
	f := clip(media.H264)[0]
	l := newLive()
	l.frame(join(keyHead(f, 0x1B, 0x90), pes(0xE0, 3600, none, es(f)...), pes(0xC0, 3600, none, make([]byte, 160)...)), false)
	if len(l.out) != 2 || !l.out[0].Key || l.out[0].Damaged {
		t.Fatalf("%d frames", len(l.out))
	}
}

func TestSilenceEndsTheFrameInProgress(t *testing.T) {
	frames := clip(media.H264)
	whole := video(frames[1], 7200, none)
	for _, c := range []struct {
		bytes   []byte
		damaged bool
	}{{whole, false}, {whole[:len(whole)-10], true}} {
		l := newLive()
		l.frame(video(frames[0], 3600, none), false)
		l.frame(c.bytes, false)
		l.d.Flush(l.arrived.Add(199 * time.Millisecond))
		if len(l.out) != 1 {
			t.Fatal("flushed before 200 ms")
		}
		l.d.Flush(l.arrived.Add(200 * time.Millisecond))
		if len(l.out) != 2 || l.out[1].Damaged != c.damaged {
			t.Fatalf("%d frames, want the second damaged: %v", len(l.out), c.damaged)
		}
	}
}
