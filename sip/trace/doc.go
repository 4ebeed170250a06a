// Package trace keeps the SIP messages of the recent past in fixed memory and
// shows them: by device, as a ladder, or as a pcap file.
//
// Signalling goes into a ring of bytes from which the oldest messages fall out.
// REGISTER and keepalive exchanges would wash everything else away, so they are
// counted per device instead, and only the last three of each kind are kept,
// but of peers that are watched all, whole, for as long as that was asked for.
// Nothing is indexed when a message is added: a query scans. What leaves the
// package is redacted unless it is asked for otherwise: Digest responses,
// passwords, tokens and media keys are replaced by asterisks of equal number, so
// lengths stay true.
//
// Package sip/intake adds the messages; the console and the support bundle ask.
package trace
