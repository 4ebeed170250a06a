// Package gb28181 holds the nouns of GB/T 28181 as plain values: identifiers,
// type codes, editions, devices and channels. It does no I/O and starts no
// goroutine; the services below gb28181/ give the values their behaviour.
package gb28181
