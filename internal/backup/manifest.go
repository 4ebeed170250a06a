package backup

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"time"
)

// Format is the number of this layout.
const Format = 1

// DatabaseName is the database's entry.
const DatabaseName = "fengsui.db"

const (
	manifestName = "manifest.json"
	mostManifest = 1 << 20   // bytes
	mostFile     = 1 << 20   // bytes of a file that is not the database
	mostFiles    = 1000      // entries
	mostDatabase = 256 << 30 // bytes
)

// Manifest says what a backup holds.
type Manifest struct {
	Format  int       `json:"format"`  // 1
	Version string    `json:"version"` // of the program that made it
	Commit  string    `json:"commit"`
	Made    time.Time `json:"made"`
	Reason  string    `json:"reason"` // "by hand", "before migrating from version 5 to 6", "before restoring …"
	Schema  int64     `json:"schema"` // version of the database
	Entries []Entry   `json:"entries"`
}

// Entry is one file of a backup.
type Entry struct {
	Name   string `json:"name"`   // path with slashes
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // hexadecimal
}

// parse reads a manifest and refuses one that could lead a reader astray.
func parse(text []byte) (m Manifest, err error) {
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("%w: its manifest cannot be read: %w", ErrDamaged, err)
	}
	if m.Format != Format {
		return m, fmt.Errorf("%w: its format is %d, this program reads %d; use the program that made it, version %q", ErrUnknown, m.Format, Format, m.Version)
	}
	if len(m.Entries) == 0 || len(m.Entries) > mostFiles || m.Entries[0].Name != DatabaseName {
		return m, fmt.Errorf("%w: its manifest names %d entries, want 1 to %d of which the database is first", ErrDamaged, len(m.Entries), mostFiles)
	}
	seen := map[string]bool{manifestName: true}
	for i, e := range m.Entries {
		most := int64(mostFile)
		if i == 0 {
			most = mostDatabase
		}
		switch {
		case !fs.ValidPath(e.Name) || e.Name == "." || path.Clean(e.Name) != e.Name:
			return m, fmt.Errorf("%w: %q is no path inside a folder", ErrDamaged, e.Name)
		case seen[e.Name]:
			return m, fmt.Errorf("%w: %q is in it twice", ErrDamaged, e.Name)
		case e.Size < 0 || e.Size > most:
			return m, fmt.Errorf("%w: %q has %d bytes, want 0 to %d", ErrDamaged, e.Name, e.Size, most)
		}
		seen[e.Name] = true
	}
	return m, nil
}
