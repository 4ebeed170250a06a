// Package stream sends what a camera sends: a clip for ever as RTP (media.md
// sections 2 and 4), a burst for each frame as real encoders do, over UDP or
// over TCP with RFC 4571 framing. The MPEG-PS of a clip is made once; sending
// patches its clocks and writes RTP headers. One loop paces all streams.
package stream
