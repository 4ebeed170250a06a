package gbsdp

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
)

// Append appends the body to dst, CRLF line ends, in the order v o s u c t m a y f;
// of the attributes direction, rtpmap, setup, connection, then the others.
func (d *Description) Append(dst []byte) []byte {
	owner := d.Owner
	if owner == "" {
		owner = "-"
	}
	dst = append(dst, "v=0\r\no="...)
	dst = append(dst, owner...)
	dst = append(dst, " 0 0 IN "...)
	dst = appendAddr(dst, d.Connection)
	dst = line(dst, "\r\ns=", d.Session)
	if d.URI != "" {
		dst = line(dst, "u=", d.URI)
	}
	if d.Connection.IsValid() {
		dst = append(dst, "c=IN "...)
		dst = appendAddr(dst, d.Connection)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, "t="...)
	dst = strconv.AppendInt(dst, d.Start, 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, d.End, 10)
	dst = append(dst, "\r\n"...)
	dst = appendAttrs(dst, d.Attrs)
	for i := range d.Media {
		dst = d.Media[i].append(dst)
	}
	if d.SSRC != "" {
		dst = line(dst, "y=", d.SSRC)
	}
	if d.Format != "" {
		dst = line(dst, "f=", d.Format)
	}
	return dst
}

func (m *Media) append(dst []byte) []byte {
	dst = append(dst, "m="...)
	dst = append(dst, m.Type...)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(m.Port), 10)
	if m.TCP {
		dst = append(dst, " TCP/RTP/AVP"...)
	} else {
		dst = append(dst, " RTP/AVP"...)
	}
	for _, pt := range m.Payloads {
		dst = append(dst, ' ')
		dst = strconv.AppendUint(dst, uint64(pt), 10)
	}
	dst = append(dst, "\r\n"...)
	if m.Address.IsValid() {
		dst = append(dst, "c=IN "...)
		dst = appendAddr(dst, m.Address)
		dst = append(dst, "\r\n"...)
	}
	if m.Direction != "" {
		dst = line(dst, "a=", m.Direction)
	}
	for _, pt := range m.Payloads {
		if name, ok := m.RTPMap[pt]; ok {
			dst = rtpmapLine(dst, pt, name)
		}
	}
	for _, pt := range slices.Sorted(maps.Keys(m.RTPMap)) {
		if !slices.Contains(m.Payloads, pt) {
			dst = rtpmapLine(dst, pt, m.RTPMap[pt])
		}
	}
	if m.Setup != "" {
		dst = line(dst, "a=setup:", m.Setup)
	}
	if m.Connection != "" {
		dst = line(dst, "a=connection:", m.Connection)
	}
	return appendAttrs(dst, m.Attrs)
}

func appendAttrs(dst []byte, attrs []Attr) []byte {
	for _, a := range attrs {
		dst = append(dst, "a="...)
		dst = append(dst, a.Name...)
		if a.Value != "" {
			dst = append(dst, ':')
			dst = append(dst, a.Value...)
		}
		dst = append(dst, "\r\n"...)
	}
	return dst
}

func rtpmapLine(dst []byte, pt uint8, name string) []byte {
	dst = append(dst, "a=rtpmap:"...)
	dst = strconv.AppendUint(dst, uint64(pt), 10)
	return line(dst, " ", name)
}

func line(dst []byte, head, value string) []byte {
	dst = append(dst, head...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// appendAddr writes "IP4 192.0.2.1"; "IP4 0.0.0.0" for an invalid address.
func appendAddr(dst []byte, a netip.Addr) []byte {
	switch {
	case !a.IsValid():
		return append(dst, "IP4 0.0.0.0"...)
	case a.Is4() || a.Is4In6():
		return a.Unmap().AppendTo(append(dst, "IP4 "...))
	}
	return a.AppendTo(append(dst, "IP6 "...))
}
