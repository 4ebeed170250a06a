package rtp

import (
	"encoding/binary"
	"errors"
)

// Errors of [Parse].
var (
	ErrShort   = errors.New("rtp: shorter than its header says")
	ErrVersion = errors.New("rtp: version is not 2")
)

const headerSize = 12

// Header is what a receiver needs of an RTP header (RFC 3550 section 5.1).
type Header struct {
	Marker      bool
	PayloadType uint8 // 0 to 127
	Sequence    uint16
	Timestamp   uint32 // in units of the payload's clock
	SSRC        uint32
}

// Parse splits an RTP packet. The payload is a part of b, without contributing
// sources, extension and padding. A padding count beyond the payload is ignored:
// devices exist that set the bit without padding.
func Parse(b []byte) (Header, []byte, error) {
	if len(b) < headerSize {
		return Header{}, nil, ErrShort
	}
	if b[0]>>6 != 2 {
		return Header{}, nil, ErrVersion
	}
	h := Header{
		Marker:      b[1]&0x80 != 0,
		PayloadType: b[1] & 0x7F,
		Sequence:    binary.BigEndian.Uint16(b[2:]),
		Timestamp:   binary.BigEndian.Uint32(b[4:]),
		SSRC:        binary.BigEndian.Uint32(b[8:]),
	}
	if b[0]&0x3F == 0 {
		return h, b[headerSize:], nil
	}
	at := headerSize + 4*int(b[0]&0x0F)
	if b[0]&0x10 != 0 { // extension: profile, length in words
		if len(b) < at+4 {
			return Header{}, nil, ErrShort
		}
		at += 4 + 4*int(binary.BigEndian.Uint16(b[at+2:]))
	}
	if len(b) < at {
		return Header{}, nil, ErrShort
	}
	payload := b[at:]
	if b[0]&0x20 != 0 && len(payload) > 0 {
		if pad := int(payload[len(payload)-1]); pad <= len(payload) {
			payload = payload[:len(payload)-pad]
		}
	}
	return h, payload, nil
}

// Append appends the packet of h and payload to dst.
func Append(dst []byte, h Header, payload []byte) []byte {
	pt := h.PayloadType & 0x7F
	if h.Marker {
		pt |= 0x80
	}
	dst = append(dst, 0x80, pt)
	dst = binary.BigEndian.AppendUint16(dst, h.Sequence)
	dst = binary.BigEndian.AppendUint32(dst, h.Timestamp)
	dst = binary.BigEndian.AppendUint32(dst, h.SSRC)
	return append(dst, payload...)
}

// IsRTCP reports whether b is RTCP (packet types 200 to 204) on an RTP port or connection.
func IsRTCP(b []byte) bool {
	return len(b) >= 8 && b[0]>>6 == 2 && b[1] >= 200 && b[1] <= 204
}
