package ps_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"fengsui/media"
	"fengsui/media/ps"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// annexB splits an elementary stream into NAL units.
func annexB(b []byte) (units [][]byte) {
	for _, part := range bytes.Split(b, []byte{0, 0, 1})[1:] {
		if part = bytes.TrimRight(part, "\x00"); len(part) > 0 {
			units = append(units, part)
		}
	}
	return units
}

// clip reads an elementary stream of testdata as 25 frames a second.
func clip(tb testing.TB, name string, c media.Codec) []*media.Frame {
	tb.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	var frames []*media.Frame
	track := &media.Track{Codec: c}
	var pending [][]byte
	picture := false
	key := false
	end := func() {
		if !picture {
			return
		}
		t := int64(90000 + len(frames)*3600)
		frames = append(frames, &media.Frame{Track: track, PTS: t, DTS: t, Key: key, Units: pending})
		pending, picture, key = nil, false, false
	}
	for _, u := range annexB(b) {
		slice, first, intra := false, false, false
		if c == media.H264 {
			t := u[0] & 31
			slice, intra = t == 1 || t == 5, t == 5
			first = slice && u[1]&0x80 != 0
		} else {
			t := u[0] >> 1
			slice, intra = t < 32, t >= 16 && t <= 21
			first = slice && u[2]&0x80 != 0
		}
		if picture && (first || !slice) {
			end()
		}
		pending = append(pending, u)
		picture = picture || slice
		key = key || intra
	}
	end()
	return frames
}

// run writes a stream in payloads of size bytes and returns the frames.
func run(stream []byte, size int) ([]*media.Frame, *ps.Demuxer) {
	var out []*media.Frame
	d := ps.NewDemuxer(func(f *media.Frame) { out = append(out, f) })
	for p := range chunks(stream, size) {
		d.Write(p, 0, false, start)
	}
	d.Flush(time.Time{})
	return out, d
}

func chunks(b []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n := min(size, len(b))
			if !yield(bytes.Clone(b[:n])) {
				return
			}
			b = b[n:]
		}
	}
}

func mux(frames []*media.Frame, video, audio media.Codec) []byte {
	m := ps.NewMuxer(video, audio)
	var b []byte
	for _, f := range frames {
		b = m.Append(b, f)
	}
	return b
}

func of(frames []*media.Frame, video bool) (out []*media.Frame) {
	for _, f := range frames {
		if f.Track.Codec.Video() == video {
			out = append(out, f)
		}
	}
	return out
}

// same fails if the frames differ in units, times or being key frames.
func same(t *testing.T, got, want []*media.Frame) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d frames, want %d", len(got), len(want))
	}
	for i := range got {
		g, w := got[i], want[i]
		if g.PTS != w.PTS || g.DTS != w.DTS || g.Key != w.Key || g.Damaged != w.Damaged {
			t.Fatalf("frame %d: pts %d dts %d key %v damaged %v, want %d %d %v %v",
				i, g.PTS, g.DTS, g.Key, g.Damaged, w.PTS, w.DTS, w.Key, w.Damaged)
		}
		if len(g.Units) != len(w.Units) {
			t.Fatalf("frame %d: %d units, want %d", i, len(g.Units), len(w.Units))
		}
		for k := range g.Units {
			if !bytes.Equal(g.Units[k], w.Units[k]) {
				t.Fatalf("frame %d unit %d differs: %d bytes, want %d", i, k, len(g.Units[k]), len(w.Units[k]))
			}
		}
	}
}

// g711 makes n packets of 40 ms.
func g711(c media.Codec, n int, from int64) (frames []*media.Frame) {
	t := &media.Track{Codec: c, SampleRate: 8000, Channels: 1}
	for i := range n {
		at := from + int64(i)*3600
		frames = append(frames, &media.Frame{Track: t, PTS: at, DTS: at, Units: [][]byte{bytes.Repeat([]byte{byte(i)}, 320)}})
	}
	return frames
}

// woven puts audio packets behind the video frames of the same time.
func woven(video, audio []*media.Frame) (all []*media.Frame) {
	for i := range video {
		all = append(all, video[i])
		if i < len(audio) {
			all = append(all, audio[i])
		}
	}
	return all
}
