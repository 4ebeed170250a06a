package note

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var beijing = time.FixedZone("UTC+8", 8*3600)

// The digests were made with openssl dgst over "FTCDseedB".
func TestDigestIsOverFromToCallIDDateSeedAndBody(t *testing.T) {
	for a, want := range map[Algorithm]string{
		MD5:    `Digest nonce="1DejnrAyh5iD9jK+LBlq+w==",algorithm=MD5`,
		SHA1:   `Digest nonce="ioEP18bmpaP8R6sZvrEPmeS5lzo=",algorithm=SHA-1`,
		SHA256: `Digest nonce="EstgV4ucQjNshorIZuYMahZyI0zSb0R9/ULdhyU/Xrg=",algorithm=SHA-256`,
		SM3:    `Digest nonce="9hMqJGp8/j3vH/E4TK/bkQ1+59E0I7+Fh3uJLrRceD4=",algorithm=SM3`,
	} {
		if got := Sign(a, Parts{From: "F", To: "T", CallID: "C", Date: "D", Body: []byte("B")}, "seed"); got != want {
			t.Errorf("%s: %s, want %s", a, got, want)
		}
	}
}

func TestWhatWasChangedDelayedOrRepeatedIsFound(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, beijing)
	whole := Parts{From: "<sip:a@b>;tag=1", To: "<sip:c@d>", CallID: "x", Date: now.Format(DateLayout), Body: []byte("body")}
	terms := Terms{Algorithms: []Algorithm{SM3}, Seed: "seed"}
	for name, c := range map[string]struct {
		change func(p *Parts, value *string)
		want   error
	}{
		"nothing": {func(*Parts, *string) {}, nil},
		"body":    {func(p *Parts, _ *string) { p.Body = []byte("Body") }, ErrDigest},
		"from":    {func(p *Parts, _ *string) { p.From += "x" }, ErrDigest},
		"to":      {func(p *Parts, _ *string) { p.To += "x" }, ErrDigest},
		"call":    {func(p *Parts, _ *string) { p.CallID += "x" }, ErrDigest},
		"date":    {func(p *Parts, _ *string) { p.Date = now.Add(time.Second).Format(DateLayout) }, ErrDigest},
		"no date": {func(p *Parts, _ *string) { p.Date = "" }, ErrDate},
		"old": {func(p *Parts, v *string) {
			p.Date = now.Add(-11 * time.Minute).Format(DateLayout)
			*v = Sign(SM3, *p, "seed")
		}, ErrDate},
		"from the future": {func(p *Parts, v *string) {
			p.Date = now.Add(11 * time.Minute).Format(DateLayout)
			*v = Sign(SM3, *p, "seed")
		}, ErrDate},
		"without fraction": {func(p *Parts, v *string) { p.Date = "2026-01-02T03:04:05"; *v = Sign(SM3, *p, "seed") }, nil},
		"another secret":   {func(p *Parts, v *string) { *v = Sign(SM3, *p, "other") }, ErrDigest},
		"not agreed":       {func(p *Parts, v *string) { *v = Sign(MD5, *p, "seed") }, ErrForm},
		"quoted":           {func(_ *Parts, v *string) { *v = strings.Replace(*v, "algorithm=SM3", ` algorithm="sm3"`, 1) }, nil},
		"missing":          {func(_ *Parts, v *string) { *v = "" }, ErrMissing},
		"no digest":        {func(_ *Parts, v *string) { *v = "Digest algorithm=SM3" }, ErrForm},
		"another scheme":   {func(_ *Parts, v *string) { *v = "Basic x" }, ErrForm},
	} {
		p, value := whole, Sign(SM3, whole, "seed")
		c.change(&p, &value)
		k := NewChecker(10*time.Minute, beijing)
		if err := k.Check(value, p, terms, "z9hG4bK1", now); !errors.Is(err, c.want) || err == nil && c.want != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	k := NewChecker(10*time.Minute, beijing)
	value := Sign(SM3, whole, "seed")
	for i, c := range []struct {
		branch string
		want   error
	}{{"z9hG4bK1", nil}, {"z9hG4bK1", nil}, {"z9hG4bK2", ErrReplay}} {
		if err := k.Check(value, whole, terms, c.branch, now); !errors.Is(err, c.want) {
			t.Errorf("time %d: %v, want %v", i, err, c.want)
		}
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	k := NewChecker(time.Minute, beijing)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, beijing)
	for i := range 3 * maxSeen {
		if err := k.once(fmt.Sprint(i), "b", now); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(k.now) + len(k.old); n > maxSeen {
		t.Errorf("%d digests are remembered", n)
	}
	if err := k.once(fmt.Sprint(3*maxSeen-1), "c", now); !errors.Is(err, ErrReplay) {
		t.Errorf("the newest was forgotten: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`Digest nonce="abc",algorithm=SM3`)
	f.Add(`digest algorithm="md5" , nonce=x`)
	f.Fuzz(func(t *testing.T, value string) {
		if nonce, a, err := parse(value); err == nil && (nonce == "" || a == "") {
			t.Errorf("%q is taken", value)
		}
	})
}
