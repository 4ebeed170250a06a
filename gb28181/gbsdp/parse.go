package gbsdp

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Bounds of one description; what goes beyond is left out.
const (
	maxMedia = 8
	maxAttrs = 64
)

// Parse reads a body. Lines may come in any order and end in any way; what is
// unknown or malformed is passed over. The error wraps [ErrTooLong] or [ErrNoMedia].
func Parse(body []byte) (Description, error) {
	if len(body) > MaxSize {
		return Description{}, fmt.Errorf("%w: %d bytes", ErrTooLong, len(body))
	}
	var p parser
	for line := range strings.FieldsFuncSeq(string(body), func(r rune) bool { return r == '\n' || r == '\r' || r == 0 }) {
		key, value, ok := strings.Cut(line, "=")
		if key = strings.TrimSpace(key); ok && len(key) == 1 {
			p.line(key[0], strings.TrimSpace(value))
		}
	}
	if len(p.d.Media) == 0 {
		return Description{}, fmt.Errorf("%w: %d bytes", ErrNoMedia, len(body))
	}
	p.inherit()
	return p.d, nil
}

type parser struct {
	d       Description
	origin  netip.Addr
	ignored bool // the last m= line was left out, and its attributes with it
	// Session-level attributes that stand for those of every media line.
	direction, setup, connection string
}

func (p *parser) line(key byte, value string) {
	d := &p.d
	switch key {
	case 'o':
		f := strings.Fields(value)
		if len(f) > 0 && f[0] != "-" {
			d.Owner = f[0]
		}
		if len(f) > 1 {
			p.origin = address(f[len(f)-1])
		}
	case 's':
		d.Session = value
	case 'u':
		d.URI = value
	case 'c':
		p.connectionLine(value)
	case 't':
		f := strings.Fields(value)
		if len(f) > 0 {
			d.Start = seconds(f[0])
		}
		if len(f) > 1 {
			d.End = seconds(f[1])
		}
	case 'm':
		p.media(value)
	case 'a':
		p.attribute(value)
	case 'y':
		d.SSRC = value
	case 'f':
		d.Format = value
	}
}

func (p *parser) connectionLine(value string) {
	f := strings.Fields(value)
	if len(f) == 0 || p.ignored {
		return
	}
	a := address(f[len(f)-1])
	if n := len(p.d.Media); n > 0 {
		p.d.Media[n-1].Address = a
	} else {
		p.d.Connection = a
	}
}

func (p *parser) media(value string) {
	f := strings.Fields(value)
	p.ignored = len(f) < 3 || len(p.d.Media) == maxMedia
	if p.ignored {
		return
	}
	port, _, _ := strings.Cut(f[1], "/")
	m := Media{Type: strings.ToLower(f[0]), TCP: strings.Contains(strings.ToUpper(f[2]), "TCP")}
	n, err := strconv.ParseUint(port, 10, 16)
	if p.ignored = err != nil; p.ignored {
		return
	}
	m.Port = int(n)
	var seen [128]bool
	for _, s := range f[3:] {
		if pt, err := strconv.ParseUint(s, 10, 7); err == nil && !seen[pt] {
			seen[pt] = true
			m.Payloads = append(m.Payloads, uint8(pt))
		}
	}
	p.d.Media = append(p.d.Media, m)
}

func (p *parser) attribute(line string) {
	if p.ignored {
		return
	}
	name, value, _ := strings.Cut(line, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	direction, setup, connection, attrs := &p.direction, &p.setup, &p.connection, &p.d.Attrs
	var m *Media
	if n := len(p.d.Media); n > 0 {
		m = &p.d.Media[n-1]
		direction, setup, connection, attrs = &m.Direction, &m.Setup, &m.Connection, &m.Attrs
	}
	switch lower := strings.ToLower(name); lower {
	case "":
	case SendOnly, RecvOnly, SendRecv, "inactive":
		*direction = lower
	case "setup":
		*setup = strings.ToLower(value)
	case "connection":
		*connection = strings.ToLower(value)
	case "rtpmap":
		if m != nil {
			m.rtpmap(value)
		}
	default:
		if len(*attrs) < maxAttrs {
			*attrs = append(*attrs, Attr{name, value})
		}
	}
}

func (m *Media) rtpmap(value string) {
	pt, name, ok := strings.Cut(value, " ")
	n, err := strconv.ParseUint(pt, 10, 7)
	if name = strings.TrimSpace(name); !ok || err != nil || name == "" {
		return
	}
	if m.RTPMap == nil {
		m.RTPMap = make(map[uint8]string)
	}
	m.RTPMap[uint8(n)] = name
}

func (p *parser) inherit() {
	if !p.d.Connection.IsValid() && !p.origin.IsUnspecified() {
		p.d.Connection = p.origin
	}
	for i := range p.d.Media {
		m := &p.d.Media[i]
		if m.Direction == "" {
			m.Direction = p.direction
		}
		if m.Setup == "" {
			m.Setup = p.setup
		}
		if m.Connection == "" {
			m.Connection = p.connection
		}
	}
}

// address reads an IP address, with or without a multicast "/ttl" and without zone.
func address(s string) netip.Addr {
	s, _, _ = strings.Cut(s, "/")
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return a.WithZone("").Unmap()
}

func seconds(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
