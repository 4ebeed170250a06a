package ps

// Start codes, the byte after 00 00 01 (ISO/IEC 13818-1 tables 2-22 and 2-33).
const (
	codeEnd      = 0xB9 // program end
	codePack     = 0xBA // pack header
	codeSystem   = 0xBB // system header
	codePSM      = 0xBC // program stream map
	codePrivate1 = 0xBD
	codePadding  = 0xBE
	codePrivate2 = 0xBF
	codeAudio    = 0xC0 // to 0xDF
	codeVideo    = 0xE0 // to 0xEF
)

func isAudio(code byte) bool { return code >= 0xC0 && code <= 0xDF }
func isVideo(code byte) bool { return code >= 0xE0 && code <= 0xEF }

// noTime is a time stamp that is not there; real ones have 33 bits.
const noTime = int64(-1)

// pesHeader is what a PES header says.
type pesHeader struct {
	size      int   // of the header, from its start code, bytes
	payload   int   // bytes after the header; -1 unbounded
	pts, dts  int64 // 33 bits, 90 kHz, or noTime
	scrambled bool
}

// parsePES reads the PES header that b begins with. When more bytes are needed
// it returns their total, and with need 0 the header; ok is false if there is no
// PES header here. It decides ok from the first nine bytes, of MPEG-1 from the
// first 25.
func parsePES(b []byte, mpeg1 bool) (h pesHeader, need int, ok bool) {
	if len(b) < 7 {
		return h, 7, true
	}
	length := int(b[4])<<8 | int(b[5])
	if b[6]&0xC0 != 0x80 {
		if !mpeg1 {
			return h, 0, false
		}
		return parsePES1(b, length)
	}
	if len(b) < 9 {
		return h, 9, true
	}
	size := 9 + int(b[8])
	if length != 0 && length < size-6 {
		return h, 0, false
	}
	if len(b) < size {
		return h, size, true
	}
	h = pesHeader{size: size, payload: -1, pts: noTime, dts: noTime, scrambled: b[6]&0x30 != 0}
	if length != 0 {
		h.payload = length - (size - 6)
	}
	switch flags := b[7] >> 6; { // '01' is forbidden: no time stamps
	case flags == 2 && size >= 14:
		h.pts = readTime(b[9:])
		h.dts = h.pts
	case flags == 3 && size >= 19:
		h.pts, h.dts = readTime(b[9:]), readTime(b[14:])
	}
	return h, 0, true
}

// parsePES1 reads an MPEG-1 packet header (ISO/IEC 11172-1 section 2.4.3.3).
func parsePES1(b []byte, length int) (h pesHeader, need int, ok bool) {
	i := 6
	for ; i < len(b) && b[i] == 0xFF; i++ { // stuffing
		if i == 6+16 {
			return h, 0, false
		}
	}
	if i < len(b) && b[i]&0xC0 == 0x40 { // STD buffer size
		i += 2
	}
	if i >= len(b) {
		return h, i + 1, true
	}
	h = pesHeader{payload: -1, pts: noTime, dts: noTime}
	var times int
	switch {
	case b[i]>>4 == 2:
		times = 5
	case b[i]>>4 == 3:
		times = 10
	case b[i] == 0x0F:
		times = 1
	default:
		return h, 0, false
	}
	h.size = i + times
	if length != 0 {
		h.payload = length - (h.size - 6)
		if h.payload < 0 {
			return h, 0, false
		}
	}
	if len(b) < h.size {
		return h, h.size, true
	}
	if times >= 5 {
		h.pts = readTime(b[i:])
		h.dts = h.pts
	}
	if times == 10 {
		h.dts = readTime(b[i+5:])
	}
	return h, 0, true
}

// readTime reads a 33-bit time stamp from five bytes. Marker bits are not
// looked at: encoders get them wrong.
func readTime(b []byte) int64 {
	return int64(b[0]>>1&7)<<30 | int64(b[1])<<22 | int64(b[2]>>1)<<15 | int64(b[3])<<7 | int64(b[4]>>1)
}

// appendTime writes the low 33 bits of t with a prefix of four bits.
func appendTime(dst []byte, prefix byte, t int64) []byte {
	return append(dst,
		prefix<<4|byte(t>>29)&0x0E|1,
		byte(t>>22),
		byte(t>>14)&0xFE|1,
		byte(t>>7),
		byte(t<<1)&0xFE|1)
}
