package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockFile in the data folder is locked (flock) while a process uses the folder,
// and names it.
const lockFile = "lock"

// folder is a data folder that this process alone uses.
type folder struct{ lock *os.File }

// takeFolder claims a data folder, which must exist. The claim ends with the
// process, however that ends.
func takeFolder(dir string) (*folder, error) {
	path := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("claim data_dir: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		who, _ := os.ReadFile(path)
		err = errors.Join(err, f.Close())
		return nil, fmt.Errorf("data_dir %s is in use by process %s (%w); stop it first, or choose another with --set data_dir=…", dir, strings.TrimSpace(string(who)), err)
	}
	err = errors.Join(f.Truncate(0), func() error { _, err := f.WriteString(strconv.Itoa(os.Getpid()) + "\n"); return err }())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("claim data_dir: %w", err), f.Close())
	}
	return &folder{f}, nil
}

// release lets others have the folder; a second one does nothing. The file stays:
// another process may have it open.
func (f *folder) release() error {
	if err := f.lock.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
