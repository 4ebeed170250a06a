package digest

import "strings"

// AppendChallenge appends a WWW-Authenticate value. qop offers "auth"; stale
// says that only the nonce was at fault, so the client may answer with the
// password it has.
func AppendChallenge(b []byte, realm string, nonce []byte, alg Algorithm, qop, stale bool) []byte {
	b = append(b, "Digest realm="...)
	b = appendQuoted(b, realm)
	b = append(b, ",nonce="...)
	b = appendQuoted(b, nonce)
	b = append(b, ",algorithm="...)
	b = append(b, alg...)
	if qop {
		b = append(b, `,qop="auth"`...)
	}
	if stale {
		b = append(b, ",stale=true"...)
	}
	return b
}

// ParseChallenge reads a WWW-Authenticate or Proxy-Authenticate value into
// credentials that lack only Username, URI and, where QOP is not empty, NC and
// CNonce before [Credentials.Sign]. Of several offered qop values it takes
// "auth". It reports an error wrapping [ErrMalformed].
func ParseChallenge(value []byte) (c Credentials, stale bool, err error) {
	if c, err = Parse(value); err != nil {
		return c, false, err
	}
	offered := strings.FieldsFunc(c.QOP, func(r rune) bool { return r == ',' || r == ' ' })
	c.QOP = ""
	for _, q := range offered {
		if strings.EqualFold(q, "auth") {
			c.QOP = "auth"
		}
	}
	s := scanner{in: string(value)}
	s.scheme()
	for {
		name, val, ok := s.param()
		if !ok {
			return c, stale, nil
		}
		if strings.EqualFold(name, "stale") {
			stale = strings.EqualFold(val, "true")
		}
	}
}
