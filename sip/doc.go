// Package sip is the server's side of SIP: [Endpoint] binds the listeners,
// answers through registered handlers, sends requests with Digest, and keeps
// INVITE dialogs ([Dialog]) and SUBSCRIBE dialogs ([Subscription]) with a
// peer. It is the only package that imports sipgo, whose transport and
// transaction layers it drives; what sipgo reads has been framed and repaired
// by sip/intake before. It knows no cameras.
//
// RFC 3261, 3428, 3581, 6026, 6665; GB/T 28181-2022 clause 4.3 and annex M.
package sip
