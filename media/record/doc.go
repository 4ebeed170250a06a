// Package record keeps streams in files. A [File] is an MPEG program stream as
// media/ps writes it: it can be played and read while it grows, is whole wherever
// it ends, and can be continued later without a leap in its time.
package record
