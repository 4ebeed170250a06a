package digest

import (
	"crypto/md5" //nolint:gosec // the standard's default
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/emmansun/gmsm/sm3"
)

// Algorithm is a Digest algorithm by its token on the wire.
type Algorithm string

// The algorithms. SM3 is named by the 2022 edition, whose text does not spell
// the token; "SM3" is what devices use.
const (
	MD5    Algorithm = "MD5"
	SHA256 Algorithm = "SHA-256"
	SM3    Algorithm = "SM3"
)

// ParseAlgorithm reads a token in any case. The empty token is MD5, as RFC
// 2617 3.2.1 says.
func ParseAlgorithm(s string) (Algorithm, bool) {
	switch {
	case s == "" || strings.EqualFold(s, string(MD5)):
		return MD5, true
	case strings.EqualFold(s, string(SHA256)) || strings.EqualFold(s, "SHA256"):
		return SHA256, true
	case strings.EqualFold(s, string(SM3)):
		return SM3, true
	}
	return "", false
}

// HA1 is H(username:realm:password) in lower-case hex, the form in which a
// password can be stored.
func (a Algorithm) HA1(username, realm, password string) string {
	var out [hexSize]byte
	return string(a.sum(out[:0], username, realm, password))
}

// hexSize is the longest hash in hex.
const hexSize = 2 * sha256.Size

// sum appends the lower-case hex of the hash over parts joined by colons.
func (a Algorithm) sum(dst []byte, parts ...string) []byte {
	var space [512]byte
	in := space[:0]
	for i, p := range parts {
		if i > 0 {
			in = append(in, ':')
		}
		in = append(in, p...)
	}
	switch a {
	case SHA256:
		s := sha256.Sum256(in)
		return hex.AppendEncode(dst, s[:])
	case SM3:
		s := sm3.Sum(in)
		return hex.AppendEncode(dst, s[:])
	default:
		s := md5.Sum(in) //nolint:gosec // see above
		return hex.AppendEncode(dst, s[:])
	}
}
