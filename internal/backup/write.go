package backup

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Source is what is put into a backup.
type Source struct {
	// Database is a copy that nobody writes.
	Database string
	// Folder is where Files are; each a path in it with slashes, of at most 1 MiB.
	Folder string
	Files  []string
}

// Write makes a backup at a path that must not exist yet and reads it back. m
// says who makes it and why; its entries are filled in.
func Write(to string, m Manifest, from Source) (_ Manifest, err error) {
	m.Format, m.Entries = Format, nil
	paths := []string{from.Database}
	names := append([]string{DatabaseName}, from.Files...)
	for _, name := range from.Files {
		paths = append(paths, filepath.Join(from.Folder, filepath.FromSlash(name)))
	}
	for i, p := range paths {
		e, err := measure(names[i], p)
		if err != nil {
			return m, err
		}
		m.Entries = append(m.Entries, e)
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return m, fmt.Errorf("write manifest: %w", err)
	}
	if _, err := parse(text); err != nil { // what could not be read again is not written
		return m, err
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return m, fmt.Errorf("make backup: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(to))
		}
	}()
	err = errors.Join(writeAll(f, text, m, paths), f.Sync(), f.Close())
	if err != nil {
		return m, fmt.Errorf("write backup %s: %w", to, err)
	}
	if _, err := read(to, func(Entry, io.Reader) error { return nil }); err != nil {
		return m, fmt.Errorf("the backup just written cannot be read: %w; is the disk sound?", err)
	}
	return m, nil
}

func measure(name, path string) (Entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return Entry{}, fmt.Errorf("back up %s: %w", name, err)
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return Entry{}, fmt.Errorf("back up %s: %w", name, err)
	}
	return Entry{Name: name, Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

func writeAll(to io.Writer, manifest []byte, m Manifest, paths []string) error {
	z := gzip.NewWriter(to)
	t := tar.NewWriter(z)
	head := func(name string, size int64) error {
		return t.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: m.Made, Typeflag: tar.TypeReg})
	}
	if err := head(manifestName, int64(len(manifest))); err != nil {
		return err
	}
	if _, err := t.Write(manifest); err != nil {
		return err
	}
	for i, e := range m.Entries {
		if err := head(e.Name, e.Size); err != nil {
			return err
		}
		if err := appendFile(t, paths[i]); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), z.Close())
}

func appendFile(to io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(to, f)
	return err
}
