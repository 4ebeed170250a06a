package sim

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"

	"github.com/emmansun/gmsm/sm3"
)

// challenge is a WWW-Authenticate value (RFC 2617 section 3.2.1).
type challenge struct {
	realm, nonce, opaque, algorithm string
	qop, stale                      bool
}

// pickChallenge takes the first Digest challenge with an algorithm that is
// known; most real devices look at the first header only.
func pickChallenge(values []string) (challenge, error) {
	for _, v := range values {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(v), " ")
		if !strings.EqualFold(scheme, "Digest") {
			continue
		}
		var c challenge
		for _, p := range splitQuoted(rest) {
			name, value, _ := strings.Cut(p, "=")
			value = strings.Trim(strings.TrimSpace(value), `"`)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "realm":
				c.realm = value
			case "nonce":
				c.nonce = value
			case "opaque":
				c.opaque = value
			case "algorithm":
				c.algorithm = value
			case "stale":
				c.stale = strings.EqualFold(value, "true")
			case "qop":
				for _, q := range strings.Split(value, ",") {
					c.qop = c.qop || strings.EqualFold(strings.TrimSpace(q), "auth")
				}
			}
		}
		if newHash(c.algorithm) != nil && c.nonce != "" {
			return c, nil
		}
	}
	return challenge{}, fmt.Errorf("no usable challenge in %q", values)
}

// splitQuoted splits at commas outside quotes.
func splitQuoted(s string) []string {
	var out []string
	from, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			out, from = append(out, s[from:i]), i+1
		}
	}
	return append(out, s[from:])
}

// newHash is nil for an unknown algorithm; none named is MD5.
func newHash(algorithm string) func() hash.Hash {
	switch strings.ToUpper(algorithm) {
	case "", "MD5":
		return md5.New
	case "SHA-256":
		return sha256.New
	case "SM3":
		return sm3.New
	}
	return nil
}

// authorize answers a challenge: the value of Authorization (RFC 2617 section
// 3.2.2). cnonce is used only when the server offers qop.
func (c *challenge) authorize(user, password, method, uri, cnonce string) string {
	h := func(parts ...string) string {
		sum := newHash(c.algorithm)()
		sum.Write([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(sum.Sum(nil))
	}
	ha1, ha2 := h(user, c.realm, password), h(method, uri)
	b := fmt.Sprintf(`Digest username="%s",realm="%s",nonce="%s",uri="%s"`, user, c.realm, c.nonce, uri)
	if c.qop {
		const nc = "00000001"
		b += fmt.Sprintf(`,response="%s",qop=auth,nc=%s,cnonce="%s"`, h(ha1, c.nonce, nc, cnonce, "auth", ha2), nc, cnonce)
	} else {
		b += fmt.Sprintf(`,response="%s"`, h(ha1, c.nonce, ha2))
	}
	if c.algorithm != "" {
		b += ",algorithm=" + c.algorithm
	}
	if c.opaque != "" {
		b += fmt.Sprintf(`,opaque="%s"`, c.opaque)
	}
	return b
}
