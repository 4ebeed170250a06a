// Package media holds the words of the media plane as plain values: the key of
// a stream, codecs, tracks and frames, and what a viewer's end of a stream can do.
package media
