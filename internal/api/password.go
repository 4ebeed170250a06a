package api

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/argon2"

	"fengsui/internal/api/fault"
)

// Argon2id as RFC 9106 and OWASP advise for little memory: 19 MiB, two passes.
const (
	argonMemory = 19 << 10 // KiB
	argonTime   = 2
	argonSalt   = 16
	argonKey    = 32
)

// errBadHash is reported for a stored hash that cannot be read.
var errBadHash = errors.New("stored password hash cannot be read")

// CheckPassword reports why a password must not be used: a fault that wraps
// nothing and names the rule, never the password.
func CheckPassword(user, password string) error {
	weak := func(why string) error { return fault.New(fault.WeakPassword, "the password %s", why) }
	switch {
	case utf8.RuneCountInString(password) < 8:
		return weak("has fewer than 8 characters")
	case len(password) > 128:
		return weak("has more than 128 bytes")
	case !utf8.ValidString(password):
		return weak("is not UTF-8")
	case strings.EqualFold(password, user), strings.EqualFold(password, user+user):
		return weak("is the user name")
	case strings.Trim(password, password[:1]) == "":
		return weak("is one character repeated")
	}
	lower := strings.ToLower(password)
	for _, common := range []string{
		"password", "12345678", "123456789", "1234567890", "87654321", "qwertyuiop", "qwerty123", "admin123", "admin1234",
		"admin12345", "administrator", "abcd1234", "1q2w3e4r", "iloveyou", "letmein1", "passw0rd", "password1", "welcome1", "a1234567", "aa123456",
	} {
		if lower == common {
			return weak("is one of the most common")
		}
	}
	return nil
}

// HashPassword makes the argon2id hash of a password as a PHC string. It costs
// 19 MiB and some 50 ms.
func HashPassword(password string) string {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails: crypto/rand
	sum := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, 1, argonKey)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, argonMemory, argonTime, b64.EncodeToString(salt), b64.EncodeToString(sum))
}

// verifyPassword compares a password with a hash of [HashPassword], or of other
// parameters within bounds.
func verifyPassword(hash, password string) (bool, error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errBadHash
	}
	var version int
	var memory, passes uint32
	var lanes uint8
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &passes, &lanes); err != nil {
		return false, fmt.Errorf("%w: %w", errBadHash, err)
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	sum, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || version != argon2.Version || len(sum) < 16 || len(sum) > 64 ||
		memory < 8 || memory > 64<<10 || passes < 1 || passes > 10 || lanes < 1 || lanes > 16 {
		return false, errBadHash
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, lanes, uint32(len(sum)))
	return subtle.ConstantTimeCompare(got, sum) == 1, nil
}

// hasher bounds how many passwords are hashed at once and how many wait.
type hasher struct {
	running chan struct{}
	waiting chan struct{}
	busy    prometheus.Counter
	dummy   string // hash of nothing anyone knows: unknown users cost as much as known ones
}

func newHasher(busy prometheus.Counter) *hasher {
	return &hasher{
		running: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		waiting: make(chan struct{}, 32),
		busy:    busy,
		dummy:   HashPassword(rand.Text()),
	}
}

// do runs fn in its turn. It reports [fault.SignInBusy] when too many wait.
func (h *hasher) do(ctx context.Context, fn func()) error {
	select {
	case h.waiting <- struct{}{}:
	default:
		h.busy.Inc()
		return fault.New(fault.SignInBusy, "%d sign-ins wait already", cap(h.waiting))
	}
	defer func() { <-h.waiting }()
	timeout := time.NewTimer(5 * time.Second)
	defer timeout.Stop()
	select {
	case h.running <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timeout.C:
		h.busy.Inc()
		return fault.New(fault.SignInBusy, "waited 5 s for a turn")
	}
	defer func() { <-h.running }()
	fn()
	return nil
}

func (h *hasher) hash(ctx context.Context, password string) (hash string, err error) {
	err = h.do(ctx, func() { hash = HashPassword(password) })
	return hash, err
}

// verify compares; an empty hash stands for an unknown user and never matches.
func (h *hasher) verify(ctx context.Context, hash, password string) (ok bool, err error) {
	known := hash != ""
	if !known {
		hash = h.dummy
	}
	if turn := h.do(ctx, func() { ok, err = verifyPassword(hash, password) }); turn != nil {
		return false, turn
	}
	return ok && known, err
}
