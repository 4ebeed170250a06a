package manscdp

import (
	"strings"
	"time"
)

// FormatTime is the dateTime of the standard, "2006-01-02T15:04:05", in the zone
// of t: peers expect Beijing time without a zone.
func FormatTime(t time.Time) string { return t.Format("2006-01-02T15:04:05") }

// ParseTime reads a dateTime in zone loc, and what devices send in its place:
// milliseconds, a blank for the T, fields of one digit, and a zone, which then
// holds (signalling.md section 3.2).
func ParseTime(s string, loc *time.Location) (time.Time, bool) {
	s = strings.Replace(strings.TrimSpace(s), " ", "T", 1)
	for _, layout := range [...]string{"2006-1-2T15:4:5", "2006-1-2T15:4:5Z07:00"} {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// strictTime reports whether s is a dateTime exactly as the standard writes it.
func strictTime(s string) bool {
	t, err := time.Parse("2006-01-02T15:04:05", s)
	return err == nil && FormatTime(t) == s
}
