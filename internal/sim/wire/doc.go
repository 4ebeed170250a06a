// Package wire is the plain SIP text of a simulated device (RFC 3261 section
// 7): a small scan of what the server sends, the cutting of a byte stream into
// messages, and the building of messages from strings. It knows no
// transactions. It shares no code with the server, so that a mistake in one is
// seen by the other.
package wire
