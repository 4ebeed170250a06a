package reuse

import "sync/atomic"

// Mark is embedded by what a [Pool] holds and says whether it is out. The zero
// Mark is of an item that no pool made.
type Mark struct{ state atomic.Uint32 }

// States of a mark.
const (
	markNone uint32 = iota // no pool made it
	markOut                // taken
	markFree               // in its pool, or given to the collector
)

func (m *Mark) mark() *Mark { return m }

// end marks the item returned; false if it was not out.
func (m *Mark) end() bool { return m.state.CompareAndSwap(markOut, markFree) }

// begin marks the item taken.
func (m *Mark) begin() { m.state.Store(markOut) }
