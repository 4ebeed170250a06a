package sip

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	gosip "github.com/emiago/sipgo/sip"
)

// What callers decide on.
var (
	ErrTimeout     = errors.New("no answer in time")                // 32 s over any transport
	ErrUnreachable = errors.New("peer unreachable")                 // its connection is gone, or its address cannot be sent to
	ErrClosed      = errors.New("endpoint closed")                  // also before Run
	ErrEnded       = errors.New("dialog ended")                     // a request in a dialog that has ended
	ErrPeerBye     = errors.New("ended by the peer")                // the cause when the peer sent BYE
	ErrDialog      = errors.New("the Call-ID has a dialog")         // an INVITE to accept
	ErrTooLarge    = errors.New("message too large for a datagram") // 65,507 bytes
)

// Rejected is a final answer other than 2xx.
type Rejected struct {
	Status int
	Reason string
}

func (r *Rejected) Error() string { return "rejected: " + strconv.Itoa(r.Status) + " " + r.Reason }

// explain turns an error of the library into one of ours.
func explain(err error) error {
	switch {
	case err == nil:
		return ErrClosed // a transaction ended from outside says nothing
	case errors.Is(err, gosip.ErrTransactionTimeout):
		return ErrTimeout
	case errors.Is(err, gosip.ErrUDPMTUCongestion):
		return ErrTooLarge
	case errors.Is(err, gosip.ErrTransactionTransport), errors.Is(err, errNoDial):
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	case errors.Is(err, gosip.ErrTransactionTerminated), errors.Is(err, gosip.ErrTransactionCanceled):
		return ErrClosed
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}
