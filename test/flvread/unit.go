package flvread

import (
	"encoding/binary"
	"fmt"
)

// Form is how video is marked in its tags.
type Form string

// The forms.
const (
	AVC      Form = "avc"  // H.264, codec 7
	HEVC     Form = "hvc1" // H.265 by FourCC
	HEVC12   Form = "12"   // H.265 as codec 12
	PCMA     Form = "pcma"
	PCMU     Form = "pcmu"
	AAC      Form = "aac"
	lengthOf      = 4 // bytes of a unit's length
)

// Unit is one access unit, or a run of audio.
type Unit struct {
	Form   Form
	DTS    uint32   // ms
	PTS    int64    // ms
	Key    bool     // video
	Config int      // how many sequence headers of its kind came before
	Units  [][]byte // video: NAL units; audio: one
	// Params are the parameter sets of the sequence header in force; of AAC the
	// AudioSpecificConfig.
	Params [][]byte
}

// AnnexB is a video unit as a byte stream, a key frame with its parameter sets.
func (u Unit) AnnexB() (b []byte) {
	all := u.Units
	if u.Key {
		all = append(append([][]byte(nil), u.Params...), all...)
	}
	for _, n := range all {
		b = append(append(b, 0, 0, 0, 1), n...)
	}
	return b
}

// units is the state between tags.
type units struct {
	video, audio             [][]byte // parameters
	videoStarts, audioStarts int
}

// NextUnit returns the next access unit or run of audio and remembers the
// sequence headers on the way. Script tags are passed over.
func (r *Reader) NextUnit() (Unit, error) {
	for {
		t, err := r.Next()
		if err != nil {
			return Unit{}, err
		}
		u, ok, err := r.state.take(t)
		if err != nil {
			return Unit{}, fmt.Errorf("tag at %d ms: %w", t.Time, err)
		}
		if ok {
			return u, nil
		}
	}
}

func (s *units) take(t Tag) (Unit, bool, error) {
	switch t.Kind {
	case Video:
		return s.takeVideo(t)
	case Audio:
		return s.takeAudio(t)
	case Script:
	}
	return Unit{}, false, nil
}

func (s *units) takeVideo(t Tag) (u Unit, ok bool, err error) {
	b := t.Data
	if len(b) < 5 {
		return u, false, fmt.Errorf("%w: video tag of %d bytes", ErrFormat, len(b))
	}
	u = Unit{DTS: t.Time, PTS: int64(t.Time), Key: b[0]>>4&7 == 1}
	start, timed := false, true
	if b[0]&0x80 != 0 {
		u.Form = HEVC
		if string(b[1:5]) != "hvc1" {
			return u, false, fmt.Errorf("%w: FourCC %q", ErrFormat, b[1:5])
		}
		switch b[0] & 15 {
		case 0:
			start, timed = true, false
		case 1:
		case 3:
			timed = false
		default:
			return u, false, fmt.Errorf("%w: packet type %d", ErrFormat, b[0]&15)
		}
		b = b[5:]
	} else {
		switch b[0] & 15 {
		case 7:
			u.Form = AVC
		case 12:
			u.Form = HEVC12
		default:
			return u, false, fmt.Errorf("%w: video codec %d", ErrFormat, b[0]&15)
		}
		if b[1] > 1 {
			return u, false, fmt.Errorf("%w: packet type %d", ErrFormat, b[1])
		}
		start = b[1] == 0
		b = b[2:]
	}
	if timed {
		if len(b) < 3 {
			return u, false, fmt.Errorf("%w: no composition time", ErrFormat)
		}
		u.PTS += int64(int32(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8) >> 8)
		b = b[3:]
	}
	if start {
		if u.Form == AVC {
			s.video, err = avcSets(b)
		} else {
			s.video, err = hevcSets(b)
		}
		s.videoStarts++
		return u, false, err
	}
	if s.videoStarts == 0 {
		return u, false, fmt.Errorf("%w: frame before its sequence header", ErrFormat)
	}
	u.Params, u.Config = s.video, s.videoStarts
	for len(b) > 0 {
		if len(b) < lengthOf {
			return u, false, fmt.Errorf("%w: %d bytes left of a length", ErrFormat, len(b))
		}
		n := int(binary.BigEndian.Uint32(b))
		if n == 0 || n > len(b)-lengthOf {
			return u, false, fmt.Errorf("%w: unit of %d in %d bytes", ErrFormat, n, len(b)-lengthOf)
		}
		u.Units = append(u.Units, b[lengthOf:lengthOf+n])
		b = b[lengthOf+n:]
	}
	return u, true, nil
}

func (s *units) takeAudio(t Tag) (u Unit, ok bool, err error) {
	b := t.Data
	if len(b) < 2 {
		return u, false, fmt.Errorf("%w: audio tag of %d bytes", ErrFormat, len(b))
	}
	u = Unit{DTS: t.Time, PTS: int64(t.Time)}
	switch b[0] >> 4 {
	case 7:
		u.Form = PCMA
	case 8:
		u.Form = PCMU
	case 10:
		u.Form = AAC
		if b[1] == 0 {
			s.audio = [][]byte{b[2:]}
			s.audioStarts++
			return u, false, nil
		}
		if s.audioStarts == 0 {
			return u, false, fmt.Errorf("%w: audio before its sequence header", ErrFormat)
		}
		u.Params, u.Config = s.audio, s.audioStarts
		b = b[1:]
	default:
		return u, false, fmt.Errorf("%w: audio codec %d", ErrFormat, b[0]>>4)
	}
	u.Units = [][]byte{b[1:]}
	return u, true, nil
}

// avcSets reads the parameter sets of an avcC.
func avcSets(b []byte) (sets [][]byte, err error) {
	if len(b) < 7 || b[0] != 1 || b[4]&3 != 3 {
		return nil, fmt.Errorf("%w: avcC % x", ErrFormat, b)
	}
	sets, b, err = take(nil, b[6:], int(b[5]&31))
	if err != nil || len(b) < 1 {
		return nil, fmt.Errorf("%w: avcC without PPS", ErrFormat)
	}
	sets, _, err = take(sets, b[1:], int(b[0]))
	return sets, err
}

// hevcSets reads the parameter sets of an hvcC.
func hevcSets(b []byte) (sets [][]byte, err error) {
	if len(b) < 23 || b[0] != 1 || b[21]&3 != 3 {
		return nil, fmt.Errorf("%w: hvcC % x", ErrFormat, b)
	}
	arrays := int(b[22])
	b = b[23:]
	for range arrays {
		if len(b) < 3 {
			return nil, fmt.Errorf("%w: hvcC ends in an array", ErrFormat)
		}
		sets, b, err = take(sets, b[3:], int(b[1])<<8|int(b[2]))
		if err != nil {
			return nil, err
		}
	}
	return sets, nil
}

// take reads n units with lengths of two bytes.
func take(sets [][]byte, b []byte, n int) (all [][]byte, rest []byte, err error) {
	for range n {
		if len(b) < 2 {
			return nil, nil, fmt.Errorf("%w: parameter set without length", ErrFormat)
		}
		size := int(b[0])<<8 | int(b[1])
		if size == 0 || size > len(b)-2 {
			return nil, nil, fmt.Errorf("%w: parameter set of %d in %d bytes", ErrFormat, size, len(b)-2)
		}
		sets = append(sets, b[2:2+size])
		b = b[2+size:]
	}
	return sets, b, nil
}
