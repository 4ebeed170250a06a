package talk

import (
	"math/rand/v2"

	"fengsui/gb28181/gbsdp"
	"fengsui/media"
	"fengsui/media/ps"
	"fengsui/media/rtp"
	"fengsui/media/voice"
)

// packets makes the packets of one stream of sound: raw G.711, or a program stream
// with it. It belongs to one goroutine.
type packets struct {
	header rtp.Header
	step   uint32 // of the time stamp: a frame in units of the payload's clock
	muxer  *ps.Muxer
	track  *media.Track
	at     int64 // of the next frame, 90 kHz
	pack   []byte
}

const psFrame = 90 * voice.FrameMS // a frame in units of 90 kHz

func newPackets(packing string, law media.Codec, payload uint8) packets {
	p := packets{header: rtp.Header{Marker: true, PayloadType: payload, Sequence: uint16(rand.Uint32()), Timestamp: rand.Uint32()}, step: voice.FrameLength}
	if packing == gbsdp.PS {
		p.muxer, p.step = ps.NewMuxer("", law), psFrame
		p.track = &media.Track{Codec: law, SampleRate: voice.Rate, Channels: 1}
	}
	return p
}

// next is the header and the payload of the next frame. The marker is on the first
// packet of sound, of a program stream on each, which ends a frame (RFC 3551 4.1).
func (p *packets) next(sound []byte) (rtp.Header, []byte) {
	h := p.header
	p.header.Sequence++
	p.header.Timestamp += p.step
	if p.muxer == nil {
		p.header.Marker = false
		return h, sound
	}
	p.pack = p.muxer.Append(p.pack[:0], &media.Frame{Track: p.track, PTS: p.at, DTS: p.at, Units: [][]byte{sound}})
	p.at += psFrame
	return h, p.pack
}
