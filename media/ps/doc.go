// Package ps turns MPEG program streams, as GB/T 28181 devices send them in
// RTP, into frames and frames into program streams.
//
// The [Demuxer] takes arbitrary pieces of a stream, holds little more than the
// access unit in progress, and after damage finds its way back by itself. The
// [Muxer] writes what GB/T 28181 annex C asks of a sender.
//
// The layout is that of ISO/IEC 13818-1 section 2.5; the stream types are those
// of GB/T 28181-2022 annex C.
package ps
