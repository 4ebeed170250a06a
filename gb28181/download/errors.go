package download

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of downloads; those of a device that does not send are of package play.
var (
	ErrUnknown = errors.New("no such download")
	ErrActive  = errors.New("the download has not ended")
	ErrDone    = errors.New("the download is done: nothing is left to ask for")
	ErrBusy    = errors.New("too many downloads run")      // downloads.running
	ErrFull    = errors.New("too many downloads are kept") // whatever their size
	ErrSpace   = errors.New("no space for downloads is left")
)

// SpaceError says what holds the space for downloads. It is [ErrSpace].
type SpaceError struct {
	Space, Used int64 // bytes
	Wanted      int64 // bytes that the device announced, 0 unknown
	Holders     []Job // the largest
}

func (e *SpaceError) Error() string {
	var by []string
	for i := range e.Holders {
		j := &e.Holders[i]
		by = append(by, fmt.Sprintf("%s of %s by %q: %d bytes", j.ID, j.Request.Channel, j.Request.By, j.Mark.Bytes))
	}
	wanted := ""
	if e.Wanted > 0 {
		wanted = fmt.Sprintf(", %d more are wanted", e.Wanted)
	}
	return fmt.Sprintf("%v: %d of %d bytes are used%s; the largest: %s", ErrSpace, e.Used, e.Space, wanted, strings.Join(by, ", "))
}

func (e *SpaceError) Unwrap() error { return ErrSpace }
