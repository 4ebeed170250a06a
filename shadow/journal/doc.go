// Package journal is the memory of what happened when, by device: the event
// stream of the console, replayed from any event still kept, the time line of a
// device, and what outside receivers have still to be told. It knows no device
// and judges nothing; who makes an event gives it its type and data.
//
// The newest events are in a ring in memory. A journal with a file keeps them
// in it for a time too, written behind in batches: whoever appends never waits
// for the disk. docs/journal.md has the layout of the file.
package journal
