package voice

import "fengsui/media"

// Frame of sound: 20 ms are safe with every device (2022 C.2.4 has 20 to 180 ms).
const (
	Rate        = 8000 // samples a second
	FrameMS     = 20
	FrameLength = Rate * FrameMS / 1000 // samples of a frame, bytes of G.711
)

// Silence is the G.711 byte that is heard as nothing.
func Silence(law media.Codec) byte {
	if law == media.PCMU {
		return 0xFF
	}
	return 0xD5
}

// decoded are the linear values of all bytes of a law, and crossed what the other
// law writes for each. Read only.
var (
	decodedA, decodedU = tables()
	crossedA, crossedU = cross()
)

func tables() (a, u [256]int16) {
	for i := range 256 {
		a[i], u[i] = decodeA(byte(i)), decodeU(byte(i))
	}
	return a, u
}

// cross makes, of each A-law byte, the µ-law one, and the other way.
func cross() (a, u [256]byte) {
	for i := range 256 {
		a[i], u[i] = encodeU(decodeA(byte(i))), encodeA(decodeU(byte(i)))
	}
	return a, u
}

// Decode is the linear sample of a G.711 byte (ITU-T G.711).
func Decode(law media.Codec, b byte) int16 {
	if law == media.PCMU {
		return decodedU[b]
	}
	return decodedA[b]
}

// Encode is the G.711 byte of a linear sample.
func Encode(law media.Codec, s int16) byte {
	if law == media.PCMU {
		return encodeU(s)
	}
	return encodeA(s)
}

// Convert rewrites sound from one law to the other in place; of equal ones it
// changes nothing.
func Convert(from, to media.Codec, sound []byte) {
	if from == to {
		return
	}
	table := &crossedA
	if from == media.PCMU {
		table = &crossedU
	}
	for i, b := range sound {
		sound[i] = table[b]
	}
}

func decodeA(b byte) int16 {
	b ^= 0x55
	v := int16(b&0x0F)<<4 + 8
	if segment := b >> 4 & 7; segment > 0 {
		v = (v + 0x100) << (segment - 1)
	}
	if b&0x80 == 0 {
		return -v
	}
	return v
}

func encodeA(s int16) byte {
	v, sign := int32(s)>>3, byte(0xD5) // 13 bits
	if v < 0 {
		v, sign = -v-1, 0x55
	}
	segment := byte(0)
	for limit := int32(0x1F); segment < 8 && v > limit; limit = limit<<1 | 1 {
		segment++
	}
	if segment == 8 {
		return 0x7F ^ sign
	}
	b := segment << 4
	if segment < 2 {
		b |= byte(v>>1) & 0x0F
	} else {
		b |= byte(v>>segment) & 0x0F
	}
	return b ^ sign
}

const biasU = 0x84

func decodeU(b byte) int16 {
	b = ^b
	v := (int16(b&0x0F)<<3+biasU)<<(b>>4&7) - biasU
	if b&0x80 != 0 {
		return -v
	}
	return v
}

func encodeU(s int16) byte {
	v, sign := int32(s), byte(0)
	if v < 0 {
		v, sign = -v, 0x80
	}
	v = min(v, 32635) + biasU
	segment := byte(7)
	for mask := int32(0x4000); segment > 0 && v&mask == 0; mask >>= 1 {
		segment--
	}
	return ^(sign | segment<<4 | byte(v>>(segment+3))&0x0F)
}
