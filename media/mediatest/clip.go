// Package mediatest has clips and a stand-in for a stream's reader, for tests.
package mediatest

import (
	"bytes"
	_ "embed"

	"fengsui/media"
)

// The clips; clips/README.md says how they were made.
var (
	//go:embed clips/h264.264
	h264 []byte
	//go:embed clips/h265.265
	h265 []byte
	//go:embed clips/aac.adts
	aac []byte
)

const (
	first = 90000 // time of the first frame of every clip
	step  = 3600  // between pictures: 25 a second
)

// H264 returns 75 access units with a key frame every 25. Each call makes new
// frames, which may be changed.
func H264() []*media.Frame { return pictures(h264, media.H264) }

// H265 returns 75 access units with a key frame every 25.
func H265() []*media.Frame { return pictures(h265, media.H265) }

// G711 returns n runs of 40 ms beside the pictures.
func G711(c media.Codec, n int) (frames []*media.Frame) {
	t := &media.Track{Codec: c, Generation: 1, SampleRate: 8000, Channels: 1}
	for i := range n {
		at := first + int64(i)*step
		frames = append(frames, &media.Frame{Track: t, PTS: at, DTS: at,
			Units: [][]byte{bytes.Repeat([]byte{byte(i)}, 320)}})
	}
	return frames
}

// ADTS is the AAC clip as a stream, 16 kHz mono.
func ADTS() []byte { return bytes.Clone(aac) }

// AAC returns its frames.
func AAC() (frames []*media.Frame) {
	t := &media.Track{Codec: media.AAC, Generation: 1, SampleRate: 16000, Channels: 1, Params: [][]byte{{0x14, 0x08}}}
	for b := ADTS(); len(b) > 7; {
		n := int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5)
		at := first + int64(len(frames))*5760 // 1024 samples
		frames = append(frames, &media.Frame{Track: t, PTS: at, DTS: at, Units: [][]byte{b[7:n]}})
		b = b[n:]
	}
	return frames
}

// Woven puts sound behind the pictures of the same place.
func Woven(pictures, sound []*media.Frame) (all []*media.Frame) {
	for i := range pictures {
		all = append(all, pictures[i])
		if i < len(sound) {
			all = append(all, sound[i])
		}
	}
	return all
}

// AnnexB splits a byte stream into NAL units.
func AnnexB(b []byte) (units [][]byte) {
	for _, part := range bytes.Split(b, []byte{0, 0, 1})[1:] {
		if part = bytes.TrimRight(part, "\x00"); len(part) > 0 {
			units = append(units, part)
		}
	}
	return units
}

func pictures(b []byte, c media.Codec) (frames []*media.Frame) {
	track := &media.Track{Codec: c, Generation: 1, Width: 320, Height: 240}
	var units [][]byte
	picture, key := false, false
	end := func() {
		if !picture {
			return
		}
		at := first + int64(len(frames))*step
		frames = append(frames, &media.Frame{Track: track, PTS: at, DTS: at, Key: key, Units: units})
		units, picture, key = nil, false, false
	}
	for _, u := range AnnexB(bytes.Clone(b)) {
		var slice, begins, intra, set bool
		if c == media.H264 {
			t := u[0] & 31
			slice, intra, set = t == 1 || t == 5, t == 5, t == 7 || t == 8
			begins = slice && u[1]&0x80 != 0
		} else {
			t := u[0] >> 1
			slice, intra, set = t < 32, t >= 16 && t <= 21, t >= 32 && t <= 34
			begins = slice && u[2]&0x80 != 0
		}
		if picture && (begins || !slice) {
			end()
		}
		if set && len(frames) == 0 {
			track.Params = append(track.Params, u)
		}
		units = append(units, u)
		picture = picture || slice
		key = key || intra
	}
	end()
	return frames
}
