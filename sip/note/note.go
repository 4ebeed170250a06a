// Package note makes and checks the Note header field, a digest over a request
// with a secret that both peers share (GB/T 28181-2016 Annex H, 2022 8.3;
// signalling.md section 2.10). It stands with a Date in every request but
// REGISTER. What the digest of 2022 is over is not spelled out; it is taken for
// that of 2016, with SM3.
package note

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
	"time"

	"github.com/emmansun/gmsm/sm3"
)

// Algorithm is the hash of a digest.
type Algorithm string

// The algorithms: SM3 of the edition of 2022, the others of 2016.
const (
	MD5    Algorithm = "MD5"
	SHA1   Algorithm = "SHA-1"
	SHA256 Algorithm = "SHA-256"
	SM3    Algorithm = "SM3"
)

// ParseAlgorithm reads a name in any case, quoted or not.
func ParseAlgorithm(s string) (Algorithm, bool) {
	s = strings.Trim(strings.TrimSpace(s), `"`)
	for _, a := range [...]Algorithm{MD5, SHA1, SHA256, SM3} {
		if strings.EqualFold(string(a), s) || strings.EqualFold(strings.ReplaceAll(string(a), "-", ""), s) {
			return a, true
		}
	}
	return "", false
}

func (a Algorithm) hash() hash.Hash {
	switch a {
	case SHA1:
		return sha1.New()
	case SHA256:
		return sha256.New()
	case SM3:
		return sm3.New()
	}
	return md5.New()
}

// Parts are what of a request the digest is over: values as they are on the wire.
type Parts struct {
	From, To, CallID, Date string
	Body                   []byte
}

func (p *Parts) digest(a Algorithm, seed string) string {
	h := a.hash()
	for _, s := range [...]string{p.From, p.To, p.CallID, p.Date, seed} {
		h.Write([]byte(s))
	}
	h.Write(p.Body)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// Sign is the value of the Note of a request.
func Sign(a Algorithm, p Parts, seed string) string {
	return `Digest nonce="` + p.digest(a, seed) + `",algorithm=` + string(a)
}

// DateLayout is how a Date is written, in local time.
const DateLayout = "2006-01-02T15:04:05.000"

// What is wrong with a Note.
var (
	ErrMissing = errors.New("the request has no Note")
	ErrForm    = errors.New("the Note cannot be read")
	ErrDate    = errors.New("the Date is missing or too far from our clock")
	ErrDigest  = errors.New("the digest does not fit: the request was changed on its way, or the secret is another one")
	ErrReplay  = errors.New("the request was sent before")
)

// Terms are what was agreed with a peer.
type Terms struct {
	Algorithms []Algorithm // that are taken; none: all
	Seed       string
}

// maxSeen bounds the digests that are remembered; beyond it the oldest half is
// forgotten.
const maxSeen = 1 << 16

// Checker checks requests and remembers their digests, so that none counts twice.
// Its methods may be called from any goroutine.
type Checker struct {
	window time.Duration
	zone   *time.Location

	mu  sync.Mutex // guards all below
	now map[string]string
	old map[string]string // branch by digest; what now was before
	cut time.Time         // when now became empty
}

// NewChecker takes Dates that are at most window from our clock, in a zone.
func NewChecker(window time.Duration, zone *time.Location) *Checker {
	return &Checker{window: window, zone: zone, now: map[string]string{}, old: map[string]string{}}
}

// Check judges the Note of a request that came now; branch is that of its top Via,
// under which a repeat of the same request is none of a digest.
func (c *Checker) Check(value string, p Parts, t Terms, branch string, now time.Time) error {
	if strings.TrimSpace(value) == "" {
		return ErrMissing
	}
	nonce, a, err := parse(value)
	if err != nil {
		return err
	}
	if len(t.Algorithms) > 0 && !has(t.Algorithms, a) {
		return fmt.Errorf("%w: algorithm %s was not agreed", ErrForm, a)
	}
	at, err := time.ParseInLocation("2006-01-02T15:04:05", p.Date, c.zone) // takes a fraction too
	if err != nil || at.Sub(now).Abs() > c.window {
		return fmt.Errorf("%w: %.40q", ErrDate, p.Date)
	}
	if subtle.ConstantTimeCompare([]byte(nonce), []byte(p.digest(a, t.Seed))) != 1 {
		return ErrDigest
	}
	return c.once(nonce, branch, now)
}

// once remembers a digest for the window at least.
func (c *Checker) once(nonce, branch string, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.cut) > 2*c.window || len(c.now) >= maxSeen/2 {
		c.old, c.now, c.cut = c.now, map[string]string{}, now
	}
	for _, seen := range [...]map[string]string{c.now, c.old} {
		if was, there := seen[nonce]; there && was != branch {
			return ErrReplay
		}
	}
	c.now[nonce] = branch
	return nil
}

// parse reads `Digest nonce="...",algorithm=...`.
func parse(value string) (nonce string, a Algorithm, err error) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	if !strings.EqualFold(scheme, "Digest") {
		return "", "", fmt.Errorf("%w: scheme %.20q", ErrForm, scheme)
	}
	for term := range strings.SplitSeq(rest, ",") {
		name, text, _ := strings.Cut(term, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "nonce":
			nonce = strings.Trim(strings.TrimSpace(text), `"`)
		case "algorithm":
			var known bool
			if a, known = ParseAlgorithm(text); !known {
				return "", "", fmt.Errorf("%w: algorithm %.20q", ErrForm, text)
			}
		}
	}
	if nonce == "" || a == "" {
		return "", "", fmt.Errorf("%w: nonce or algorithm is missing", ErrForm)
	}
	return strings.Clone(nonce), a, nil
}

func has(list []Algorithm, a Algorithm) bool {
	for _, x := range list {
		if x == a {
			return true
		}
	}
	return false
}
