package ps

import (
	"bytes"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"fengsui/media"
)

const (
	maxSets    = 16   // parameter sets kept
	maxSetSize = 4096 // bytes of one
	overrule   = 2    // key frames in a row that show the map to be wrong
	minPicture = 64   // pixels, each way
	maxPicture = 16384
)

// unitClass is what a NAL unit is to the demuxer.
type unitClass int

const (
	unitOther   unitClass = iota // SEI and the like
	unitPicture                  // a slice
	unitKey                      // a slice of an IDR or IRAP picture
	unitVPS                      // parameter sets, in the order they are sent
	unitSPS
	unitPPS
	unitNothing // AUD, filler
)

// classify tells the class of a NAL unit.
func classify(c media.Codec, b []byte) unitClass {
	if c == media.H264 {
		switch t := b[0] & 0x1F; {
		case b[0]&0x80 != 0 || t == 9 || t == 12:
			return unitNothing
		case t == 5:
			return unitKey
		case t >= 1 && t <= 4:
			return unitPicture
		case t == 7:
			return unitSPS
		case t == 8:
			return unitPPS
		}
		return unitOther
	}
	switch t := b[0] >> 1 & 0x3F; {
	case b[0]&0x80 != 0 || t == 35 || t == 38 || len(b) < 2:
		return unitNothing
	case t >= 16 && t <= 21:
		return unitKey
	case t < 32:
		return unitPicture
	case t == 32:
		return unitVPS
	case t == 33:
		return unitSPS
	case t == 34:
		return unitPPS
	}
	return unitOther
}

// params are the codec and parameter sets of a video stream.
type params struct {
	codec   media.Codec // "" not known
	sets    []set
	changed bool // since the track was made

	rival     media.Codec // what the data looks like, against codec
	rivalKeys int         // key frames in a row that looked so
}

type set struct {
	class unitClass
	id    uint32
	bytes []byte
}

// reset forgets everything for a stream of another codec.
func (p *params) reset(c media.Codec) { *p = params{codec: c} }

// weigh settles the codec: the map's, unless two key frames in a row are
// plainly of the other one; without a map what the data shows.
func (p *params) weigh(b []byte, units []span, declared media.Codec) {
	seen := p.evidence(b, units)
	if seen == "" {
		return
	}
	if seen == p.codec {
		p.rivalKeys = 0
		return
	}
	if seen != p.rival {
		p.rival, p.rivalKeys = seen, 0
	}
	p.rivalKeys++
	if p.codec == "" && declared == "" || p.rivalKeys >= overrule {
		p.reset(seen)
	}
}

// evidence tells the codec by a sequence parameter set that parses. The two
// codecs' ones cannot be taken for each other: the first byte is odd in H.264
// and even in H.265.
func (p *params) evidence(b []byte, units []span) media.Codec {
	for _, u := range units {
		n := b[u.from:u.to]
		var c media.Codec
		switch {
		case n[0]&0x9F == 7:
			c = media.H264
		case len(n) > 2 && n[0] == 33<<1 && n[1] == 1:
			c = media.H265
		default:
			continue
		}
		if c == p.codec && p.find(unitSPS) != nil {
			return c
		}
		if _, _, ok := dimensions(c, n); ok {
			return c
		}
	}
	return ""
}

// sifted is what is in an access unit.
type sifted struct {
	picture, key bool
	sets         bool // parameter sets
	count, size  int  // units kept and their bytes
}

// sift gathers the parameter sets, those that another unit follows within the
// first intact bytes, and moves the spans of the units to keep to the front.
func (p *params) sift(b []byte, units []span, intact int) sifted {
	var s sifted
	for _, u := range units {
		n := b[u.from:u.to]
		switch class := classify(p.codec, n); class {
		case unitNothing:
			continue
		case unitKey:
			s.key, s.picture = true, true
		case unitPicture:
			s.picture = true
		case unitVPS, unitSPS, unitPPS:
			s.sets = true
			if u.to < intact {
				p.keep(class, n)
			}
		case unitOther:
		}
		units[s.count] = u
		s.count++
		s.size += len(n)
	}
	return s
}

// keep stores a parameter set if it is new.
func (p *params) keep(class unitClass, n []byte) {
	id := setID(p.codec, class, n)
	at := -1
	for i := range p.sets {
		if p.sets[i].class == class && p.sets[i].id == id {
			if bytes.Equal(p.sets[i].bytes, n) {
				return
			}
			at = i
		}
	}
	if len(n) > maxSetSize || at < 0 && len(p.sets) == maxSets {
		return
	}
	if class == unitSPS {
		if _, _, ok := dimensions(p.codec, n); !ok {
			return
		}
	}
	p.changed = true
	s := set{class, id, bytes.Clone(n)}
	if at >= 0 {
		p.sets[at] = s
	} else {
		p.sets = append(p.sets, s)
	}
	if class == unitSPS { // the picture parameter sets of the old one are void; new ones follow
		kept := p.sets[:0]
		for _, s := range p.sets {
			if s.class != unitPPS {
				kept = append(kept, s)
			}
		}
		p.sets = kept
	}
}

func (p *params) find(class unitClass) []byte {
	for i := len(p.sets) - 1; i >= 0; i-- {
		if p.sets[i].class == class {
			return p.sets[i].bytes
		}
	}
	return nil
}

// track makes a track if the parameter sets have changed and are complete.
func (p *params) track(generation int) *media.Track {
	sps := p.find(unitSPS)
	if !p.changed || sps == nil || p.find(unitPPS) == nil || p.codec == media.H265 && p.find(unitVPS) == nil {
		return nil
	}
	p.changed = false
	t := &media.Track{Codec: p.codec, Generation: generation}
	for _, class := range []unitClass{unitVPS, unitSPS, unitPPS} {
		for _, s := range p.sets {
			if s.class == class {
				t.Params = append(t.Params, s.bytes)
			}
		}
	}
	t.Width, t.Height, _ = dimensions(p.codec, sps)
	return t
}

// pictures counts the pictures that begin in the units.
func (p *params) pictures(b []byte, units []span) int {
	count := 0
	for _, u := range units {
		n := b[u.from:u.to]
		class := classify(p.codec, n)
		if class != unitPicture && class != unitKey {
			continue
		}
		head := 1 // bytes of the NAL unit's header
		if p.codec == media.H265 {
			head = 2
		}
		if len(n) > head && n[head]&0x80 != 0 { // first_mb_in_slice is 0; first_slice_segment_in_pic_flag
			count++
		}
	}
	return count
}

// setID is the number of a parameter set within its class.
func setID(c media.Codec, class unitClass, n []byte) uint32 {
	switch {
	case c == media.H264 && class == unitSPS && len(n) > 4:
		return golomb(n[4:])
	case c == media.H264 && class == unitPPS:
		return golomb(n[1:])
	case c == media.H265 && class == unitPPS:
		return golomb(n[2:])
	case c == media.H265 && class == unitVPS && len(n) > 2:
		return uint32(n[2] >> 4)
	}
	return 0
}

// golomb reads the Exp-Golomb number that b begins with; numbers of parameter
// sets are small, so more than 15 leading zeros give 0.
func golomb(b []byte) uint32 {
	bit := func(i int) uint32 {
		if i/8 >= len(b) {
			return 0
		}
		return uint32(b[i/8]>>(7-i%8)) & 1
	}
	zeros := 0
	for bit(zeros) == 0 {
		if zeros++; zeros > 15 {
			return 0
		}
	}
	v := uint32(0)
	for i := range zeros + 1 {
		v = v<<1 | bit(zeros+i)
	}
	return v - 1
}

// dimensions parses a sequence parameter set and returns the size of the
// picture; ok is false if it is not a sane one.
func dimensions(c media.Codec, sps []byte) (width, height int, ok bool) {
	if c == media.H264 {
		var s h264.SPS
		if s.Unmarshal(sps) != nil {
			return 0, 0, false
		}
		width, height = s.Width(), s.Height()
	} else {
		var s h265.SPS
		if s.Unmarshal(sps) != nil {
			return 0, 0, false
		}
		width, height = s.Width(), s.Height()
	}
	sane := func(n int) bool { return n >= minPicture && n <= maxPicture && n%2 == 0 }
	return width, height, sane(width) && sane(height)
}
