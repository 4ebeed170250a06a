package ps

import "fengsui/media"

// Stream types of a program stream map (GB/T 28181-2022 annex C).
const (
	typeAAC  = 0x0F
	typeH264 = 0x1B
	typeH265 = 0x24
	typePCMA = 0x90
	typePCMU = 0x91
)

func codecOf(streamType byte) media.Codec {
	switch streamType {
	case typeH264:
		return media.H264
	case typeH265:
		return media.H265
	case typeAAC:
		return media.AAC
	case typePCMA:
		return media.PCMA
	case typePCMU:
		return media.PCMU
	}
	return ""
}

func typeOf(c media.Codec) byte {
	switch c {
	case media.H264:
		return typeH264
	case media.H265:
		return typeH265
	case media.AAC:
		return typeAAC
	case media.PCMA:
		return typePCMA
	case media.PCMU:
		return typePCMU
	}
	return 0
}

// Bounds of a program stream map.
const (
	maxPSM     = 1024 // bytes, start code included
	maxStreams = 4
)

// streamMap is the elementary streams that a program stream map names.
type streamMap struct {
	n       int
	entries [maxStreams]mapEntry
}

type mapEntry struct{ id, streamType byte }

// first returns the first entry whose id satisfies match.
func (m *streamMap) first(match func(id byte) bool) (mapEntry, bool) {
	for _, e := range m.entries[:m.n] {
		if match(e.id) {
			return e, true
		}
	}
	return mapEntry{}, false
}

// parsePSM reads a whole program stream map, start code included. The CRC is
// not looked at: many encoders write zeros. Lengths that do not fit into each
// other, or more than four streams, make it not ok.
func parsePSM(b []byte) (m streamMap, ok bool) {
	if len(b) < 6+10 {
		return m, false
	}
	b = b[6+2:]
	info := int(b[0])<<8 | int(b[1])
	if len(b) < 2+info+2 {
		return m, false
	}
	b = b[2+info:]
	size := int(b[0])<<8 | int(b[1])
	b = b[2:]
	if size > len(b) {
		return m, false
	}
	for b = b[:size]; len(b) >= 4; {
		e := mapEntry{streamType: b[0], id: b[1]}
		skip := 4 + (int(b[2])<<8 | int(b[3]))
		if skip > len(b) {
			return m, false
		}
		b = b[skip:]
		if e.streamType == 0 || !isAudio(e.id) && !isVideo(e.id) {
			continue // placeholders and private data
		}
		if m.n == maxStreams {
			return m, false
		}
		m.entries[m.n] = e
		m.n++
	}
	return m, true
}
