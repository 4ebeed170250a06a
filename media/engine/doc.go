// Package engine turns what devices send into streams that viewers read.
//
// [Engine.Receive] leases port and SSRC for a stream and gives a [Receiver]:
// signalling writes them into its offer, passes the answer on and waits for the
// first packet and the first key frame. [Engine.Attach] gives a viewer its end
// of the stream.
//
// The way of a packet: the goroutine that reads the socket orders it
// (media/rtp), demultiplexes it (media/ps, or NAL units or samples bare in
// RTP), repairs the time line, and hands whole access units to the group of
// pictures kept for newcomers and to the queues of the readers. Nothing on that
// way blocks or waits for a reader.
package engine
