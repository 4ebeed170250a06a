// Package reuse keeps what is made and thrown away often, so that it is made
// once: pools of message buffers, flows and requests that count what they do and
// have the size that the number of devices asks for.
//
// It differs from sync.Pool in three ways. A collection does not empty it, so a
// burst right after one finds its memory. Its size is ours: bounded by a share of
// memory.limit, and seen. And it knows what is out: an item returned twice is
// refused and counted, in race builds it panics, and memory used after it was
// returned panics there too.
//
// # Levels
//
// Messages are the memory a message needs from a socket to its answer. Flows are
// the state of a connection, a stream or a sender while it lasts. Requests are
// what waits for an answer. What the SIP library or the net package still holds
// when we are done with it (its messages, its transactions, connections) is not
// pooled: nobody tells when it was used last.
//
// # Sizes
//
// The least a pool must be able to keep is
//
//	devices × mean session ÷ period of the collector
//
// never under 8 and never more than fits its share of memory.limit, which wins
// where the two disagree. The mean session is the time an item is out, by
// Little's law: items out over time, divided by items taken. See [Keeper] for
// when sizes change.
//
// Of the tables, that of answers follows the model. Those that do not: package
// guard's, whose size is how many strangers are remembered, not devices; the trace,
// which has a key of its own (trace.memory); what was logged or repeated lately,
// where a collision costs a line or a second; the device table, which holds every
// device.
package reuse
