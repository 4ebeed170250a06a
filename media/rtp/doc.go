// Package rtp receives RTP as GB/T 28181 devices send it: over UDP or TCP (both
// roles), on one shared port or on a leased pair each, with leased SSRCs.
//
// A [Server] owns the sockets and the leases. [Server.Open] gives a [Session],
// whose packets reach its [Sink] in sequence order. The goroutine that reads a
// socket also reorders and calls the sink, under the session's mutex: no
// packet is queued or copied while packets come in order.
package rtp
