package ps

import "fengsui/media"

const (
	muxRate   = 6106           // units of 50 bytes a second; receivers do not look
	maxChunk  = 65535 - 3 - 10 // payload bytes of one PES packet
	adtsBytes = 7
)

// Muxer writes a program stream as GB/T 28181-2022 annex C wants it: a pack
// header for each frame, system header and program stream map before each key
// frame, time stamps in the first PES packet of a frame only.
type Muxer struct {
	video, audio media.Codec
	head         []byte // system header and program stream map
}

// NewMuxer makes a muxer for a video and an audio codec; either may be "".
func NewMuxer(video, audio media.Codec) *Muxer {
	m := &Muxer{video: video, audio: audio}
	m.head = m.appendMap(m.appendSystem(nil))
	return m
}

// Append appends a frame. Without video each audio frame begins with the
// program stream map.
func (m *Muxer) Append(dst []byte, f *media.Frame) []byte {
	dst = appendPack(dst, f.DTS)
	if f.Key || m.video == "" {
		dst = append(dst, m.head...)
	}
	if f.Track.Codec.Video() {
		return m.appendVideo(dst, f)
	}
	return m.appendAudio(dst, f)
}

func (m *Muxer) appendVideo(dst []byte, f *media.Frame) []byte {
	sets := f.Track.Params
	if !f.Key || hasSets(f) {
		sets = nil
	}
	start := [...]byte{0, 0, 0, 1}
	w := pesWriter{dst: dst, id: codeVideo, pts: f.PTS, dts: f.DTS}
	for _, group := range [...][][]byte{sets, f.Units} {
		for _, u := range group {
			w.left += len(start) + len(u)
		}
	}
	for _, group := range [...][][]byte{sets, f.Units} {
		for _, u := range group {
			w.write(start[:])
			w.write(u)
		}
	}
	return w.dst
}

func (m *Muxer) appendAudio(dst []byte, f *media.Frame) []byte {
	w := pesWriter{dst: dst, id: codeAudio, pts: f.PTS, dts: f.PTS, left: f.Size()}
	if f.Track.Codec == media.AAC {
		w.left += adtsBytes
		h := adtsHeader(f.Track.Params, f.Size())
		w.write(h[:])
	}
	for _, u := range f.Units {
		w.write(u)
	}
	return w.dst
}

// pesWriter cuts a frame into PES packets.
type pesWriter struct {
	dst      []byte
	id       byte
	pts, dts int64
	left     int // bytes of the frame still to come
	room     int // bytes still to come in this packet
	later    bool
}

func (w *pesWriter) write(p []byte) {
	for len(p) > 0 {
		if w.room == 0 {
			w.begin()
		}
		n := min(w.room, len(p))
		w.dst = append(w.dst, p[:n]...)
		p = p[n:]
		w.room -= n
		w.left -= n
	}
}

func (w *pesWriter) begin() {
	w.room = min(w.left, maxChunk)
	times, flags := 0, byte(0)
	switch {
	case w.later: // a continuation has no time stamps
	case w.dts != w.pts:
		times, flags = 10, 0xC0
	default:
		times, flags = 5, 0x80
	}
	w.later = true
	length := 3 + times + w.room
	w.dst = append(w.dst, 0, 0, 1, w.id, byte(length>>8), byte(length), 0x80, flags, byte(times))
	switch times {
	case 5:
		w.dst = appendTime(w.dst, 2, w.pts)
	case 10:
		w.dst = appendTime(w.dst, 3, w.pts)
		w.dst = appendTime(w.dst, 1, w.dts)
	}
}

func appendPack(dst []byte, s int64) []byte {
	const r = muxRate
	return append(dst, 0, 0, 1, codePack,
		0x44|byte(s>>27)&0x38|byte(s>>28)&3,
		byte(s>>20),
		0x04|byte(s>>12)&0xF8|byte(s>>13)&3,
		byte(s>>5),
		0x04|byte(s<<3)&0xF8,
		0x01,
		r>>14&0xFF, r>>6&0xFF, r<<2&0xFF|3,
		0xF8)
}

func (m *Muxer) appendSystem(dst []byte) []byte {
	streams := 0
	bounds := make([]byte, 0, 6)
	if m.audio != "" {
		streams++
		bounds = append(bounds, codeAudio, 0xC0, 0x20) // 32 units of 128 bytes
	}
	if m.video != "" {
		streams++
		bounds = append(bounds, codeVideo, 0xE0|4, 0x00) // 1024 units of 1024 bytes
	}
	const r = muxRate
	dst = append(dst, 0, 0, 1, codeSystem, 0, byte(6+3*streams),
		0x80|r>>15&0x7F, r>>7&0xFF, r<<1&0xFF|1, 0x04, 0xE1, 0x7F)
	return append(dst, bounds...)
}

func (m *Muxer) appendMap(dst []byte) []byte {
	from := len(dst)
	entries := make([]byte, 0, 8)
	if m.video != "" {
		entries = append(entries, typeOf(m.video), codeVideo, 0, 0)
	}
	if m.audio != "" {
		entries = append(entries, typeOf(m.audio), codeAudio, 0, 0)
	}
	dst = append(dst, 0, 0, 1, codePSM, 0, byte(2+2+2+len(entries)+4), 0xE0, 0xFF, 0, 0, 0, byte(len(entries)))
	dst = append(dst, entries...)
	c := crc32(dst[from:])
	return append(dst, byte(c>>24), byte(c>>16), byte(c>>8), byte(c))
}

// crc32 is the CRC of ISO/IEC 13818-1 annex A.
func crc32(b []byte) uint32 {
	c := ^uint32(0)
	for _, x := range b {
		c ^= uint32(x) << 24
		for range 8 {
			if c&(1<<31) != 0 {
				c = c<<1 ^ 0x04C11DB7
			} else {
				c <<= 1
			}
		}
	}
	return c
}

// hasSets reports whether a sequence parameter set is among the units.
func hasSets(f *media.Frame) bool {
	for _, u := range f.Units {
		if len(u) > 0 && classify(f.Track.Codec, u) == unitSPS {
			return true
		}
	}
	return false
}

// adtsHeader makes the ADTS header of a raw AAC frame of size bytes.
func adtsHeader(params [][]byte, size int) [adtsBytes]byte {
	object, index, channels := byte(2), byte(11), byte(1) // AAC-LC, 8 kHz, mono
	if len(params) > 0 && len(params[0]) >= 2 {
		c := params[0]
		object, index, channels = c[0]>>3, c[0]&7<<1|c[1]>>7, c[1]>>3&15
	}
	size += adtsBytes
	return [adtsBytes]byte{
		0xFF, 0xF1,
		(object-1)<<6 | index<<2 | channels>>2,
		channels<<6 | byte(size>>11)&3,
		byte(size >> 3),
		byte(size<<5) | 0x1F,
		0xFC,
	}
}
