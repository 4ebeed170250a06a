package reuse

import "sync/atomic"

// Lease is embedded by what a [Pool] holds and says whether it is out. The zero
// Lease is of an item that no pool made.
type Lease struct{ state atomic.Uint32 }

// States of a lease.
const (
	leaseNone uint32 = iota // no pool made it
	leaseOut                // taken
	leaseFree               // in its pool, or given to the collector
)

func (l *Lease) lease() *Lease { return l }

// end marks the item returned; false if it was not out.
func (l *Lease) end() bool { return l.state.CompareAndSwap(leaseOut, leaseFree) }

// begin marks the item taken.
func (l *Lease) begin() { l.state.Store(leaseOut) }
