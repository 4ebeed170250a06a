package catalog

import (
	"context"
	"sync"
	"time"
)

// keepAgain is the pause before what the keeper had no room for is given to it
// again, and between two tries.
const keepAgain = 2 * time.Second

// unkept are the devices of which a change could not be kept: their channels are
// given to the keeper once more, whole.
type unkept struct {
	wake chan struct{} // capacity 1: there are some

	mu      sync.Mutex
	entries map[*entry]struct{} // at most all devices
}

func (u *unkept) add(e *entry) {
	u.mu.Lock()
	u.entries[e] = struct{}{}
	u.mu.Unlock()
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// take removes one, nil when there is none.
func (u *unkept) take() *entry {
	u.mu.Lock()
	defer u.mu.Unlock()
	for e := range u.entries {
		delete(u.entries, e)
		return e
	}
	return nil
}

// rekeep gives the keeper what it had no room for, until ctx ends.
func (c *Catalog) rekeep(ctx context.Context) {
	for {
		select {
		case <-c.unkept.wake:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(keepAgain):
		case <-ctx.Done():
			return
		}
		for e := c.unkept.take(); e != nil && c.keepWhole(e); {
			e = c.unkept.take()
		}
	}
}

// keepWhole gives all channels of a device to the keeper, in order with changes
// of them. It reports whether they were taken; if not, the device waits again.
func (c *Catalog) keepWhole(e *entry) bool {
	e.order.Lock()
	defer e.order.Unlock()
	e.mu.Lock()
	gone := e.gone
	e.mu.Unlock()
	if gone || c.keep.ReplaceChannels(e.id, c.Channels(e.id)) {
		return true
	}
	c.unkept.add(e)
	return false
}
