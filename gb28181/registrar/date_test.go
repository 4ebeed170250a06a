package registrar

import (
	"testing"
	"time"
)

func TestDateIsWhatTheFormatSays(t *testing.T) {
	for _, at := range []time.Time{
		time.Date(2026, 11, 20, 8, 4, 5, 6_999_999, time.FixedZone("UTC+8", 8*60*60)), time.Date(1999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), {},
	} {
		if got, want := string(appendDate(nil, at)), at.Format(dateFormat); got != want {
			t.Errorf("appendDate = %q, want %q", got, want)
		}
	}
}
