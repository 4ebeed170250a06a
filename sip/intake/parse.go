package intake

import (
	"bytes"
)

const (
	maxFields   = 256 // header fields of one message
	maxMethod   = 64  // bytes
	maxCSeq     = 1<<31 - 1
	maxDeclared = 1 << 30 // a larger Content-Length is read as this
)

// Quirk is a set of what was wrong with a message and set right.
type Quirk uint32

// The quirks, by the words of signalling reference sections 2.3, 2.4 and 9.
const (
	QuirkLeading     Quirk = 1 << iota // CR, LF, blanks or NUL before the start line
	QuirkLineEnd                       // LF without CR, or CR without LF
	QuirkNoBlankLine                   // no empty line after the header
	QuirkStartLine                     // blanks, case or version of the start line
	QuirkFolded                        // header value over several lines
	QuirkNoColon                       // header line that is none
	QuirkDuplicate                     // From, To, Call-ID, CSeq or Content-Length twice
	QuirkLength                        // Content-Length unreadable, missing or not true
	QuirkCallID                        // empty Call-ID
	QuirkCSeq                          // CSeq's form
	QuirkVia                           // Via's form
	QuirkAddress                       // form of an address in From, To or the Request-URI
	QuirkContact                       // Contact empty or of bad form
	QuirkOther                         // another header with a value of bad form
)

var quirkNames = [...]string{
	"leading", "line_end", "no_blank_line", "start_line", "folded", "no_colon", "duplicate",
	"length", "call_id", "cseq", "via", "address", "contact", "other",
}

// String names the quirks, separated by commas.
func (q Quirk) String() string {
	var b []byte
	for i, name := range quirkNames {
		if q&(1<<i) != 0 {
			if b != nil {
				b = append(b, ',')
			}
			b = append(b, name...)
		}
	}
	return string(b)
}

type kind uint8

const (
	kOther kind = iota
	kVia
	kFrom
	kTo
	kCallID
	kCSeq
	kContact
	kMaxForwards
	kLength
	kType
	kExpires
	kAuthorization
	kUserAgent
	kVersion // X-GB-Ver
	kTraceparent
	kRoute       // Route, which is repaired like an address
	kRecordRoute // as Route; keeps a request from being answered directly
	kReference   // Refer-To, Referred-By
	kRequire     // Require, Proxy-Require: keeps a request from being answered directly
	kStamp       // our own stamps, sent by a peer
	kDrop        // left out of the repaired message
)

type field struct {
	kind  kind
	name  []byte
	value []byte // trimmed
}

// head is a message taken apart. All slices point into the message. It can be
// used again, to save the memory of fields.
type head struct {
	response bool
	method   string // of a request, upper case
	uri      []byte // of a request, as it stands, without blanks around
	status   []byte // of a response: three digits
	reason   []byte
	fields   []field
	refusal  int    // what a request that cannot be understood is answered with; 0 is 400
	length   int    // declared Content-Length; -1 none or unreadable
	body     []byte // by Content-Length where it is believable, else all there is
	quirks   Quirk

	via, from, to, callID, cseq int // index of the first in fields, -1 none

	unasked bool // appendTo asked for an rport; a parse of what it wrote does not show it

	sender, target Address // of From and To; set by check
	top            via     // first hop of the first Via; likewise

	first, lines []byte // start line with its end; all after it
	rest         []byte // what follows the header
	unclean      bool   // some lines want unfolding
	usualURI     bool   // the Request-URI has its usual form
	number       uint32 // of CSeq; set by check
}

// parse takes raw apart, tolerating whatever can be. On an error the head is
// filled as far as parse came.
func (h *head) parse(raw []byte) error {
	err := h.split(raw)
	if err == nil && h.unclean {
		quirks := h.quirks
		err = h.split(h.unfold())
		h.quirks |= quirks
	}
	if err == nil {
		err = h.index()
	}
	if err == nil {
		err = h.check()
	}
	return err
}

// split finds start line, fields and what follows the header.
func (h *head) split(raw []byte) error {
	*h = head{fields: h.fields[:0], length: -1, via: -1, from: -1, to: -1, callID: -1, cseq: -1}
	b := trimLeading(raw)
	if len(b) != len(raw) {
		h.quirks |= QuirkLeading
	}
	line, lines := h.cutLine(b)
	if !h.usualStart(line) {
		if err := h.startLine(line); err != nil {
			return err
		}
	}
	h.first, h.lines = b[:len(b)-len(lines)], lines
	if h.usualFields() {
		return nil
	}
	return h.headers()
}

// unfold returns the message with each header field on one line and no CR
// within it.
func (h *head) unfold() []byte {
	out := make([]byte, 0, len(h.first)+len(h.lines)+2)
	out = append(append(out, trim(h.first)...), "\r\n"...)
	lines := h.lines[:len(h.lines)-len(h.rest)]
	lines = bytes.TrimLeft(lines, " \t")
	for i, c := range lines {
		switch {
		case c == '\r' && (i+1 == len(lines) || lines[i+1] != '\n'):
			c = ' '
		case c == '\n' && i+1 < len(lines) && (lines[i+1] == ' ' || lines[i+1] == '\t'):
			c = ' '
			if n := len(out); out[n-1] == '\r' {
				out = out[:n-1]
			}
		}
		out = append(out, c)
	}
	return append(out, h.rest...)
}

// cutLine splits off one line without its line end.
func (h *head) cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	switch {
	case i < 0:
		h.quirks |= QuirkNoBlankLine
		line, rest = b, nil
	case i == 0 || b[i-1] != '\r':
		h.quirks |= QuirkLineEnd
		line, rest = b[:i], b[i+1:]
	default:
		line, rest = b[:i-1], b[i+1:]
	}
	if bytes.IndexByte(line, '\r') >= 0 {
		h.quirks |= QuirkLineEnd
		line = bytes.TrimRight(line, "\r")
		h.unclean = h.unclean || bytes.IndexByte(line, '\r') >= 0
	}
	return line, rest
}

func (h *head) startLine(line []byte) error {
	first, rest := cutBlank(bytes.TrimLeft(line, " \t"))
	if len(first) == 0 {
		return ErrMalformed{"no start line"}
	}
	if isVersion(first) {
		h.response = true
		status, reason := cutBlank(rest)
		if len(status) != 3 || status[0] < '1' || status[0] > '6' || !isDigits(status) {
			return ErrMalformed{"status code"}
		}
		reason = trim(reason)
		// sipgo takes three words of which the last begins with "sip" for a request
		if len(reason) >= 3 && equalFold(reason[:3], "sip") || hasControl(reason) {
			reason = nil
		}
		h.status, h.reason = status, reason
		h.canonical(line, first, status, reason)
		return nil
	}
	rest = trim(rest)
	i := bytes.LastIndexByte(rest, ' ')
	i = max(i, bytes.LastIndexByte(rest, '\t'))
	if i < 0 || !isAnyVersion(rest[i+1:]) {
		return ErrMalformed{"start line"}
	}
	if len(first) > maxMethod || !isToken(first) {
		return ErrMalformed{"method"}
	}
	version := rest[i+1:]
	h.uri = trim(rest[:i])
	if len(h.uri) == 0 {
		return ErrMalformed{"no Request-URI"}
	}
	h.method = methodName(first)
	if !isVersion(version) {
		h.refusal = 505
	}
	if string(first) != h.method || string(version) != "SIP/2.0" {
		h.quirks |= QuirkStartLine
	}
	h.canonical(line, first, h.uri, version)
	return nil
}

// canonical notes a start line that is not three words with one blank between.
func (h *head) canonical(line, a, b, c []byte) {
	if len(line) != len(a)+len(b)+len(c)+2 || bytes.IndexByte(line, '\t') >= 0 {
		h.quirks |= QuirkStartLine
	}
}

// headers reads the fields up to the empty line.
func (h *head) headers() error {
	for b := h.lines; ; {
		if len(b) == 0 {
			h.quirks |= QuirkNoBlankLine
			h.rest = nil
			return nil
		}
		whole := b
		var line []byte
		line, b = h.cutLine(b)
		switch {
		case len(line) == 0:
			h.rest = b
			return nil
		case line[0] == '<' || bytes.HasPrefix(line, []byte("v=0")): // the body begins without an empty line
			h.quirks |= QuirkNoBlankLine
			h.rest = whole
			return nil
		case line[0] == ' ' || line[0] == '\t':
			h.quirks |= QuirkFolded
			h.unclean = true
			continue
		case len(h.fields) >= maxFields:
			return ErrMalformed{"too many header fields"}
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			h.quirks |= QuirkNoColon
			continue
		}
		name, value := line[:colon], line[colon+1:]
		if len(value) > 0 && value[0] == ' ' {
			value = value[1:]
		}
		k := usualKind(name)
		if k == kOther {
			if name = trim(name); !isToken(name) {
				h.quirks |= QuirkNoColon
				continue
			}
			k = kindOf(name)
		}
		h.fields = append(h.fields, field{kind: k, name: name, value: trim(value)})
	}
}

// index finds the fields that must be there once, and the body.
func (h *head) index() (err error) {
	lengths := false // that differ
	for i := range h.fields {
		f := &h.fields[i]
		first := &h.via
		switch f.kind {
		case kFrom:
			first = &h.from
		case kTo:
			first = &h.to
		case kCallID:
			first = &h.callID
		case kCSeq:
			first = &h.cseq
		case kLength:
			if n := contentLength(f.value); h.length < 0 {
				h.length = n
			} else if n != h.length {
				h.quirks |= QuirkDuplicate
				lengths = true
			}
			continue
		case kVia:
		default:
			continue
		}
		switch {
		case *first < 0:
			*first = i
		case f.kind == kVia:
		case bytes.Equal(h.fields[*first].value, f.value):
			h.quirks |= QuirkDuplicate
			f.kind = kDrop
		default: // two senders, or two of whatever it is: nobody can say which is meant
			err = ErrMalformed{"two different " + nameOf(f.kind)}
		}
	}
	h.frame(h.rest)
	if lengths && err == nil && rootEnd(h.rest) < 0 { // nor does the body say which is true
		err = ErrMalformed{"two different Content-Length"}
	}
	return err
}

// frame finds the body in what follows the header.
func (h *head) frame(rest []byte) {
	switch {
	case h.length < 0 || h.length > len(rest):
		if len(rest) > 0 || h.length > 0 {
			h.quirks |= QuirkLength
		}
		h.body = rest
	case h.length < len(rest):
		h.quirks |= QuirkLength
		h.body = rest[:h.length]
		if end := rootEnd(rest); end > h.length { // counted in characters, say
			h.body = rest
		}
	default:
		h.body = rest
	}
}

// check sees that the fields without which a message has no answer are there
// and readable, and notes what of them wants repair.
func (h *head) check() error {
	if h.refusal == 505 {
		return ErrMalformed{"SIP version"}
	}
	for _, need := range [...]struct {
		at   int
		kind kind
	}{{h.via, kVia}, {h.from, kFrom}, {h.to, kTo}, {h.callID, kCallID}, {h.cseq, kCSeq}} {
		if need.at < 0 {
			return ErrMalformed{"no " + nameOf(need.kind)}
		}
	}
	if len(h.fields[h.callID].value) == 0 {
		h.quirks |= QuirkCallID
	}
	number, method, exact := splitCSeq(h.fields[h.cseq].value)
	if number < 0 {
		return ErrMalformed{"CSeq"}
	}
	h.number = uint32(number)
	switch {
	case string(method) == h.method && !h.response: // as nearly always
	case len(method) == 0 && !h.response: // RFC 3261 has it twice; once is enough
		exact = false
	case len(method) == 0 || !isToken(method) || len(method) > maxMethod:
		return ErrMalformed{"CSeq"}
	case !h.response && !equalFold(method, h.method):
		return ErrMalformed{"CSeq of another method"}
	case methodName(method) != string(method):
		exact = false
	}
	if !exact {
		h.quirks |= QuirkCSeq
	}
	for i := range h.fields {
		switch f := &h.fields[i]; f.kind {
		case kVia:
			if err := h.checkVia(f.value); err != nil {
				return err
			}
		case kContact:
			if usualContact(f.value) != nil {
				continue
			}
			for item, rest := cutItem(f.value); ; item, rest = cutItem(rest) {
				if string(item) != "*" && !listItemOK(item) {
					h.quirks |= QuirkContact
				}
				if len(rest) == 0 {
					break
				}
			}
		}
	}
	for _, i := range [...]int{h.from, h.to} {
		f := &h.fields[i]
		a := &h.sender
		if i == h.to {
			a = &h.target
		}
		if a.usual(f.value) {
			continue
		}
		var ok bool
		if *a, ok = readAddress(f.value); !ok {
			h.quirks |= QuirkAddress
			if _, ok := appendAddress(nil, f.value, true); !ok {
				return ErrMalformed{nameOf(f.kind)}
			}
		}
	}
	if !h.response && !h.usualURI && !soleURIOK(h.uri) {
		h.quirks |= QuirkAddress
		if _, ok := appendURI(nil, h.uri, false); !ok {
			if foreign(cleanURI(h.uri, true)) {
				h.refusal = 416
				return ErrMalformed{"Request-URI scheme"}
			}
			return ErrMalformed{"Request-URI"}
		}
	}
	return nil
}

func (h *head) checkVia(value []byte) error {
	if h.top.host == nil {
		if h.top.usual(value) {
			h.top.plain = true
			return nil
		}
		h.top = via{}
	}
	hops := 0
	for hop, rest := cutItem(value); ; hop, rest = cutItem(rest) {
		if len(hop) > 0 {
			v, ok := parseVia(hop)
			if !ok {
				return ErrMalformed{"Via"}
			}
			if !v.exact {
				h.quirks |= QuirkVia
			}
			if h.top.host == nil {
				h.top = v
			}
			hops++
		}
		if len(rest) == 0 {
			break
		}
	}
	if hops == 0 {
		return ErrMalformed{"Via"}
	}
	return nil
}

// answerable reports whether the fields that an answer repeats are all there.
func (h *head) answerable() bool {
	return !h.response && h.method != "" && h.method != "ACK" &&
		h.via >= 0 && h.from >= 0 && h.to >= 0 && h.callID >= 0 && h.cseq >= 0
}

// contentLength reads the digits a value begins with; -1 if there are none.
func contentLength(value []byte) int {
	n := -1
	for _, c := range value {
		if c < '0' || c > '9' {
			break
		}
		n = min(max(n, 0)*10+int(c-'0'), maxDeclared)
	}
	return n
}

// splitCSeq returns the number, -1 when it is none or too large, and the
// method. Exact means the form is "1 REGISTER".
func splitCSeq(value []byte) (number int64, method []byte, exact bool) {
	digits := 0
	for digits < len(value) && value[digits] >= '0' && value[digits] <= '9' {
		if number = number*10 + int64(value[digits]-'0'); number > maxCSeq {
			return -1, nil, false
		}
		digits++
	}
	if digits == 0 {
		return -1, nil, false
	}
	method = trim(value[digits:])
	return number, method, len(value) == digits+1+len(method) && value[digits] == ' '
}
