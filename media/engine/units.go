package engine

import (
	"bytes"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"fengsui/media"
)

const (
	unitMax = 4 << 20 // bytes of an access unit
	setMax  = 4096    // bytes of a parameter set
	silence = 200 * time.Millisecond
)

// units reads NAL units bare in RTP: RFC 6184 (single, STAP-A, FU-A) and RFC
// 7798 (single, AP, FU). Access units end at the marker or where the time stamp
// changes.
type units struct {
	codec media.Codec
	sink  func(*media.Frame)

	// The access unit in progress.
	open     bool
	buf      []byte
	ends     []int // of each NAL unit in buf
	fragment bool  // the last one is not complete
	ts       uint32
	damaged  bool
	arrived  time.Time

	gap      bool // packets were lost before the next
	cut      bool // the last access unit was ended by a marker
	noMarker bool // markers do not mean what they should

	started bool
	time    int64 // unwrapped ts of the last one given out
	last    uint32

	sets    [3][]byte // VPS, SPS, PPS
	changed bool
	track   *media.Track
	made    int
}

func newUnits(c media.Codec, sink func(*media.Frame)) *units { return &units{codec: c, sink: sink} }

// Write implements depacketizer.
func (u *units) Write(p []byte, ts uint32, marker bool, arrived time.Time) {
	if u.open && ts != u.ts {
		u.close()
		u.cut = false
	}
	if !u.open {
		if u.cut && ts == u.ts {
			u.noMarker = true
		}
		u.open, u.ts, u.cut = true, ts, false
		u.damaged = u.gap && !u.begins(p)
	} else if u.gap {
		u.damaged = true
	}
	u.gap = false
	u.arrived = arrived
	if u.codec == media.H264 {
		u.add264(p)
	} else {
		u.add265(p)
	}
	if len(u.buf) > unitMax {
		u.drop()
		u.gap = true
		return
	}
	if marker && !u.noMarker {
		u.close()
		u.cut = true
	}
}

// Gap implements depacketizer.
func (u *units) Gap() {
	u.gap = true
	if u.fragment {
		u.buf = u.buf[:u.start(len(u.ends)-1)]
		u.ends = u.ends[:len(u.ends)-1]
		u.fragment, u.damaged = false, true
	}
}

// Flush implements depacketizer.
func (u *units) Flush(now time.Time) {
	if u.open && (now.IsZero() || now.Sub(u.arrived) >= silence) {
		u.close()
	}
}

func (u *units) add264(p []byte) {
	switch t := p[0] & 0x1F; {
	case t >= 1 && t <= 23:
		u.whole(p)
	case t == 24: // STAP-A
		u.aggregate(p[1:])
	case t == 28 && len(p) > 2: // FU-A
		u.piece(p[1]&0x80 != 0, p[1]&0x40 != 0, []byte{p[0]&0xE0 | p[1]&0x1F}, p[2:])
	}
}

func (u *units) add265(p []byte) {
	if len(p) < 3 {
		return
	}
	switch t := p[0] >> 1 & 0x3F; {
	case t < 48:
		u.whole(p)
	case t == 48: // AP
		u.aggregate(p[2:])
	case t == 49 && len(p) > 3: // FU
		u.piece(p[2]&0x80 != 0, p[2]&0x40 != 0, []byte{p[0]&0x81 | p[2]&0x3F<<1, p[1]}, p[3:])
	}
}

func (u *units) whole(p []byte) {
	if u.fragment {
		u.fragment, u.damaged = false, true
	}
	u.buf = append(u.buf, p...)
	u.ends = append(u.ends, len(u.buf))
}

func (u *units) aggregate(p []byte) {
	for len(p) > 2 {
		n := int(p[0])<<8 | int(p[1])
		if n == 0 || n > len(p)-2 {
			u.damaged = true
			return
		}
		u.whole(p[2 : 2+n])
		p = p[2+n:]
	}
}

func (u *units) piece(first, last bool, header, p []byte) {
	if first {
		u.whole(header)
		u.fragment = true
	} else if !u.fragment {
		u.damaged = true
		return
	}
	u.buf = append(u.buf, p...)
	u.ends[len(u.ends)-1] = len(u.buf)
	u.fragment = !last
}

func (u *units) start(i int) int {
	if i == 0 {
		return 0
	}
	return u.ends[i-1]
}

// begins reports whether a payload can be the first of an access unit.
func (u *units) begins(p []byte) bool {
	if u.codec == media.H264 {
		switch t := p[0] & 0x1F; t {
		case 1, 5:
			return len(p) > 1 && p[1]&0x80 != 0 // first_mb_in_slice is 0
		case 28:
			return len(p) > 2 && p[1]&0x80 != 0 && p[2]&0x80 != 0
		default:
			return true
		}
	}
	switch t := p[0] >> 1 & 0x3F; {
	case t < 32:
		return len(p) > 2 && p[2]&0x80 != 0 // first_slice_segment_in_pic_flag
	case t == 49:
		return len(p) > 3 && p[2]&0x80 != 0 && p[3]&0x80 != 0
	}
	return true
}

func (u *units) drop() {
	u.open, u.damaged, u.fragment = false, false, false
	u.buf, u.ends = u.buf[:0], u.ends[:0]
}

// close gives out the access unit. One with parameter sets only is kept as sets.
func (u *units) close() {
	defer u.drop()
	u.damaged = u.damaged || u.fragment
	var count, size int
	var key, picture bool
	for i, end := range u.ends {
		n := u.buf[u.start(i):end]
		switch u.classify(n) {
		case classNothing:
			continue
		case classKey:
			key, picture = true, true
		case classPicture:
			picture = true
		case classVPS:
			u.keep(0, n)
		case classSPS:
			u.keep(1, n)
		case classPPS:
			u.keep(2, n)
		}
		count++
		size += len(n)
	}
	if !picture {
		return
	}
	u.renew()
	if u.track == nil {
		return
	}
	f := u.build(count, size)
	f.Key = key && !u.changed
	f.PTS = u.unwrap()
	f.DTS = f.PTS
	u.sink(f)
}

func (u *units) build(count, size int) *media.Frame {
	m := &struct { // the frame and its usual number of units, in one allocation
		frame media.Frame
		units [6][]byte
	}{}
	f := &m.frame
	f.Units = m.units[:0]
	if count > len(m.units) {
		f.Units = make([][]byte, 0, count)
	}
	buf := make([]byte, 0, size)
	for i, end := range u.ends {
		n := u.buf[u.start(i):end]
		if u.classify(n) == classNothing {
			continue
		}
		at := len(buf)
		buf = append(buf, n...)
		f.Units = append(f.Units, buf[at:len(buf):len(buf)])
	}
	f.Track, f.Damaged, f.Arrived = u.track, u.damaged, u.arrived
	return f
}

func (u *units) unwrap() int64 {
	if !u.started {
		u.started, u.time = true, int64(u.ts)
	} else {
		u.time += int64(int32(u.ts - u.last))
	}
	u.last = u.ts
	return u.time
}

func (u *units) keep(i int, n []byte) {
	if u.damaged || len(n) > setMax || bytes.Equal(u.sets[i], n) || i == 1 && !saneSPS(u.codec, n) {
		return
	}
	u.sets[i], u.changed = bytes.Clone(n), true
}

// renew makes a new track when the sets have changed and are complete.
func (u *units) renew() {
	if !u.changed || u.sets[1] == nil || u.sets[2] == nil || u.codec == media.H265 && u.sets[0] == nil {
		return
	}
	u.changed = false
	u.made++
	t := &media.Track{Codec: u.codec, Generation: u.made}
	for _, s := range u.sets {
		if s != nil {
			t.Params = append(t.Params, s)
		}
	}
	t.Width, t.Height = dimensions(u.codec, u.sets[1])
	u.track = t
}

type class uint8

const (
	classOther class = iota
	classNothing
	classPicture
	classKey
	classVPS
	classSPS
	classPPS
)

func (u *units) classify(n []byte) class {
	if len(n) == 0 || n[0]&0x80 != 0 {
		return classNothing
	}
	if u.codec == media.H264 {
		switch t := n[0] & 0x1F; {
		case t == 9 || t == 12:
			return classNothing
		case t == 5:
			return classKey
		case t >= 1 && t <= 4:
			return classPicture
		case t == 7:
			return classSPS
		case t == 8:
			return classPPS
		}
		return classOther
	}
	switch t := n[0] >> 1; {
	case t == 35 || t == 38 || len(n) < 2:
		return classNothing
	case t >= 16 && t <= 21:
		return classKey
	case t < 32:
		return classPicture
	case t == 32:
		return classVPS
	case t == 33:
		return classSPS
	case t == 34:
		return classPPS
	}
	return classOther
}

// saneSPS reports whether a sequence parameter set parses and names a picture
// of 64 to 16384 pixels each way.
func saneSPS(c media.Codec, n []byte) bool {
	w, h := dimensions(c, n)
	return w >= 64 && h >= 64 && w <= 16384 && h <= 16384
}

// dimensions are of the picture, 0 if the set does not parse.
func dimensions(c media.Codec, sps []byte) (width, height int) {
	if c == media.H264 {
		var s h264.SPS
		if s.Unmarshal(sps) == nil {
			return s.Width(), s.Height()
		}
		return 0, 0
	}
	var s h265.SPS
	if s.Unmarshal(sps) == nil {
		return s.Width(), s.Height()
	}
	return 0, 0
}

// samples reads G.711 bare in RTP: each packet is a frame.
type samples struct {
	sink  func(*media.Frame)
	track *media.Track

	started bool
	fast    bool // the time stamp counts 90 kHz instead of 8 kHz
	last    uint32
	time    int64
	took    int64 // duration of the last packet, 90 kHz
}

func newSamples(c media.Codec, sink func(*media.Frame)) *samples {
	return &samples{sink: sink, track: &media.Track{Codec: c, Generation: 1, SampleRate: 8000, Channels: 1}}
}

// Write implements depacketizer.
func (s *samples) Write(p []byte, ts uint32, _ bool, arrived time.Time) {
	if !s.started {
		s.started, s.time = true, int64(ts)*90/8
	} else {
		d := int64(int32(ts - s.last))
		s.fast = s.fast || d == s.took && d > 0
		switch {
		case d == 0: // a constant time stamp: count
			s.time += s.took
		case s.fast:
			s.time += d
		default:
			s.time += d * 90 / 8
		}
	}
	s.last, s.took = ts, int64(len(p))*90/8
	m := &struct {
		frame media.Frame
		unit  [1][]byte
	}{}
	m.unit[0] = bytes.Clone(p)
	m.frame.Track, m.frame.Units, m.frame.Arrived = s.track, m.unit[:], arrived
	m.frame.PTS, m.frame.DTS = s.time, s.time
	s.sink(&m.frame)
}

// Gap implements depacketizer.
func (s *samples) Gap() {}

// Flush implements depacketizer.
func (s *samples) Flush(time.Time) {}
