// Package breaker decides whether a peer that fails is worth another call: closed
// while calls succeed, open for a while when too few do, half open when one call may
// find out. It is pure: time is passed in, nothing runs by itself, and its caller
// guards it with the lock of whatever it belongs to.
//
//	closed ── too few of the window's calls succeed ──> open
//	open ── its pause is over, and somebody asks ──> half open: one probe
//	half open ── the probe succeeds ──> closed, with an empty window
//	half open ── the probe fails or is lost ──> open, for a longer pause
//
// An operator may force it open or closed, for a time: after it, it is closed with an
// empty window.
package breaker
