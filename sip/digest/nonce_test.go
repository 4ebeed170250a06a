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

func TestNonceProvesItselfToAnotherInstance(t *testing.T) {
	nonce := digest.NewNonces(secret, 0).Make(camera, here, noon)
	other := digest.NewNonces(secret, 0)
	if err := other.Check(nonce, camera, here, noon.Add(119*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := other.Check(nonce, camera, netip.MustParseAddr("::ffff:192.0.2.20"), noon); err != nil {
		t.Fatalf("the same address heard by a dual-stack socket: %v", err)
	}
	if at, ok := other.Issued(nonce); !ok || !at.Equal(noon) {
		t.Fatalf("issued %v, %v", at, ok)
	}
}

func TestNonceExpires(t *testing.T) {
	n := digest.NewNonces(secret, 120*time.Second)
	nonce := n.Make(camera, here, noon)
	if err := n.Check(nonce, camera, here, noon.Add(120*time.Second)); err != nil {
		t.Fatalf("at its very end: %v", err)
	}
	for _, at := range []time.Duration{121 * time.Second, 24 * time.Hour, -6 * time.Second} {
		if err := n.Check(nonce, camera, here, noon.Add(at)); !errors.Is(err, digest.ErrNonceExpired) {
			t.Errorf("after %v: %v", at, err)
		}
	}
}

func TestNonceOfAnotherIsForeign(t *testing.T) {
	n := digest.NewNonces(secret, 0)
	nonce := n.Make(camera, here, noon)
	bent := strings.Replace(nonce, nonce[:1], "_", 1)
	for name, err := range map[string]error{
		"another ID":     n.Check(nonce, "34020000001320000002", here, noon),
		"another IP":     n.Check(nonce, camera, netip.MustParseAddr("192.0.2.21"), noon),
		"another secret": digest.NewNonces([]byte("another"), 0).Check(nonce, camera, here, noon),
		"changed time":   n.Check(bent, camera, here, noon),
		"short":          n.Check("6fe9ba44a76be22a", camera, here, noon),
		"not base64":     n.Check(strings.Repeat("!", len(nonce)), camera, here, noon),
		"line break":     n.Check(nonce[:len(nonce)-1]+"\n", camera, here, noon),
		"empty":          n.Check("", camera, here, noon),
	} {
		if !errors.Is(err, digest.ErrNonceForeign) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, ok := n.Issued("junk"); ok {
		t.Error("junk has a time of issue")
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
				nonce := n.Make(camera, here, noon)
				at, _ := n.Issued(nonce)
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
		c.Nonce = n.Make(camera, here, noon)
		_ = n.Check(c.Nonce, camera, here, noon)
		c.Verify("REGISTER", "12345678")
	}
}
