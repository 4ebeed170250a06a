// Package talk speaks to devices: by broadcast, where the device is told of the
// sound and then invites us, and by talk, where we invite it (signalling.md
// sections 6.9 and 6.10). One [Switchboard] owns every talk; a channel has one at
// a time.
package talk
