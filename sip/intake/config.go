package intake

import (
	"time"

	"fengsui/internal/lease"
	"fengsui/internal/reuse"
	"fengsui/sip/flow"
)

// Config bounds what peers may cost. A zero field takes its default.
type Config struct {
	// MaxMessageTCP is the most bytes of one message over TCP or TLS; default
	// 8 MiB, which a catalog of 10,000 items needs. The connection that sends more is
	// answered 413 where that is possible, or closed.
	MaxMessageTCP int
	// MaxBody is the most bytes of a body, over any transport; default
	// MaxMessageTCP less 64 KiB. A larger one is answered 413.
	MaxBody int
	// MaxPartial is the most bytes of all unfinished messages over 4 KiB
	// together; default 256 MiB. The connection that would exceed it is closed.
	MaxPartial int64
	// Conns is the most connections at once, ConnsPerIP from one address (of
	// IPv6 one /64); defaults 100,000 and 4,096. More are refused. Sites behind
	// NAT come from one address: a low ConnsPerIP locks cameras out.
	Conns, ConnsPerIP int
	// IdleTCP is how long a connection may be silent, at least; default 10 min. It
	// ends at most an eighth of that later. It must be longer than the longest
	// keepalive interval of any device.
	IdleTCP time.Duration
	// MessageTCP is how long a message may take from its first byte to its last, and
	// a new connection to its first message; default 30 s.
	MessageTCP time.Duration
	// WriteTimeout is how long a peer may refuse to take bytes before its
	// connection is closed; default 10 s.
	WriteTimeout time.Duration
	// RateTCP is how many messages a second one connection may send; default
	// 20,000. One that sends more is read more slowly and loses nothing. What an
	// address may send over all its connections is the guard's.
	RateTCP int
	// Answers is how many answers are kept for retransmissions over UDP, for
	// 32 s each, an eighth of them to strangers, as long as Reuse is nil; default
	// 65,536. They take about 500 bytes each. When a newer one takes its place
	// early, a retransmission is answered anew.
	Answers int
	// Reuse sizes the pools and how many answers are kept; nil: pools stay at
	// their smallest.
	Reuse *reuse.Keeper
	// ReadBuffer is asked of the system for each UDP socket; default 8 MiB.
	// Smaller ones lose datagrams in bursts.
	ReadBuffer int
	// Device names a device that is bound to a connection, "" when none is; nil:
	// that is not known. It must not block.
	Device func(flow.Flow) string
	// Leases knows the connections, and closes those that are of no device and
	// carry nothing. nil: nobody watches for leaks. It needs Device.
	Leases *lease.Book
}

func (c Config) withDefaults() Config {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	wait := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&c.MaxMessageTCP, 8<<20)
	set(&c.MaxBody, max(c.MaxMessageTCP-maxHead, c.MaxMessageTCP/2))
	set(&c.Conns, 100_000)
	set(&c.ConnsPerIP, 4096)
	set(&c.RateTCP, 20_000)
	set(&c.Answers, 1<<16)
	set(&c.ReadBuffer, 8<<20)
	wait(&c.IdleTCP, 10*time.Minute)
	wait(&c.MessageTCP, 30*time.Second)
	wait(&c.WriteTimeout, 10*time.Second)
	if c.MaxPartial <= 0 {
		c.MaxPartial = 256 << 20
	}
	return c
}
