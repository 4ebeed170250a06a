package gbsdp

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"fengsui/gb28181"
)

// Offer is what an INVITE for pictures offers: we receive PS, or bare elementary
// streams from devices that answer so.
type Offer struct {
	Owner   gb28181.ID // the platform's own ID
	Address netip.Addr // where we receive, as the device should see it
	Port    int
	TCP     bool
	Setup   string // TCP only: our role; "" means [Passive], which devices behind NAT need
	SSRC    string // 10 digits
	// Stream are the lines that choose the main or a sub stream, from [StreamLines].
	Stream []Attr
	// History asks for recorded pictures; nil for live ones.
	History *History
}

// History is the part of an [Offer] that names a recording (signalling.md section
// 6.6).
type History struct {
	Channel    gb28181.ID
	Kind       int       // of u=: 0 all, 1 manual, 2 alarm, 3 time
	Start, End time.Time // whole seconds
	Speed      int       // of a download, in times; 0: a playback
}

// Description is the offer as SDP, in the form of media.md section 1.1.
func (o Offer) Description() Description {
	m := Media{
		Type: "video", Port: o.Port, TCP: o.TCP, Payloads: []uint8{96, 97, 98, 99}, Direction: RecvOnly,
		RTPMap: map[uint8]string{96: "PS/90000", 97: "MPEG4/90000", 98: "H264/90000", 99: "H265/90000"},
		Attrs:  o.Stream,
	}
	if o.TCP {
		m.Setup, m.Connection = o.Setup, "new"
		if m.Setup == "" {
			m.Setup = Passive
		}
	}
	d := Description{Owner: string(o.Owner), Session: Play, Connection: o.Address, SSRC: o.SSRC}
	if h := o.History; h != nil {
		d.Session = Playback
		if h.Speed > 0 {
			d.Session = Download
			m.Attrs = append([]Attr{{"downloadspeed", strconv.Itoa(h.Speed)}}, m.Attrs...)
		}
		d.URI = string(h.Channel) + ":" + strconv.Itoa(h.Kind)
		d.Start, d.End = h.Start.Unix(), h.End.Unix()
	}
	d.Media = []Media{m}
	return d
}

// Append appends the offer's body to dst.
func (o Offer) Append(dst []byte) []byte {
	d := o.Description()
	return d.Append(dst)
}

// Stream selectors (media.md section 1.5).
const (
	SelectAuto    = ""              // by edition
	SelectNumber  = "streamnumber"  // 2022
	SelectStream  = "stream"        // older platforms
	SelectProfile = "streamprofile" // Dahua
	SelectMode    = "streamMode"    // TP-LINK, Mercury
	SelectNone    = "none"
)

// StreamLines are the attributes that ask for the main or the first sub stream.
// Under [SelectAuto] the main stream is asked for by saying nothing, which every
// device takes for it; the sub stream by streamnumber from 2022 peers and by
// stream from older ones, of which many ignore it: verify by the resolution that
// arrives. An unknown selector counts as [SelectAuto].
func StreamLines(selector string, e gb28181.Edition, sub bool) []Attr {
	number := "0"
	if sub {
		number = "1"
	}
	switch strings.ToLower(selector) {
	case SelectNumber, SelectStream, SelectProfile:
		return []Attr{{strings.ToLower(selector), number}}
	case strings.ToLower(SelectMode):
		if sub {
			return []Attr{{SelectMode, "SUB"}}
		}
		return []Attr{{SelectMode, "MAIN"}}
	case SelectNone:
		return nil
	}
	switch {
	case !sub:
		return nil
	case e.Effective() >= gb28181.Edition2022:
		return []Attr{{SelectNumber, number}}
	}
	return []Attr{{SelectStream, number}}
}
