package trace

import "bytes"

// Redact overwrites with asterisks, in place and keeping every length, what of a
// message must neither leave the server nor stand in its log:
//
//   - in Authorization and its like: response= and rspauth= of Digest, from which
//     a password can be guessed offline, and all of any other scheme; nonces stay;
//   - headers that are a key as a whole: Cookie, X-Auth-Token, X-Api-Key and such;
//   - passwords and tokens as XML elements and attributes (signalling reference,
//     section 9 row 52: BasicParam holds the SIP password), JSON members and
//     query parameters;
//   - passwords in URIs: sip:user:password@host, rtsp://user:password@host/;
//   - media keys in SDP: a=crypto, a=key-mgmt, a=ice-pwd, k=.
//
// It does not ask where the head ends, since messages in bad form are kept too.
// Names are found in any case, in UTF-8, GB18030 and UTF-16.
func Redact(raw []byte) { redactIn(raw, redactText) }

// redactAlways overwrites passwords in XML elements alone: a device that tells the
// one it registers with (signalling reference, section 9 row 52) tells nobody who
// reads a trace, administrators included.
func redactAlways(raw []byte) { redactIn(raw, redactElements) }

func redactIn(raw []byte, text func([]byte)) {
	text(raw)
	if bytes.IndexByte(raw, 0) >= 0 {
		redactWide(raw, text)
	}
}

func redactText(b []byte) {
	redactLines(b)
	redactElements(b)
	redactPairs(b)
	redactURIs(b)
}

// redactWide finds the same in UTF-16, whatever its order of bytes and wherever
// it begins.
func redactWide(raw []byte, text func([]byte)) {
	for low := range 2 { // where in two bytes the one of a Latin letter is
		for first := range 2 {
			units := raw[min(first, len(raw)):]
			narrow := make([]byte, len(units)/2)
			for i := range narrow {
				narrow[i] = 0xff // no letter
				if units[2*i+1-low] == 0 {
					narrow[i] = units[2*i+low]
				}
			}
			was := bytes.Clone(narrow)
			text(narrow)
			for i, c := range narrow {
				if c == was[i] {
					continue
				}
				units[2*i+low] = '*'
				if c := &units[2*i+1-low]; *c != 0 {
					*c = '*'
				}
			}
		}
	}
}

// secrecy is what of a header's value is secret.
type secrecy uint8

const (
	open        secrecy = iota
	credentials         // a scheme and what belongs to it
	proof               // Digest parameters, of which the answers are secret
	whole
)

// redactLines treats what is known by the beginning of its line: headers, which
// may be folded, and SDP.
func redactLines(b []byte) {
	var s secrecy
	for len(b) > 0 {
		end := bytes.IndexAny(b, "\r\n")
		if end < 0 {
			end = len(b)
		}
		line := b[:end]
		b = b[min(end+1, len(b)):]
		if len(line) == 0 {
			continue // between CR and LF, too
		}
		redactSDP(line)
		if line[0] != ' ' && line[0] != '\t' {
			name, value, _ := bytes.Cut(line, []byte{':'})
			s, line = secrecyOf(bytes.TrimSpace(name)), value
		}
		s = s.apply(line)
	}
}

func secrecyOf(header []byte) secrecy {
	for _, c := range header {
		if !isWord(c) {
			return open // no header: a line of the body
		}
	}
	is := func(name string) bool { return equalFold(header, name) }
	switch {
	case is("authorization"), is("proxy-authorization"):
		return credentials
	case is("authentication-info"), is("proxy-authentication-info"):
		return proof
	case is("www-authenticate"), is("proxy-authenticate"):
		return open
	case is("cookie"), is("set-cookie"), is("securityinfo"), containsFold(header, "auth"), isSecret(header):
		return whole
	}
	return open
}

// apply overwrites what of a line of the value is secret, and returns what that
// makes of a folded next line.
func (s secrecy) apply(line []byte) secrecy {
	switch s {
	case credentials:
		scheme, rest := cutBlank(bytes.TrimLeft(line, " \t"))
		switch {
		case len(scheme) == 0:
			return credentials // comes in the next line
		case equalFold(scheme, "digest"):
			return proof.apply(rest)
		case len(rest) == 0:
			mask(scheme)
		}
		return whole.apply(rest)
	case proof:
		eachWord(line, func(name []byte, after int) int {
			if equalFold(name, "response") || equalFold(name, "rspauth") {
				return maskValue(line, after, "=", ", \t")
			}
			return after
		})
	case whole:
		mask(line)
	}
	return s
}

// redactSDP overwrites the keys in a line of SDP (RFC 8866, 4568, 4567, 8839).
func redactSDP(line []byte) {
	line = bytes.TrimLeft(line, " \t")
	kind, value, ok := bytes.Cut(line, []byte{'='})
	switch {
	case !ok:
	case equalFold(kind, "k"):
		_, key, _ := bytes.Cut(value, []byte{':'})
		mask(key)
	case equalFold(kind, "a"):
		name, value, _ := bytes.Cut(value, []byte{':'})
		switch {
		case equalFold(name, "key-mgmt"), equalFold(name, "ice-pwd"):
			mask(value)
		case equalFold(name, "crypto"):
			if i := indexFold(value, "inline:"); i >= 0 {
				mask(value[i+len("inline:"):])
			}
		}
	}
}

// redactElements overwrites all that stands in XML elements with a telling name.
func redactElements(b []byte) {
	for i := 0; i < len(b); {
		open := bytes.IndexByte(b[i:], '<')
		if open < 0 {
			return
		}
		i += open + 1
		start := i
		for i < len(b) && isName(b[i]) {
			i++
		}
		name := b[start:i]
		if !isSecret(name) {
			continue
		}
		end := bytes.IndexByte(b[i:], '>')
		if end < 0 {
			return
		}
		i += end + 1
		if b[i-2] == '/' {
			continue
		}
		close := len(b) // without an end, all
		if n := indexFold(b[i:], "</"+string(name)); n >= 0 {
			close = i + n
		}
		mask(b[i:close])
		i = close
	}
}

// redactPairs overwrites the values of XML attributes, query parameters and JSON
// members with a telling name, and Digest responses that stand in no header, such
// as those that an error quotes.
func redactPairs(b []byte) {
	eachWord(b, func(name []byte, after int) int {
		digest := equalFold(name, "response") || equalFold(name, "rspauth")
		if !isSecret(name) && (!digest || !isDigest(b[after:])) {
			return after
		}
		if after < len(b) && (b[after] == '"' || b[after] == '\'') { // of a JSON name
			after++
		}
		return maskValue(b, after, "=:", " \t\r\n&<>\"'")
	})
}

// isDigest reports whether b begins with an equals sign and a hash in hexadecimal
// digits, or the beginning of one.
func isDigest(b []byte) bool {
	value, ok := bytes.CutPrefix(bytes.TrimLeft(b[:min(len(b), 32)], " \t"), []byte{'='})
	value = bytes.TrimLeft(value, " \t\\\"'")
	n := 0
	for n < len(value) && (value[n] >= '0' && value[n] <= '9' || value[n]|0x20 >= 'a' && value[n]|0x20 <= 'f') {
		n++
	}
	return ok && n >= 8
}

// redactURIs overwrites the passwords in sip:user:password@host and
// scheme://user:password@host.
func redactURIs(b []byte) {
	for i := 0; i < len(b); i++ {
		if b[i] != ':' {
			continue
		}
		var rest []byte
		switch {
		case bytes.HasPrefix(b[i:], []byte("://")):
			rest = b[i+3:]
		case endsWord(b[:i], "sip"), endsWord(b[:i], "sips"):
			rest = b[i+1:]
		default:
			continue
		}
		if end := bytes.IndexAny(rest, " \t\r\n<>\"'"); end >= 0 {
			rest = rest[:end]
		}
		_, password, ok := bytes.Cut(rest, []byte{':'})
		at := bytes.LastIndexByte(password, '@')
		if !ok || at < 0 || isPort(password) {
			continue
		}
		mask(password[:at])
	}
}

// isPort reports whether what follows a colon is a port.
func isPort(b []byte) bool {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return n > 0 && n < len(b) && bytes.IndexByte([]byte("/;?"), b[n]) >= 0
}

// eachWord calls fn with each run of letters, digits, - and _, and where it ends;
// fn returns where to go on.
func eachWord(b []byte, fn func(word []byte, after int) int) {
	for i := 0; i < len(b); {
		start := i
		for i < len(b) && isWord(b[i]) {
			i++
		}
		if i == start {
			i++
			continue
		}
		i = fn(b[start:i], i)
	}
}

// maskValue overwrites the value that follows at i behind one of the separators:
// up to its closing quote, or else to one of the stops. It returns where it ends.
func maskValue(b []byte, i int, separators, stops string) int {
	i = skipBlank(b, i)
	if i == len(b) || bytes.IndexByte([]byte(separators), b[i]) < 0 {
		return i
	}
	i = skipBlank(b, i+1)
	if i == len(b) {
		return i
	}
	quote := b[i]
	if quote == '"' || quote == '\'' {
		i++
		stops = string(quote) + "\r\n"
	}
	for ; i < len(b) && bytes.IndexByte([]byte(stops), b[i]) < 0; i++ {
		if b[i] == '\\' && i+1 < len(b) && b[i+1] != '\r' && b[i+1] != '\n' {
			b[i] = '*' // and what it escapes
			i++
		}
		b[i] = '*'
	}
	return i
}

// mask leaves blanks, so that lines stay what they are.
func mask(b []byte) {
	for i, c := range b {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			b[i] = '*'
		}
	}
}

// secretWords are what a name holds whose value is a secret. Secrecy, of a
// channel, is none.
var secretWords = [][]byte{
	[]byte("password"), []byte("passwd"), []byte("passphrase"), []byte("userpass"), []byte("pwd"), []byte("secret"), []byte("token"),
	[]byte("credential"), []byte("apikey"), []byte("api-key"), []byte("api_key"), []byte("accesskey"), []byte("access_key"),
	[]byte("privatekey"), []byte("private_key"), []byte("cryptkey"),
}

func isSecret(name []byte) bool {
	if len(name) < 3 {
		return false
	}
	var room [64]byte
	low := lower(room[:0], name)
	for _, word := range secretWords {
		if bytes.Contains(low, word) {
			return true
		}
	}
	return string(low) == "pass" || string(low) == "ha1"
}

func containsFold(b []byte, word string) bool {
	var room [64]byte
	return bytes.Contains(lower(room[:0], b), []byte(word))
}

// indexFold is where the ASCII word first stands in b in any case, or -1.
func indexFold(b []byte, word string) int {
	return bytes.Index(lower(nil, b), lower(nil, []byte(word)))
}

// lower appends b with small ASCII letters to dst; every length stays.
func lower(dst, b []byte) []byte {
	for _, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// endsWord reports whether b ends with a word in any case that is not the end of
// another one.
func endsWord(b []byte, word string) bool {
	i := len(b) - len(word)
	return i >= 0 && equalFold(b[i:], word) && (i == 0 || !isWord(b[i-1]))
}

func skipBlank(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	return i
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

func isName(c byte) bool { return isWord(c) || c == ':' || c == '.' }
