package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"fengsui/configs"
	"fengsui/internal/authority"
	"fengsui/internal/backup"
	"fengsui/internal/store"
)

// backupFolder is where backups go for which no place was named.
const backupFolder = "backups"

// keptFiles of the data folder belong to a backup, of folders all files: without
// them the database cannot be read, or people and devices would have to be told
// something new.
var keptFiles = []string{sipPasswordFile, adminPasswordFile, clusterSecretFile, authority.RootFile, authority.KeyFile, ownQuirksFile}

// Backup writes the database and the secrets into one file, also while a server
// runs, checks it, and says what is in it. An empty path is one in
// data_dir/backups named by the time.
func Backup(ctx context.Context, c configs.Config, to string, out io.Writer) error {
	if to == "" {
		to = namedBackup(&c, "by-hand", time.Now())
	}
	m, err := backUp(ctx, &c, to, "by hand")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %s\n", to, describe(m))
	fmt.Fprintln(out, "It holds secrets: keep it where only you can read it. The configuration file, recordings and the journal of events are not in it.")
	return nil
}

func describe(m backup.Manifest) string {
	var size int64
	for _, e := range m.Entries {
		size += e.Size
	}
	return fmt.Sprintf("database of version %d and %d files, %d bytes unpacked, made %s by %s (%s), checked",
		m.Schema, len(m.Entries)-1, size, m.Made.UTC().Format(time.RFC3339), cmp.Or(m.Version, "an unnamed version"), m.Reason)
}

func namedBackup(c *configs.Config, why string, at time.Time) string {
	return filepath.Join(c.DataDir, backupFolder, "fengsui-"+at.UTC().Format("20060102T150405.000Z")+"-"+why+".tar.gz")
}

func backUp(ctx context.Context, c *configs.Config, to, reason string) (m backup.Manifest, err error) {
	db := databasePath(c)
	if _, err := os.Stat(db); err != nil {
		return m, fmt.Errorf("there is nothing to back up: %w; is data_dir or store.url the server's?", err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return m, fmt.Errorf("folder of the backup: %w", err)
	}
	work, err := os.MkdirTemp(filepath.Dir(to), ".backup-")
	if err != nil {
		return m, fmt.Errorf("folder of the backup: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	copied := filepath.Join(work, backup.DatabaseName)
	if err := store.Copy(ctx, db, copied); err != nil {
		return m, err
	}
	m = backup.Manifest{Version: Version, Commit: Commit, Made: time.Now().UTC(), Reason: reason}
	if m.Schema, err = store.Version(ctx, copied); err != nil {
		return m, err
	}
	files, err := filesToKeep(c.DataDir)
	if err != nil {
		return m, err
	}
	return backup.Write(to, m, backup.Source{Database: copied, Folder: c.DataDir, Files: files})
}

// filesToKeep are those of keptFiles that are there, as paths with slashes.
func filesToKeep(dir string) (files []string, err error) {
	root := os.DirFS(dir)
	for _, name := range keptFiles {
		err := fs.WalkDir(root, name, func(path string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case d.Type().IsRegular():
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look for %s: %w", name, err)
		}
	}
	return files, nil
}

// beforeMigration keeps what is there, so that the older program can be used again.
func beforeMigration(c *configs.Config) func(ctx context.Context, from, to int64) error {
	return func(ctx context.Context, from, to int64) error {
		path := namedBackup(c, fmt.Sprintf("version-%d", from), time.Now())
		_, err := backUp(ctx, c, path, fmt.Sprintf("before migrating from version %d to %d", from, to))
		return err
	}
}

// newerDatabase tells which backup an older program can go back to.
func newerDatabase(c *configs.Config, err error) error {
	if !errors.Is(err, store.ErrNewer) {
		return err
	}
	newest, e := store.Newest()
	if e != nil {
		return errors.Join(err, e)
	}
	paths, e := filepath.Glob(filepath.Join(c.DataDir, backupFolder, "*.tar.gz"))
	if e != nil {
		return errors.Join(err, e)
	}
	for _, path := range slices.Backward(paths) { // the names begin with the time
		if m, e := backup.Inspect(path); e == nil && m.Schema <= newest {
			return fmt.Errorf("%w\nthe latest backup that this program can use: fengsui restore %s", err, path)
		}
	}
	return fmt.Errorf("%w\nno backup in %s can be used by this program", err, filepath.Join(c.DataDir, backupFolder))
}

// Restore puts a backup in the place of what the data folder holds, of which a
// backup is made first, and says what it did. No server may run. With only it
// checks the backup and changes nothing.
func Restore(ctx context.Context, c configs.Config, from string, only bool, out io.Writer) (err error) {
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return fmt.Errorf("data_dir %q cannot be made: %w; choose a folder that can be written with --set data_dir=…", c.DataDir, err)
	}
	staged, err := os.MkdirTemp(c.DataDir, ".restore-")
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staged)) }()
	m, err := backup.Extract(from, staged)
	if err != nil {
		return err
	}
	if err := checkRestored(ctx, &c, staged, m); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	fmt.Fprintf(out, "%s: %s\n", from, describe(m))
	if only {
		return nil
	}
	held, err := takeFolder(c.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.release()) }()
	if _, err := os.Stat(databasePath(&c)); err == nil {
		before := namedBackup(&c, "before-restore", time.Now())
		if _, err := backUp(ctx, &c, before, "before restoring "+filepath.Base(from)); err != nil {
			return fmt.Errorf("nothing was changed, as what is there could not be backed up: %w", err)
		}
		fmt.Fprintf(out, "what was there is kept in %s\n", before)
	}
	if err := putInPlace(&c, staged, m); err != nil {
		return err
	}
	fmt.Fprintf(out, "restored to %s; start the server with: fengsui serve\n", c.DataDir)
	return nil
}

// checkRestored opens the database with the key that a server would use.
func checkRestored(ctx context.Context, c *configs.Config, staged string, m backup.Manifest) error {
	newest, err := store.Newest()
	if err != nil {
		return err
	}
	if m.Schema > newest {
		return fmt.Errorf("%w: it has version %d, this program knows %d; use the program that made it, version %s", store.ErrNewer, m.Schema, newest, cmp.Or(m.Version, "unnamed"))
	}
	key := c.Cluster.Secret
	if key == "" {
		text, err := os.ReadFile(filepath.Join(staged, clusterSecretFile))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("no %s is in it: the server it comes from had cluster.secret configured; set the same, with --set cluster.secret=… or the environment", clusterSecretFile)
		}
		if err != nil {
			return err
		}
		key = strings.TrimSpace(string(text))
	}
	trial := filepath.Join(staged, ".trial.db") // Check may migrate it
	if err := store.Copy(ctx, filepath.Join(staged, backup.DatabaseName), trial); err != nil {
		return err
	}
	return store.Check(ctx, trial, []byte(key))
}

// putInPlace moves what was staged to where the server looks for it, the database
// last.
func putInPlace(c *configs.Config, staged string, m backup.Manifest) error {
	for _, e := range slices.Backward(m.Entries) {
		to := filepath.Join(c.DataDir, filepath.FromSlash(e.Name))
		if e.Name == backup.DatabaseName {
			to = databasePath(c)
			for _, log := range []string{to + "-wal", to + "-shm"} { // of the database that goes
				if err := os.Remove(log); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("restore: %w", err)
				}
			}
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		if err := move(filepath.Join(staged, filepath.FromSlash(e.Name)), to); err != nil {
			return fmt.Errorf("restore %s: %w", e.Name, err)
		}
	}
	return nil
}

// move renames a file; where store.url is on another disk it copies it.
func move(from, to string) error {
	err := os.Rename(from, to)
	if err == nil || !errors.Is(err, unix.EXDEV) {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	part := to + ".part"
	out, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return os.Rename(part, to)
}
