package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
)

// sealer encrypts secrets. A sealed secret is
//
//	0      1      layout, 1
//	1      12     nonce, random
//	13     n+16   AES-256-GCM of the secret, bound to what it belongs to
//
// The empty secret is sealed as nothing, so that "none" can be asked in SQL.
type sealer struct{ aead cipher.AEAD }

func newSealer(key []byte) (*sealer, error) {
	if len(key) < 16 {
		return nil, fmt.Errorf("store key has %d bytes, want at least 16", len(key))
	}
	derived, err := hkdf.Key(sha256.New, key, nil, "fengsui store secrets v1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive store key: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("store cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("store cipher: %w", err)
	}
	return &sealer{aead}, nil
}

func (s *sealer) seal(secret, owner string) []byte {
	if secret == "" {
		return []byte{}
	}
	out := make([]byte, 13, 13+len(secret)+s.aead.Overhead())
	out[0] = 1
	_, _ = rand.Read(out[1:]) // never fails: crypto/rand
	return s.aead.Seal(out, out[1:13], []byte(secret), []byte(owner))
}

func (s *sealer) open(sealed []byte, owner string) (string, error) {
	if len(sealed) == 0 {
		return "", nil
	}
	if len(sealed) < 13 || sealed[0] != 1 {
		return "", fmt.Errorf("secret of %s: %w", owner, ErrWrongKey)
	}
	plain, err := s.aead.Open(nil, sealed[1:13], sealed[13:], []byte(owner))
	if err != nil {
		return "", fmt.Errorf("secret of %s: %w", owner, ErrWrongKey)
	}
	return string(plain), nil
}
