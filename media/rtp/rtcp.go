package rtp

import (
	"encoding/binary"
	"time"
)

// reception is what a receiver report says of one source (RFC 3550 section 6.4.1).
type reception struct {
	clock int64 // Hz of the RTP time stamp

	base, highest uint32 // extended sequence numbers
	started       bool
	received      uint64
	expectedPrior uint64
	receivedPrior uint64

	jitter  int64 // in clock units, times 16
	transit int64
	epoch   time.Time

	lastSR   uint32 // middle of the NTP time of the last sender report
	lastSRAt time.Time
}

// take accounts a packet. Order does not matter.
func (c *reception) take(h Header, at time.Time) {
	if !c.started {
		c.started = true
		c.base = uint32(h.Sequence)
		c.highest = c.base
		c.epoch = at
		c.transit = -int64(h.Timestamp)
	} else if d := int16(h.Sequence - uint16(c.highest)); d > 0 {
		c.highest += uint32(d)
	}
	c.received++
	transit := int64(at.Sub(c.epoch))*c.clock/int64(time.Second) - int64(h.Timestamp)
	d := int64(int32(transit - c.transit))
	c.transit = transit
	if d < 0 {
		d = -d
	}
	c.jitter += d - (c.jitter+8)>>4
}

// restart forgets the sequence, when the source began anew.
func (c *reception) restart() {
	*c = reception{clock: c.clock, lastSR: c.lastSR, lastSRAt: c.lastSRAt}
}

// appendReport appends a receiver report of reporter about source.
func (c *reception) appendReport(dst []byte, reporter, source uint32, now time.Time) []byte {
	expected := uint64(c.highest-c.base) + 1
	if !c.started {
		expected = 0
	}
	lost := max(int64(expected)-int64(c.received), 0)
	interval := expected - c.expectedPrior
	missed := int64(interval) - int64(c.received-c.receivedPrior)
	c.expectedPrior, c.receivedPrior = expected, c.received
	var fraction uint32
	if interval > 0 && missed > 0 {
		fraction = uint32(min(missed*256/int64(interval), 255))
	}
	var delay uint32 // since the last sender report, in 1/65536 s
	if c.lastSR != 0 {
		delay = uint32(now.Sub(c.lastSRAt) * 65536 / time.Second)
	}
	dst = append(dst, 0x81, 201, 0, 7) // one block, 8 words
	for _, v := range []uint32{
		reporter, source,
		fraction<<24 | uint32(min(lost, 0x7FFFFF)),
		c.highest, uint32(c.jitter >> 4), c.lastSR, delay,
	} {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	return dst
}

// senderReport finds a sender report in a compound packet: the SSRC and the
// middle 32 bits of its NTP time.
func senderReport(b []byte) (ssrc, ntp uint32, ok bool) {
	for len(b) >= 8 && b[0]>>6 == 2 {
		n := 4 + 4*int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b) {
			return 0, 0, false
		}
		if b[1] == 200 && n >= 28 {
			return binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[10:]), true
		}
		b = b[n:]
	}
	return 0, 0, false
}
