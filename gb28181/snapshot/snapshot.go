package snapshot

import (
	"context"
	"errors"
	"time"

	"fengsui/gb28181"
	"fengsui/shadow/journal"
)

// Bounds.
const (
	MaxCount    = 10               // pictures of one snapshot (2022 A.2.3.2.12)
	MaxInterval = 10 * time.Minute // between two
	MaxPicture  = 16 << 20         // bytes of one
	maxWaiting  = 500              // snapshots whose pictures are not all there
	maxKept     = 20_000           // snapshots
	grace       = 2 * time.Minute  // after the last picture should have come
)

var (
	// ErrToken is of an upload to an address that is not, or no longer, open.
	ErrToken = errors.New("no picture is awaited there")
	// ErrPicture is of an upload that is no JPEG.
	ErrPicture = errors.New("not a JPEG picture")
	// ErrLarge is of an upload of more than MaxPicture.
	ErrLarge = errors.New("picture too large")
	// ErrFull is returned when too many snapshots wait for their pictures.
	ErrFull = errors.New("too many snapshots wait for their pictures")
	// ErrRange is of a count or interval that cannot be.
	ErrRange = errors.New("snapshot out of range")
	// ErrUnknown is of a snapshot or picture that is not there.
	ErrUnknown = errors.New("unknown snapshot")
)

// State is how far a snapshot is.
type State string

// States, in their order. The last three end it.
const (
	Ordered State = "ordered" // the device is being told
	Taking  State = "taking"  // it has accepted; pictures come
	Done    State = "done"    // all are there
	Partial State = "partial" // some are there, and no more come
	Failed  State = "failed"  // none came
)

// Ended reports whether nothing follows.
func (s State) Ended() bool { return s == Done || s == Partial || s == Failed }

// Picture is one that was uploaded.
type Picture struct {
	Name  string    `json:"name"` // the device's, "" when it gave none
	Bytes int64     `json:"bytes"`
	At    time.Time `json:"at"` // when it was here
}

// Request says what is to be taken.
type Request struct {
	Device   gb28181.ID      `json:"device"`
	Channel  gb28181.ID      `json:"channel"`
	Count    int             `json:"count"`    // 1 to MaxCount
	Interval time.Duration   `json:"interval"` // 1 s to MaxInterval, whole seconds
	By       string          `json:"by"`
	Edition  gb28181.Edition `json:"-"` // to speak in place of the device's own
}

// Snapshot is what was taken at one request.
type Snapshot struct {
	Request
	ID        string    `json:"id"` // session ID, 32 hexadecimal digits
	State     State     `json:"state"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	Pictures  []Picture `json:"pictures"`
}

// Order tells the device; it returns when it has accepted.
type Order func(ctx context.Context, r Request, session, url string) error

// Journal is told what happened; journal.Journal is one.
type Journal interface{ Append(journal.Event) uint64 }

// Config says where pictures go and how long they stay.
type Config struct {
	Dir   string        // made when it is not there
	Keep  time.Duration // from the end; default 7 days
	Bytes int64         // of all pictures, the oldest snapshot goes first; default 1 GiB
	// Base is the address that devices upload to, as this one reaches it, without
	// the token: "http://192.0.2.10:8080/upload/".
	Base func(device gb28181.ID) (string, error)
}
