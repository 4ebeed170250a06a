// Package report takes what devices report of themselves: alarms and positions.
// Each is read, kept behind the answer, and told as an event: every alarm once,
// of the positions of a device the last in a second.
package report
