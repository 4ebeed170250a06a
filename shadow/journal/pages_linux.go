package journal

import (
	"os"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// letGo gives back the pages of the file that were mapped to read it: they stay
// in the system's cache, and count as memory of ours no more. The file is as
// large as the history of all devices, and each write reads all over it.
func letGo(db *bbolt.DB) error {
	return db.View(func(tx *bbolt.Tx) error { // the mapping stays where it is meanwhile
		_, _, e := unix.Syscall(unix.SYS_MADVISE, db.Info().Data, uintptr(tx.Size()), unix.MADV_DONTNEED)
		if e != 0 {
			return os.NewSyscallError("madvise", e)
		}
		return nil
	})
}
