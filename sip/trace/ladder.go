package trace

import (
	"bytes"
	"strconv"
	"time"
)

// Server is the name of our own lane in a ladder.
const Server = "server"

// Arrow is one message in a ladder diagram.
type Arrow struct {
	At       time.Time
	From, To string // Server, or the peer's address: "192.0.2.20:5060"
	Label    string // "INVITE", "200 OK (INVITE)", "MESSAGE Catalog"
	CallID   string
	Repeat   bool // the same bytes went the same way before: a retransmission
	Index    int  // of the message in what Ladder was given
}

// Ladder turns messages, as Find returns them, into arrows between the server
// and its peers, in the same order.
func Ladder(msgs []Message) []Arrow {
	type way struct {
		dir  Direction
		peer string
		raw  string
	}
	seen := make(map[way]bool, len(msgs))
	arrows := make([]Arrow, 0, len(msgs))
	for i := range msgs {
		m := &msgs[i]
		peer := m.Flow.Remote.String()
		a := Arrow{At: m.At, From: peer, To: Server, Label: label(m), CallID: m.CallID, Index: i}
		if m.Dir == Out {
			a.From, a.To = a.To, a.From
		}
		w := way{m.Dir, peer, string(m.Raw)}
		a.Repeat = seen[w]
		seen[w] = true
		arrows = append(arrows, a)
	}
	return arrows
}

func label(m *Message) string {
	if m.Status == 0 {
		if cmd := cmdType(m.Raw); cmd != "" {
			return m.Method + " " + cmd
		}
		return m.Method
	}
	line, _ := cutLine(m.Raw)
	_, line = cutBlank(line)
	_, reason := cutBlank(line)
	text := strconv.Itoa(m.Status)
	if len(reason) > 0 {
		text += " " + string(reason)
	}
	if m.Method != "" {
		text += " (" + m.Method + ")"
	}
	return text
}

// cmdType is the text of the body's first CmdType element, in any case, if short
// and plain.
func cmdType(raw []byte) string {
	const element = "<CmdType>"
	at := indexFold(raw, element)
	if at < 0 {
		return ""
	}
	value, _, ok := bytes.Cut(raw[at+len(element):], []byte("<"))
	value = bytes.TrimSpace(value)
	if !ok || len(value) > 40 {
		return ""
	}
	for _, c := range value {
		if !isName(c) {
			return ""
		}
	}
	return string(value)
}
