// Package flv serves streams to viewers as HTTP-FLV, which players on Media
// Source Extensions, VLC and FFmpeg read.
//
// Layouts are those of the Adobe FLV file format 10.1 annex E and, for H.265,
// of Enhanced RTMP v1 (FourCC "hvc1") or of the older extension that took codec 12.
package flv
