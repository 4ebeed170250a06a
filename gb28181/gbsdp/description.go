package gbsdp

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// MaxSize is the largest body that Parse reads, bytes.
const MaxSize = 8 << 10

// What Parse refuses.
var (
	ErrTooLong = errors.New("SDP over 8 KiB")
	ErrNoMedia = errors.New("SDP without a media line")
	ErrTimes   = errors.New("SDP range ends before it begins")
)

// What an offer is for: its s= line. Compare without case.
const (
	Play     = "Play"
	Playback = "Playback"
	Download = "Download"
)

// Directions, and roles in setting up a TCP connection (RFC 4145).
const (
	SendOnly = "sendonly"
	RecvOnly = "recvonly"
	SendRecv = "sendrecv"

	Active  = "active"
	Passive = "passive"
)

// Description is one session description. Text is kept as the bytes that came.
type Description struct {
	Owner   string // user of o=, the sender's ID; "" is written as "-"
	Session string // s=: Play, Playback, Download, Talk in an offer; anything in an answer
	URI     string // u=: "<channel>:<type>" or a storage URI
	// Connection is the address of the session's c= line, of o= when no line of
	// that kind is there; invalid when neither has an address, as with a host name.
	Connection netip.Addr
	Start, End int64 // t=, UNIX seconds; 0 0 live
	Attrs      []Attr
	Media      []Media
	SSRC       string // y= as sent; see [Description.SSRCValue]
	Format     string // f= as sent
}

// Media is one m= line with what belongs to it.
type Media struct {
	Type     string // "video", "audio"
	Port     int    // 0 refused
	TCP      bool
	Payloads []uint8
	// RTPMap names payloads: "PS/90000". A name such as HIKVISION/90000
	// announces a private stream.
	RTPMap     map[uint8]string
	Address    netip.Addr // its own c= line; invalid when there is none
	Direction  string     // "" means sendrecv
	Setup      string     // active, passive, actpass, "" when absent
	Connection string     // a=connection
	Attrs      []Attr     // all other attributes in their order
}

// Attr is one a= line: a=name or a=name:value.
type Attr struct{ Name, Value string }

// Attr is the value of the first attribute of that name, without case.
func (m *Media) Attr(name string) (value string, ok bool) {
	for _, a := range m.Attrs {
		if strings.EqualFold(a.Name, name) {
			return a.Value, true
		}
	}
	return "", false
}

// First is the first media line of that type, nil when there is none.
func (d *Description) First(typ string) *Media {
	for i := range d.Media {
		if d.Media[i].Type == typ {
			return &d.Media[i]
		}
	}
	return nil
}

// Remote is where the sender of d receives or sends m: m's own address, else the
// session's. It is invalid when neither is one that packets can go to; the
// source of the SIP message is then the best guess (media.md section 1.7).
func (d *Description) Remote(m *Media) netip.AddrPort {
	a := m.Address
	if !a.IsValid() {
		a = d.Connection
	}
	if !a.IsValid() || a.IsUnspecified() || m.Port <= 0 || m.Port > 65535 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(m.Port))
}

// SSRCValue is y= as the number in RTP headers: decimal with up to 10 digits,
// else hexadecimal, as some devices write it.
func (d *Description) SSRCValue() (uint32, bool) {
	if v, err := strconv.ParseUint(d.SSRC, 10, 32); err == nil {
		return uint32(v), true
	}
	hex := strings.TrimPrefix(strings.ToLower(d.SSRC), "0x")
	v, err := strconv.ParseUint(hex, 16, 32)
	return uint32(v), err == nil
}

// Range is t= as times, zero for an open end. It reports [ErrTimes] for a range
// that ends before it begins.
func (d *Description) Range() (start, end time.Time, err error) {
	if d.Start > 0 {
		start = time.Unix(d.Start, 0)
	}
	if d.End > 0 {
		end = time.Unix(d.End, 0)
		if d.End <= d.Start {
			err = ErrTimes
		}
	}
	return start, end, err
}

// Role is the part that the sender of m plays in setting up TCP, given the role
// offered: an answer without a=setup takes the opposite one. It is "" for UDP.
func (m *Media) Role(offered string) string {
	switch {
	case !m.TCP:
		return ""
	case m.Setup == Active || m.Setup == Passive:
		return m.Setup
	case offered == Active:
		return Passive
	}
	return Active
}
