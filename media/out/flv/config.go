package flv

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"fengsui/media"
)

// errParams is a track whose parameter sets do not make a decoder configuration.
var errParams = errors.New("parameter sets are not complete")

// nalType is the type of a NAL unit, which is not empty.
func nalType(c media.Codec, u []byte) byte {
	if c == media.H264 {
		return u[0] & 0x1F
	}
	return u[0] >> 1 & 0x3F
}

// NAL unit types of parameter sets.
const (
	avcSPS, avcPPS            = 7, 8
	hevcVPS, hevcSPS, hevcPPS = 32, 33, 34
)

// isSet reports whether a unit is a parameter set: those travel in the decoder
// configuration.
func isSet(c media.Codec, u []byte) bool {
	t := nalType(c, u)
	if c == media.H264 {
		return t == avcSPS || t == avcPPS
	}
	return t >= hevcVPS && t <= hevcPPS
}

// setsOf returns the parameter sets of one type.
func setsOf(t *media.Track, nal byte) (sets [][]byte) {
	for _, p := range t.Params {
		if len(p) > 0 && len(p) <= 0xFFFF && nalType(t.Codec, p) == nal && len(sets) < 31 {
			sets = append(sets, p)
		}
	}
	return sets
}

// decoderConfig is the avcC or hvcC of a video track (ISO/IEC 14496-15).
func decoderConfig(t *media.Track) ([]byte, error) {
	if t.Codec == media.H264 {
		return avcC(t)
	}
	return hvcC(t)
}

// avcC is the AVCDecoderConfigurationRecord of section 5.3.3.1.
func avcC(t *media.Track) ([]byte, error) {
	sps, pps := setsOf(t, avcSPS), setsOf(t, avcPPS)
	if len(sps) == 0 || len(pps) == 0 || len(sps[0]) < 4 {
		return nil, errParams
	}
	b := []byte{1, sps[0][1], sps[0][2], sps[0][3], 0xFC | 3, 0xE0 | byte(len(sps))}
	for _, s := range sps {
		b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
		b = append(b, s...)
	}
	b = append(b, byte(len(pps)))
	for _, s := range pps {
		b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
		b = append(b, s...)
	}
	switch sps[0][1] {
	case 100, 110, 122, 144:
		var p h264.SPS
		if err := p.Unmarshal(sps[0]); err != nil {
			return nil, fmt.Errorf("read SPS: %w", err)
		}
		b = append(b, 0xFC|byte(p.ChromaFormatIdc), 0xF8|byte(p.BitDepthLumaMinus8), 0xF8|byte(p.BitDepthChromaMinus8), 0)
	}
	return b, nil
}

// hvcC is the HEVCDecoderConfigurationRecord of section 8.3.3.1.
func hvcC(t *media.Track) ([]byte, error) {
	sps := setsOf(t, hevcSPS)
	if len(sps) == 0 || len(setsOf(t, hevcVPS)) == 0 || len(setsOf(t, hevcPPS)) == 0 {
		return nil, errParams
	}
	var p h265.SPS
	if err := p.Unmarshal(sps[0]); err != nil {
		return nil, fmt.Errorf("read SPS: %w", err)
	}
	plain := h264.EmulationPreventionRemove(sps[0])
	if len(plain) < 3+12 {
		return nil, errParams
	}
	b := append([]byte{1}, plain[3:3+12]...) // profile, tier, compatibility, constraints, level
	nested := byte(0)
	if p.TemporalIDNestingFlag {
		nested = 1
	}
	b = append(b,
		0xF0, 0, // min_spatial_segmentation_idc: unknown
		0xFC, // parallelismType: unknown
		0xFC|byte(p.ChromaFormatIdc), 0xF8|byte(p.BitDepthLumaMinus8), 0xF8|byte(p.BitDepthChromaMinus8),
		0, 0, // avgFrameRate: unknown
		(p.MaxSubLayersMinus1+1)<<3|nested<<2|3, // lengths of four bytes
		3)
	for _, nal := range []byte{hevcVPS, hevcSPS, hevcPPS} {
		sets := setsOf(t, nal)
		b = append(b, 0x80|nal, 0, byte(len(sets)))
		for _, s := range sets {
			b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
			b = append(b, s...)
		}
	}
	return b, nil
}
