// Package siptest holds what tests of SIP code need: [Network], sockets that
// live in memory and obey a virtual clock, and [Device], a camera made of
// plain bytes that sends what it is told, records a transcript and shares no
// code with the server under test.
package siptest
