// Package manscdp reads and writes the XML messages of GB/T 28181 Annex A
// (MANSCDP) in all editions. Reading is lenient: a generic tree with names
// compared without case, built by an own scanner, so that unescaped characters,
// wrong charset labels, control characters and cut bodies cost at most the field
// they stand in. Writing is strict: schema order, exact spelling, no white space,
// the declaration on the first byte.
//
// Typed views ([Keepalive], [CatalogResponse] and so on) are taken from a decoded
// [Message] and can be written back, so that a simulator speaks with them too.
//
// The package does no I/O and keeps no state. Bounding a body's size is the
// caller's; depth and number of elements are bounded here.
package manscdp
