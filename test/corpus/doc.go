// Package corpus holds a test only: every message of RFC 4475, the torture test
// of SIP, with what it must get from a registrar of GB/T 28181, byte for byte
// through sip/intake alone and through a running sip.Endpoint.
package corpus
