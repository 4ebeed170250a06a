package ps_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"fengsui/media"
	"fengsui/media/mediatest"
	"fengsui/media/ps"
)

// packets cuts a muxed clip into RTP payloads that begin with each frame.
func packets(frames []*media.Frame, c media.Codec) (out [][]byte, first map[int]bool) {
	m := ps.NewMuxer(c, "")
	first = map[int]bool{}
	for _, f := range frames {
		first[len(out)] = true
		for p := range chunks(m.Append(nil, f), 400) {
			out = append(out, p)
		}
	}
	return out, first
}

func TestLossDamagesOnlyWhatItHits(t *testing.T) {
	frames := clip(media.H265)
	all, first := packets(frames, media.H265)
	second := 1
	for !first[second] {
		second++
	}
	for lost := second; lost < len(all); lost++ {
		var out []*media.Frame
		d := ps.NewDemuxer(func(f *media.Frame) { out = append(out, f) })
		for i, p := range all {
			if i == lost {
				d.Gap()
				continue
			}
			d.Write(p, 0, false, start)
		}
		d.Flush(time.Time{})
		damaged := 0
		whole := map[int64]*media.Frame{}
		for _, f := range out {
			if f.Damaged {
				damaged++
			} else {
				whole[f.PTS] = f
			}
		}
		// A lost head takes its frame and the one before, whose end is unsure.
		if damaged > 2 || len(whole) < len(frames)-2 {
			t.Fatalf("packet %d (head: %v): %d damaged, %d whole of %d", lost, first[lost], damaged, len(whole), len(frames))
		}
		for _, w := range frames {
			if g := whole[w.PTS]; g != nil {
				same(t, []*media.Frame{g}, []*media.Frame{w})
			}
		}
	}
}

func TestEveryTruncationAndFlipIsSurvived(t *testing.T) {
	frames := clip(media.H264)[:30]
	stream := mux(mediatest.Woven(frames, mediatest.G711(media.PCMA, 30)), media.H264, media.PCMA)
	for n := 0; n < len(stream); n += 13 {
		run(stream[:n], 1400)
		run(stream[n:], 1400)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		bad := bytes.Clone(stream)
		for range len(bad) / 100 {
			bad[rng.IntN(len(bad))] ^= 1 << rng.IntN(8)
		}
		d := ps.NewDemuxer(func(*media.Frame) {})
		for p := range chunks(bad, 1+rng.IntN(2000)) {
			switch rng.IntN(20) {
			case 0:
				d.Gap()
				continue
			case 1:
				d.Flush(start.Add(time.Hour))
			}
			d.Write(p, rng.Uint32N(3)*3600, rng.IntN(4) == 0, start)
		}
		// A false length may swallow 64 KB of what follows; then all is well again.
		var before uint64
		for range 6 {
			before = d.Stats().Frames
			for p := range chunks(stream, 1400) {
				d.Write(p, 0, false, start)
			}
			d.Flush(time.Time{})
		}
		if got := d.Stats().Frames - before; got != 60 {
			t.Fatalf("%d of 60 frames after the damage: %+v", got, d.Stats())
		}
	}
}

func TestCodecChangeMakesANewTrack(t *testing.T) {
	a, b := clip(media.H264), clip(media.H265)
	m264, m265 := ps.NewMuxer(media.H264, media.PCMA), ps.NewMuxer(media.H265, media.PCMU)
	var stream []byte
	alaw, ulaw := mediatest.G711(media.PCMA, len(a)), mediatest.G711(media.PCMU, len(b))
	for i, f := range a {
		stream = m264.Append(stream, f)
		stream = m264.Append(stream, alaw[i])
	}
	for i, f := range b {
		f.PTS += int64(len(a)) * 3600
		f.DTS = f.PTS
		ulaw[i].PTS = f.PTS
		stream = m265.Append(stream, f)
		stream = m265.Append(stream, ulaw[i])
	}
	got, d := run(stream, 1400)
	same(t, of(got, true), append(a, b...))
	tracks := d.Tracks()
	if tracks[0].Codec != media.H265 || tracks[0].Generation != 2 || len(tracks[0].Params) != 3 {
		t.Fatalf("video %+v", tracks[0])
	}
	if tracks[1].Codec != media.PCMU || tracks[1].Generation != 2 {
		t.Fatalf("audio %+v", tracks[1])
	}
	for i, f := range of(got, true) {
		if want := map[bool]media.Codec{true: media.H264, false: media.H265}[i < len(a)]; f.Track.Codec != want {
			t.Fatalf("frame %d has a track of %s", i, f.Track.Codec)
		}
	}
}

func TestWrongMapIsOverruledByTwoKeyFrames(t *testing.T) {
	frames := clip(media.H265)
	stream := each(frames, func(_ int, f *media.Frame) []byte {
		return join(keyHead(f, 0x1B, 0), pes(0xE0, f.PTS, none, es(f)...))
	})
	got, d := run(stream, 1400)
	same(t, got, frames[25:])
	if !d.Stats().Guessed || d.Tracks()[0].Codec != media.H265 {
		t.Fatalf("%+v", d.Stats())
	}
}

func TestNewParameterSetsMakeANewTrack(t *testing.T) {
	frames := clip(media.H264)
	changed := clip(media.H264)
	for _, f := range changed {
		f.PTS += 75 * 3600
		f.DTS = f.PTS
		if f.Key {
			pps := bytes.Clone(f.Units[1]) // the second unit is its PPS
			pps[len(pps)-1] ^= 2
			f.Units[1] = pps
		}
	}
	got, d := run(mux(append(frames, changed...), media.H264, ""), 1400)
	same(t, got, append(frames, changed...))
	if tr := d.Tracks()[0]; tr.Generation != 2 || !bytes.Equal(tr.Params[1], changed[0].Units[1]) {
		t.Fatalf("%+v", tr)
	}
	if got[74].Track.Generation != 1 || got[75].Track.Generation != 2 {
		t.Fatal("the track does not change with the key frame")
	}
}

func TestJoiningAmidAGroupWaitsForItsKeyFrame(t *testing.T) {
	frames := clip(media.H264)
	got, d := run(mux(frames[10:], media.H264, ""), 1400)
	same(t, got, frames[25:])
	if d.Stats().Undecoded != 15 {
		t.Fatalf("%+v", d.Stats())
	}
}
