package digest_test

import (
	"strings"
	"testing"

	"fengsui/sip/digest"
)

// FuzzChallenge: a challenge of ours is read as what it was made of, and any
// other is read or refused.
func FuzzChallenge(f *testing.F) {
	f.Add("3402000000", "DSNMz6i59RjHOIXSDNSHve8NvTCk2inL", true, false)
	f.Add(`a "quoted\" realm, with=everything`, "", false, true)
	f.Add(`Digest realm="x", stale=TRUE, qop="auth-int,auth"`, "\x00", true, true)
	f.Fuzz(func(t *testing.T, realm, nonce string, qop, stale bool) {
		_, _, _ = digest.ParseChallenge([]byte(realm)) // of a stranger
		text := string(digest.AppendChallenge(nil, realm, []byte(nonce), digest.SHA256, qop, stale))
		if len(text) > digest.MaxValue || strings.ContainsAny(realm+nonce, "\r\n") {
			return
		}
		c, old, err := digest.ParseChallenge([]byte(text))
		if err != nil || c.Realm != realm || c.Nonce != nonce || c.Algorithm != string(digest.SHA256) || (c.QOP == "auth") != qop || old != stale {
			t.Fatalf("%q is read as %+v, %v, %v", text, c, old, err)
		}
	})
}

// FuzzNonce: no nonce is taken but the one that was given, by those to whom it
// was given.
func FuzzNonce(f *testing.F) {
	nonces := digest.NewNonces(secret, 0)
	good := string(nonces.Append(nil, camera, here, noon))
	f.Add(good, camera)
	f.Add(good[:31]+"B", camera)
	f.Add(good+"=", camera)
	f.Add("", "")
	f.Fuzz(func(t *testing.T, nonce, id string) {
		if _, err := nonces.Check(nonce, id, here, noon); err == nil && (nonce != good || id != camera) {
			t.Fatalf("nonce %q is taken from %q", nonce, id)
		}
	})
}
