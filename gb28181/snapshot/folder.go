package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// described is the file of a snapshot's folder that says what it is.
const described = "snapshot.json"

func folder(dir, id string) string { return filepath.Join(dir, id) }

// picture is the file of a picture, the first is 0.
func picture(dir, id string, n int) string {
	return filepath.Join(dir, id, fmt.Sprintf("%02d.jpg", n+1))
}

// write notes a snapshot that has ended. One without pictures is not kept.
func write(dir string, s Snapshot) error {
	if len(s.Pictures) == 0 {
		return remove(dir, s.ID)
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	name := filepath.Join(folder(dir, s.ID), described)
	if err := os.WriteFile(name+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

func remove(dir, id string) error { return os.RemoveAll(folder(dir, id)) }

// read returns what was written, the oldest first. What a process left that ended
// in between is removed.
func read(dir string) (list []Snapshot, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		b, readErr := os.ReadFile(filepath.Join(dir, e.Name(), described))
		var s Snapshot
		if readErr != nil || json.Unmarshal(b, &s) != nil || s.ID != e.Name() {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
			continue
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Snapshot) int { return a.StartedAt.Compare(b.StartedAt) })
	return list, err
}
