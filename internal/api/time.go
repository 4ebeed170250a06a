package api

import (
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// timeFormat is RFC 3339 with milliseconds and zone.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// stamp is a time as the API writes it: RFC 3339 with milliseconds, in UTC.
type stamp time.Time

// MarshalText writes the time.
func (t stamp) MarshalText() ([]byte, error) {
	return []byte(time.Time(t).UTC().Format(timeFormat)), nil
}

// UnmarshalText reads any RFC 3339 time.
func (t *stamp) UnmarshalText(b []byte) error {
	at, err := time.Parse(time.RFC3339, string(b))
	*t = stamp(at)
	return err
}

// Schema is a string of format date-time.
func (stamp) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Examples: []any{"2026-11-20T08:00:00.000Z"}}
}

// at is a time to show; nil, which is left out, for the zero time.
func at(t time.Time) *stamp {
	if t.IsZero() {
		return nil
	}
	s := stamp(t)
	return &s
}

// sortable is a text that sorts as the time does.
func sortable(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000") }
