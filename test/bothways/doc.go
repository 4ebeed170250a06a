// Package bothways holds a test only. A REGISTER or keepalive is answered in one
// of two ways: by sip/intake in the pass that read it, or, when the intake hands
// it on, by sipgo's mux, which asks the same registrar. The test sends the same
// random messages into a house with the first way and into one without, under one
// virtual clock, and compares what the two do byte for byte.
package bothways
