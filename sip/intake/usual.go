package intake

import "bytes"

// What nearly all devices write is read here in one pass each, in a third of the
// time that any form takes. Of anything else these functions say nothing, and it
// is read as before; of what they take they say the same (a test compares them).

// plainEnd is where the letters, digits, dots, dashes and underscores end that
// begin at an index.
func plainEnd(b []byte, at int) int {
	for at < len(b) && classes[b[at]]&isPlain != 0 {
		at++
	}
	return at
}

// usualHost finds the end of a host with or without a port that begins at an
// index, and the end of the host; 0 is another form.
func usualHost(b []byte, at int) (host, end int) {
	if host = plainEnd(b, at); host == at {
		return 0, 0
	}
	end = host
	if end < len(b) && b[end] == ':' {
		for end++; end < len(b) && b[end]-'0' <= 9; end++ {
		}
		if n := end - host - 1; n < 1 || n > 5 {
			return 0, 0
		}
	}
	return host, end
}

// usualURI reads sip:user@host:port from an index on, the port being optional;
// an end of 0 is another form.
func usualURI(b []byte, at int) (user, host []byte, end int) {
	const scheme = "sip:"
	if len(b)-at < len(scheme) || string(b[at:at+len(scheme)]) != scheme {
		return nil, nil, 0
	}
	at += len(scheme)
	mid := plainEnd(b, at)
	if mid == at || mid == len(b) || b[mid] != '@' {
		return nil, nil, 0
	}
	last, end := usualHost(b, mid+1)
	if end == 0 {
		return nil, nil, 0
	}
	return b[at:mid], b[mid+1 : last], end
}

// usualAddress reads <sip:user@host:port>;tag=x of From and To, port and tag
// being optional.
func (a *Address) usual(value []byte) bool {
	const tag = ">;tag="
	if len(value) == 0 || value[0] != '<' {
		return false
	}
	user, host, end := usualURI(value, 1)
	switch rest := value[end:]; {
	case end == 0:
		return false
	case len(rest) == 1 && rest[0] == '>':
		*a = Address{User: user, Host: host}
		return true
	case len(rest) > len(tag) && string(rest[:len(tag)]) == tag && plainEnd(rest, len(tag)) == len(rest):
		*a = Address{user, host, rest[len(tag):]}
		return true
	}
	return false
}

// usualContact reads <sip:user@host:port>, the port being optional. The URI is nil
// of another form.
func usualContact(value []byte) (uri []byte) {
	if len(value) == 0 || value[0] != '<' {
		return nil
	}
	if _, _, end := usualURI(value, 1); end > 0 && string(value[end:]) == ">" {
		return value[1:end]
	}
	return nil
}

// usual reads a Via of one hop over UDP or TCP, with a branch and no received.
// It may leave anything in v when it is of another form.
func (v *via) usual(value []byte) bool {
	const udp, tcp = "SIP/2.0/UDP ", "SIP/2.0/TCP "
	if len(value) <= len(udp) || string(value[:len(udp)]) != udp && string(value[:len(tcp)]) != tcp ||
		value[len(udp)]|0x20 == 's' { // sip:5060 would be a scheme
		return false
	}
	host, at := usualHost(value, len(udp))
	if at == 0 {
		return false
	}
	v.protocol, v.version, v.transport = value[:3], value[4:7], value[8:11]
	v.host, v.port, v.params = value[len(udp):host], nil, value[at:]
	if at > host {
		v.port = value[host+1 : at]
	}
	v.exact, v.rport = true, 0
	branched := false
	for at < len(value) {
		if value[at] != ';' {
			return false
		}
		at++
		begin := at
		for at < len(value) && value[at]-'a' <= 'z'-'a' {
			at++
		}
		name, valued := value[begin:at], false
		if at < len(value) && value[at] == '=' {
			begin, valued = at+1, true
			if at = plainEnd(value, begin); at == begin {
				return false
			}
		}
		switch string(name) {
		case "branch":
			if !valued || branched {
				return false
			}
			branched = true
		case "rport":
			if valued || v.rport > 0 {
				return false
			}
			v.rport = at
		case "", "received":
			return false
		}
	}
	return branched
}

// usualStart reads the start line of a MESSAGE or REGISTER.
func (h *head) usualStart(line []byte) bool {
	const version = " SIP/2.0"
	end := len(line) - len(version)
	if end < 0 || string(line[end:]) != version {
		return false
	}
	for _, method := range [...]string{"MESSAGE ", "REGISTER "} {
		if end <= len(method) || string(line[:len(method)]) != method {
			continue
		}
		uri := line[len(method):end]
		if _, _, n := usualURI(uri, 0); n == len(uri) {
			h.method, h.uri, h.usualURI = method[:len(method)-1], uri, true
		}
		break
	}
	return h.usualURI
}

// usualFields reads a header of lines that are "Name: value" and end with CRLF,
// with nothing to trim.
func (h *head) usualFields() bool {
	fields, b := h.fields[:0], h.lines
	for {
		end := bytes.IndexByte(b, '\n')
		if end < 1 || b[end-1] != '\r' {
			return false
		}
		line := b[:end-1]
		if b = b[end+1:]; len(line) == 0 {
			break
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 1 || len(line) < colon+3 || line[colon+1] != ' ' || len(fields) == maxFields {
			return false
		}
		name, value := line[:colon], line[colon+2:]
		if value[0]-'!' >= 0x7f-'!' || value[len(value)-1]-'!' >= 0x7f-'!' {
			return false
		}
		k := usualKind(name)
		if k == kOther {
			if !isToken(name) {
				return false
			}
			k = kindOf(name)
		}
		fields = append(fields, field{kind: k, name: name, value: value})
	}
	if bytes.Count(h.lines[:len(h.lines)-len(b)], []byte{'\r'}) != len(fields)+1 { // one is within a line
		return false
	}
	h.fields, h.rest = fields, b
	return true
}
