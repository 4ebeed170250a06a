package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"fengsui/media"
)

var (
	picture = &media.Track{Codec: media.H264}
	sound   = &media.Track{Codec: media.PCMA}
	epoch   = time.Unix(1000, 0)
)

// fixed runs times through a new time line, 40 ms apart, and returns DTS.
func fixed(track *media.Track, times ...int64) []int64 {
	var t timeline
	return more(&t, track, epoch, times...)
}

func more(t *timeline, track *media.Track, at time.Time, times ...int64) (out []int64) {
	for i, v := range times {
		f := &media.Frame{Track: track, PTS: v, DTS: v, Arrived: at.Add(time.Duration(i) * 40 * time.Millisecond)}
		t.fix(f)
		out = append(out, f.DTS)
	}
	return out
}

func TestTimelineJoinsLeaps(t *testing.T) {
	const f, s = 3600, media.ClockRate
	for _, c := range []struct {
		name     string
		in, want []int64
	}{
		{"begins at one second", []int64{12345, 12345 + f}, []int64{s, s + f}},
		{"a pause of 2 s is kept", []int64{0, 2 * s}, []int64{s, 3 * s}},
		{"10 s forward", []int64{0, f, 10 * s, 10*s + f}, []int64{s, s + f, s + 2*f, s + 3*f}},
		{"10 s back", []int64{20 * s, 20*s + f, 10 * s, 10*s + f}, []int64{s, s + f, s + 2*f, s + 3*f}},
		{"standing still", []int64{5, 5, 5}, []int64{s, s + 1, s + 2}},
		{"a small step back", []int64{f, 2 * f, f + 100, 3 * f}, []int64{s, s + f, s + f + 1, s + 2*f}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := fixed(picture, c.in...); !slices.Equal(got, c.want) {
				t.Fatalf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestTimelineKeepsTracksInStepOverALeap(t *testing.T) {
	const s = media.ClockRate
	var l timeline
	more(&l, picture, epoch, 100*s, 100*s+3600)
	if got := more(&l, sound, epoch, 100*s+1800); got[0] != s+1800 {
		t.Fatalf("sound at %d, want beside the pictures", got[0])
	}
	v := more(&l, picture, epoch, 500*s)
	if a := more(&l, sound, epoch, 500*s+1800); a[0]-v[0] != 1800 {
		t.Fatalf("after the leap sound is %d after the picture, want 1800", a[0]-v[0])
	}
	other := timeline{}
	v = more(&other, picture, epoch, 100*s)
	if a := more(&other, sound, epoch, 7); a[0] != v[0] {
		t.Fatalf("sound of another base at %d, picture at %d", a[0], v[0])
	}
}

func TestTimelineFindsDecodingTimesOfBPictures(t *testing.T) {
	var l timeline
	last := int64(0)
	for i := range 200 {
		pts := int64(i/3*3) * 3600 // decoding order I P b b P b b …
		switch i % 3 {
		case 0:
			pts += 3 * 3600
		default:
			pts += int64(i%3) * 3600
		}
		f := &media.Frame{Track: picture, PTS: pts, DTS: pts, Arrived: epoch}
		l.fix(f)
		if f.DTS <= last || f.PTS < f.DTS {
			t.Fatalf("frame %d: dts %d after %d, pts %d", i, f.DTS, last, f.PTS)
		}
		if i > 20 && f.PTS != pts+media.ClockRate-3*3600 {
			t.Fatalf("frame %d: pts %d", i, f.PTS)
		}
		last = f.DTS
	}
}

func TestTimelineFallsBackToTheArrival(t *testing.T) {
	var l timeline
	got := more(&l, picture, epoch, make([]int64, 300)...)
	for i := 110; i < 300; i++ {
		if d := got[i] - got[i-1]; d != 3600 {
			t.Fatalf("frame %d: step of %d", i, d)
		}
	}
}

func TestTimelineAlwaysRises(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var l timeline
		last := map[*media.Track]int64{}
		v := int64(0)
		for i := range 500 {
			switch rng.IntN(20) {
			case 0:
				v = rng.Int64N(1 << 33)
			case 1:
				v -= rng.Int64N(90000)
			default:
				v += rng.Int64N(7200)
			}
			f := &media.Frame{Track: []*media.Track{picture, sound}[rng.IntN(2)], DTS: v,
				PTS: v + rng.Int64N(20000) - 5000, Arrived: epoch.Add(time.Duration(i) * 40 * time.Millisecond)}
			l.fix(f)
			if was, ok := last[f.Track]; ok && f.DTS <= was || f.PTS < f.DTS || f.DTS < 0 {
				t.Fatalf("frame %d: dts %d after %d, pts %d", i, f.DTS, was, f.PTS)
			}
			last[f.Track] = f.DTS
		}
	}
}

func TestGroupBeyondItsBoundsKeepsTheKeyFrame(t *testing.T) {
	add := func(g *gop, key bool, dts int64, size int) {
		g.add(&media.Frame{Track: picture, Key: key, DTS: dts, Units: [][]byte{make([]byte, size)}})
	}
	for name, fill := range map[string]func(*gop){
		"4 s":   func(g *gop) { add(g, false, 4*media.ClockRate, 1); add(g, false, 4*media.ClockRate+1, 1) },
		"8 MiB": func(g *gop) { add(g, false, 1, 8<<20) },
		"300 frames": func(g *gop) {
			for i := range 300 {
				add(g, false, int64(i+1), 1)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := &gop{}
			add(g, false, 0, 9) // before the first key frame
			if frames, wait := g.snapshot(); len(frames) != 0 || !wait {
				t.Fatalf("%d frames, wait %v", len(frames), wait)
			}
			add(g, true, 0, 1)
			if frames, wait := g.snapshot(); len(frames) != 1 || wait {
				t.Fatalf("%d frames, wait %v", len(frames), wait)
			}
			fill(g)
			if frames, wait := g.snapshot(); len(frames) != 1 || !frames[0].Key || !wait {
				t.Fatalf("%d frames, wait %v", len(frames), wait)
			}
			add(g, true, 99*media.ClockRate, 1)
			add(g, false, 99*media.ClockRate+1, 1)
			if frames, wait := g.snapshot(); len(frames) != 2 || wait {
				t.Fatalf("%d frames, wait %v", len(frames), wait)
			}
		})
	}
}

// Whatever comes, no panic, no frame beyond the bounds, rising unwrapped times
// for rising stamps.
func FuzzUnits(f *testing.F) {
	f.Add([]byte{0x67, 1, 2, 3}, []byte{0x7C, 0x85, 9}, []byte{0x7C, 0x45, 9}, true)
	f.Add([]byte{0x78, 0, 2, 0x67, 1, 0, 1, 0x68}, []byte{0x65, 0x88}, []byte{0x41, 0x9A}, false)
	f.Add([]byte{0x60, 1, 0, 2, 0x40, 1, 0, 2, 0x42, 1}, []byte{0x62, 1, 0x93, 1}, []byte{0x62, 1, 0x53, 2}, true)
	f.Fuzz(func(t *testing.T, a, b, c []byte, marker bool) {
		for _, codec := range []media.Codec{media.H264, media.H265} {
			u := newUnits(codec, func(f *media.Frame) {
				if f.Size() > unitMax || len(f.Units) == 0 {
					t.Fatalf("frame of %d bytes in %d units", f.Size(), len(f.Units))
				}
			})
			for i, p := range [][]byte{a, b, c, a, c, b} {
				if len(p) == 0 {
					u.Gap()
					continue
				}
				u.Write(p, uint32(i/2)*3600, marker && i%2 == 1, epoch)
				choose(uint8(i), p, nil)
			}
			u.Flush(time.Time{})
		}
	})
}

func ExampleConfig() {
	c := Config{}
	c.defaults()
	fmt.Println(c.IdleClose, c.Silent, c.Reconnect)
	// Output: 30s 15s 5s
}
