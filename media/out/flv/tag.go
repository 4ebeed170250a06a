package flv

import (
	"encoding/binary"
	"math"

	"fengsui/media"
)

const (
	tagAudio  = 8
	tagVideo  = 9
	tagScript = 18

	headSize = 11 // bytes of a tag's header
	tailSize = 4  // bytes of the size that follows a tag
)

// Codec numbers of audio and video tags.
const (
	codecAVC  = 7
	codecHEVC = 12 // by an extension outside Adobe's specification
	soundPCMA = 7
	soundPCMU = 8
	soundAAC  = 10
)

const fourCCHEVC = "hvc1"

// Packet types of Enhanced RTMP.
const (
	packetStart   = 0 // decoder configuration
	packetFrames  = 1 // with composition time
	packetFramesX = 3 // composition time 0
)

// fileHeader is the header of the stream and the size of no tag before it.
func fileHeader(video, audio bool) []byte {
	flags := byte(0)
	if video {
		flags |= 1
	}
	if audio {
		flags |= 4
	}
	return []byte{'F', 'L', 'V', 1, flags, 0, 0, 0, 9, 0, 0, 0, 0}
}

// beginTag appends the header of a tag with time 0 and no size yet.
func beginTag(dst []byte, kind byte) []byte {
	return append(dst, kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

// endTag writes the sizes of the tag that b is.
func endTag(b []byte) []byte {
	n := len(b) - headSize
	b[1], b[2], b[3] = byte(n>>16), byte(n>>8), byte(n)
	return binary.BigEndian.AppendUint32(b, uint32(len(b)))
}

// setTime writes a time, ms, into the header of a tag.
func setTime(head []byte, ms uint32) {
	head[4], head[5], head[6], head[7] = byte(ms>>16), byte(ms>>8), byte(ms), byte(ms>>24)
}

// frameTag is a frame as a tag with time 0, for every viewer the same. It is
// empty if the frame has nothing that is sent.
func frameTag(f *media.Frame, legacy bool) []byte {
	if !f.Track.Codec.Video() {
		return f.Packaged(media.FormFLV, audioTag)
	}
	if legacy && f.Track.Codec == media.H265 {
		return f.Packaged(media.FormFLVLegacy, func(f *media.Frame) []byte { return videoTag(f, true) })
	}
	return f.Packaged(media.FormFLV, func(f *media.Frame) []byte { return videoTag(f, false) })
}

func videoTag(f *media.Frame, legacy bool) []byte {
	size := 0
	for _, u := range f.Units {
		if len(u) > 0 && !isSet(f.Track.Codec, u) {
			size += 4 + len(u)
		}
	}
	if size == 0 {
		return nil
	}
	cts := (f.PTS - f.DTS + 45) / 90
	b := beginTag(make([]byte, 0, headSize+8+size+tailSize), tagVideo)
	b = appendVideoHead(b, f.Track.Codec, legacy, f.Key, packetFrames, cts)
	for _, u := range f.Units {
		if len(u) > 0 && !isSet(f.Track.Codec, u) {
			b = binary.BigEndian.AppendUint32(b, uint32(len(u)))
			b = append(b, u...)
		}
	}
	return endTag(b)
}

// appendVideoHead appends what stands before the data in a video tag.
func appendVideoHead(b []byte, c media.Codec, legacy, key bool, packet byte, cts int64) []byte {
	kind := byte(2) // inter frame
	if key {
		kind = 1
	}
	if c == media.H265 && !legacy {
		if packet == packetFrames && cts == 0 {
			packet = packetFramesX
		}
		b = append(b, 0x80|kind<<4|packet)
		b = append(b, fourCCHEVC...)
		if packet != packetFrames {
			return b
		}
		return append(b, byte(cts>>16), byte(cts>>8), byte(cts))
	}
	codec := byte(codecAVC)
	if c == media.H265 {
		codec = codecHEVC
	}
	return append(b, kind<<4|codec, packet, byte(cts>>16), byte(cts>>8), byte(cts))
}

// videoStart is the sequence header of a video track as a tag with time 0.
func videoStart(t *media.Track, legacy bool) ([]byte, error) {
	config, err := decoderConfig(t)
	if err != nil {
		return nil, err
	}
	b := beginTag(nil, tagVideo)
	b = appendVideoHead(b, t.Codec, legacy, true, packetStart, 0)
	return endTag(append(b, config...)), nil
}

func audioTag(f *media.Frame) []byte {
	size := f.Size()
	if size == 0 {
		return nil
	}
	b := beginTag(make([]byte, 0, headSize+2+size+tailSize), tagAudio)
	b = appendAudioHead(b, f.Track.Codec, 1)
	for _, u := range f.Units {
		b = append(b, u...)
	}
	return endTag(b)
}

// appendAudioHead appends what stands before the data in an audio tag. The
// rates it can tell are not ours; all readers go by the codec.
func appendAudioHead(b []byte, c media.Codec, packet byte) []byte {
	if c == media.PCMA {
		return append(b, soundPCMA<<4|1<<1)
	}
	if c == media.PCMU {
		return append(b, soundPCMU<<4|1<<1)
	}
	return append(b, soundAAC<<4|0x0F, packet)
}

// audioStart is the sequence header of an AAC track as a tag with time 0.
func audioStart(t *media.Track) ([]byte, error) {
	if len(t.Params) == 0 || len(t.Params[0]) < 2 {
		return nil, errParams
	}
	b := appendAudioHead(beginTag(nil, tagAudio), t.Codec, 0)
	return endTag(append(b, t.Params[0]...)), nil
}

// metadata is the onMetaData tag that describes the tracks, which may be nil.
func metadata(video, audio *media.Track, legacy bool) []byte {
	type number struct {
		name  string
		value float64
	}
	var all []number
	if video != nil {
		codec := float64(codecAVC)
		if video.Codec == media.H265 {
			codec = codecHEVC
			if !legacy {
				codec = float64(binary.BigEndian.Uint32([]byte(fourCCHEVC)))
			}
		}
		all = append(all, number{"videocodecid", codec},
			number{"width", float64(video.Width)}, number{"height", float64(video.Height)})
	}
	if audio != nil {
		codec := map[media.Codec]float64{media.PCMA: soundPCMA, media.PCMU: soundPCMU, media.AAC: soundAAC}[audio.Codec]
		all = append(all, number{"audiocodecid", codec},
			number{"audiosamplerate", float64(audio.SampleRate)}, number{"audiochannels", float64(audio.Channels)})
	}
	b := beginTag(nil, tagScript)
	b = append(b, 2) // AMF0 string
	b = appendName(b, "onMetaData")
	b = append(b, 8) // AMF0 array by names
	b = binary.BigEndian.AppendUint32(b, uint32(len(all)))
	for _, n := range all {
		b = append(appendName(b, n.name), 0)
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(n.value))
	}
	return endTag(append(b, 0, 0, 9))
}

func appendName(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}
