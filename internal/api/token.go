package api

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fengsui/media"
)

// Prefixes tell what a credential is, to us and to whoever scans for leaked ones.
const (
	sessionPrefix = "fss_"
	keyPrefix     = "fsk_"
	localPrefix   = "fsl_"
)

// errBadToken is reported for a token that is not ours, changed or expired.
var errBadToken = errors.New("token is not valid")

// signer makes and checks tokens by HMAC-SHA256, with a key for each purpose.
type signer struct{ session, play, local []byte }

func newSigner(secret []byte) (*signer, error) {
	if len(secret) < 16 {
		return nil, fmt.Errorf("token secret has %d bytes, want at least 16", len(secret))
	}
	var s signer
	var err1, err2, err3 error
	s.session, err1 = hkdf.Key(sha256.New, secret, nil, "fengsui api sessions v1", 32)
	s.play, err2 = hkdf.Key(sha256.New, secret, nil, "fengsui play addresses v1", 32)
	s.local, err3 = hkdf.Key(sha256.New, secret, nil, "fengsui local calls v1", 32)
	return &s, errors.Join(err1, err2, err3)
}

// session is what a session token says. The token is
// "fss_" base64url(JSON) "." base64url(HMAC of what stands before the dot).
type session struct {
	ID      string `json:"s"`
	User    int64  `json:"u"`
	Epoch   int64  `json:"e"`
	Expires int64  `json:"x"` // Unix milliseconds
}

func newSession(user, epoch int64, expires time.Time) session {
	return session{ID: rand.Text(), User: user, Epoch: epoch, Expires: expires.UnixMilli()}
}

func (s *signer) signSession(t session) (string, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("encode session: %w", err)
	}
	body := sessionPrefix + base64.RawURLEncoding.EncodeToString(text)
	return body + "." + mac(s.session, body), nil
}

func (s *signer) readSession(token string, now time.Time) (session, error) {
	var t session
	body, sum, ok := strings.Cut(token, ".")
	if !ok || !hmac.Equal([]byte(sum), []byte(mac(s.session, body))) {
		return t, errBadToken
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(body, sessionPrefix))
	if err != nil {
		return t, errBadToken
	}
	if err := json.Unmarshal(text, &t); err != nil || now.UnixMilli() >= t.Expires {
		return t, errBadToken
	}
	return t, nil
}

// signPlay makes the token of a play address: it opens this stream and no
// other until it expires. It is base36(Unix seconds) "." base64url(HMAC).
func (s *signer) signPlay(key media.Key, expires time.Time) string {
	at := strconv.FormatInt(expires.Unix(), 36)
	return at + "." + mac(s.play, at+" "+string(key))
}

func (s *signer) checkPlay(token string, key media.Key, now time.Time) error {
	at, sum, ok := strings.Cut(token, ".")
	if !ok || !hmac.Equal([]byte(sum), []byte(mac(s.play, at+" "+string(key)))) {
		return errBadToken
	}
	expires, err := strconv.ParseInt(at, 36, 64)
	if err != nil || now.Unix() >= expires {
		return errBadToken
	}
	return nil
}

// LocalToken makes the token by which a program that can read this server's
// secret asks how it is, and nothing else: "fsl_" base36(Unix seconds) "."
// base64url(HMAC).
func LocalToken(secret []byte, expires time.Time) (string, error) {
	s, err := newSigner(secret)
	if err != nil {
		return "", err
	}
	at := localPrefix + strconv.FormatInt(expires.Unix(), 36)
	return at + "." + mac(s.local, at), nil
}

func (s *signer) checkLocal(token string, now time.Time) error {
	at, sum, ok := strings.Cut(token, ".")
	if !ok || !hmac.Equal([]byte(sum), []byte(mac(s.local, at))) {
		return errBadToken
	}
	expires, err := strconv.ParseInt(strings.TrimPrefix(at, localPrefix), 36, 64)
	if err != nil || now.Unix() >= expires {
		return errBadToken
	}
	return nil
}

func mac(key []byte, text string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// newKeySecret makes the secret of an API key: 26 letters and digits, 130 bits.
func newKeySecret() string { return keyPrefix + rand.Text() }
