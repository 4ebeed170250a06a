package intake

import (
	"bytes"
)

// scheme returns the length of "sip:" or "sips:" at the beginning, 0 if neither.
func scheme(uri []byte) int {
	switch {
	case len(uri) >= 4 && equalFold(uri[:4], "sip:"):
		return 4
	case len(uri) >= 5 && equalFold(uri[:5], "sips:"):
		return 5
	}
	return 0
}

// uriParts are the parts of a SIP URI, as far as they can be told apart.
type uriParts struct {
	scheme []byte // "sip:" as written; empty if there was none
	user   []byte // with its password; nil if there is none
	host   []byte // name, address or "[v6]"
	port   []byte // may be anything but a port
	tail   []byte // parameters and headers, with their first ';' or '?'
	ok     bool   // false: brackets do not match
}

func parseURI(uri []byte) (p uriParts) {
	n := scheme(uri)
	p.scheme, uri = uri[:n], uri[n:]
	uri = bytes.TrimPrefix(uri, []byte("//"))
	if i := bytes.IndexByte(uri, '@'); i >= 0 {
		p.user, uri = uri[:i:i], uri[i+1:]
	}
	if len(uri) > 0 && uri[0] == '[' {
		i := bytes.IndexByte(uri, ']')
		if i < 0 {
			return p
		}
		p.host, uri = uri[:i+1], uri[i+1:]
	} else {
		i := endsHost.index(uri)
		if i < 0 {
			i = len(uri)
		}
		p.host, uri = uri[:i], uri[i:]
	}
	if len(uri) > 0 && uri[0] == ':' {
		i := endsPort.index(uri)
		if i < 0 {
			i = len(uri)
		}
		p.port, uri = uri[1:i], uri[i:]
		if len(p.port) == 0 {
			p.port = []byte{' '} // a colon alone: no port, and no good form
		}
	}
	p.tail = uri
	p.ok = len(p.tail) == 0 || p.tail[0] == ';' || p.tail[0] == '?'
	return p
}

// foreign reports whether a clean URI is of another scheme than sip and sips. A
// name before a port is none.
func foreign(uri []byte) bool {
	name, rest, found := bytes.Cut(uri, []byte{':'})
	if !found || len(name) == 0 || scheme(uri) > 0 {
		return false
	}
	if c := name[0] | 0x20; c < 'a' || c > 'z' {
		return false
	}
	for _, c := range name {
		if classes[c]&notToken != 0 && c != '+' || bytes.IndexByte([]byte("!%*_`'~"), c) >= 0 {
			return false
		}
	}
	if i := bytes.IndexAny(rest, ";?"); i >= 0 {
		rest = rest[:i]
	}
	return len(rest) > 0 && !isDigits(rest)
}

// uriOK reports whether sipgo's parser reads the URI, and as what it is. Other
// schemes than sip and sips are not taken.
func uriOK(uri []byte) bool {
	p := parseURI(uri)
	return p.good(uri)
}

// good is uriOK of the parts of uri.
func (p *uriParts) good(uri []byte) bool {
	if len(p.scheme) == 0 || !p.ok || notURI.in(uri) {
		return false
	}
	if bytes.HasPrefix(uri[len(p.scheme):], []byte("//")) || bytes.IndexByte(p.user, '[') >= 0 {
		return false
	}
	if len(p.host) == 0 && len(p.user) == 0 || !hostOK(p.host) || bytes.IndexByte(p.tail, '[') >= 0 {
		return false
	}
	return p.port == nil || isDigits(p.port) && len(p.port) <= 5
}

// hostOK accepts a name or number, or an address in brackets of at most the
// length that sipgo looks at.
func hostOK(host []byte) bool {
	if len(host) > 0 && host[0] == '[' {
		return len(host) > 2 && len(host) <= 41
	}
	return !notHost.in(host)
}

// soleURIOK is uriOK where the URI is no item of a list: commas may be in its
// user part.
func soleURIOK(uri []byte) bool {
	if bytes.IndexByte(uri, ',') < 0 {
		return uriOK(uri)
	}
	user, host, _ := bytes.Cut(uri, []byte{'@'})
	user = bytes.ReplaceAll(user, []byte{','}, []byte{'.'})
	return uriOK(append(append(user, '@'), host...))
}

// cleanURI leaves out what does not belong in a URI.
func cleanURI(uri []byte, commas bool) []byte {
	clean := make([]byte, 0, len(uri))
	for _, c := range uri {
		if classes[c]&notURI == 0 || commas && c == ',' {
			clean = append(clean, c)
		}
	}
	return clean
}

// appendURI appends the URI in a form for which uriOK holds, or soleURIOK if it
// is no item of a list; false if there is none. Blanks and what does not belong
// go, sip: comes before what has no scheme, a port that is none goes.
func appendURI(dst, uri []byte, list bool) ([]byte, bool) {
	begin := len(dst)
	clean := cleanURI(uri, !list)
	p := parseURI(clean)
	if foreign(clean) || !p.ok || bytes.IndexByte(p.user, '[') >= 0 || !hostOK(p.host) {
		return dst[:begin], false
	}
	if len(p.scheme) == 0 {
		p.scheme = []byte("sip:")
	}
	dst = append(dst, p.scheme...)
	if len(p.user) > 0 {
		dst = append(append(dst, p.user...), '@')
	}
	dst = append(dst, p.host...)
	if isDigits(p.port) && len(p.port) <= 5 {
		dst = append(append(dst, ':'), p.port...)
	}
	if bytes.IndexByte(p.tail, '[') < 0 { // sipgo would look for an address there
		dst = append(dst, p.tail...)
	}
	switch {
	case uriOK(dst[begin:]), !list && soleURIOK(dst[begin:]):
		return dst, true
	case !list && bytes.IndexByte(clean, ',') >= 0: // elsewhere than in the user part
		return appendURI(dst[:begin], uri, true)
	}
	return dst, false
}

// nameAddr is a From, To, Contact or Route value taken apart, tolerating what
// can be.
type nameAddr struct {
	display []byte // as written, with its quotes
	uri     []byte // without angle brackets
	params  []byte // header parameters, with their first ';'
	angled  bool   // the URI was between angle brackets
	exact   bool   // the form is a good one; the URI is not looked at
}

func parseNameAddr(value []byte) (a nameAddr) {
	a.exact = !hasControl(value)
	rest := value
	if len(rest) > 0 && rest[0] == '"' {
		i := 1
		for i < len(rest) && rest[i] != '"' {
			if rest[i] == '\\' {
				i++
			}
			i++
		}
		if i < len(rest) {
			a.display, rest = rest[:i+1], isBlank.skip(rest[i+1:])
			a.exact = a.exact && len(rest) > 0 && rest[0] == '<'
		} else { // no closing quote: the display name is lost
			a.exact = false
			if i = bytes.IndexByte(rest, '<'); i < 0 {
				i = 1
			}
			rest = rest[i:]
		}
	}
	open := bytes.IndexByte(rest, '<')
	if a.display == nil && open > 0 && bytes.ContainsAny(rest[:open], ";\"") {
		a.exact = false
	}
	if open < 0 {
		i := bytes.IndexByte(rest, ';')
		if i < 0 {
			i = len(rest)
		}
		a.uri, a.params = trim(rest[:i]), rest[i:]
		a.exact = a.exact && len(a.uri) == i && !spaced(a.params)
		return a
	}
	if a.display == nil {
		a.display = trim(rest[:open])
	}
	rest = rest[open+1:]
	end := bytes.IndexByte(rest, '>')
	if end < 0 { // never closed: the parameters are more likely the header's
		a.exact = false
		if end = bytes.IndexByte(rest, ';'); end < 0 {
			end = len(rest)
		}
		a.uri, a.params = trim(rest[:end]), rest[end:]
		return a
	}
	a.uri, a.params, a.angled = rest[:end], trim(rest[end+1:]), true
	a.exact = a.exact && (len(a.params) == 0 || a.params[0] == ';' && !spaced(a.params))
	return a
}

// spaced reports blanks outside quotes, which sipgo takes for part of a
// parameter's name or value.
func spaced(params []byte) bool {
	quoted := false
	for i := 0; i < len(params); i++ {
		switch c := params[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && classes[c]&isBlank != 0:
			return true
		}
	}
	return false
}

// addressOK reports whether sipgo's parser reads the From or To value, as what
// it is.
func addressOK(value []byte) bool {
	_, ok := readAddress(value)
	return ok
}

// appendAddress appends the value as "display <uri>;params"; false if there is
// no URI in it. The display name stays only if it is asked for, as in From and
// To, and well formed; without it the value is an item of a list.
func appendAddress(dst, value []byte, display bool) ([]byte, bool) {
	begin := len(dst)
	a := parseNameAddr(value)
	if display && a.exact && len(a.display) > 0 {
		dst = append(append(dst, a.display...), ' ')
	}
	dst = append(dst, '<')
	dst, ok := appendURI(dst, a.uri, !display)
	dst = append(dst, '>')
	dst = appendParams(dst, a.params)
	return dst, ok && addressOK(dst[begin:])
}

// appendParams appends parameters without blanks and quotes around them. Those
// that are empty, need their quotes or are not parameters go.
func appendParams(dst, params []byte) []byte {
	for p, rest := cutParam(params); len(p) > 0 || rest != nil; p, rest = cutParam(rest) {
		k, v, valued := bytes.Cut(p, []byte{'='})
		if k, v = trim(k), trim(v); len(v) > 2 && v[0] == '"' && v[len(v)-1] == '"' {
			v = v[1 : len(v)-1]
		}
		if !isToken(k) || notURI.in(v) {
			continue
		}
		dst = append(append(dst, ';'), k...)
		if valued {
			dst = append(append(dst, '='), v...)
		}
	}
	return dst
}

// address reads what identifies the peer.
func address(value []byte) Address {
	out, _ := readAddress(value)
	return out
}

// readAddress is address and addressOK in one.
func readAddress(value []byte) (_ Address, ok bool) {
	a := parseNameAddr(value)
	uri := trim(a.uri)
	p := parseURI(uri)
	if ok = a.exact && len(uri) == len(a.uri); ok {
		ok = p.good(uri) || a.angled && soleURIOK(uri)
	}
	out := Address{User: p.user, Host: p.host}
	out.Tag, _ = param(a.params, "tag")
	out.User, _, _ = bytes.Cut(out.User, []byte{':'}) // a password
	if p.user == nil && isDigits(p.host) && len(p.host) >= 8 {
		// an identifier without a domain
		out.User, out.Host = p.host, nil
	}
	return out, ok
}

// via is one hop taken apart.
type via struct {
	protocol, version, transport []byte // "SIP", "2.0", "UDP"
	host, port                   []byte // port empty if none or no number
	params                       []byte // with their first ';'
	exact                        bool   // sipgo's parser reads it as what it is
	rport                        int    // of a usual one: the index after the name rport, 0 without; else unset
	plain                        bool   // it is a usual one
}

func parseVia(value []byte) (v via, ok bool) {
	v.exact = true
	if usual := []byte("SIP/2.0/"); bytes.HasPrefix(value, usual) {
		v.protocol, v.version, value = value[:3], value[4:7], value[8:]
	} else {
		if v.protocol, value, ok = bytes.Cut(value, []byte{'/'}); !ok {
			return v, false
		}
		if v.version, value, ok = bytes.Cut(value, []byte{'/'}); !ok {
			return v, false
		}
		if n := len(v.protocol) + len(v.version); n != len(trim(v.protocol))+len(trim(v.version)) {
			v.exact = false
			v.protocol, v.version = trim(v.protocol), trim(v.version)
		}
		if !isToken(v.protocol) || !isToken(v.version) {
			return v, false
		}
	}
	if len(value) > 0 && (value[0] == ' ' || value[0] == '\t') {
		v.exact = false
		value = trim(value)
	}
	v.transport, value = cutBlank(value)
	if !isToken(v.transport) {
		return v, false
	}
	i := bytes.IndexByte(value, ';')
	if i < 0 {
		i = len(value)
	}
	sentBy := value[:i]
	v.params = value[i:]
	if isBlank.in(sentBy) {
		v.exact = false
		sentBy = bytes.Join(bytes.Fields(sentBy), nil)
	}
	p := parseURI(sentBy)
	v.host, v.port = p.host, p.port
	if len(p.host) == 0 || p.user != nil || len(p.scheme) > 0 || !hostOK(p.host) || notSentBy.in(sentBy) {
		return v, false
	}
	if !p.ok || p.port != nil && (!isDigits(p.port) || len(p.port) > 5) {
		v.exact, v.port = false, nil
	}
	// sipgo misreads blanks, empty and quoted parameters, and a branch is what
	// it tells transactions by
	if notViaParam.in(v.params) || bytes.Contains(v.params, []byte(";;")) ||
		bytes.HasSuffix(v.params, []byte(";")) {
		v.exact = false
	}
	if branch, _ := param(v.params, "branch"); len(branch) == 0 {
		v.exact = false
	}
	return v, true
}

// appendTo appends the hop in the form sipgo reads. An absent branch is made
// of the message's other fields, with rport set that parameter stands there
// without a value; added says that it was not there before.
func (v *via) appendTo(dst []byte, h *head, rport bool) (_ []byte, added bool) {
	dst = append(append(dst, v.protocol...), '/')
	dst = append(append(dst, v.version...), '/')
	dst = append(append(dst, v.transport...), ' ')
	dst = append(dst, v.host...)
	if len(v.port) > 0 {
		dst = append(append(dst, ':'), v.port...)
	}
	branch := false
	asked := true // for rport, still
	for p, rest := cutParam(v.params); len(p) > 0 || rest != nil; p, rest = cutParam(rest) {
		k, value, valued := bytes.Cut(p, []byte{'='})
		k, value = trim(k), unquote(value)
		if !isToken(k) || notViaParam.in(value) {
			continue
		}
		switch {
		case equalFold(k, "branch"):
			if len(value) == 0 {
				continue
			}
			k, branch = []byte("branch"), true
		case equalFold(k, "rport") && !asked:
			continue // was there already
		case equalFold(k, "rport") && rport:
			k, value, asked = []byte("rport"), nil, false
		}
		dst = append(append(dst, ';'), k...)
		if valued && len(value) > 0 {
			dst = append(append(dst, '='), value...)
		}
	}
	if !branch {
		dst = appendHex(append(dst, ";branch=z9hG4bK"...), h.fallback())
	}
	if rport && asked {
		return append(dst, ";rport"...), true
	}
	return dst, false
}

func appendHex(dst []byte, n uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, digits[n>>shift&15])
	}
	return dst
}
