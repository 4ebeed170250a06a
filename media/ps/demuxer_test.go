package ps_test

import (
	"fmt"
	"testing"

	"fengsui/media"
	"fengsui/media/mediatest"
)

func TestFramesSurviveMuxingAndDemuxing(t *testing.T) {
	for _, c := range []struct {
		codec media.Codec
		audio media.Codec
	}{{media.H264, media.PCMA}, {media.H265, media.PCMU}} {
		video := clip(c.codec)
		sound := mediatest.G711(c.audio, len(video))
		stream := mux(mediatest.Woven(video, sound), c.codec, c.audio)
		for _, size := range []int{1, 2, 3, 7, 1400, 60000, len(stream)} {
			t.Run(fmt.Sprintf("%s in pieces of %d", c.codec, size), func(t *testing.T) {
				got, d := run(stream, size)
				same(t, of(got, true), video)
				same(t, of(got, false), sound)
				tracks := d.Tracks()
				if len(tracks) != 2 || tracks[0].Codec != c.codec || tracks[1].Codec != c.audio {
					t.Fatalf("tracks %+v", tracks)
				}
				if v := tracks[0]; v.Width != 320 || v.Height != 240 || v.Generation != 1 {
					t.Fatalf("track %+v", v)
				}
				if s := d.Stats(); s.Resyncs != 0 || s.Skipped != 0 || s.Damaged != 0 || s.Jumps != 0 || int(s.Frames) != len(got) {
					t.Fatalf("stats %+v", s)
				}
			})
		}
	}
}
