package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrMalformed is reported for bytes that are no SIP message.
var ErrMalformed = errors.New("malformed SIP message")

// MaxMessage is the largest message that is taken from a stream, in bytes.
const MaxMessage = 1 << 20

// Header is one header line; Name is as it was written, Value without blanks
// around it.
type Header struct{ Name, Value string }

// Message is a request or a response. Its strings share one copy of the head;
// Body points into the bytes that were parsed.
type Message struct {
	Method, URI string // request; both "" in a response
	Status      int    // response; 0 in a request
	Reason      string
	Headers     []Header // in order; folded lines are joined
	Body        []byte
}

// Parse reads one message. A body longer than Content-Length is cut; a shorter
// one is taken as it is. Errors wrap [ErrMalformed].
func Parse(b []byte) (*Message, error) {
	b = bytes.TrimLeft(b, "\r\n")
	end, gap := headEnd(b)
	if end < 0 {
		return nil, fmt.Errorf("%w: no empty line after the head", ErrMalformed)
	}
	m := &Message{Body: b[end+gap:], Headers: make([]Header, 0, 16)}
	line, rest := cutLine(string(b[:end]))
	if err := m.start(line); err != nil {
		return nil, err
	}
	for rest != "" {
		line, rest = cutLine(rest)
		if n := len(m.Headers); n > 0 && line != "" && (line[0] == ' ' || line[0] == '\t') {
			m.Headers[n-1].Value = strings.TrimSpace(m.Headers[n-1].Value + " " + strings.TrimSpace(line))
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			return nil, fmt.Errorf("%w: header line without a name", ErrMalformed)
		}
		m.Headers = append(m.Headers, Header{name, strings.TrimSpace(value)})
	}
	if n, err := strconv.Atoi(m.Get("Content-Length")); err == nil && n >= 0 && n < len(m.Body) {
		m.Body = m.Body[:n]
	}
	return m, nil
}

func (m *Message) start(line string) error {
	if rest, ok := strings.CutPrefix(line, "SIP/2.0 "); ok {
		code, reason, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(code)
		if err != nil || n < 100 || n > 699 {
			return fmt.Errorf("%w: bad status line", ErrMalformed)
		}
		m.Status, m.Reason = n, reason
		return nil
	}
	method, rest, _ := strings.Cut(line, " ")
	uri, version, _ := strings.Cut(rest, " ")
	if method == "" || uri == "" || version != "SIP/2.0" {
		return fmt.Errorf("%w: bad request line", ErrMalformed)
	}
	m.Method, m.URI = method, uri
	return nil
}

// Get is the first value of a header, "" when there is none. Names are compared
// without case; compact forms count (RFC 3261 section 7.3.3).
func (m *Message) Get(name string) string {
	for i := range m.Headers {
		if same(m.Headers[i].Name, name) {
			return m.Headers[i].Value
		}
	}
	return ""
}

// All are the values of a header, in order.
func (m *Message) All(name string) []string {
	var all []string
	for i := range m.Headers {
		if same(m.Headers[i].Name, name) {
			all = append(all, m.Headers[i].Value)
		}
	}
	return all
}

// CSeq is the number and the method of the CSeq header; 0 and "" when unreadable.
func (m *Message) CSeq() (uint32, string) {
	num, method, _ := strings.Cut(m.Get("CSeq"), " ")
	n, err := strconv.ParseUint(num, 10, 32)
	if err != nil {
		return 0, ""
	}
	return uint32(n), strings.TrimSpace(method)
}

// Branch is the branch of the top Via.
func (m *Message) Branch() string {
	top, _, _ := strings.Cut(m.Get("Via"), ",")
	return Param(top, "branch")
}

// Append writes the message after dst. Content-Length is written from Body
// unless Headers have one.
func (m *Message) Append(dst []byte) []byte {
	if m.Status != 0 {
		dst = append(dst, "SIP/2.0 "...)
		dst = strconv.AppendInt(dst, int64(m.Status), 10)
		dst = Join(dst, " ", m.Reason, "\r\n")
	} else {
		dst = Join(dst, m.Method, " ", m.URI, " SIP/2.0\r\n")
	}
	for _, h := range m.Headers {
		dst = Join(dst, h.Name, ": ", h.Value, "\r\n")
	}
	if m.Get("Content-Length") == "" {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(m.Body)), 10)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	return append(dst, m.Body...)
}

// Join writes the parts after dst.
func Join(dst []byte, parts ...string) []byte {
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return dst
}

// Param is a parameter of a header value or URI, "" when absent. Parameters
// inside <> belong to the URI and are not looked at when a > is there.
func Param(value, name string) string {
	if i := strings.LastIndexByte(value, '>'); i >= 0 {
		value = value[i+1:]
	}
	for _, p := range strings.Split(value, ";") {
		if k, v, ok := strings.Cut(p, "="); ok && strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return ""
}

// URI is the URI of a From, To or Contact value, without <> and display name.
func URI(value string) string {
	if _, rest, ok := strings.Cut(value, "<"); ok {
		uri, _, _ := strings.Cut(rest, ">")
		return uri
	}
	uri, _, _ := strings.Cut(value, ";")
	return strings.TrimSpace(uri)
}

// User is the user part of a URI or of a value holding one.
func User(value string) string {
	uri := URI(value)
	_, rest, ok := strings.Cut(uri, ":")
	if !ok {
		return ""
	}
	user, _, ok := strings.Cut(rest, "@")
	if !ok {
		return ""
	}
	return user
}

// Frame finds the first message in a stream's bytes: skip bytes of keep-alive
// CRLFs come before it, then size bytes of message. ok is false while it is not
// complete. Errors wrap [ErrMalformed].
func Frame(b []byte) (skip, size int, ok bool, err error) {
	for skip < len(b) && (b[skip] == '\r' || b[skip] == '\n') {
		skip++
	}
	b = b[skip:]
	end, gap := headEnd(b)
	if end < 0 {
		if len(b) > MaxMessage {
			return skip, 0, false, fmt.Errorf("%w: head over %d bytes", ErrMalformed, MaxMessage)
		}
		return skip, 0, false, nil
	}
	length := 0
	for head := string(b[:end]); head != ""; {
		var line string
		line, head = cutLine(head)
		name, value, _ := strings.Cut(line, ":")
		if !same(strings.TrimSpace(name), "Content-Length") {
			continue
		}
		length, err = strconv.Atoi(strings.TrimSpace(value))
		if err != nil || length < 0 || length > MaxMessage {
			return skip, 0, false, fmt.Errorf("%w: bad Content-Length", ErrMalformed)
		}
		break
	}
	size = end + gap + length
	return skip, size, len(b) >= size, nil
}

// headEnd is where the head ends and how long the empty line after it is.
func headEnd(b []byte) (end, gap int) {
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return i, 4
	}
	if i := bytes.Index(b, []byte("\n\n")); i >= 0 {
		return i, 2
	}
	return -1, 0
}

func cutLine(s string) (line, rest string) {
	line, rest, _ = strings.Cut(s, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}

// same compares a written header name with a full one.
func same(written, full string) bool {
	if len(written) == 1 {
		return strings.EqualFold(expand(written[0]|0x20), full)
	}
	return strings.EqualFold(written, full)
}

func expand(c byte) string {
	switch c {
	case 'v':
		return "Via"
	case 'f':
		return "From"
	case 't':
		return "To"
	case 'i':
		return "Call-ID"
	case 'm':
		return "Contact"
	case 'l':
		return "Content-Length"
	case 'c':
		return "Content-Type"
	case 's':
		return "Subject"
	case 'o':
		return "Event"
	case 'k':
		return "Supported"
	}
	return ""
}
