package digest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// What [Nonces.Check] finds wrong. Both deserve a new challenge with stale=true.
var (
	ErrNonceExpired = errors.New("nonce has expired")
	ErrNonceForeign = errors.New("nonce was not given by this server to this ID and address")
)

// A nonce is 24 bytes in unpadded base64url, 32 characters:
//
//	0-7   time of issue, nanoseconds of the Unix epoch by [Nonces.clock], big endian
//	8-23  first 16 bytes of HMAC-SHA256(secret, bytes 0-7, IP as 16 bytes, ID)
const (
	nonceTime = 8
	nonceMAC  = 16
	nonceSize = nonceTime + nonceMAC
)

// ahead is how far in the future a nonce may have been issued: another
// instance's clock may be ahead of ours.
const ahead = 5 * time.Second

// Nonces makes nonces that prove themselves, so that nothing is kept for a
// challenge and any instance that has the secret can check another's. No two
// nonces of one Nonces are equal, and a later one has a later time of issue.
// Its methods may be called from several goroutines.
type Nonces struct {
	lifetime time.Duration
	base     time.Time
	epoch    int64        // base in nanoseconds of the Unix epoch
	last     atomic.Int64 // time of issue of the newest nonce
	macs     sync.Pool    // of *mac
}

// NewNonces takes the secret, at least 16 random bytes, and how long a nonce
// is good for; 0 is 120 s.
func NewNonces(secret []byte, lifetime time.Duration) *Nonces {
	if lifetime <= 0 {
		lifetime = 120 * time.Second
	}
	key := append([]byte(nil), secret...)
	n := &Nonces{lifetime: lifetime, base: time.Now()}
	n.epoch = n.base.UnixNano()
	n.macs.New = func() any { return &mac{hash: hmac.New(sha256.New, key)} }
	return n
}

// Lifetime is how long a nonce is good for.
func (n *Nonces) Lifetime() time.Duration { return n.lifetime }

// clock is the system's clock as it was set when the process started. It goes
// on evenly when that is set back, after which every nonce would otherwise be
// from the future until the old time is reached again.
func (n *Nonces) clock(now time.Time) int64 { return n.epoch + int64(now.Sub(n.base)) }

// Append appends a nonce for this ID speaking from this address. The port is no
// part of it: NAT may give the second REGISTER another one.
func (n *Nonces) Append(dst []byte, id string, ip netip.Addr, now time.Time) []byte {
	issued := n.clock(now)
	for {
		last := n.last.Load()
		if issued <= last {
			issued = last + 1
		}
		if n.last.CompareAndSwap(last, issued) {
			break
		}
	}
	var raw [nonceSize]byte
	binary.BigEndian.PutUint64(raw[:], uint64(issued))
	n.mac(raw[nonceTime:], raw[:nonceTime], id, ip)
	return base64.RawURLEncoding.AppendEncode(dst, raw[:])
}

// Check returns when a nonce was made; times of issue order the nonces given to
// one ID. It reports [ErrNonceForeign], and no time, for one that this secret did
// not give to this ID and address, and [ErrNonceExpired] for one that is too old.
func (n *Nonces) Check(nonce, id string, ip netip.Addr, now time.Time) (issued time.Time, err error) {
	var raw, want [nonceSize]byte
	if !decodeNonce(&raw, nonce) {
		return time.Time{}, ErrNonceForeign
	}
	n.mac(want[nonceTime:], raw[:nonceTime], id, ip)
	if !hmac.Equal(want[nonceTime:], raw[nonceTime:]) {
		return time.Time{}, ErrNonceForeign
	}
	at := int64(binary.BigEndian.Uint64(raw[:]))
	if age := time.Duration(n.clock(now) - at); age > n.lifetime || age < -ahead {
		err = ErrNonceExpired
	}
	return time.Unix(0, at), err
}

// strict takes only what AppendEncode makes.
var strict = base64.RawURLEncoding.Strict()

func decodeNonce(raw *[nonceSize]byte, nonce string) bool {
	if len(nonce) != base64.RawURLEncoding.EncodedLen(nonceSize) {
		return false
	}
	got, err := strict.Decode(raw[:], []byte(nonce))
	return err == nil && got == nonceSize
}

// mac is the memory of one proof.
type mac struct {
	hash hash.Hash
	in   []byte
	sum  [sha256.Size]byte
}

// mac fills dst with the proof.
func (n *Nonces) mac(dst, issued []byte, id string, ip netip.Addr) {
	m, _ := n.macs.Get().(*mac)
	addr := ip.Unmap().As16()
	m.in = append(append(append(m.in[:0], issued...), addr[:]...), id...)
	m.hash.Reset()
	m.hash.Write(m.in)
	copy(dst, m.hash.Sum(m.sum[:0])[:nonceMAC])
	n.macs.Put(m)
}
