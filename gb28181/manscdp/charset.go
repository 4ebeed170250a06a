package manscdp

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/transform"

	"fengsui/gb28181"
)

// Charsets as [Message.Charset] reports them and [Encode] takes them.
const (
	GB2312  = "GB2312"  // bytes of GB18030, declared GB2312: the default, which every device reads
	GB18030 = "GB18030" // bytes of GB18030, declared so
	UTF8    = "UTF-8"
)

// ReplyCharset is the charset to write a body in for a peer of edition e that
// was last seen to write seen ("" unknown): the one it used itself, and GB18030
// also when a character needs it and the peer speaks the 2022 edition
// (signalling.md section 3.3).
func ReplyCharset(e gb28181.Edition, seen string, n *Node) string {
	switch {
	case seen == UTF8 || seen == GB18030:
		return seen
	case e.Effective() >= gb28181.Edition2022 && n != nil && !n.fitsGB2312():
		return GB18030
	}
	return GB2312
}

// detect tells the charset of a body by validation, not by its label: text that
// is UTF-8 with Chinese in it is UTF-8 whatever it claims, all else is GB18030.
// Two-byte UTF-8 sequences prove nothing (U+0368 is the same bytes as a common
// GBK character), so there the label decides. "" means plain ASCII.
func detect(body []byte, label string) string {
	gb := GB2312
	if strings.EqualFold(label, "gb18030") {
		gb = GB18030
	}
	two, more, cutOff := 0, 0, 0
	for i := 0; i < len(body); {
		if body[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRune(body[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			n := cutRune(body[i:])
			if n == 0 {
				return gb
			}
			cutOff++
			size = n
		case size == 2:
			two++
		default:
			more++
		}
		i += size
	}
	switch {
	case cutOff > 0 && more < 2*cutOff:
		return gb
	case more > 0:
		return UTF8
	case two > 0 && isUTF8Label(label):
		return UTF8
	case two > 0 || gb == GB18030:
		return gb
	}
	return ""
}

// cutRune is the length of a UTF-8 sequence cut off by the end of a field or of
// the body, as devices with fixed field lengths write it; 0 if b is not one.
func cutRune(b []byte) int {
	n := 1
	for n < len(b) && n < utf8.UTFMax && b[n]&0xC0 == 0x80 {
		n++
	}
	if b[0] < 0xC2 || b[0] > 0xF4 || utf8.FullRune(b[:n]) {
		return 0
	}
	if n == len(b) || b[n] == '<' {
		return n
	}
	return 0
}

func isUTF8Label(s string) bool {
	return strings.EqualFold(s, "utf-8") || strings.EqualFold(s, "utf8")
}

// label reads the encoding of the XML declaration, "" without one.
func label(body []byte) string {
	if !bytes.HasPrefix(body, []byte("<?")) {
		return ""
	}
	end := bytes.IndexByte(body, '>')
	if end < 0 || end > 256 {
		return ""
	}
	_, rest, ok := bytes.Cut(body[:end], []byte("encoding"))
	if !ok {
		return ""
	}
	rest = bytes.TrimLeft(rest, " \t\r\n=\"'")
	i := bytes.IndexAny(rest, "\"' ?")
	if i < 0 {
		i = len(rest)
	}
	return string(rest[:i])
}

// decodeText turns bytes of charset cs into a string. Bytes that are no
// character become U+FFFD.
func decodeText(b []byte, cs string) string {
	if isASCII(b) {
		return string(b)
	}
	if cs == UTF8 {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	out, err := simplifiedchinese.GB18030.NewDecoder().Bytes(b)
	if err != nil { // the decoder replaces, it does not fail
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	return string(out)
}

// encoder writes text in one charset.
type encoder struct {
	charset string
	gb      transform.Transformer // set at the first character beyond ASCII
	buf     [8]byte
}

// append adds s to dst in the charset. Under [GB2312] a character that needs
// four bytes becomes "?": peers before the 2022 edition cannot read it.
func (e *encoder) append(dst []byte, s string) []byte {
	if e.charset == UTF8 {
		return append(dst, strings.ToValidUTF8(s, "\uFFFD")...)
	}
	for len(s) > 0 {
		if s[0] < utf8.RuneSelf {
			dst = append(dst, s[0])
			s = s[1:]
			continue
		}
		if e.gb == nil {
			e.gb = simplifiedchinese.GB18030.NewEncoder()
		}
		_, size := utf8.DecodeRuneInString(s)
		n, _, err := e.gb.Transform(e.buf[:], []byte(s[:size]), true)
		if err != nil || n > 2 && e.charset != GB18030 {
			dst = append(dst, '?')
		} else {
			dst = append(dst, e.buf[:n]...)
		}
		s = s[size:]
	}
	return dst
}

// fitsGB2312 reports whether all text below n is in the repertoire of GB 2312:
// rows 1-9 and 16-87.
func (n *Node) fitsGB2312() bool {
	if !textFitsGB2312(n.Text) {
		return false
	}
	for _, a := range n.Attrs {
		if !textFitsGB2312(a.Value) {
			return false
		}
	}
	for _, c := range n.Children {
		if !c.fitsGB2312() {
			return false
		}
	}
	return true
}

func textFitsGB2312(s string) bool {
	enc := simplifiedchinese.GB18030.NewEncoder()
	var buf [8]byte
	for _, r := range s {
		if r < utf8.RuneSelf {
			continue
		}
		n, _, err := enc.Transform(buf[:], utf8.AppendRune(nil, r), true)
		row := buf[0]
		if err != nil || n != 2 || buf[1] < 0xA1 || row < 0xA1 || row > 0xF7 || row > 0xA9 && row < 0xB0 {
			return false
		}
	}
	return true
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
