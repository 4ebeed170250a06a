//go:build !unix

package intake

import (
	"net"
	"syscall"
)

// rawConn is nil here: connections are read and written as any other.
func rawConn(net.Conn) syscall.RawConn { return nil }

func readSocket(uintptr, []byte) (n int, again bool, err error) { return 0, false, syscall.ENOSYS }

func writeSocket(uintptr, []byte) (n int, again bool, err error) { return 0, false, syscall.ENOSYS }
