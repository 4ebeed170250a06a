package flv

import (
	"encoding/binary"
	"testing"

	"fengsui/media"
	"fengsui/test/fuzz/bound"
)

// FuzzDecoderConfig: a camera's parameter sets are refused, or stand whole in the
// decoder configuration, which costs little more than they do.
func FuzzDecoderConfig(f *testing.F) {
	f.Add([]byte{0x67, 0x64, 0, 0x1F, 0xAC, 0xD9, 0x40, 0x50, 0x05, 0xBB, 0x01, 0x10, 0, 0, 3, 0, 0x10, 0, 0, 3, 3, 0xC0, 0xF1, 0x83, 0x19, 0x60}, []byte{0x68, 0xEB, 0xE3, 0xCB, 0x22, 0xC0}, []byte(nil))
	f.Add([]byte{0x42, 1, 1, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x5D, 0xA0, 2, 0x80, 0x80, 0x2D, 0x16, 0x59, 0x59, 0xA4, 0x93, 0x2B, 0xC0, 0x40}, []byte{0x44, 1, 0xC1, 0x72, 0xB4, 0x62, 0x40},
		[]byte{0x40, 1, 0x0C, 1, 0xFF, 0xFF, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x5D, 0x95, 0x98, 9})
	f.Add([]byte{0x67, 0x64, 0xFF}, []byte{0x68}, []byte{0x67, 0x6E, 0, 0x1F})
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		size := len(a) + len(b) + len(c)
		for _, codec := range []media.Codec{media.H264, media.H265} {
			track := &media.Track{Codec: codec, Params: [][]byte{a, b, c}}
			var config []byte
			var err error
			bound.Bytes(t, 256<<10+64*size, func() { config, err = decoderConfig(track) })
			if err != nil {
				continue
			}
			if config[0] != 1 || len(config) > size+64 {
				t.Fatalf("%s: %x for %x, %x, %x", codec, config, a, b, c)
			}
			if first := setsOf(track, map[media.Codec]byte{media.H264: avcSPS, media.H265: hevcVPS}[codec])[0]; codec == media.H264 && binary.BigEndian.Uint16(config[6:]) != uint16(len(first)) {
				t.Fatalf("%x begins with another set than %x", config, first)
			}
		}
	})
}
