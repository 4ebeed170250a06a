package sim

import (
	"strings"
	"testing"
)

// The test vectors of signalling.md section 2.9.6.
func TestAuthorizationMatchesTheVectorsOfTheStandardPage(t *testing.T) {
	for algorithm, want := range map[string][2]string{
		"MD5":     {"6a2143ae65b119e276a75f0a4a8992b7", "fb6d2f768312116118c121c2608cf961"},
		"SHA-256": {"f934d2c150a99b608676e3f62c5ac1c5d5bacc027c808532cc831040636231ed", "ae05ead0765a80e9c832fbcb4e67ee44f419e0dded67f46186dea5e245b401a6"},
		"SM3":     {"bc06d90d6e24e70408614d2198479eb32afafb8eb3078d7fd23f0ca58ee2a5b8", "edc8701bbdec9020863dcb4f1ce4e22c46b8dc3ea09de2fa80df49684672d4d0"},
	} {
		for i, qop := range []string{"", `,qop="auth,auth-int"`} {
			header := `Digest realm="3402000000",nonce="6fe9ba44a76be22a",algorithm=` + algorithm + qop
			c, err := pickChallenge([]string{`Asymmetric nonce="x"`, `Digest nonce="y",algorithm=NEW-9`, header})
			if err != nil {
				t.Fatal(err)
			}
			got := c.authorize("34020000001320000001", "12345678", "REGISTER", "sip:34020000002000000001@3402000000", "0a4f113b")
			if !strings.Contains(got, `response="`+want[i]+`"`) {
				t.Errorf("%s %s: %s, want response %s", algorithm, qop, got, want[i])
			}
		}
	}
	if _, err := pickChallenge([]string{"Basic realm=x"}); err == nil {
		t.Error("Basic was taken")
	}
}
