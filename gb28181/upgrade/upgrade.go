package upgrade

import (
	"context"
	"errors"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/shadow/journal"
)

var (
	// ErrRunning is returned for a device whose last upgrade has not ended.
	ErrRunning = errors.New("an upgrade of the device is under way")
	// ErrFull is returned when too many upgrades are under way.
	ErrFull = errors.New("too many upgrades are under way")
)

// State is how far an upgrade is.
type State string

// States, in their order. The last three end it.
const (
	Ordered  State = "ordered"  // the command is on its way
	Accepted State = "accepted" // the device fetches the file and installs it
	Rejoined State = "rejoined" // it has registered anew; how it went is not told yet
	Done     State = "done"
	Failed   State = "failed"
	Expired  State = "expired" // nothing was told in time, and other software runs
)

// Ended reports whether nothing follows.
func (s State) Ended() bool { return s == Done || s == Failed || s == Expired }

// Request says what a device shall install.
type Request struct {
	Firmware     string // version
	URL          string // where the device fetches it
	Manufacturer string
	By           string // who asks
	Edition      gb28181.Edition
}

// Upgrade is one.
type Upgrade struct {
	ID     string // session ID: 32 hexadecimal digits, or what the device told
	Device gb28181.ID
	Request
	State     State
	Reason    string // why it failed
	Progress  int    // percent, as some devices tell it; -1 when not told
	Before    string // firmware that ran when it began
	Runs      string // firmware that runs now, as the device told at the end
	StartedAt time.Time
	ChangedAt time.Time
}

// Devices is what upgrades need of the device table.
type Devices interface {
	Device(id gb28181.ID) (gb28181.Device, bool)
}

// Order sends the command and returns when the device has accepted it. The error is
// why it did not.
type Order func(ctx context.Context, device gb28181.ID, cmd manscdp.DeviceUpgrade, as gb28181.Edition) error

// Journal is told what happened; journal.Journal is one.
type Journal interface{ Append(journal.Event) uint64 }

// failures are the reasons that a device can give.
var failures = map[int]string{1: "the download took too long", 2: "the package is corrupt", 3: "the device's system failed"}

func failure(code int) string {
	if text := failures[code]; text != "" {
		return text
	}
	return "the device gave no reason"
}
