package digest

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"strings"
)

// ErrMalformed reports a value in which no parameter can be found, or one
// longer than [MaxValue].
var ErrMalformed = errors.New("malformed Digest header")

// MaxValue is the longest header value that is read, in bytes.
const MaxValue = 4096

// Credentials are the parameters of an Authorization value, each as the peer
// wrote it, without its quotes; "" is absent.
type Credentials struct {
	Scheme    string // "Digest"; "Capability", "Unidirection" and others are kept; "" when left out
	Username  string
	Realm     string
	Nonce     string
	URI       string // never normalised: the hash is over these very characters
	Response  string
	Algorithm string
	QOP       string
	NC        string // normally eight hex digits; hashed as written
	CNonce    string
	Opaque    string
}

// Digest reports whether the scheme is Digest or was left out.
func (c *Credentials) Digest() bool {
	return c.Scheme == "" || strings.EqualFold(c.Scheme, "Digest")
}

// Verify reports whether Response proves the password for a request of this
// method. What is hashed follows the client's own parameters: with qop when it
// wrote one, by its algorithm, MD5 when it named none. It does not judge realm,
// username or nonce; the caller does.
func (c *Credentials) Verify(method, password string) bool {
	a, ok := ParseAlgorithm(c.Algorithm)
	return ok && c.VerifyHA1(method, a.HA1(c.Username, c.Realm, password))
}

// VerifyHA1 is [Credentials.Verify] for a password known as [Algorithm.HA1].
func (c *Credentials) VerifyHA1(method, ha1 string) bool {
	a, ok := ParseAlgorithm(c.Algorithm)
	if !ok || c.Response == "" || c.QOP != "" && !strings.EqualFold(c.QOP, "auth") {
		return false
	}
	var space [hexSize]byte
	want := c.response(space[:0], a, ha1, method)
	if len(c.Response) != len(want) {
		return false
	}
	var given [hexSize]byte
	n := copy(given[:], c.Response)
	for i, b := range given[:n] {
		if 'A' <= b && b <= 'F' { // firmware that prints upper-case hex
			given[i] = b + 'a' - 'A'
		}
	}
	return hmac.Equal(want, given[:n])
}

// Sign sets Response, and Scheme when empty, for a request of this method. The
// other fields must be filled in, NC and CNonce only with QOP.
func (c *Credentials) Sign(method, password string) {
	a, _ := ParseAlgorithm(c.Algorithm)
	if c.Scheme == "" {
		c.Scheme = "Digest"
	}
	var space [hexSize]byte
	c.Response = string(c.response(space[:0], a, a.HA1(c.Username, c.Realm, password), method))
}

// response appends the hash of RFC 2617 3.2.2.1.
func (c *Credentials) response(dst []byte, a Algorithm, ha1, method string) []byte {
	var space [hexSize]byte
	ha2 := string(a.sum(space[:0], method, c.URI))
	if c.QOP == "" {
		return a.sum(dst, ha1, c.Nonce, ha2)
	}
	return a.sum(dst, ha1, c.Nonce, c.NC, c.CNonce, c.QOP, ha2)
}

// String is the Authorization value.
func (c Credentials) String() string {
	b := make([]byte, 0, 320)
	b = append(b, c.Scheme...)
	sep := byte(' ')
	if c.Scheme == "" {
		sep = 0
	}
	for _, p := range [...]struct {
		name, value string
		bare        bool
	}{
		{"username", c.Username, false},
		{"realm", c.Realm, false},
		{"nonce", c.Nonce, false},
		{"uri", c.URI, false},
		{"response", c.Response, false},
		{"algorithm", c.Algorithm, true},
		{"qop", c.QOP, true},
		{"nc", c.NC, true},
		{"cnonce", c.CNonce, false},
		{"opaque", c.Opaque, false},
	} {
		if p.value == "" {
			continue
		}
		if sep != 0 {
			b = append(b, sep)
		}
		sep = ','
		b = append(append(b, p.name...), '=')
		if p.bare && isToken(p.value) {
			b = append(b, p.value...)
			continue
		}
		b = appendQuoted(b, p.value)
	}
	return string(b)
}

// Parse reads an Authorization value. It takes parameters in any order and
// case, quoted or not, separated by commas or blanks, with commas to spare; of
// a repeated parameter the first counts, and a quote left open ends with the
// value. What it returns shares a string's memory. It reports an error wrapping
// [ErrMalformed].
func Parse[Value string | []byte](value Value) (Credentials, error) {
	var c Credentials
	if len(value) > MaxValue {
		return c, fmt.Errorf("%w: %d bytes, at most %d", ErrMalformed, len(value), MaxValue)
	}
	s := scanner{in: string(value)}
	c.Scheme = s.scheme()
	found := c.Scheme != ""
	for {
		name, val, ok := s.param()
		if !ok {
			break
		}
		found = true
		if field := c.field(name); field != nil && *field == "" {
			*field = val
		}
	}
	if !found {
		return c, fmt.Errorf("%w: empty", ErrMalformed)
	}
	return c, nil
}

func (c *Credentials) field(name string) *string {
	switch strings.ToLower(name) {
	case "username":
		return &c.Username
	case "realm":
		return &c.Realm
	case "nonce":
		return &c.Nonce
	case "uri":
		return &c.URI
	case "response":
		return &c.Response
	case "algorithm":
		return &c.Algorithm
	case "qop":
		return &c.QOP
	case "nc":
		return &c.NC
	case "cnonce":
		return &c.CNonce
	case "opaque":
		return &c.Opaque
	}
	return nil
}

// Bytes that end or part what a header value is made of.
const (
	isBlank = 1 << iota // SP, HT, CR, LF
	isComma
	isEqual
	isQuote // and the backslash
)

// classes are looked up, which is faster than a search in a set for each byte.
var classes = [256]uint8{
	' ': isBlank, '\t': isBlank, '\r': isBlank, '\n': isBlank, ',': isComma, '=': isEqual, '"': isQuote, '\\': isQuote,
}

// scanner walks a header value. The strings it returns share the value's
// memory unless an escape had to be undone.
type scanner struct {
	in  string
	pos int
}

// scheme returns the leading token when it is not the name of a parameter.
func (s *scanner) scheme() string {
	s.skip(isBlank | isComma)
	start := s.pos
	word := s.until(isBlank | isComma | isEqual)
	s.skip(isBlank)
	if s.pos < len(s.in) && s.in[s.pos] == '=' {
		s.pos = start
		return ""
	}
	return word
}

// param returns the next parameter; one without "=" has an empty value.
func (s *scanner) param() (name, value string, ok bool) {
	s.skip(isBlank | isComma)
	if s.pos == len(s.in) {
		return "", "", false
	}
	name = s.until(isBlank | isComma | isEqual)
	s.skip(isBlank)
	if s.pos == len(s.in) || s.in[s.pos] != '=' {
		return name, "", true
	}
	s.pos++
	s.skip(isBlank)
	if s.pos < len(s.in) && s.in[s.pos] == '"' {
		s.pos++
		return name, s.quoted(), true
	}
	return name, s.until(isBlank | isComma), true
}

// quoted reads up to the closing quote, undoing backslashes.
func (s *scanner) quoted() string {
	begin := s.pos
	switch out := s.until(isQuote); {
	case s.pos == len(s.in):
		return out
	case s.in[s.pos] == '"':
		s.pos++
		return out
	}
	s.pos = begin
	var b strings.Builder
	for s.pos < len(s.in) {
		ch := s.in[s.pos]
		s.pos++
		if ch == '"' {
			break
		}
		if ch == '\\' && s.pos < len(s.in) {
			ch = s.in[s.pos]
			s.pos++
		}
		b.WriteByte(ch)
	}
	return b.String()
}

func (s *scanner) skip(class uint8) {
	for s.pos < len(s.in) && classes[s.in[s.pos]]&class != 0 {
		s.pos++
	}
}

func (s *scanner) until(class uint8) string {
	start := s.pos
	for s.pos < len(s.in) && classes[s.in[s.pos]]&class == 0 {
		s.pos++
	}
	return s.in[start:s.pos]
}

func appendQuoted[Value string | []byte](b []byte, v Value) []byte {
	b = append(b, '"')
	for i := 0; i < len(v); i++ {
		if v[i] == '"' || v[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, v[i])
	}
	return append(b, '"')
}

func isToken(v string) bool {
	for i := 0; i < len(v); i++ {
		switch ch := v[i]; {
		case 'a' <= ch && ch <= 'z', 'A' <= ch && ch <= 'Z', '0' <= ch && ch <= '9', ch == '-', ch == '_', ch == '.':
		default:
			return false
		}
	}
	return true
}
