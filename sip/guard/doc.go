// Package guard decides who is heard. It keeps a budget of messages for each
// source and each network before anything is parsed, slows those who fail the
// password, bans those who go on, and knows from where devices are registered,
// so that strangers cost little and nobody pays for another address. It knows
// addresses and identifiers as text, and no cameras.
//
// A datagram's source can be forged. So nothing that came in a datagram alone
// bans an address: bans follow only what proves that its sender hears us, a
// failed password under a nonce that we gave it or garbage on a connection.
//
// Every table has a fixed size, and what is registered is never pushed out of
// one by strangers.
package guard
