package backup

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Why a backup is refused.
var (
	// ErrDamaged is a file that is not whole, or no backup at all.
	ErrDamaged = errors.New("the backup is damaged")
	// ErrUnknown is a backup in a layout that this program does not know.
	ErrUnknown = errors.New("the backup is not of this program's kind")
)

// Extract puts every entry into an empty folder, each file of mode 0600, and
// returns the manifest. An error leaves the folder with what came so far:
// nothing in it may be used.
func Extract(path, folder string) (Manifest, error) {
	return read(path, func(e Entry, r io.Reader) error {
		to := filepath.Join(folder, filepath.FromSlash(e.Name))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		return errors.Join(err, f.Sync(), f.Close())
	})
}

// Inspect reads a backup's manifest only. That its entries are whole is not
// known then.
func Inspect(path string) (Manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return Manifest{}, fmt.Errorf("open backup: %w", err)
	}
	defer f.Close()
	_, m, err := open(path, f)
	return m, err
}

func open(path string, f io.Reader) (*tar.Reader, Manifest, error) {
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, Manifest{}, fmt.Errorf("%s: %w: %w", path, ErrDamaged, err)
	}
	t := tar.NewReader(z)
	h, err := t.Next()
	if err != nil {
		return nil, Manifest{}, fmt.Errorf("%s: %w: %w", path, ErrDamaged, err)
	}
	if h.Name != manifestName || h.Size > mostManifest {
		return nil, Manifest{}, fmt.Errorf("%s: %w: it begins with %q of %d bytes, not with its manifest", path, ErrDamaged, h.Name, h.Size)
	}
	text, err := io.ReadAll(t)
	if err != nil {
		return nil, Manifest{}, fmt.Errorf("%s: %w: %w", path, ErrDamaged, err)
	}
	m, err := parse(text)
	if err != nil {
		return nil, m, fmt.Errorf("%s: %w", path, err)
	}
	return t, m, nil
}

// read gives each entry to take, which may leave the rest unread, and checks all
// of it.
func read(path string, take func(Entry, io.Reader) error) (Manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return Manifest{}, fmt.Errorf("open backup: %w", err)
	}
	defer f.Close()
	t, m, err := open(path, f)
	if err != nil {
		return m, err
	}
	for _, e := range m.Entries {
		h, err := t.Next()
		if err != nil {
			return m, fmt.Errorf("%s: %w: before %q: %w", path, ErrDamaged, e.Name, err)
		}
		if h.Name != e.Name || h.Size != e.Size || h.Typeflag != tar.TypeReg {
			return m, fmt.Errorf("%s: %w: %q of %d bytes stands where its manifest names %q of %d", path, ErrDamaged, h.Name, h.Size, e.Name, e.Size)
		}
		sum := sha256.New()
		hashed := io.TeeReader(damageable{t}, sum)
		if err = take(e, hashed); err == nil {
			_, err = io.Copy(io.Discard, hashed)
		}
		if err != nil {
			return m, fmt.Errorf("%s: read %q: %w", path, e.Name, err)
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != e.SHA256 {
			return m, fmt.Errorf("%s: %w: %q has SHA-256 %s, its manifest says %s", path, ErrDamaged, e.Name, got, e.SHA256)
		}
	}
	switch _, err := t.Next(); {
	case err == nil:
		return m, fmt.Errorf("%s: %w: it holds more than its manifest names", path, ErrDamaged)
	case !errors.Is(err, io.EOF):
		return m, fmt.Errorf("%s: %w: at its end: %w", path, ErrDamaged, err)
	}
	return m, nil
}

// damageable says of an entry that cannot be read that the backup is damaged.
type damageable struct{ io.Reader }

func (d damageable) Read(b []byte) (int, error) {
	n, err := d.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return n, err
}
