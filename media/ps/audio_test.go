package ps_test

import (
	"bytes"
	"testing"
	"time"

	"fengsui/media"
	"fengsui/media/mediatest"
	"fengsui/media/ps"
)

func TestAACSurvivesMuxingAndDemuxing(t *testing.T) {
	frames := mediatest.AAC()
	got, d := run(mux(frames, "", media.AAC), 100)
	same(t, got, frames)
	tr := d.Tracks()[0]
	if tr.Codec != media.AAC || tr.SampleRate != 16000 || tr.Channels != 1 || !bytes.Equal(tr.Params[0], []byte{0x14, 0x08}) {
		t.Fatalf("%+v", tr)
	}
}

func TestAACFramesCutAcrossPESPackets(t *testing.T) {
	adts, frames := mediatest.ADTS(), mediatest.AAC()
	for _, size := range []int{50, 333, 5000} {
		stream := psm(0x0F, 0xC0)
		first := true
		for p := range chunks(adts, size) {
			at := none
			if first {
				at, first = 90000, false
			}
			stream = append(stream, pes(0xC0, at, none, p...)...)
		}
		got, d := run(stream, 1400)
		same(t, got, frames)
		if s := d.Stats(); s.BadAudio != 0 {
			t.Fatalf("%+v", s)
		}
	}
}

func TestSoundWithoutMapIsGuessedAfterTwoSeconds(t *testing.T) {
	adts := mediatest.ADTS()
	for name, c := range map[string]struct {
		payload []byte
		codec   media.Codec
	}{"aac": {adts[:300], media.AAC}, "g711": {make([]byte, 320), media.PCMA}} {
		t.Run(name, func(t *testing.T) {
			var out []*media.Frame
			d := ps.NewDemuxer(func(f *media.Frame) { out = append(out, f) })
			for i := range 60 {
				at := time.Duration(i) * 40 * time.Millisecond
				d.Write(join(pack(0), pes(0xC0, int64(i)*3600, none, c.payload...)), 0, false, start.Add(at))
				if i < 50 && len(out) != 0 {
					t.Fatalf("guessed after %v", at)
				}
			}
			if len(out) == 0 || out[0].Track.Codec != c.codec {
				t.Fatalf("%d frames", len(out))
			}
		})
	}
}

func TestSoundBeforeTheMapIsNotGuessed(t *testing.T) {
	frames := clip(media.H264)
	stream := join(pack(0), pes(0xC0, 86400, none, make([]byte, 320)...), mux(frames, media.H264, media.PCMU),
		pack(0), pes(0xC0, 90000, none, make([]byte, 320)...))
	got, _ := run(stream, 1400)
	sound := of(got, false)
	if len(sound) != 1 || sound[0].Track.Codec != media.PCMU || sound[0].Track.Generation != 1 {
		t.Fatalf("%d audio frames", len(sound))
	}
}

func TestHalfARunOfSoundIsDroppedAtAGap(t *testing.T) {
	stream := mux(mediatest.G711(media.PCMA, 3), "", media.PCMA)
	one := len(stream) / 3
	var out []*media.Frame
	d := ps.NewDemuxer(func(f *media.Frame) { out = append(out, f) })
	d.Write(stream[:one+100], 0, false, start)
	d.Gap()
	d.Write(stream[2*one:], 0, false, start)
	if len(out) != 2 || out[1].Units[0][0] != 2 {
		t.Fatalf("%d frames", len(out))
	}
}
