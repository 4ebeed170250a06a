package digest_test

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fengsui/sip/digest"
	"fengsui/test/fuzz/bound"
)

// vectors are those of signalling.md section 2.9.6.
var vectors = []struct {
	alg        digest.Algorithm
	plain, qop string
}{
	{digest.MD5, "6a2143ae65b119e276a75f0a4a8992b7", "fb6d2f768312116118c121c2608cf961"},
	{
		digest.SHA256, "f934d2c150a99b608676e3f62c5ac1c5d5bacc027c808532cc831040636231ed",
		"ae05ead0765a80e9c832fbcb4e67ee44f419e0dded67f46186dea5e245b401a6",
	},
	{
		digest.SM3, "bc06d90d6e24e70408614d2198479eb32afafb8eb3078d7fd23f0ca58ee2a5b8",
		"edc8701bbdec9020863dcb4f1ce4e22c46b8dc3ea09de2fa80df49684672d4d0",
	},
}

func sample(alg digest.Algorithm, qop bool) digest.Credentials {
	c := digest.Credentials{
		Scheme: "Digest", Username: "34020000001320000001", Realm: "3402000000", Nonce: "6fe9ba44a76be22a",
		URI: "sip:34020000002000000001@3402000000", Algorithm: string(alg),
	}
	if qop {
		c.QOP, c.NC, c.CNonce = "auth", "00000001", "0a4f113b"
	}
	return c
}

func TestSignAndVerifyAgreeWithTheVectors(t *testing.T) {
	for _, v := range vectors {
		for _, qop := range []bool{false, true} {
			c, want := sample(v.alg, qop), v.plain
			if qop {
				want = v.qop
			}
			if c.Sign("REGISTER", "12345678"); c.Response != want {
				t.Errorf("%s qop=%v: response %s, want %s", v.alg, qop, c.Response, want)
			}
			c.Response = want
			if !c.Verify("REGISTER", "12345678") {
				t.Errorf("%s qop=%v: right password refused", v.alg, qop)
			}
			if c.Verify("REGISTER", "12345679") || c.Verify("MESSAGE", "12345678") {
				t.Errorf("%s qop=%v: wrong password or method accepted", v.alg, qop)
			}
			c.Response = strings.ToUpper(want)
			if !c.Verify("REGISTER", "12345678") {
				t.Errorf("%s qop=%v: upper-case hex refused", v.alg, qop)
			}
			for _, bad := range []string{"", want[:8], want + "00", strings.Repeat("f", len(want)), strings.Repeat("0", 300)} {
				if c.Response = bad; c.Verify("REGISTER", "12345678") {
					t.Errorf("%s qop=%v: response %q accepted", v.alg, qop, bad)
				}
			}
		}
	}
}

func TestVerifyTakesWhatFirmwareWrites(t *testing.T) {
	c := sample(digest.MD5, false)
	c.Response = vectors[0].plain
	for _, token := range []string{"", "md5", "Md5"} {
		if c.Algorithm = token; !c.Verify("REGISTER", "12345678") {
			t.Errorf("algorithm %q refused", token)
		}
	}
	c.Algorithm = "SHA-1"
	if c.Verify("REGISTER", "12345678") {
		t.Error("an algorithm we do not know was accepted")
	}

	// nc in decimal with one constant cnonce, hashed as written.
	d := sample(digest.MD5, true)
	d.NC, d.CNonce = "12", "0"
	if d.Sign("REGISTER", "12345678"); !d.Verify("REGISTER", "12345678") {
		t.Error("nc that is not eight digits refused")
	}
	d.QOP = "auth-int"
	if d.Verify("REGISTER", "12345678") {
		t.Error("auth-int accepted, which covers a body we never hash")
	}
}

func TestHA1VerifiesWithoutThePassword(t *testing.T) {
	ha1 := digest.MD5.HA1("34020000001320000001", "3402000000", "12345678")
	if ha1 != "8258341d7dd730ce4d3b8fd2db050320" { // section 2.9.6
		t.Fatalf("HA1 = %s", ha1)
	}
	c := sample(digest.MD5, false)
	c.Response = vectors[0].plain
	if !c.VerifyHA1("REGISTER", ha1) {
		t.Fatal("refused")
	}
}

func TestParseForgives(t *testing.T) {
	want := sample(digest.MD5, false)
	want.Response = vectors[0].plain
	for _, line := range headers(t, "good.txt") {
		got, err := digest.Parse([]byte(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if !got.Digest() {
			t.Errorf("%s: scheme %q", line, got.Scheme)
		}
		got.Scheme, got.Algorithm, got.Opaque = "Digest", "MD5", ""
		if got != want {
			t.Errorf("%s\n got %+v\nwant %+v", line, got, want)
		}
	}
}

func TestParseKeepsOtherSchemes(t *testing.T) {
	for _, line := range headers(t, "schemes.txt") {
		c, err := digest.Parse([]byte(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if c.Digest() || c.Scheme == "" {
			t.Errorf("%s: scheme %q taken for Digest", line, c.Scheme)
		}
	}
}

func TestParseRefusesEmptyAndOversized(t *testing.T) {
	for _, in := range []string{"", " \t", ",,,", strings.Repeat("a", digest.MaxValue+1)} {
		if c, err := digest.Parse([]byte(in)); err == nil {
			t.Errorf("%.20q gave %+v", in, c)
		}
	}
}

func TestParseTakesTheFirstOfARepeatedParameter(t *testing.T) {
	c, err := digest.Parse([]byte(`Digest username="a",username="b"`))
	if err != nil || c.Username != "a" {
		t.Fatalf("%+v, %v", c, err)
	}
}

func TestChallengeIsAnsweredByAClient(t *testing.T) {
	for _, v := range vectors {
		for _, qop := range []bool{false, true} {
			value := digest.AppendChallenge(nil, "3402000000", []byte("6fe9ba44a76be22a"), v.alg, qop, true)
			c, stale, err := digest.ParseChallenge(value)
			if err != nil || !stale {
				t.Fatalf("%s: stale=%v, %v", value, stale, err)
			}
			c.Username, c.URI = "34020000001320000001", "sip:34020000002000000001@3402000000"
			want := v.plain
			if c.QOP != "" {
				c.NC, c.CNonce, want = "00000001", "0a4f113b", v.qop
			}
			if c.Sign("REGISTER", "12345678"); c.Response != want {
				t.Errorf("%s: response %s, want %s", value, c.Response, want)
			}
		}
	}
	got := digest.AppendChallenge(nil, "3402000000", []byte("6fe9ba44a76be22a"), digest.MD5, false, false)
	if want := `Digest realm="3402000000",nonce="6fe9ba44a76be22a",algorithm=MD5`; string(got) != want { // section 2.9.2
		t.Errorf("challenge %s\n     want %s", got, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"good.txt", "schemes.txt"} {
		for _, line := range headers(f, name) {
			f.Add([]byte(line))
		}
	}
	f.Add([]byte(`Digest username="a\"b\\", realm="`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var c digest.Credentials
		var err error
		bound.Bytes(t, 256<<10, func() { c, err = digest.Parse(in) })
		if err != nil {
			return
		}
		c.Verify("REGISTER", "12345678")
		text := c.String()
		if len(text) > digest.MaxValue { // quoting may lengthen it
			return
		}
		if again, err := digest.Parse([]byte(text)); (err != nil && text != "") || err == nil && again != c {
			t.Fatalf("parse(%q) = %+v\nprinted %q\nparsed again %+v, %v", in, c, text, again, err)
		}
	})
}

// headers reads the lines of a file of testdata, leaving out its # comments.
func headers(tb testing.TB, name string) []string {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	var lines []string
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		if line := s.Text(); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines
}
