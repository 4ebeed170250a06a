package backup_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fengsui/internal/backup"
)

// made is a backup of a database and two files.
func made(t *testing.T) (path string, m backup.Manifest) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"copy.db": strings.Repeat("rows ", 10_000), "cluster-secret": "word\n", "tls/root.key": "key\n"} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path = filepath.Join(dir, "one.tar.gz")
	m, err := backup.Write(path, backup.Manifest{Version: "v1", Made: time.Unix(1_700_000_000, 0).UTC(), Reason: "by hand", Schema: 7},
		backup.Source{Database: filepath.Join(dir, "copy.db"), Folder: dir, Files: []string{"cluster-secret", "tls/root.key"}})
	if err != nil {
		t.Fatal(err)
	}
	return path, m
}

func TestWhatIsWrittenComesBack(t *testing.T) {
	path, wrote := made(t)
	if i, err := os.Stat(path); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: there are secrets in it", i.Mode(), err)
	}
	into := t.TempDir()
	m, err := backup.Extract(path, into)
	if err != nil {
		t.Fatal(err)
	}
	if m.Schema != 7 || m.Version != "v1" || !m.Made.Equal(wrote.Made) || len(m.Entries) != 3 {
		t.Errorf("manifest %+v, want %+v", m, wrote)
	}
	for name, want := range map[string]string{backup.DatabaseName: strings.Repeat("rows ", 10_000), "cluster-secret": "word\n", "tls/root.key": "key\n"} {
		if got, err := os.ReadFile(filepath.Join(into, name)); err != nil || string(got) != want {
			t.Errorf("%s: %.20q, %v", name, got, err)
		}
	}
	if one, err := backup.Inspect(path); err != nil || one.Schema != 7 {
		t.Errorf("Inspect = %+v, %v", one, err)
	}
}

func TestNothingIsWrittenOver(t *testing.T) {
	path, _ := made(t)
	before, _ := os.ReadFile(path)
	_, err := backup.Write(path, backup.Manifest{}, backup.Source{Database: path})
	if !errors.Is(err, os.ErrExist) {
		t.Errorf("Write over a file = %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the file was changed")
	}
}

func TestAFileTooLargeLeavesNoBackup(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, 1<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, "one.tar.gz")
	_, err := backup.Write(to, backup.Manifest{}, backup.Source{Database: filepath.Join(dir, "large"), Folder: dir, Files: []string{"large"}})
	if err == nil || !strings.Contains(err.Error(), "1048577") {
		t.Errorf("Write = %v, want the size named", err)
	}
	if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was left: %v", err)
	}
}

// rewritten is a backup whose tar entries went through edit.
func rewritten(t *testing.T, path string, edit func(h *tar.Header, body []byte) []byte) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	w := tar.NewWriter(zw)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if body = edit(h, body); body == nil {
			continue
		}
		h.Size = int64(len(body))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "rewritten.tar.gz")
	if err := os.WriteFile(to, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestADamagedBackupIsRefused(t *testing.T) {
	path, _ := made(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw := func(b []byte) string {
		p := filepath.Join(t.TempDir(), "raw.tar.gz")
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	in := func(name string, change func(h *tar.Header, body []byte) []byte) string {
		return rewritten(t, path, func(h *tar.Header, body []byte) []byte {
			if h.Name != name {
				return body
			}
			return change(h, body)
		})
	}
	manifest := func(old, with string) string {
		return in("manifest.json", func(_ *tar.Header, body []byte) []byte { return bytes.Replace(body, []byte(old), []byte(with), 1) })
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	for name, c := range map[string]struct {
		path string
		want error
		says string
	}{
		"cut":               {raw(whole[:len(whole)-40]), backup.ErrDamaged, ""},
		"a bit flipped":     {raw(flipped), backup.ErrDamaged, ""},
		"no archive":        {raw([]byte("hello")), backup.ErrDamaged, ""},
		"empty":             {raw(nil), backup.ErrDamaged, ""},
		"no manifest":       {in("manifest.json", func(*tar.Header, []byte) []byte { return nil }), backup.ErrDamaged, "manifest"},
		"another database":  {in(backup.DatabaseName, func(_ *tar.Header, b []byte) []byte { b[5] ^= 1; return b }), backup.ErrDamaged, "SHA-256"},
		"a file is missing": {in("tls/root.key", func(*tar.Header, []byte) []byte { return nil }), backup.ErrDamaged, "tls/root.key"},
		"a link": {in("cluster-secret", func(h *tar.Header, b []byte) []byte {
			h.Typeflag, h.Linkname = tar.TypeSymlink, "/etc/passwd"
			return []byte{}
		}), backup.ErrDamaged, "cluster-secret"},
		"a path outside":    {manifest(`"tls/root.key"`, `"../root.key"`), backup.ErrDamaged, "../root.key"},
		"an absolute path":  {manifest(`"tls/root.key"`, `"/root.key"`), backup.ErrDamaged, "/root.key"},
		"the same twice":    {manifest(`"tls/root.key"`, `"cluster-secret"`), backup.ErrDamaged, "twice"},
		"a negative length": {manifest(`"size": 5,`, `"size": -5,`), backup.ErrDamaged, "-5"},
		"a later format":    {manifest(`"format": 1`, `"format": 2`), backup.ErrUnknown, `version "v1"`},
	} {
		if _, err := backup.Extract(c.path, t.TempDir()); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: Extract = %v, want %v with %q", name, err, c.want, c.says)
		}
	}
}
