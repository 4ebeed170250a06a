// Package catalog owns the channels of every device. It asks a device for its
// catalog, puts the answer together from any number of parts in any order, asks
// again for what is missing, and applies the changes that devices report. It
// never forgets a channel because of a partial or unsolicited answer, and one bad
// item costs only itself (signalling.md sections 3.6 and 5.4).
//
// It also answers for the resource tree, one level at a time (section 1.6).
// Package store keeps its channels, package command sends its questions.
package catalog
