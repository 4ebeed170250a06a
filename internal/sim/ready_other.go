//go:build !unix

package sim

import (
	"net"
	"sync"
	"syscall"
)

// readReady reads once from a socket, blocking until there is something.
// Whoever gets the buffer puts it back. It is nil on error.
func readReady(c net.Conn, _ syscall.RawConn, pool *sync.Pool) (*[]byte, int, error) {
	b := pool.Get().(*[]byte)
	n, err := c.Read(*b)
	if err != nil {
		pool.Put(b)
		return nil, 0, err
	}
	return b, n, nil
}

func atEnd(int) error { return nil }
