package manscdp

import "bytes"

// event is what the scanner met.
type event uint8

const (
	evEnd   event = iota // end of input
	evText               // character data, charset and entities undecoded
	evCDATA              // the same without entities
	evStart              // start tag
	evEmpty              // <name/>
	evClose              // end tag
)

// scanner cuts a body into tags and text without copying. A '<' is a tag only if
// a whole well-formed tag follows; anything else is text, which is how devices
// that do not escape are read. It works on undecoded bytes: in UTF-8 and in
// GB18030 no later byte of a character equals one of < > & " ' /.
type scanner struct {
	in  []byte
	pos int
	tag int // 1 + where markup has seen a whole tag; 0 nowhere
	end int // of that tag

	name  []byte // of the last tag, without namespace prefix
	attrs []byte // raw attributes of the last start tag
	text  []byte // of the last evText or evCDATA
	cut   bool   // the input ended inside a tag
}

// next returns the next event. Declarations, comments and document types are
// passed over; a document type is never acted on.
func (s *scanner) next() event {
	for s.pos < len(s.in) {
		start := s.pos
		for s.pos < len(s.in) {
			if s.in[s.pos] != '<' {
				i := bytes.IndexByte(s.in[s.pos:], '<')
				if i < 0 {
					s.pos = len(s.in)
				} else {
					s.pos += i
				}
				continue
			}
			if s.markup() {
				break
			}
			s.pos++ // a bare '<' in text
		}
		if s.pos > start {
			s.text = s.in[start:s.pos]
			return evText
		}
		if ev, ok := s.take(); ok {
			return ev
		}
	}
	return evEnd
}

// markup reports whether the '<' at pos opens markup, complete or cut off by the
// end of the input.
func (s *scanner) markup() bool {
	if s.tag == s.pos+1 {
		return true
	}
	rest := s.in[s.pos:]
	if special := specialMarkup(rest); special != noMarkup {
		return true
	}
	end, whole := tagEnd(rest)
	if end > 0 {
		s.tag, s.end = s.pos+1, s.pos+end
	}
	return end > 0 || !whole
}

// take consumes the markup at pos. It reports false for what carries nothing.
func (s *scanner) take() (event, bool) {
	if s.tag == s.pos+1 {
		return s.takeTag()
	}
	switch specialMarkup(s.in[s.pos:]) {
	case cdata:
		s.text = s.until(len("<![CDATA["), "]]>")
		return evCDATA, len(s.text) > 0
	case comment:
		s.until(len("<!--"), "-->")
		return 0, false
	case instruction:
		s.until(2, "?>")
		return 0, false
	case doctype:
		s.doctype()
		return 0, false
	}
	s.cut, s.pos = true, len(s.in) // a tag that is cut off
	return evEnd, true
}

// takeTag consumes the tag that markup has seen at pos.
func (s *scanner) takeTag() (event, bool) {
	tag := s.in[s.pos+1 : s.end-1]
	s.pos = s.end
	ev := evStart
	if tag[0] == '/' {
		ev, tag = evClose, tag[1:]
	} else if tag[len(tag)-1] == '/' {
		ev, tag = evEmpty, tag[:len(tag)-1]
	}
	n := nameLen(tag)
	s.name, s.attrs = tag[:n], tag[n:]
	if i := bytes.LastIndexByte(s.name, ':'); i >= 0 {
		s.name = s.name[i+1:]
	}
	return ev, len(s.name) > 0 && isNameStart(s.name[0])
}

// What a '<' may open besides a tag.
const (
	noMarkup = iota
	instruction
	comment
	cdata
	doctype
)

func specialMarkup(b []byte) int {
	switch {
	case len(b) < 2:
	case b[1] == '?' && len(b) > 2 && isNameStart(b[2]):
		return instruction
	case b[1] != '!':
	case bytes.HasPrefix(b, []byte("<!--")):
		return comment
	case bytes.HasPrefix(b, []byte("<![CDATA[")):
		return cdata
	case len(b) > 9 && foldEqual(b[2:9], "DOCTYPE"):
		return doctype
	}
	return noMarkup
}

// until moves past the next close after skip bytes and returns what is between;
// without one, the rest of the input.
func (s *scanner) until(skip int, closing string) []byte {
	from := s.pos + skip
	i := bytes.Index(s.in[min(from, len(s.in)):], []byte(closing))
	if i < 0 {
		s.cut, s.pos = true, len(s.in)
		return nil
	}
	s.pos = from + i + len(closing)
	return s.in[from : from+i]
}

// doctype passes over <!DOCTYPE ...>, with an internal subset in brackets.
func (s *scanner) doctype() {
	depth := 0
	for i := s.pos + 2; i < len(s.in); i++ {
		switch s.in[i] {
		case '[':
			depth++
		case ']':
			depth--
		case '>':
			if depth <= 0 {
				s.pos = i + 1
				return
			}
		}
	}
	s.cut, s.pos = true, len(s.in)
}

// tagEnd returns the length of the tag that b begins with, 0 if b begins with
// none. whole is false if b ended before that could be told.
func tagEnd(b []byte) (end int, whole bool) {
	i := 1
	closing := i < len(b) && b[i] == '/'
	if closing {
		i++
	}
	if i == len(b) {
		return 0, false
	}
	n := nameLen(b[i:])
	if n == 0 {
		return 0, true
	}
	for i += n; i < len(b); {
		switch c := b[i]; {
		case c == '>':
			return i + 1, true
		case isSpace(c):
			i++
		case closing: // </Name junk
			return 0, true
		case c == '/':
			if i+1 == len(b) {
				return 0, false
			}
			if b[i+1] != '>' {
				return 0, true
			}
			i++
		default:
			m, whole := attrLen(b[i:])
			if m == 0 {
				return 0, whole
			}
			i += m
		}
	}
	return 0, false
}

// attrLen is the length of the attribute that b begins with: name = value, the
// value in quotes or bare. 0 means there is none, or, with whole false, that b ended.
func attrLen(b []byte) (n int, whole bool) {
	i := nameLen(b)
	if i == 0 {
		return 0, true
	}
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	if i == len(b) {
		return 0, false
	}
	if b[i] != '=' {
		return 0, true
	}
	for i++; i < len(b) && isSpace(b[i]); i++ {
	}
	if i == len(b) {
		return 0, false
	}
	if q := b[i]; q == '"' || q == '\'' {
		for j := i + 1; j < len(b); j++ {
			if b[j] == q {
				return j + 1, true
			}
			if b[j] == '<' {
				return 0, true
			}
		}
		return 0, false
	}
	for j := i; j < len(b); j++ {
		if c := b[j]; isSpace(c) || c == '>' || c == '/' || c == '<' {
			if j == i || c == '<' {
				return 0, true
			}
			return j, true
		}
	}
	return 0, false
}

// nextAttr splits the first attribute off raw, which tagEnd has accepted.
func nextAttr(raw []byte) (name, value, rest []byte, ok bool) {
	for len(raw) > 0 && isSpace(raw[0]) {
		raw = raw[1:]
	}
	n, _ := attrLen(raw)
	if n == 0 {
		// The value runs to the very end of the tag.
		if n = len(raw); nameLen(raw) == 0 || bytes.IndexByte(raw, '=') < 0 {
			return nil, nil, nil, false
		}
	}
	name = raw[:nameLen(raw)]
	value = bytes.TrimLeft(raw[len(name):n], " \t\r\n=")
	if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') {
		value = value[1 : len(value)-1]
	}
	return name, value, raw[n:], true
}

func nameLen(b []byte) int {
	if len(b) == 0 || !isNameStart(b[0]) {
		return 0
	}
	i := 1
	for i < len(b) && inName[b[i]] {
		i++
	}
	return i
}

// inName is what a name may go on with.
var inName = func() (t [256]bool) {
	for i := range t {
		c := byte(i)
		t[i] = isNameStart(c) || c >= '0' && c <= '9' || c == '-' || c == '.'
	}
	return t
}()

func isNameStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == ':'
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// foldEqual compares without case, ASCII only, and does not allocate.
func foldEqual(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	if string(b) == s {
		return true
	}
	for i := range b {
		x, y := b[i], s[i]
		if x >= 'A' && x <= 'Z' {
			x += 'a' - 'A'
		}
		if y >= 'A' && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}
