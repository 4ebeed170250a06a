package rtp_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"fengsui/media/rtp"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseFindsThePayloadBehindEveryOptionalPart(t *testing.T) {
	for _, c := range []struct {
		name, in, payload string
		err               error
	}{
		{"plain", "80e000010000000200000003000001ba", "000001ba", nil},
		{"two contributing sources", "82600001000000020000000311111111222222220a0b", "0a0b", nil},
		{"extension of one word", "90600001000000020000000300010001aaaaaaaa0a0b", "0a0b", nil},
		{"padding of two", "a06000010000000200000003" + "0a0b0002", "0a0b", nil},
		{"padding beyond the payload is ignored", "a06000010000000200000003" + "0a0b0c09", "0a0b0c09", nil},
		{"extension cut", "90600001000000020000000300010002aaaaaaaa", "", rtp.ErrShort},
		{"sources cut", "8f600001000000020000000311111111", "", rtp.ErrShort},
		{"four zero bytes of a keep-alive", "00000000", "", rtp.ErrShort},
		{"version 1", "406000010000000200000003", "", rtp.ErrVersion},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, payload, err := rtp.Parse(unhex(t, c.in))
			if !errors.Is(err, c.err) {
				t.Fatalf("Parse = %v, want %v", err, c.err)
			}
			if err == nil && (!bytes.Equal(payload, unhex(t, c.payload)) || h.SSRC != 3 || h.Sequence != 1 || h.Timestamp != 2) {
				t.Fatalf("Parse = %+v, %x", h, payload)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(unhex(f, "80e000010000000200000003000001ba"))
	f.Add(unhex(f, "b2600001000000020000000311111111222222220001000100000000aa01"))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, payload, err := rtp.Parse(in)
		if err != nil {
			return
		}
		again, p, err := rtp.Parse(rtp.Append(nil, h, payload))
		if err != nil || again != h || !bytes.Equal(p, payload) {
			t.Fatalf("Parse(Append(%+v)) = %+v, %v", h, again, err)
		}
	})
}
