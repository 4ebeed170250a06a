package ps_test

import (
	"bytes"
	"testing"
	"time"

	"fengsui/media"
	"fengsui/media/mediatest"
	"fengsui/media/ps"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// clip returns the pictures of a clip.
func clip(c media.Codec) []*media.Frame {
	if c == media.H265 {
		return mediatest.H265()
	}
	return mediatest.H264()
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
