//go:build !linux

package epoll

import (
	"errors"
	"net"
	"time"
)

// Set is none.
type Set struct{}

// Event is none.
type Event struct {
	ID    int
	Ended bool
}

// New fails with [errors.ErrUnsupported].
func New(int) (*Set, error) { return nil, errors.ErrUnsupported }

func (*Set) Close() error                { return errors.ErrUnsupported }
func (*Set) SetDeadline(time.Time) error { return errors.ErrUnsupported }
func (*Set) Add(*Socket) error           { return errors.ErrUnsupported }
func (*Set) Again(*Socket) error         { return errors.ErrUnsupported }
func (*Set) Wait(bool) ([]Event, error)  { return nil, errors.ErrUnsupported }

// Socket is none.
type Socket struct{}

// Take fails with [errors.ErrUnsupported].
func Take(*net.TCPConn) (*Socket, error) { return nil, errors.ErrUnsupported }

func (*Socket) ID() int                        { return -1 }
func (*Socket) Read([]byte) (int, bool, error) { return 0, false, errors.ErrUnsupported }
func (*Socket) Write([]byte) (int, error)      { return 0, errors.ErrUnsupported }
func (*Socket) Close() error                   { return errors.ErrUnsupported }
