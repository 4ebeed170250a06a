package whep

import (
	"github.com/pion/rtp"

	"fengsui/media"
)

const (
	// maxPayload of an RTP packet: 1280, the least MTU of IPv6, without the
	// headers of IPv6, UDP, RTP and SRTP.
	maxPayload = 1280 - 40 - 8 - 12 - 20
	maxSound   = 480 // bytes of G.711 in a packet: 60 ms
	maxSlip    = 240 // samples that sound may be off its time before it is set right

	h264FUA = 28
	h265FU  = 49
)

// packetizer cuts frames into RTP packets of one track.
type packetizer struct {
	write func(*rtp.Packet) error
	p     rtp.Packet
	part  [maxPayload]byte
	began bool
}

// video sends an access unit; before a key frame go the parameter sets.
func (k *packetizer) video(f *media.Frame) error {
	k.p.Timestamp = uint32(f.PTS)
	units := f.Units
	last := -1 // of units
	for i, u := range units {
		if !isSet(f.Track.Codec, u) && len(u) > 2 {
			last = i
		}
	}
	if last < 0 {
		return nil
	}
	if f.Key {
		for _, u := range f.Track.Params {
			if err := k.unit(f.Track.Codec, u, false); err != nil {
				return err
			}
		}
	}
	for i, u := range units[:last+1] {
		if isSet(f.Track.Codec, u) || len(u) <= 2 {
			continue
		}
		if err := k.unit(f.Track.Codec, u, i == last); err != nil {
			return err
		}
	}
	return nil
}

// unit sends a NAL unit whole or in fragments (RFC 6184 section 5.8, RFC 7798
// section 4.4.3).
func (k *packetizer) unit(c media.Codec, u []byte, last bool) error {
	if len(u) <= maxPayload {
		return k.send(u, last)
	}
	var head int
	if c == media.H264 {
		k.part[0] = u[0]&0xE0 | h264FUA
		k.part[1] = u[0] & 0x1F
		head, u = 2, u[1:]
	} else {
		k.part[0] = u[0]&0x81 | h265FU<<1
		k.part[1] = u[1]
		k.part[2] = u[0] >> 1 & 0x3F
		head, u = 3, u[2:]
	}
	mark := &k.part[head-1]
	*mark |= 0x80 // start
	for len(u) > 0 {
		n := copy(k.part[head:], u)
		u = u[n:]
		if len(u) == 0 {
			*mark |= 0x40 // end
		}
		if err := k.send(k.part[:head+n], last && len(u) == 0); err != nil {
			return err
		}
		*mark &^= 0x80
	}
	return nil
}

// sound sends a run of G.711, timed by its samples.
func (k *packetizer) sound(f *media.Frame) error {
	due := uint32(f.PTS * 8 / 90)
	if slip := int32(due - k.p.Timestamp); !k.began || slip > maxSlip || slip < -maxSlip {
		k.p.Timestamp = due
	}
	for _, u := range f.Units {
		for len(u) > 0 {
			n := min(len(u), maxSound)
			if err := k.send(u[:n], !k.began); err != nil {
				return err
			}
			k.began = true
			k.p.Timestamp += uint32(n)
			u = u[n:]
		}
	}
	return nil
}

func (k *packetizer) send(payload []byte, marker bool) error {
	k.p.Version = 2
	k.p.Marker = marker
	k.p.SequenceNumber++
	k.p.Payload = payload
	return k.write(&k.p)
}

// isSet reports whether a unit is a parameter set; those are sent from the track.
func isSet(c media.Codec, u []byte) bool {
	if len(u) == 0 {
		return false
	}
	if c == media.H264 {
		t := u[0] & 0x1F
		return t == 7 || t == 8
	}
	t := u[0] >> 1 & 0x3F
	return t >= 32 && t <= 34
}
