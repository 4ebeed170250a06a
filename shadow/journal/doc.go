// Package journal is the bounded memory of what happened when, by device: the
// event stream of the console, replayed from any event still kept. It knows no
// device and judges nothing; who makes an event gives it its type and data.
package journal
