package stream

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"fengsui/internal/sim/clips"
	"fengsui/media"
	"fengsui/media/ps"
)

// PayloadSize is the largest RTP payload that is sent, in bytes.
const PayloadSize = 1400

// headStart is added to every time stamp while the clip is muxed, so that a
// clock reference before the first frame is not negative. 10 s.
const headStart = 10 * media.ClockRate

// Program is a clip ready to be sent for ever. It is immutable and shared by
// all streams that send it.
type Program struct {
	segments []segment // by time
	bare     bool
}

// segment is what is sent at one moment: a frame, or a frame and the sound
// that belongs to the same moment.
type segment struct {
	at      int64 // from the start of the clip, 90 kHz
	key     bool
	data    []byte
	patches []patch
	cuts    []int // bare: where each RTP payload ends; nil: every PayloadSize bytes
}

// patch is a place in data that holds a clock.
type patch struct {
	at    int
	form  clock
	value int64 // relative to the start of the clip, 90 kHz; may be negative
}

type clock uint8

const (
	clockSCR clock = iota // six bytes of a pack header
	clockPTS              // five bytes of a PES header, PTS or DTS
)

// NewProgram muxes a clip into MPEG-PS; audio may be nil. When bitrate, in
// bit/s, is more than the clip has, padding packets (stream ID 0xBE) make up
// for it; 0 leaves the clip as it is.
func NewProgram(video, audio *clips.Clip, bitrate int) (*Program, error) {
	sound := media.Codec("")
	frames := slices.Clone(video.Frames)
	if audio != nil {
		sound = audio.Track.Codec
		frames = append(frames, audio.Frames...)
		slices.SortStableFunc(frames, func(a, b *media.Frame) int { return int(a.PTS - b.PTS) })
	}
	mux := ps.NewMuxer(video.Track.Codec, sound)
	p := &Program{}
	for _, f := range frames {
		n := len(p.segments)
		if n == 0 || p.segments[n-1].at != f.PTS {
			p.segments = append(p.segments, segment{at: f.PTS})
			n++
		}
		s := &p.segments[n-1]
		s.key = s.key || f.Key && f.Track.Codec.Video()
		s.data = mux.Append(s.data, &media.Frame{
			Track: f.Track, PTS: f.PTS + headStart, DTS: f.DTS + headStart, Key: f.Key, Units: f.Units,
		})
	}
	p.pad(bitrate)
	for i := range p.segments {
		s := &p.segments[i]
		var err error
		if s.patches, err = findClocks(s.data); err != nil {
			return nil, fmt.Errorf("mux %s: %w", video.Track.Codec, err)
		}
	}
	return p, nil
}

// NewBare cuts a picture clip into RTP payloads of its own format instead of
// PS: RFC 6184 for H.264, RFC 7798 for H.265, single units and fragments.
func NewBare(video *clips.Clip) *Program {
	p := &Program{bare: true}
	for _, f := range video.Frames {
		s := segment{at: f.PTS, key: f.Key}
		for _, u := range f.Units {
			s.data, s.cuts = fragment(s.data, s.cuts, u, f.Track.Codec)
		}
		p.segments = append(p.segments, s)
	}
	return p
}

// Bitrate is the mean rate without RTP headers, in bit/s.
func (p *Program) Bitrate() int {
	n := 0
	for i := range p.segments {
		n += len(p.segments[i].data)
	}
	return n * 8 * media.ClockRate / clips.Duration
}

// pad adds the same padding to each segment with a picture.
func (p *Program) pad(bitrate int) {
	pictures := clips.Duration / media.ClockRate * clips.FrameRate
	missing := (bitrate - p.Bitrate()) / 8 * (clips.Duration / media.ClockRate) / pictures
	for i := range p.segments {
		s := &p.segments[i]
		if s.at%(media.ClockRate/clips.FrameRate) != 0 {
			continue
		}
		for left := missing; left > 6; {
			n := min(left-6, 0xffff)
			s.data = append(s.data, 0, 0, 1, 0xbe, byte(n>>8), byte(n))
			s.data = slices.Grow(s.data, n)[:len(s.data)+n]
			fill := s.data[len(s.data)-n:]
			for j := range fill {
				fill[j] = 0xff
			}
			left -= n + 6
		}
	}
}

var errNotPS = errors.New("not a sequence of PS packets")

// findClocks walks the PS packets of a segment and notes every SCR, PTS and DTS.
func findClocks(b []byte) ([]patch, error) {
	var found []patch
	for i := 0; i < len(b); {
		if len(b)-i < 14 && (len(b)-i < 6 || b[i+3] == 0xba) || b[i] != 0 || b[i+1] != 0 || b[i+2] != 1 {
			return nil, fmt.Errorf("%w at byte %d", errNotPS, i)
		}
		id := b[i+3]
		if id == 0xba {
			found = append(found, patch{i + 4, clockSCR, readSCR(b[i+4:]) - headStart})
			i += 14 + int(b[i+13]&7)
			continue
		}
		end := i + 6 + int(b[i+4])<<8 + int(b[i+5])
		if end > len(b) {
			return nil, fmt.Errorf("%w at byte %d", errNotPS, i)
		}
		if id >= 0xc0 && id <= 0xef && end-i >= 19 {
			if b[i+7]&0x80 != 0 {
				found = append(found, patch{i + 9, clockPTS, readPTS(b[i+9:]) - headStart})
			}
			if b[i+7]&0xc0 == 0xc0 {
				found = append(found, patch{i + 14, clockPTS, readPTS(b[i+14:]) - headStart})
			}
		}
		i = end
	}
	return found, nil
}

// appendAt writes the segment with its clocks counted from base after dst.
func (s *segment) appendAt(dst []byte, base int64) []byte {
	n := len(dst)
	dst = append(dst, s.data...)
	for _, p := range s.patches {
		b, v := dst[n+p.at:], uint64(base+p.value)&(1<<33-1)
		if p.form == clockSCR {
			writeSCR(b, v)
		} else {
			writePTS(b, v)
		}
	}
	return dst
}

func readSCR(b []byte) int64 {
	return int64(b[0]>>3&7)<<30 | int64(b[0]&3)<<28 | int64(b[1])<<20 | int64(b[2]>>3)<<15 |
		int64(b[2]&3)<<13 | int64(b[3])<<5 | int64(b[4])>>3
}

// writeSCR keeps the extension bits at the end of b[4].
func writeSCR(b []byte, s uint64) {
	b[0] = 0x44 | byte(s>>27)&0x38 | byte(s>>28)&3
	b[1] = byte(s >> 20)
	b[2] = 0x04 | byte(s>>12)&0xf8 | byte(s>>13)&3
	b[3] = byte(s >> 5)
	b[4] = 0x04 | byte(s<<3)&0xf8 | b[4]&3
}

func readPTS(b []byte) int64 {
	return int64(b[0]>>1&7)<<30 | int64(b[1])<<22 | int64(b[2]>>1)<<15 | int64(b[3])<<7 | int64(b[4])>>1
}

// writePTS keeps the four bits that say whether it is PTS or DTS.
func writePTS(b []byte, p uint64) {
	b[0] = b[0]&0xf0 | 1 | byte(p>>29)&0x0e
	b[1] = byte(p >> 22)
	b[2] = byte(p>>14)&0xfe | 1
	b[3] = byte(p >> 7)
	b[4] = byte(p<<1)&0xfe | 1
}

// fragment writes one NAL unit as RTP payloads and notes where each ends.
func fragment(data []byte, cuts []int, unit []byte, codec media.Codec) ([]byte, []int) {
	if len(unit) <= PayloadSize {
		data = append(data, unit...)
		return data, append(cuts, len(data))
	}
	head, kind := []byte{unit[0]&0x60 | 28}, unit[0]&0x1f // FU-A
	if codec == media.H265 {
		head, kind = []byte{unit[0]&0x81 | 49<<1, unit[1]}, unit[0]>>1&0x3f
	}
	for rest, first := unit[len(head):], true; len(rest) > 0; first = false {
		n := min(len(rest), PayloadSize-len(head)-1)
		fu := kind
		if first {
			fu |= 0x80
		}
		if n == len(rest) {
			fu |= 0x40
		}
		data = append(append(data, head...), fu)
		data = append(data, rest[:n]...)
		cuts = append(cuts, len(data))
		rest = rest[n:]
	}
	return data, cuts
}

// Bytes is how much of it a recording of a length is, sent from its start.
func (p *Program) Bytes(length time.Duration) (n int64) {
	loop := span(clips.Duration)
	for i := range p.segments {
		size := int64(len(p.segments[i].data))
		n += int64(length/loop) * size
		if span(p.segments[i].at) < length%loop {
			n += size
		}
	}
	return n
}
