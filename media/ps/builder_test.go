package ps_test

import (
	"bytes"

	"fengsui/media"
)

// none is a time stamp that is left out.
const none = int64(-1)

// The pieces of a program stream, for streams that the Muxer does not write.

func pack(stuffing int) []byte {
	b := []byte{0, 0, 1, 0xBA, 0x44, 0, 4, 0, 4, 1, 0, 0x5F, 0x6B, 0xF8 | byte(stuffing)}
	return append(b, bytes.Repeat([]byte{0xFF}, stuffing)...)
}

func systemHeader() []byte {
	return []byte{0, 0, 1, 0xBB, 0, 12, 0x80, 0x2F, 0xB5, 4, 0xE1, 0x7F, 0xE0, 0xE8, 0, 0xC0, 0xC0, 0x20}
}

// psm makes a map of pairs of stream type and id, with private descriptors
// around and a CRC of zero.
func psm(pairs ...byte) []byte {
	info := []byte{0x40, 4, 'H', 'K', 1, 2}
	es := []byte{0x42, 3, 9, 9, 9}
	var m []byte
	for i := 0; i < len(pairs); i += 2 {
		m = append(m, pairs[i], pairs[i+1], 0, byte(len(es)))
		m = append(m, es...)
	}
	b := []byte{0xE1, 0xFF, 0, byte(len(info))}
	b = append(b, info...)
	b = append(b, 0, byte(len(m)))
	b = append(b, m...)
	b = append(b, 0, 0, 0, 0)
	return append([]byte{0, 0, 1, 0xBC, byte(len(b) >> 8), byte(len(b))}, b...)
}

func stamp(prefix byte, t int64) []byte {
	return []byte{prefix<<4 | byte(t>>30&7)<<1 | 1, byte(t >> 22), byte(t>>15&0x7F)<<1 | 1, byte(t >> 7), byte(t&0x7F)<<1 | 1}
}

// pes makes a PES packet; dts none is that of pts.
func pes(id byte, pts, dts int64, payload ...byte) []byte {
	head := []byte{0x80, 0, 0}
	switch {
	case pts != none && dts != none:
		head = append([]byte{0x80, 0xC0, 10}, append(stamp(3, pts), stamp(1, dts)...)...)
	case pts != none:
		head = append([]byte{0x80, 0x80, 5}, stamp(2, pts)...)
	}
	n := len(head) + len(payload)
	return join([]byte{0, 0, 1, id, byte(n >> 8), byte(n)}, head, payload)
}

// openPES makes a PES packet with length 0.
func openPES(id byte, pts int64, payload []byte) []byte {
	b := pes(id, pts, none)
	b[4], b[5] = 0, 0
	return append(b, payload...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// es is the Annex B form of a frame, with start codes of four and three bytes.
func es(f *media.Frame) (b []byte) {
	for i, u := range f.Units {
		if i%2 == 0 {
			b = append(b, 0)
		}
		b = append(b, 0, 0, 1)
		b = append(b, u...)
	}
	return b
}

// keyHead is what stands before a key frame.
func keyHead(f *media.Frame, video, audio byte) []byte {
	if !f.Key {
		return pack(0)
	}
	if audio == 0 {
		return join(pack(0), systemHeader(), psm(video, 0xE0))
	}
	return join(pack(0), systemHeader(), psm(video, 0xE0, audio, 0xC0))
}

// each joins what frame makes of every frame.
func each(frames []*media.Frame, frame func(i int, f *media.Frame) []byte) (b []byte) {
	for i, f := range frames {
		b = append(b, frame(i, f)...)
	}
	return b
}
