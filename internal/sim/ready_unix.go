//go:build unix

package sim

import (
	"io"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// readReady reads once from a socket, blocking until there is something. The
// buffer comes from pool only then, so an idle socket holds none; whoever gets
// it puts it back. It is nil on error.
func readReady(_ net.Conn, raw syscall.RawConn, pool *sync.Pool) (*[]byte, int, error) {
	var b *[]byte
	var n int
	var failed error
	err := raw.Read(func(fd uintptr) bool {
		b = pool.Get().(*[]byte)
		for {
			n, failed = unix.Read(int(fd), *b)
			if failed != unix.EINTR {
				break
			}
		}
		if failed != nil {
			pool.Put(b)
			b = nil
		}
		return failed != unix.EAGAIN
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		if b != nil {
			pool.Put(b)
		}
		return nil, 0, err
	}
	return b, n, nil
}

// atEnd tells the end of a stream, which unix.Read shows as no bytes.
func atEnd(n int) error {
	if n == 0 {
		return io.EOF
	}
	return nil
}
