package manscdp

import (
	"bytes"
	"fmt"
	"strings"

	"fengsui/gb28181"
)

// Keepalive is Notify/Keepalive (signalling.md section 3.5).
type Keepalive struct {
	SN       int
	DeviceID gb28181.ID
	OK       bool         // Status; a missing one counts as OK
	Faulty   []gb28181.ID // children that do not work
}

// AsKeepalive reads m as a keepalive; the error names what m is instead.
func (m *Message) AsKeepalive() (Keepalive, error) {
	if err := m.want("Keepalive", Notify); err != nil {
		return Keepalive{}, err
	}
	k := Keepalive{SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), OK: !isFault(m.Node.Value("Status"))}
	for n := range m.Node.Child("Info").All("DeviceID") {
		if n.Text != "" {
			k.Faulty = append(k.Faulty, gb28181.ID(n.Text))
		}
	}
	return k, nil
}

// Append appends the body to dst.
func (k Keepalive) Append(dst []byte, charset string) []byte {
	return AppendEncode(dst, k.node(), charset)
}

// Node gives the message.
func (k Keepalive) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	c.head(k.SN, k.DeviceID)
	return c.done(k.node())
}

func (k Keepalive) node() *Node {
	n := New(Notify, Leaf("CmdType", "Keepalive"), LeafInt("SN", k.SN),
		Leaf("DeviceID", string(k.DeviceID)), Leaf("Status", result(k.OK)))
	if len(k.Faulty) > 0 {
		info := New("Info")
		for _, id := range k.Faulty {
			info.Add(Leaf("DeviceID", string(id)))
		}
		n.Add(info)
	}
	return n
}

// IsKeepalive tells whether body is a keepalive without building a tree: the
// root element is Notify and its CmdType Keepalive. status is Status as sent, ""
// when absent. It is for the path on which nearly every message is one; bodies
// over 64 KiB are none.
func IsKeepalive(body []byte) (deviceID string, ok bool, status string) {
	id, st, ok := ScanKeepalive(body)
	return string(id), ok, string(st)
}

// ScanKeepalive is [IsKeepalive] without copies: what it returns is within body.
func ScanKeepalive(body []byte) (deviceID, status []byte, ok bool) {
	if len(body) > 64<<10 {
		return nil, nil, false
	}
	if id, st, ok := usualKeepalive(body); ok {
		return id, st, true
	}
	return scanKeepalive(body)
}

// scanKeepalive reads a keepalive in any form.
func scanKeepalive(body []byte) (deviceID, status []byte, ok bool) {
	s := scanner{in: clean(body)}
	var field []byte // name of the open child of the root
	var cmd, id, st []byte
	for depth := 0; ; {
		switch s.next() {
		case evEnd:
			return nil, nil, false
		case evStart:
			if depth == 0 {
				if !foldEqual(s.name, Notify) {
					return nil, nil, false
				}
				cmd = rawAttr(s.attrs, "CmdType")
			}
			if depth++; depth == 2 {
				field = s.name
			}
		case evEmpty:
			if depth == 0 {
				return nil, nil, false
			}
		case evText, evCDATA:
			if depth != 2 {
				continue
			}
			switch text := trim(s.text); {
			case cmd == nil && foldEqual(field, "CmdType"):
				cmd = text
			case id == nil && foldEqual(field, "DeviceID"):
				id = text
			case st == nil && foldEqual(field, "Status"):
				st = text
			}
		case evClose:
			depth--
			if depth <= 0 {
				if !foldEqual(cmd, "Keepalive") || len(id) == 0 {
					return nil, nil, false
				}
				return id, st, true
			}
		}
		if depth == 1 && cmd != nil && !foldEqual(cmd, "Keepalive") {
			return nil, nil, false
		}
	}
}

// usualKeepalive reads a keepalive written as nearly all are, elements with
// nothing but text in <Notify>, in a third of the time. Of any other body it says
// nothing: ok is false.
func usualKeepalive(b []byte) (deviceID, status []byte, ok bool) {
	if bytes.HasPrefix(b, []byte("<?xml ")) {
		end := bytes.IndexByte(b, '>')
		if end < 0 || b[end-1] != '?' {
			return nil, nil, false
		}
		b = skipSpace(b[end+1:])
	}
	b, found := bytes.CutPrefix(b, []byte("<"+Notify+">"))
	var cmd []byte
	for found {
		if b = skipSpace(b); len(b) < 2 || b[0] != '<' {
			break
		}
		if b[1] == '/' {
			ok = bytes.HasPrefix(b, []byte("</"+Notify+">")) && string(cmd) == "Keepalive" && len(deviceID) > 0
			return deviceID, status, ok
		}
		n := nameLen(b[1:])
		if n == 0 || 1+n >= len(b) || b[1+n] != '>' {
			break
		}
		var text []byte
		name := b[1 : 1+n]
		b = b[n+2:]
		end := bytes.IndexByte(b, '<')
		if end < 0 || len(b) < end+n+3 || b[end+1] != '/' || string(b[end+2:end+2+n]) != string(name) || b[end+2+n] != '>' {
			break
		}
		text, b = b[:end], b[end+n+3:]
		switch {
		case len(text) == 0:
		case string(name) == "SN":
		case hasControl(text):
			return nil, nil, false
		case string(name) == "CmdType" && cmd == nil:
			cmd = trim(text)
		case string(name) == "DeviceID" && deviceID == nil:
			deviceID = trim(text)
		case string(name) == "Status" && status == nil:
			status = trim(text)
		default: // a name in another case or with a prefix, a child more
			return nil, nil, false
		}
	}
	return nil, nil, false
}

func skipSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	return b
}

func rawAttr(raw []byte, want string) []byte {
	for {
		name, value, rest, ok := nextAttr(raw)
		if !ok {
			return nil
		}
		if foldEqual(name, want) {
			return trim(value)
		}
		raw = rest
	}
}

func trim(b []byte) []byte {
	b = skipSpace(b)
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// want reports an error unless m is cmd under one of roots.
func (m *Message) want(cmd string, roots ...string) error {
	if strings.EqualFold(m.CmdType, cmd) {
		for _, r := range roots {
			if m.Root == r {
				return nil
			}
		}
	}
	return fmt.Errorf("want %s/%s, have %s/%s", strings.Join(roots, " or "), cmd, m.Root, clip(m.CmdType))
}

// result is OK or ERROR.
func result(ok bool) string {
	if ok {
		return "OK"
	}
	return "ERROR"
}

// isFault reports whether a Status or Result says that something is wrong.
func isFault(s string) bool {
	switch strings.ToUpper(s) {
	case "ERROR", "ERR", "FAIL", "FAILED", "OFF", "OFFLINE", "NOK":
		return true
	}
	return false
}
