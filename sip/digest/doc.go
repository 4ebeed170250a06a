// Package digest is SIP Digest authentication as GB/T 28181 devices speak it
// (RFC 2617, RFC 8760 and GB/T 28181-2022 9.1): a scanner of Authorization
// values that forgives what firmware gets wrong, the computation with MD5,
// SHA-256 and SM3, and nonces that carry their own proof, so that a challenge
// costs the server no memory. It does no I/O and starts no goroutine.
//
// The registrar uses the server's half, simulated devices the client's.
package digest
