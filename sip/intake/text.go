package intake

import (
	"bytes"
	"strings"
)

// blanks are what may stand between tokens once lines are unfolded.
const blanks = " \t\r\n"

// trim takes away what sipgo takes away around a value.
func trim(b []byte) []byte {
	if n := len(b); n > 0 && b[0]-'!' < 0x7f-'!' && b[n-1]-'!' < 0x7f-'!' { // nothing, as nearly always
		return b
	}
	return bytes.TrimSpace(b)
}

// trimLeading removes what may come before a start line.
func trimLeading(b []byte) []byte {
	for len(b) > 0 && (b[0] == 0 || classes[b[0]]&isBlank != 0) {
		b = b[1:]
	}
	return b
}

func equalFold(b []byte, s string) bool {
	return len(b) == len(s) && (string(b) == s || strings.EqualFold(string(b), s))
}

// cutBlank splits at the first run of blanks.
func cutBlank(b []byte) (first, rest []byte) {
	i := isBlank.index(b)
	if i < 0 {
		return b, nil
	}
	return b[:i], isBlank.skip(b[i:])
}

func cutByte(b []byte, sep byte) (before, after []byte, found bool) {
	if i := bytes.IndexByte(b, sep); i >= 0 {
		return trim(b[:i]), trim(b[i+1:]), true
	}
	return trim(b), nil, false
}

func cutHeader(line []byte) (name, value []byte, ok bool) { return cutByte(line, ':') }

// cutItem splits a list at its first comma outside quotes and angle brackets.
// Both parts are trimmed.
func cutItem(b []byte) (item, rest []byte) {
	if bytes.IndexByte(b, ',') < 0 { // as nearly always
		return trim(b), nil
	}
	quoted, inside := false, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"' && !inside:
			quoted = !quoted
		case quoted:
		case c == '<':
			inside = true
		case c == '>':
			inside = false
		case c == ',' && !inside:
			return trim(b[:i]), trim(b[i+1:])
		}
	}
	return trim(b), nil
}

// cutParam splits ";a=1;b" at its next semicolon outside quotes: the parameter
// without the semicolon before it, trimmed, and the rest.
func cutParam(b []byte) (param, rest []byte) {
	for len(b) > 0 && (b[0] == ';' || classes[b[0]]&isBlank != 0) {
		b = b[1:]
	}
	end := bytes.IndexByte(b, ';')
	if end < 0 {
		return trim(b), nil
	}
	if bytes.IndexByte(b[:end], '"') < 0 { // as nearly always
		return trim(b[:end]), b[end:]
	}
	quoted := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ';' && !quoted:
			return trim(b[:i]), b[i:]
		}
	}
	return trim(b), nil
}

// unquote takes quotes and blanks away around a value.
func unquote(v []byte) []byte {
	if n := len(v); n > 0 && v[0] > '"' && v[n-1] > '"' { // nothing, as nearly always
		return v
	}
	return bytes.Trim(v, "\" \t")
}

// param is the value of a parameter of ";a=1;b", without quotes.
func param(params []byte, name string) (value []byte, ok bool) {
	for p, rest := cutParam(params); len(p) > 0 || rest != nil; p, rest = cutParam(rest) {
		k, v, _ := bytes.Cut(p, []byte{'='})
		if equalFold(trim(k), name) {
			return unquote(v), true
		}
	}
	return nil, false
}

func isDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

func hasControl(b []byte) bool { return isControl.in(b) }

// isToken is RFC 3261's token.
func isToken(b []byte) bool { return len(b) > 0 && !notToken.in(b) }

func isVersion(b []byte) bool { return equalFold(b, "SIP/2.0") }

// isAnyVersion is isVersion of SIP as it may be some day.
func isAnyVersion(b []byte) bool {
	return len(b) == 7 && equalFold(b[:4], "SIP/") && isDigits(b[4:5]) && b[5] == '.' && isDigits(b[6:])
}

// methodName is the name in upper case if it is one we know, and as it stands
// else: methods are told apart by case. It does not allocate for the known.
func methodName(b []byte) string {
	switch string(b) { // nearly all there are
	case "MESSAGE":
		return "MESSAGE"
	case "REGISTER":
		return "REGISTER"
	}
	for _, m := range [...]string{
		"MESSAGE", "REGISTER", "INVITE", "ACK", "BYE", "CANCEL", "NOTIFY", "INFO", "OPTIONS",
		"SUBSCRIBE", "PRACK", "UPDATE", "REFER", "PUBLISH",
	} {
		if equalFold(b, m) {
			return m
		}
	}
	return string(b)
}

// usualKind is the kind of a name written as nearly all are, kOther of any other.
func usualKind(name []byte) kind {
	switch string(name) {
	case "Via":
		return kVia
	case "From":
		return kFrom
	case "To":
		return kTo
	case "Call-ID":
		return kCallID
	case "CSeq":
		return kCSeq
	case "Contact":
		return kContact
	case "Max-Forwards":
		return kMaxForwards
	case "User-Agent":
		return kUserAgent
	case "Expires":
		return kExpires
	case "Content-Type":
		return kType
	case "Content-Length":
		return kLength
	case "Authorization":
		return kAuthorization
	}
	return kOther
}

// kindOf knows the names that matter here, in full and in compact form.
func kindOf(name []byte) kind {
	is := func(s string, k kind) kind {
		if equalFold(name, s) {
			return k
		}
		return kOther
	}
	switch len(name) {
	case 1:
		switch name[0] | 0x20 {
		case 'v':
			return kVia
		case 'f':
			return kFrom
		case 't':
			return kTo
		case 'i':
			return kCallID
		case 'm':
			return kContact
		case 'l':
			return kLength
		case 'c':
			return kType
		case 'r', 'b':
			return kReference
		}
	case 2:
		return is("To", kTo)
	case 3:
		return is("Via", kVia)
	case 4:
		return is("From", kFrom) | is("CSeq", kCSeq)
	case 5:
		return is("Route", kRoute)
	case 7:
		return is("Call-ID", kCallID) | is("Contact", kContact) | is("Expires", kExpires) | is("Require", kRequire)
	case 8:
		return is("Refer-To", kReference) | is("X-GB-Ver", kVersion)
	case 10:
		return is("User-Agent", kUserAgent) | is(HeaderSeq, kStamp)
	case 11:
		return is(HeaderFlow, kStamp) | is("Referred-By", kReference) | is("Traceparent", kTraceparent)
	case 12:
		return is("Max-Forwards", kMaxForwards) | is("Content-Type", kType) | is("Record-Route", kRecordRoute) | is(HeaderUnasked, kStamp)
	case 13:
		return is("Authorization", kAuthorization) | is("Proxy-Require", kRequire)
	case 14:
		return is("Content-Length", kLength)
	}
	return kOther
}

// nameOf is the header's full name, for messages.
func nameOf(k kind) string {
	switch k {
	case kVia:
		return "Via"
	case kFrom:
		return "From"
	case kTo:
		return "To"
	case kCallID:
		return "Call-ID"
	case kCSeq:
		return "CSeq"
	}
	return "header"
}
