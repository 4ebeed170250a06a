package sim

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"fengsui/media"
)

// offer is what a device reads of an INVITE's SDP (media.md section 1).
type offer struct {
	session  string // s=
	start    int64  // t=, Unix seconds; 0 of live pictures
	end      int64
	speed    int // downloadspeed
	remote   netip.AddrPort
	tcp      bool
	setup    string           // "" over UDP
	payloads map[string]uint8 // offered payload types by encoding name, upper case
	profile  media.Profile
	y        string
}

func readOffer(body []byte) (offer, error) {
	o := offer{payloads: map[string]uint8{}, profile: media.Main}
	var addr netip.Addr
	port := -1
	for line := range strings.Lines(string(body)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch key {
		case "s":
			o.session = value
		case "y":
			o.y = value
		case "t":
			_, _ = fmt.Sscan(value, &o.start, &o.end) // what cannot be read is no recording
		case "c":
			f := strings.Fields(value)
			if len(f) == 3 {
				addr, _ = netip.ParseAddr(f[2])
			}
		case "m":
			f := strings.Fields(value)
			if len(f) < 4 || f[0] != "video" || port >= 0 {
				continue
			}
			n, err := strconv.ParseUint(f[1], 10, 16)
			if err != nil {
				return o, fmt.Errorf("bad port %q", f[1])
			}
			port, o.tcp = int(n), strings.HasPrefix(f[2], "TCP/")
		case "a":
			o.attribute(value)
		}
	}
	if !addr.IsValid() || port < 0 {
		return o, fmt.Errorf("no address or no m=video")
	}
	if _, ok := o.payloads["PS"]; !ok && len(o.payloads) == 0 {
		o.payloads["PS"] = 96
	}
	o.remote = netip.AddrPortFrom(addr.Unmap(), uint16(port))
	return o, nil
}

func (o *offer) attribute(value string) {
	name, arg, _ := strings.Cut(value, ":")
	arg = strings.TrimSpace(arg)
	switch strings.ToLower(name) {
	case "setup":
		o.setup = strings.ToLower(arg)
	case "rtpmap":
		pt, encoding, _ := strings.Cut(arg, " ")
		encoding, _, _ = strings.Cut(encoding, "/")
		if n, err := strconv.ParseUint(pt, 10, 7); err == nil {
			o.payloads[strings.ToUpper(strings.TrimSpace(encoding))] = uint8(n)
		}
	case "downloadspeed":
		o.speed, _ = strconv.Atoi(arg)
	case "streamnumber", "stream", "streamprofile", "streammode":
		switch strings.ToLower(arg) {
		case "1", "2", "sub":
			o.profile = media.Sub
		}
	}
}

// answerSDP is the device's answer (media.md section 1.6).
type answerSDP struct {
	id      string
	session string
	addr    netip.AddrPort
	tcp     bool
	setup   string // "" is left out
	payload uint8
	name    string   // encoding name
	y       string   // "" is left out
	extra   []string // a= lines
}

func (a *answerSDP) bytes() []byte {
	profile := "RTP/AVP"
	if a.tcp {
		profile = "TCP/RTP/AVP"
	}
	ip := a.addr.Addr()
	family := "IP4"
	if ip.Is6() {
		family = "IP6"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "v=0\r\no=%s 0 0 IN %s %s\r\ns=%s\r\nc=IN %s %s\r\nt=0 0\r\nm=video %d %s %d\r\na=sendonly\r\na=rtpmap:%d %s/90000\r\n",
		a.id, family, ip, a.session, family, ip, a.addr.Port(), profile, a.payload, a.payload, a.name)
	if a.setup != "" {
		b.WriteString("a=setup:" + a.setup + "\r\na=connection:new\r\n")
	}
	for _, line := range a.extra {
		b.WriteString("a=" + line + "\r\n")
	}
	if a.y != "" {
		b.WriteString("y=" + a.y + "\r\n")
	}
	b.WriteString("f=\r\n")
	return []byte(b.String())
}
