package manscdp

import "strings"

// Encode writes a tree as a body: declaration on the first byte, no white space
// between elements, & < > escaped. charset is GB2312, GB18030 or UTF8; "" and
// anything else mean GB2312. Elements and attributes whose name is no XML name
// are left out.
func Encode(n *Node, charset string) []byte { return AppendEncode(nil, n, charset) }

// AppendEncode appends what [Encode] returns to dst.
func AppendEncode(dst []byte, n *Node, charset string) []byte {
	if charset != UTF8 && charset != GB18030 {
		charset = GB2312
	}
	e := encoder{charset: charset}
	dst = append(dst, `<?xml version="1.0" encoding="`...)
	dst = append(dst, charset...)
	dst = append(dst, "\"?>\r\n"...)
	dst = e.node(dst, n, 0)
	return append(dst, "\r\n"...)
}

func (e *encoder) node(dst []byte, n *Node, depth int) []byte {
	if n == nil || depth >= maxDepth || !validName(n.Name) {
		return dst
	}
	dst = append(dst, '<')
	dst = append(dst, n.Name...)
	for _, a := range n.Attrs {
		if !validName(a.Name) {
			continue
		}
		dst = append(dst, ' ')
		dst = append(dst, a.Name...)
		dst = append(dst, `="`...)
		dst = e.escaped(dst, strings.TrimSpace(a.Value))
		dst = append(dst, '"')
	}
	dst = append(dst, '>')
	dst = e.escaped(dst, strings.TrimSpace(n.Text))
	for _, c := range n.Children {
		dst = e.node(dst, c, depth+1)
	}
	dst = append(dst, "</"...)
	dst = append(dst, n.Name...)
	return append(dst, '>')
}

func (e *encoder) escaped(dst []byte, s string) []byte {
	for {
		i := strings.IndexFunc(s, special)
		if i < 0 {
			return e.append(dst, s)
		}
		dst = e.append(dst, s[:i])
		switch s[i] {
		case '&':
			dst = append(dst, "&amp;"...)
		case '<':
			dst = append(dst, "&lt;"...)
		case '>':
			dst = append(dst, "&gt;"...)
		case '"':
			dst = append(dst, "&quot;"...)
		} // control characters are dropped
		s = s[i+1:]
	}
}

func special(r rune) bool {
	return r == '&' || r == '<' || r == '>' || r == '"' || r < ' ' && isControl(byte(r))
}

func validName(s string) bool {
	return s != "" && nameLen([]byte(s)) == len(s)
}
