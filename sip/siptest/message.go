package siptest

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// errIncomplete says that more bytes of a stream are needed.
var errIncomplete = errors.New("message is incomplete")

// Header is one header line.
type Header struct{ Name, Value string }

// Message is a SIP message as it came, split but not understood.
type Message struct {
	Method, URI string // of a request
	Status      int    // of a response; 0 in a request
	Reason      string
	Headers     []Header
	Body        []byte

	From netip.AddrPort // where it came from
	At   time.Time
	Raw  []byte
}

// Get returns the first value of a header, "" when absent. Compact names count.
func (m *Message) Get(name string) string {
	for _, h := range m.Headers {
		if sameHeader(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// All returns every value of a header.
func (m *Message) All(name string) []string {
	var all []string
	for _, h := range m.Headers {
		if sameHeader(h.Name, name) {
			all = append(all, h.Value)
		}
	}
	return all
}

// Param returns a parameter of a header, such as the tag of To, "" when absent.
func (m *Message) Param(header, param string) string {
	value := m.Get(header)
	if i := strings.LastIndexByte(value, '>'); i >= 0 {
		value = value[i+1:]
	}
	for _, p := range strings.Split(value, ";") {
		if k, v, _ := strings.Cut(strings.TrimSpace(p), "="); strings.EqualFold(k, param) {
			return v
		}
	}
	return ""
}

// CSeq returns the number and the method of the CSeq header.
func (m *Message) CSeq() (uint32, string) {
	number, method, _ := strings.Cut(m.Get("CSeq"), " ")
	n, _ := strconv.ParseUint(number, 10, 32)
	return uint32(n), strings.TrimSpace(method)
}

// Bytes prints the message from its fields.
func (m *Message) Bytes() []byte {
	var b bytes.Buffer
	if m.Status != 0 {
		fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", m.Status, m.Reason)
	} else {
		fmt.Fprintf(&b, "%s %s SIP/2.0\r\n", m.Method, m.URI)
	}
	for _, h := range m.Headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h.Name, h.Value)
	}
	b.WriteString("\r\n")
	b.Write(m.Body)
	return b.Bytes()
}

// ParseMessage splits one message; what follows its body is not touched.
func ParseMessage(raw []byte) (*Message, error) {
	m, _, err := next(raw)
	return m, err
}

// next splits the first message off raw and returns its length.
func next(raw []byte) (*Message, int, error) {
	head, _, found := bytes.Cut(raw, []byte("\r\n\r\n"))
	if !found {
		return nil, 0, errIncomplete
	}
	lines := strings.Split(string(head), "\r\n")
	m := &Message{}
	switch start := strings.SplitN(lines[0], " ", 3); {
	case len(start) == 3 && start[0] == "SIP/2.0":
		status, err := strconv.Atoi(start[1])
		if err != nil || status < 100 || status > 999 {
			return nil, 0, fmt.Errorf("status line %q", lines[0])
		}
		m.Status, m.Reason = status, start[2]
	case len(start) == 3 && start[2] == "SIP/2.0" && start[0] != "":
		m.Method, m.URI = start[0], start[1]
	default:
		return nil, 0, fmt.Errorf("start line %q", lines[0])
	}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, 0, fmt.Errorf("header line %q", line)
		}
		m.Headers = append(m.Headers, Header{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	length, err := strconv.ParseUint(m.Get("Content-Length"), 10, 31)
	if err != nil {
		return nil, 0, fmt.Errorf("content length: %w", err)
	}
	body := raw[len(head)+4:]
	if uint64(len(body)) < length {
		return nil, 0, errIncomplete
	}
	m.Body = bytes.Clone(body[:length])
	n := len(head) + 4 + int(length)
	m.Raw = bytes.Clone(raw[:n])
	return m, n, nil
}

func sameHeader(a, b string) bool { return strings.EqualFold(long(a), long(b)) }

func long(name string) string {
	switch strings.ToLower(name) {
	case "v":
		return "Via"
	case "f":
		return "From"
	case "t":
		return "To"
	case "i":
		return "Call-ID"
	case "m":
		return "Contact"
	case "l":
		return "Content-Length"
	case "c":
		return "Content-Type"
	case "o":
		return "Event"
	}
	return name
}
