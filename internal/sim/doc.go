// Package sim simulates GB/T 28181 cameras and recorders as real ones behave:
// they register with Digest, send keepalives, answer queries and controls, keep
// subscriptions and send real MPEG-PS over UDP and TCP. Commands `sim` and
// `demo`, tests and benchmarks use it.
//
// Thousands of devices cost little: a device is a row, timed by one heap for
// each of a few loops, without a goroutine or timer of its own; only a TCP
// connection and a UDP socket of its own have one. The devices share no code
// with the server's SIP and Digest and no handler, so that a mistake in one side
// is seen by the other; of the codecs in gb28181 they use what literal bytes
// prove. Named quirks make them misbehave as devices in the field do.
package sim
