package clips

import (
	_ "embed"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"fengsui/media"
)

// ErrNoClip is reported for a codec that there is no clip of.
var ErrNoClip = errors.New("no clip of this codec")

// Duration is the length of every clip, in 90 kHz: exactly 4 s.
const Duration = 4 * media.ClockRate

// FrameRate of the pictures, per second.
const FrameRate = 25

var (
	//go:embed main.h264
	mainH264 []byte
	//go:embed main.h265
	mainH265 []byte
	//go:embed sub.h264
	subH264 []byte
	//go:embed sub.h265
	subH265 []byte
	//go:embed tone.adts
	tone []byte
)

// Clip is one track, four seconds long. Its frames share the embedded bytes
// and must not be changed.
type Clip struct {
	Track *media.Track
	// Frames in order; PTS counts from 0, and the last frame ends at Duration.
	Frames []*media.Frame
}

// Video is the clip of a picture codec: 640x360 for media.Main, 320x180 for
// media.Sub, 25 pictures a second, a key picture with its parameter sets each
// second, no B-pictures. It reports an error wrapping [ErrNoClip].
func Video(codec media.Codec, p media.Profile) (*Clip, error) {
	t := &media.Track{Codec: codec, Width: 640, Height: 360}
	if p == media.Sub {
		t.Width, t.Height = 320, 180
	}
	switch {
	case codec == media.H264 && p == media.Sub:
		return video(t, subH264), nil
	case codec == media.H264:
		return video(t, mainH264), nil
	case codec == media.H265 && p == media.Sub:
		return video(t, subH265), nil
	case codec == media.H265:
		return video(t, mainH265), nil
	}
	return nil, fmt.Errorf("%w: %q", ErrNoClip, codec)
}

// Audio is the beep: media.PCMA and media.PCMU in frames of 40 ms, media.AAC
// in frames of 32 ms. It reports an error wrapping [ErrNoClip].
func Audio(codec media.Codec) (*Clip, error) {
	switch codec {
	case media.PCMA:
		return g711(codec, alaw), nil
	case media.PCMU:
		return g711(codec, ulaw), nil
	case media.AAC:
		return aac(tone)
	}
	return nil, fmt.Errorf("%w: %q", ErrNoClip, codec)
}

// video cuts an Annex-B stream into access units: one slice each, and the
// parameter sets before the slice they belong to.
func video(t *media.Track, stream []byte) *Clip {
	c := &Clip{Track: t}
	var units [][]byte
	key := false
	for _, u := range split(stream) {
		units = append(units, u)
		kind := unitKind(t.Codec, u[0])
		if kind == parameters {
			if len(c.Frames) == 0 {
				t.Params = append(t.Params, u)
			}
			key = true
			continue
		}
		pts := int64(len(c.Frames)) * media.ClockRate / FrameRate
		c.Frames = append(c.Frames, &media.Frame{Track: t, PTS: pts, DTS: pts, Key: key, Units: units})
		units, key = nil, false
	}
	return c
}

type kind int

const (
	slice kind = iota
	parameters
)

func unitKind(codec media.Codec, first byte) kind {
	if codec == media.H265 {
		if t := first >> 1 & 0x3f; t >= 32 && t <= 34 { // VPS, SPS, PPS
			return parameters
		}
		return slice
	}
	if t := first & 0x1f; t == 7 || t == 8 { // SPS, PPS
		return parameters
	}
	return slice
}

// split cuts at start codes of three or four bytes; empty units are left out.
func split(b []byte) [][]byte {
	var units [][]byte
	start := -1
	add := func(end int) {
		for start >= 0 && end > start && b[end-1] == 0 {
			end--
		}
		if start >= 0 && end > start {
			units = append(units, b[start:end:end])
		}
	}
	for i := 0; i+2 < len(b); i++ {
		if b[i] == 0 && b[i+1] == 0 && b[i+2] == 1 {
			add(i)
			start = i + 3
			i += 2
		}
	}
	add(len(b))
	return units
}

// g711 is a beep of 200 ms at 440 Hz in each second.
func g711(codec media.Codec, encode func(int16) byte) *Clip {
	const rate, size = 8000, 320
	c := &Clip{Track: &media.Track{Codec: codec, SampleRate: rate, Channels: 1}}
	second := make([]byte, rate)
	for i := range second {
		s := 0.0
		if i < rate/5 {
			s = 0.2 * math.MaxInt16 * math.Sin(2*math.Pi*440*float64(i)/rate)
		}
		second[i] = encode(int16(s))
	}
	for at := 0; at < 4*rate; at += size {
		from := at % rate
		pts := int64(at) * media.ClockRate / rate
		c.Frames = append(c.Frames, &media.Frame{
			Track: c.Track, PTS: pts, DTS: pts, Units: [][]byte{second[from : from+size : from+size]},
		})
	}
	return c
}

// alaw codes one sample by ITU-T G.711, A-law: sign, segment, four bits.
func alaw(s int16) byte {
	v, mask := int(s)>>3, byte(0xd5)
	if v < 0 {
		v, mask = -v-1, 0x55
	}
	seg := max(bits.Len(uint(v))-5, 0)
	return (byte(seg)<<4 | byte(v>>max(seg, 1))&0x0f) ^ mask
}

// ulaw codes one sample by ITU-T G.711, u-law.
func ulaw(s int16) byte {
	const bias, limit = 0x84, 32635
	v, sign := int(s), byte(0)
	if v < 0 {
		v, sign = -v, 0x80
	}
	v = min(v, limit) + bias
	exp := byte(7)
	for mask := 0x4000; v&mask == 0 && exp > 0; mask >>= 1 {
		exp--
	}
	return ^(sign | exp<<4 | byte(v>>(exp+3))&0x0f)
}

// aac takes the raw frames out of ADTS (ISO 13818-7, 6.2), 1024 samples each.
func aac(b []byte) (*Clip, error) {
	const rate, rateIndex = 32000, 5
	c := &Clip{Track: &media.Track{
		Codec: media.AAC, SampleRate: rate, Channels: 1,
		Params: [][]byte{{2<<3 | rateIndex>>1, rateIndex&1<<7 | 1<<3}}, // AAC-LC, one channel
	}}
	for at := 0; at < len(b); {
		h := b[at:]
		if len(h) < 7 || h[0] != 0xff || h[1]&0xf6 != 0xf0 {
			return nil, fmt.Errorf("read tone: no ADTS header at byte %d", at)
		}
		size, head := int(h[3]&3)<<11|int(h[4])<<3|int(h[5])>>5, 7
		if h[1]&1 == 0 {
			head = 9 // with CRC
		}
		if size < head || size > len(h) {
			return nil, fmt.Errorf("read tone: bad ADTS length %d at byte %d", size, at)
		}
		pts := int64(len(c.Frames)) * 1024 * media.ClockRate / rate
		c.Frames = append(c.Frames, &media.Frame{Track: c.Track, PTS: pts, DTS: pts, Units: [][]byte{h[head:size:size]}})
		at += size
	}
	return c, nil
}
