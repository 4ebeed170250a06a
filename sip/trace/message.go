package trace

import (
	"time"

	"fengsui/sip/flow"
)

// Direction says who sent a message.
type Direction bool

// The two directions, seen from this server.
const (
	In  Direction = false
	Out Direction = true
)

func (d Direction) String() string {
	if d == Out {
		return "out"
	}
	return "in"
}

// MarshalText is "in" or "out".
func (d Direction) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Message is one SIP message as it was on the wire, redacted.
type Message struct {
	At     time.Time
	Dir    Direction
	Flow   flow.Flow
	Raw    []byte // less than Size bytes when it was too large to be kept whole
	Size   int    // bytes on the wire
	Device string // user part of the peer's address: From of what it asks, To of what it is asked
	CallID string
	Method string // of a response: the method of its CSeq
	CSeq   string // whole value: "20 MESSAGE"
	Status int    // 0 for requests

	other string // the other one of From and To
}

// describe fills the fields read from Raw, tolerating anything.
func (m *Message) describe() {
	var from, to []byte
	line, rest := cutLine(m.Raw)
	first, after := cutBlank(line)
	response := len(first) >= 4 && equalFold(first[:4], "SIP/")
	if response {
		code, _ := cutBlank(after)
		for _, c := range code {
			if c < '0' || c > '9' || m.Status > 99 {
				break
			}
			m.Status = m.Status*10 + int(c-'0')
		}
	} else {
		m.Method = string(first)
	}
	for len(rest) > 0 {
		if line, rest = cutLine(rest); len(line) == 0 {
			break
		}
		name, value, ok := cutHeader(line)
		if !ok {
			continue
		}
		switch {
		case from == nil && (equalFold(name, "from") || equalFold(name, "f")):
			from = user(value)
		case to == nil && (equalFold(name, "to") || equalFold(name, "t")):
			to = user(value)
		case m.CallID == "" && (equalFold(name, "call-id") || equalFold(name, "i")):
			m.CallID = string(value)
		case m.CSeq == "" && equalFold(name, "cseq"):
			m.CSeq = string(value)
			if _, method := cutBlank(value); response {
				m.Method = string(method)
			}
		}
	}
	if response == bool(m.Dir == Out) { // the peer asked
		m.Device, m.other = string(from), string(to)
	} else {
		m.Device, m.other = string(to), string(from)
	}
}
