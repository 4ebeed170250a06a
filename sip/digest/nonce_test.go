package digest_test

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"fengsui/sip/digest"
)

const camera = "34020000001320000001"

var (
	secret = []byte("0123456789abcdef0123456789abcdef")
	here   = netip.MustParseAddr("192.0.2.20")
	noon   = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
)

func makeNonce(n *digest.Nonces) string { return string(n.Append(nil, camera, here, noon)) }

func TestNonceProvesItselfToAnotherInstance(t *testing.T) {
	nonce := makeNonce(digest.NewNonces(secret, 0))
	other := digest.NewNonces(secret, 0)
	if at, err := other.Check(nonce, camera, here, noon.Add(119*time.Second)); err != nil || !at.Equal(noon) {
		t.Fatalf("issued %v, %v", at, err)
	}
	if _, err := other.Check(nonce, camera, netip.MustParseAddr("::ffff:192.0.2.20"), noon); err != nil {
		t.Fatalf("the same address heard by a dual-stack socket: %v", err)
	}
}

func TestNonceExpires(t *testing.T) {
	n := digest.NewNonces(secret, 120*time.Second)
	nonce := makeNonce(n)
	if _, err := n.Check(nonce, camera, here, noon.Add(120*time.Second)); err != nil {
		t.Fatalf("at its very end: %v", err)
	}
	for _, at := range []time.Duration{121 * time.Second, 24 * time.Hour, -6 * time.Second} {
		if issued, err := n.Check(nonce, camera, here, noon.Add(at)); !errors.Is(err, digest.ErrNonceExpired) || !issued.Equal(noon) {
			t.Errorf("after %v: issued %v, %v", at, issued, err)
		}
	}
}

func TestNonceOfAnotherIsForeign(t *testing.T) {
	n := digest.NewNonces(secret, 0)
	nonce := makeNonce(n)
	bent := strings.Replace(nonce, nonce[:1], "_", 1)
	check := func(n *digest.Nonces, nonce, id, ip string) error {
		issued, err := n.Check(nonce, id, netip.MustParseAddr(ip), noon)
		if !issued.IsZero() {
			t.Errorf("%q of another has a time of issue", nonce)
		}
		return err
	}
	const home = "192.0.2.20"
	for name, err := range map[string]error{
		"another ID":     check(n, nonce, "34020000001320000002", home),
		"another IP":     check(n, nonce, camera, "192.0.2.21"),
		"another secret": check(digest.NewNonces([]byte("another"), 0), nonce, camera, home),
		"changed time":   check(n, bent, camera, home),
		"short":          check(n, "6fe9ba44a76be22a", camera, home),
		"not base64":     check(n, strings.Repeat("!", len(nonce)), camera, home),
		"line break":     check(n, nonce[:len(nonce)-1]+"\n", camera, home),
		"empty":          check(n, "", camera, home),
	} {
		if !errors.Is(err, digest.ErrNonceForeign) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoncesOfOneInstantDifferAndAreOrdered(t *testing.T) {
	n := digest.NewNonces(secret, 0)
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var last time.Time
			for range 500 {
				nonce := makeNonce(n)
				at, _ := n.Check(nonce, camera, here, noon)
				if !at.After(last) {
					t.Errorf("issued %v after %v", at, last)
				}
				last = at
				mu.Lock()
				if seen[nonce] {
					t.Errorf("nonce %s given twice", nonce)
				}
				seen[nonce] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func BenchmarkChallengeAndVerify(b *testing.B) {
	n := digest.NewNonces(secret, 0)
	c := sample(digest.MD5, false)
	b.ReportAllocs()
	for b.Loop() {
		c.Nonce = makeNonce(n)
		_, _ = n.Check(c.Nonce, camera, here, noon)
		c.Verify("REGISTER", "12345678")
	}
}
