package gbsdp

import (
	"net/netip"
	"slices"
	"strings"

	"fengsui/gb28181"
)

// Talk is the s= of two-way speech, which the 2022 edition has no more.
const Talk = "Talk"

// SoundFormat is the f= of G.711, on which some devices insist (signalling.md
// section 6.1).
const SoundFormat = "v/////a/1/8/1"

// Names of what speech is sent in.
const (
	PCMA = "PCMA"
	PCMU = "PCMU"
	PS   = "PS" // G.711 A-law inside, as the amendment of 2014 has it
)

// Sound is an offer or answer of speech: of a broadcast, where the device offers to
// receive, or of a talk both ways (signalling.md sections 6.9 and 6.10).
type Sound struct {
	Owner     gb28181.ID
	Session   string // Play of a broadcast, or Talk
	Address   netip.Addr
	Port      int
	TCP       bool
	Setup     string // TCP only: the sender's role
	Direction string
	Payloads  []uint8 // of those that name knows: 8, 0, 96
	SSRC      string  // ten digits; "" leaves it out
}

// soundMaps are the payload types of speech.
var soundMaps = map[uint8]string{8: "PCMA/8000", 0: "PCMU/8000", 96: "PS/90000"}

// Append appends the body to dst.
func (s Sound) Append(dst []byte) []byte {
	m := Media{Type: "audio", Port: s.Port, TCP: s.TCP, Payloads: s.Payloads, Direction: s.Direction, RTPMap: map[uint8]string{}}
	for _, pt := range s.Payloads {
		if name := soundMaps[pt]; name != "" {
			m.RTPMap[pt] = name
		}
	}
	if s.TCP {
		m.Setup, m.Connection = s.Setup, "new"
	}
	d := Description{Owner: string(s.Owner), Session: s.Session, Connection: s.Address, Media: []Media{m}, SSRC: s.SSRC, Format: SoundFormat}
	return d.Append(dst)
}

// Sound is the audio line of d, false when there is none. Several on one port, as
// Dahua answers a talk, are one that does all of theirs.
func (d *Description) Sound() (Media, bool) {
	first := d.First("audio")
	if first == nil {
		return Media{}, false
	}
	all := *first
	all.Payloads = slices.Clone(first.Payloads)
	all.RTPMap = map[uint8]string{}
	for i := range d.Media {
		m := &d.Media[i]
		if m.Type != "audio" || m.Port != all.Port || m.TCP != all.TCP {
			continue
		}
		for _, pt := range m.Payloads {
			if !slices.Contains(all.Payloads, pt) {
				all.Payloads = append(all.Payloads, pt)
			}
		}
		for pt, name := range m.RTPMap {
			all.RTPMap[pt] = name
		}
		if m.Direction != all.Direction {
			all.Direction = SendRecv
		}
		if all.Setup == "" {
			all.Setup = m.Setup
		}
	}
	return all, true
}

// Speech picks what to speak in from the payload types of a line: [PCMA] before
// [PCMU] before [PS].
func (m *Media) Speech() (pt uint8, name string, ok bool) {
	for _, want := range [...]string{PCMA, PCMU, PS} {
		for _, pt := range m.Payloads {
			text := m.RTPMap[pt]
			if text == "" {
				text = soundMaps[pt]
			}
			if is, _, _ := strings.Cut(text, "/"); strings.EqualFold(is, want) {
				return pt, want, true
			}
		}
	}
	return 0, "", false
}
