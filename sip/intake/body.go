package intake

import "bytes"

// root is the search for the end of an XML document's root element. A document
// that grows is searched again from where the search stopped.
type root struct {
	name []byte // of the root element, once it is known
	from int    // where to go on
}

// isXML reports whether a body is XML by its first byte that is no blank. When
// there is none yet it cannot be told.
func isXML(b []byte) (xml, known bool) {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	b = bytes.TrimLeft(b, blanks)
	if len(b) == 0 || bytes.HasPrefix([]byte("\xef\xbb\xbf"), b) {
		return false, false
	}
	return b[0] == '<', true
}

// rootEnd is the index after the root element's closing tag; -1 if it is not
// there or b is no XML.
func rootEnd(b []byte) int {
	var r root
	return r.end(b)
}

// end is rootEnd of a document of which b is all that is there so far. The
// name points into the first b, so all must begin at the same place.
func (r *root) end(b []byte) int {
	if r.name == nil && !r.open(b) {
		return -1
	}
	for r.from < len(b) {
		i := bytes.Index(b[r.from:], []byte("</"))
		if i < 0 {
			r.from = max(r.from, len(b)-1)
			return -1
		}
		at := r.from + i
		rest := b[at+2:]
		if len(rest) <= len(r.name) {
			if bytes.HasPrefix(r.name, rest) {
				r.from = at
				return -1
			}
		} else if bytes.HasPrefix(rest, r.name) {
			after := bytes.TrimLeft(rest[len(r.name):], blanks)
			if len(after) == 0 {
				r.from = at
				return -1
			}
			if after[0] == '>' {
				r.from = at
				return len(b) - len(after) + 1
			}
		}
		r.from = at + 2
	}
	return -1
}

// open finds the root element's name, after declarations and comments.
func (r *root) open(b []byte) bool {
	at := 0
	if bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
		at = 3
	}
	for {
		at += len(b[at:]) - len(bytes.TrimLeft(b[at:], blanks))
		rest := b[at:]
		if len(rest) < 4 || rest[0] != '<' {
			return false
		}
		var end string
		switch {
		case rest[1] == '?':
			end = "?>"
		case bytes.HasPrefix(rest, []byte("<!--")):
			end = "-->"
		case rest[1] == '!':
			end = ">"
		default:
			n := bytes.IndexAny(rest[1:], "/> \t\r\n")
			if n <= 0 {
				return false
			}
			r.name = bytes.Clone(rest[1 : 1+n])
			r.from = at + 1 + n
			return true
		}
		i := bytes.Index(rest, []byte(end))
		if i < 0 {
			return false
		}
		at += i + len(end)
	}
}

// verdict is what can be said of bytes of which more may come.
type verdict uint8

const (
	no verdict = iota
	maybe
	yes
)

// startsMessage tells whether b begins like a start line: a method in upper
// case before "sip:" or "sips:", or "SIP/2.0" before a digit. On yes, n bytes
// were enough to tell.
func startsMessage(b []byte) (v verdict, n int) {
	const version = "SIP/2.0 "
	if n := min(len(b), len(version)); string(b[:n]) == version[:n] {
		switch {
		case len(b) <= len(version):
			return maybe, 0
		case b[len(version)] >= '1' && b[len(version)] <= '6':
			return yes, len(version) + 1
		}
		return no, 0
	}
	i := 0
	for i < len(b) && b[i] >= 'A' && b[i] <= 'Z' {
		if i++; i > maxMethod {
			return no, 0
		}
	}
	if i == len(b) {
		return maybe, 0
	}
	if i < 3 || b[i] != ' ' {
		return no, 0
	}
	i++
	for _, scheme := range [...]string{"sip:", "sips:"} {
		n := min(len(b)-i, len(scheme))
		if equalFold(b[i:i+n], scheme[:n]) {
			if n == len(scheme) {
				return yes, i + n
			}
			return maybe, 0
		}
	}
	return no, 0
}

// isStartLine reports whether a whole line is a start line of good form, as is
// asked of one found where none belongs.
func isStartLine(line []byte) bool {
	if v, _ := startsMessage(line); v != yes {
		return false
	}
	if line[0] == 'S' && bytes.HasPrefix(line, []byte("SIP/2.0 ")) {
		return true
	}
	return bytes.HasSuffix(trim(line), []byte(" SIP/2.0"))
}

// looksSIP reports whether a line where a message should begin can be meant as
// its start line.
func looksSIP(line []byte) bool {
	line = trim(line)
	return len(line) >= 7 && (isVersion(line[:7]) || isAnyVersion(line[len(line)-7:]))
}
