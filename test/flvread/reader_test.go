package flvread_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"fengsui/test/flvread"
)

// A stream by hand: header, a sequence header with SPS 67 01 02 03 and PPS 68,
// a key frame at 300 ms shown 40 ms later, A-law.
const small = `464c5601 05 00000009 00000000
	09 000015 000000 00 000000  17 00 000000  01 010203 ff e1 0004 67010203 01 0001 68  00000020
	09 00000b 00012c 00 000000  17 01 000028  00000002 6588  00000016
	08 000003 00012d 00 000000  72 d5d4  0000000e`

func stream(tb testing.TB) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(small), ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestUnitsOfASmallStream(t *testing.T) {
	r, err := flvread.New(bytes.NewReader(stream(t)))
	if err != nil {
		t.Fatal(err)
	}
	v, err := r.NextUnit()
	if err != nil {
		t.Fatal(err)
	}
	if v.Form != flvread.AVC || v.DTS != 300 || v.PTS != 340 || !v.Key ||
		hex.EncodeToString(v.AnnexB()) != "0000000167010203"+"0000000168"+"000000016588" {
		t.Fatalf("%+v", v)
	}
	a, err := r.NextUnit()
	if err != nil || a.Form != flvread.PCMA || a.DTS != 301 || len(a.Units[0]) != 2 {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, err := r.NextUnit(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}

func TestStreamCutInATagIsAnError(t *testing.T) {
	b := stream(t)
	r, err := flvread.New(bytes.NewReader(b[:len(b)-1]))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = r.NextUnit()
	}
	if errors.Is(err, io.EOF) {
		t.Fatal("taken for the end")
	}
}

func FuzzReader(f *testing.F) {
	whole := stream(f)
	f.Add(whole)
	for n := 1; n < len(whole); n += 3 {
		f.Add(whole[:n])
		bad := bytes.Clone(whole)
		bad[n] ^= 0x41
		f.Add(bad)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := flvread.New(bytes.NewReader(in))
		size := 0
		for err == nil {
			var u flvread.Unit
			if u, err = r.NextUnit(); err == nil {
				for _, n := range u.Units {
					size += len(n)
				}
			}
		}
		if size > len(in) {
			t.Fatalf("%d bytes out of %d", size, len(in))
		}
	})
}
