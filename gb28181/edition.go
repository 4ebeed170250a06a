package gb28181

import "strings"

// Edition is an edition of the standard, as X-GB-Ver announces it (2022 Annex I).
// The zero value means that the peer has not said.
type Edition uint8

// Editions in their order: a later one compares greater.
const (
	EditionUnknown Edition = iota
	Edition2011            // X-GB-Ver 1.0
	Edition2011A           // 1.1, the amendment of 2014
	Edition2016            // 2.0
	Edition2022            // 3.0
)

var editions = [...]struct{ version, year string }{
	{"", ""}, {"1.0", "2011"}, {"1.1", "2011A"}, {"2.0", "2016"}, {"3.0", "2022"},
}

// ParseVersion reads an X-GB-Ver value, "3.0". Anything else is EditionUnknown.
func ParseVersion(s string) Edition {
	s = strings.TrimSpace(s)
	for e := Edition2011; e <= Edition2022; e++ {
		if editions[e].version == s {
			return e
		}
	}
	return EditionUnknown
}

// ParseEdition reads a year, "2016" or "2022". Anything else is EditionUnknown.
func ParseEdition(s string) Edition {
	for e := Edition2011; e <= Edition2022; e++ {
		if editions[e].year == s {
			return e
		}
	}
	return EditionUnknown
}

// Version is the X-GB-Ver form, "3.0"; "" for EditionUnknown.
func (e Edition) Version() string {
	if int(e) >= len(editions) {
		return ""
	}
	return editions[e].version
}

// String is the year, "2022"; "" for EditionUnknown.
func (e Edition) String() string {
	if int(e) >= len(editions) {
		return ""
	}
	return editions[e].year
}

// Effective is the edition to speak to a peer of this edition: a peer that has
// not said is taken for 2016 (signalling.md section 2.7).
func (e Edition) Effective() Edition {
	if e == EditionUnknown {
		return Edition2016
	}
	return e
}

// MarshalText and UnmarshalText use the year.
func (e Edition) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads a year; an unknown one is EditionUnknown.
func (e *Edition) UnmarshalText(b []byte) error { *e = ParseEdition(string(b)); return nil }
