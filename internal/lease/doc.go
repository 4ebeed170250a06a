// Package lease knows what is held open for others, connections and sockets
// most of all: whose it is, since when, and whether that owner still lives.
//
// Who opens such a thing is its [Holder]: it embeds a [Lease], enters it in the
// [Book], and releases it when the thing is closed. Each minute the book asks
// every holder whether its owner lives. What has none is marked orphaned; when
// it has none ten seconds later either, it is closed and counted as reclaimed.
// A healthy server reclaims nothing but the connections of strangers: anything
// else is a path that forgot to close, and its line in the log says which.
//
// The goroutines that serve a lease carry kind and owner as labels of their
// profiles and as regions of runtime/trace: see [Label], [Do] and [Region].
//
// What a living owner is, by kind:
//
//	sip_connection    a device is bound to it; without one, a message came in the last minute
//	media_connection  its receiver lives and has it; until it is known whose it is, 15 s
//	media_receiver    the engine has not ended it, and play has a session of its stream
//	flv_viewer        play has a session of its stream
//	webrtc_viewer     play has a session of its stream
//	media_sender      talk has the talk it is of
//	webrtc_talker     talk has the talk it is of
package lease
