package clips_test

import (
	"errors"
	"testing"

	"fengsui/internal/sim/clips"
	"fengsui/media"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
)

func TestPictureClipsHaveAKeyPictureEachSecond(t *testing.T) {
	for _, codec := range []media.Codec{media.H264, media.H265} {
		for _, p := range []media.Profile{media.Main, media.Sub} {
			c, err := clips.Video(codec, p)
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Frames) != 100 {
				t.Fatalf("%s %s: %d frames, want 100", codec, p, len(c.Frames))
			}
			for i, f := range c.Frames {
				if f.Key != (i%25 == 0) || f.PTS != int64(i)*3600 || f.Track != c.Track {
					t.Fatalf("%s %s: frame %d has key %v, PTS %d", codec, p, i, f.Key, f.PTS)
				}
			}
			if w, h := size(t, c.Track); w != c.Track.Width || h != c.Track.Height {
				t.Errorf("%s %s: picture is %dx%d, track says %dx%d", codec, p, w, h, c.Track.Width, c.Track.Height)
			}
		}
	}
}

func size(t *testing.T, tr *media.Track) (int, int) {
	t.Helper()
	if tr.Codec == media.H264 {
		var sps h264.SPS
		if len(tr.Params) != 2 {
			t.Fatalf("%d parameter sets, want SPS and PPS", len(tr.Params))
		}
		if err := sps.Unmarshal(tr.Params[0]); err != nil {
			t.Fatal(err)
		}
		return sps.Width(), sps.Height()
	}
	var sps h265.SPS
	if len(tr.Params) != 3 {
		t.Fatalf("%d parameter sets, want VPS, SPS and PPS", len(tr.Params))
	}
	if err := sps.Unmarshal(tr.Params[1]); err != nil {
		t.Fatal(err)
	}
	return sps.Width(), sps.Height()
}

func TestSoundClipsFillTheFourSeconds(t *testing.T) {
	for codec, frames := range map[media.Codec]int{media.PCMA: 100, media.PCMU: 100, media.AAC: 125} {
		c, err := clips.Audio(codec)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Frames) != frames {
			t.Fatalf("%s: %d frames, want %d", codec, len(c.Frames), frames)
		}
		step := c.Frames[1].PTS
		if end := c.Frames[frames-1].PTS + step; end != clips.Duration {
			t.Errorf("%s: ends at %d, want %d", codec, end, clips.Duration)
		}
	}
	c, err := clips.Audio(media.AAC)
	if err != nil {
		t.Fatal(err)
	}
	var conf mpeg4audio.AudioSpecificConfig
	if err := conf.Unmarshal(c.Track.Params[0]); err != nil || conf.SampleRate != 32000 || conf.ChannelConfig != 1 {
		t.Errorf("AudioSpecificConfig = %+v, %v", conf, err)
	}
}

// The code of silence is fixed by ITU-T G.711: 0xD5 in A-law, 0xFF in u-law.
func TestG711SilenceIsTheStandardCode(t *testing.T) {
	for codec, want := range map[media.Codec]byte{media.PCMA: 0xd5, media.PCMU: 0xff} {
		c, err := clips.Audio(codec)
		if err != nil {
			t.Fatal(err)
		}
		quiet := c.Frames[10].Units[0] // 400 ms: after the beep
		if quiet[0] != want {
			t.Errorf("%s: silence is %#x, want %#x", codec, quiet[0], want)
		}
	}
}

func TestOtherCodecsHaveNoClip(t *testing.T) {
	if _, err := clips.Video(media.PCMA, media.Main); !errors.Is(err, clips.ErrNoClip) {
		t.Errorf("Video = %v", err)
	}
	if _, err := clips.Audio(media.H264); !errors.Is(err, clips.ErrNoClip) {
		t.Errorf("Audio = %v", err)
	}
}
