package manscdp

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What Decode refuses.
var (
	ErrEmpty = errors.New("empty MANSCDP body")
	ErrRoot  = errors.New("no MANSCDP message") // no element, or a root that is none of the four
)

// Bounds of one message. What goes beyond is left out and the message marked [Message.Cut].
const (
	maxDepth = 32
	maxNodes = 1 << 20 // a part of 10,000 items (2022 Annex M) has about 450,000
)

// The four roots (signalling.md section 3.1).
const (
	Control  = "Control"
	Query    = "Query"
	Notify   = "Notify"
	Response = "Response"
)

// Message is one decoded body.
type Message struct {
	Root     string // Control, Query, Notify or Response, in this spelling
	CmdType  string
	SN       int    // 0 when absent or no number
	DeviceID string // as sent; "" when absent
	Node     *Node  // the root element
	// Charset is how the body was written, by its bytes: GB2312, GB18030 or UTF8,
	// a value for [Encode]; "" when it is plain ASCII and so proves nothing.
	Charset  string
	Declared string // encoding label as sent, "" without a declaration
	Cut      bool   // the body ended early, or went beyond the bounds
}

// Decode reads a body. It keeps what it can: see signalling.md sections 3.3 and
// 3.4. The error wraps [ErrEmpty] or [ErrRoot].
func Decode(body []byte) (*Message, error) {
	body = clean(body)
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, ErrEmpty
	}
	m := &Message{Declared: label(body)}
	m.Charset = detect(body, m.Declared)
	d := decoder{scan: scanner{in: body}, charset: m.Charset, names: make(map[string]string, 32)}
	d.run()
	if d.root == nil {
		return nil, fmt.Errorf("%w: no element in %d bytes", ErrRoot, len(body))
	}
	m.Node, m.Cut = d.root, d.cut
	for _, r := range [...]string{Notify, Response, Query, Control} {
		if strings.EqualFold(d.root.Name, r) {
			m.Root = r
		}
	}
	if m.Root == "" {
		return nil, fmt.Errorf("%w: root element %q", ErrRoot, clip(d.root.Name))
	}
	m.CmdType = d.root.Value("CmdType")
	m.SN = d.root.Int("SN", 0)
	m.DeviceID = d.root.Value("DeviceID")
	return m, nil
}

// clean drops a byte order mark, leading white space and the control characters
// that XML forbids. It copies only when there are some.
func clean(body []byte) []byte {
	if len(body) > 0 && body[0] != '<' {
		body = bytes.TrimLeft(body, "\x00 \t\r\n")
		body = bytes.TrimPrefix(body, []byte("\uFEFF"))
		body = bytes.TrimLeft(body, "\x00 \t\r\n")
	}
	if !hasControl(body) {
		return body
	}
	out := make([]byte, 0, len(body))
	for _, c := range body {
		if !isControl(c) {
			out = append(out, c)
		}
	}
	return bytes.TrimLeft(out, " \t\r\n")
}

func hasControl(b []byte) bool {
	for _, c := range b {
		if isControl(c) {
			return true
		}
	}
	return false
}

func isControl(c byte) bool { return c < ' ' && !isSpace(c) }

// decoder builds the tree of the first root element.
type decoder struct {
	scan    scanner
	charset string
	names   map[string]string // spellings met, so that equal names share memory
	slab    []Node
	nodes   int

	root  *Node
	stack []open
	deep  int // open elements below maxDepth, left out
	cut   bool
}

// open is an element whose end tag has not come. Its first run of text is in
// n.Text already, what follows a child or a comment is in more.
type open struct {
	n      *Node
	more   []byte
	secret bool // its text is not kept
}

func (d *decoder) run() {
	for {
		switch d.scan.next() {
		case evEnd:
			d.cut = true
			d.finish()
			return
		case evText:
			d.text(d.scan.text, true)
		case evCDATA:
			d.text(d.scan.text, false)
		case evStart:
			if n := d.add(); n != nil {
				secret := isSecret(n.Name) || len(d.stack) > 0 && d.stack[len(d.stack)-1].secret
				d.stack = append(d.stack, open{n: n, secret: secret})
			} else {
				d.deep++
			}
		case evEmpty:
			if d.add(); len(d.stack) == 0 {
				return
			}
		case evClose:
			if d.close() {
				return
			}
		}
		if d.nodes > maxNodes {
			d.cut = true
			d.finish()
			return
		}
	}
}

// add makes the scanned tag a child of the open element, or the root. It returns
// nil below maxDepth.
func (d *decoder) add() *Node {
	if d.deep > 0 || len(d.stack) == maxDepth {
		d.cut = true
		return nil
	}
	if len(d.slab) == 0 {
		d.slab = make([]Node, 32)
	}
	n := &d.slab[0]
	d.slab = d.slab[1:]
	d.nodes++
	n.Name = d.name(d.scan.name)
	for raw := d.scan.attrs; ; {
		name, value, rest, ok := nextAttr(raw)
		if !ok {
			break
		}
		if a := (Attr{Name: d.name(name)}); !isSecret(a.Name) {
			a.Value = strings.TrimSpace(d.decode(value, true))
			n.Attrs = append(n.Attrs, a)
		}
		raw = rest
	}
	if len(d.stack) == 0 {
		d.root = n
	} else {
		top := d.stack[len(d.stack)-1].n
		top.Children = append(top.Children, n)
	}
	return n
}

// close ends the element that the scanned end tag belongs to, with all that is
// still open in it. An end tag of nothing ends a leaf, whose name it misspells,
// and is otherwise ignored. It reports whether the root is closed.
func (d *decoder) close() bool {
	if d.deep > 0 {
		d.deep--
		return false
	}
	for i := len(d.stack) - 1; i >= 0; i-- {
		if foldEqual(d.scan.name, d.stack[i].n.Name) {
			for len(d.stack) > i {
				d.pop()
			}
			return i == 0
		}
	}
	if len(d.stack) > 1 && len(d.stack[len(d.stack)-1].n.Children) == 0 {
		d.pop()
	}
	return false
}

func (d *decoder) pop() {
	top := d.stack[len(d.stack)-1]
	if len(top.more) > 0 {
		top.n.Text += string(top.more)
	}
	top.n.Text = strings.TrimSpace(top.n.Text)
	d.stack = d.stack[:len(d.stack)-1]
}

// finish ends what a cut body left open. The text of the innermost element is
// dropped: half a value is worse than none.
func (d *decoder) finish() {
	if n := len(d.stack); n > 0 {
		if top := &d.stack[n-1]; len(top.n.Children) == 0 {
			top.n.Text, top.more = "", nil
		}
	}
	for len(d.stack) > 0 {
		d.stack[len(d.stack)-1].n.cut = true
		d.pop()
	}
}

func (d *decoder) text(b []byte, entities bool) {
	if len(d.stack) == 0 || d.deep > 0 {
		return
	}
	top := &d.stack[len(d.stack)-1]
	if top.secret {
		return
	}
	if top.n.Text == "" {
		if b = bytes.TrimLeft(b, " \t\r\n"); len(b) > 0 {
			top.n.Text = d.decode(b, entities)
		}
		return
	}
	top.more = append(top.more, d.decode(b, entities)...)
}

// isSecret reports an element or attribute that holds a password. Some firmware
// tells its SIP password in BasicParam (signalling.md section 9 row 52), some a
// camera's in a catalog item: no message of ours needs one, so none is kept.
func isSecret(name string) bool {
	for _, word := range [...]string{"password", "passwd", "pwd"} {
		if i := len(name) - len(word); i >= 0 && strings.EqualFold(name[i:], word) {
			return true
		}
	}
	return false
}

func (d *decoder) name(b []byte) string {
	if s, ok := d.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(d.names) < 1024 {
		d.names[s] = s
	}
	return s
}

func (d *decoder) decode(b []byte, entities bool) string {
	s := decodeText(b, d.charset)
	if entities && strings.IndexByte(s, '&') >= 0 {
		s = unescape(s)
	}
	return s
}

// unescape resolves the five predefined entities and character references. An
// '&' that starts none of these stays as it is.
func unescape(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for {
		i := strings.IndexByte(s, '&')
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		s = s[i:]
		end := strings.IndexByte(s[:min(len(s), 12)], ';')
		text, ok := "", false
		if end > 0 {
			text, ok = entity(s[1:end])
		}
		if !ok {
			b.WriteByte('&')
			s = s[1:]
			continue
		}
		b.WriteString(text)
		s = s[end+1:]
	}
}

func entity(name string) (string, bool) {
	switch name {
	case "amp":
		return "&", true
	case "lt":
		return "<", true
	case "gt":
		return ">", true
	case "quot":
		return `"`, true
	case "apos":
		return "'", true
	}
	num, ok := strings.CutPrefix(name, "#")
	if !ok {
		return "", false
	}
	base := 10
	if hex, ok := strings.CutPrefix(strings.ToLower(num), "x"); ok {
		num, base = hex, 16
	}
	v, err := strconv.ParseUint(num, base, 32)
	switch {
	case err != nil || v > utf8.MaxRune:
		return "", false
	case v < 0x80 && isControl(byte(v)) || !utf8.ValidRune(rune(v)):
		return "", true // nothing may stand there
	}
	return string(rune(v)), true
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}
