package rtp

import "fengsui/internal/reuse"

// memory is what a server uses again: what it reads into, and what a stream
// needs while it lasts.
type memory struct {
	batches *reuse.Pool[batch, *batch]   // for leased ports; the shared port has its own
	windows *reuse.Pool[window, *window] // of streams whose packets came out of order
	chunks  *reuse.Pool[chunk, *chunk]   // of TCP connections
}

// The most that one free item holds, bytes.
const (
	batchBytes  = ownBatch * (datagramMax + 256)
	slotBytes   = 2 << 10 // a packet over Ethernet
	windowBytes = windowMax * (slotBytes + 64)
	chunkBytes  = 64 << 10
)

func newMemory(k *reuse.Keeper) memory {
	return memory{
		batches: reuse.NewPool(k, reuse.Spec{Name: "rtp_batch", Level: reuse.Messages, Bytes: batchBytes, Share: 1.0 / 64},
			func() *batch { return newBatch(ownBatch) }, nil),
		windows: reuse.NewPool(k, reuse.Spec{Name: "rtp_window", Level: reuse.Flows, Bytes: windowBytes, Share: 1.0 / 64},
			func() *window { return new(window) }, (*window).clear),
		chunks: reuse.NewPool(k, reuse.Spec{Name: "rtp_framing", Level: reuse.Flows, Bytes: chunkBytes, Share: 1.0 / 64},
			func() *chunk { return new(chunk) }, (*chunk).clear),
	}
}
