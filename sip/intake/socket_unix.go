//go:build unix

package intake

import (
	"errors"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// rawConn is a way to the descriptor of a socket; nil of what is none, or wraps
// one.
func rawConn(c net.Conn) syscall.RawConn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil { // closed already: reading will say so
		return nil
	}
	return raw
}

// readSocket reads without waiting; again asks to come back when there is
// something. The end of the stream is 0 bytes and no error.
func readSocket(fd uintptr, b []byte) (n int, again bool, err error) {
	return socketResult("read", unix.Read, fd, b)
}

// writeSocket writes without waiting.
func writeSocket(fd uintptr, b []byte) (n int, again bool, err error) {
	return socketResult("write", unix.Write, fd, b)
}

func socketResult(name string, call func(int, []byte) (int, error), fd uintptr, b []byte) (int, bool, error) {
	for {
		n, err := call(int(fd), b)
		switch {
		case err == nil:
			return n, false, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return 0, true, nil
		default:
			return 0, false, os.NewSyscallError(name, err)
		}
	}
}
