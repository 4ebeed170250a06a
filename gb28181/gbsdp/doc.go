// Package gbsdp reads and writes SDP as GB/T 28181 uses it: with the y= and f=
// lines, u= of the form <id>:<type> and times in UNIX seconds, which general SDP
// parsers refuse. Reading follows the tolerance of media.md section 1.2; writing
// keeps the one line order that every device accepts.
//
// It also builds the offer of live and recorded pictures ([Offer]) and the Subject header that
// goes with it.
package gbsdp
