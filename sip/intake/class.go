package intake

// class is a set of kinds of bytes. Looking bytes up in a table halves the cost
// of a keepalive against bytes.IndexAny, which makes a set at each call.
type class uint16

const (
	isBlank     class = 1 << iota // between tokens: SP, HT, CR, LF
	isControl                     // control characters, HT and DEL among them
	notToken                      // all but RFC 3261's token
	notURI                        // ends or hides a URI for sipgo's parser
	notHost                       // of a name, number or IPv4 address
	endsHost                      // : ; ?
	endsPort                      // ; ?
	notSentBy                     // of a Via's host and port
	notViaParam                   // of a Via's parameters, unless sipgo is to misread them
	isPlain                       // letters, digits, . - _
)

// classes is set here and never after.
var classes = func() (t [256]class) {
	set := func(c class, chars string) {
		for i := range len(chars) {
			t[chars[i]] |= c
		}
	}
	for i := range t {
		c := byte(i)
		if c < ' ' || c == 0x7f {
			t[i] |= isControl | notURI | notHost | notSentBy | notViaParam
		}
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			t[i] |= notToken
		} else {
			t[i] |= isPlain
		}
	}
	set(isPlain, ".-_")
	for _, c := range []byte("-.!%*_+`'~") {
		t[c] &^= notToken
	}
	set(isBlank, blanks)
	set(notURI, "<>\" ,\\")
	set(notHost, "[]*@/")
	set(endsHost, ":;?")
	set(endsPort, ";?")
	set(notSentBy, "<>\", ")
	set(notViaParam, "\", ")
	return t
}()

// index is where the first byte of a class is, -1 if nowhere.
func (c class) index(b []byte) int {
	for i, x := range b {
		if classes[x]&c != 0 {
			return i
		}
	}
	return -1
}

func (c class) in(b []byte) bool { return c.index(b) >= 0 }

// skip is b without what it begins with of a class.
func (c class) skip(b []byte) []byte {
	for len(b) > 0 && classes[b[0]]&c != 0 {
		b = b[1:]
	}
	return b
}
