//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"time"
)

// Second bytes of the addresses, of which each has 65,536 and those with more
// devices or sources take the next ones too.
const (
	honestNet   = 1
	newcomerNet = 8
	rogueNet    = 12
	halfNet     = 13
	bodyNet     = 14
	streamNet   = 15
	forgedNet   = 64
	manyNet     = 128
	fewNet      = 192
	garbageNet  = 193
)

// flood is datagrams that want no answer.
type flood struct {
	n    int
	over time.Duration
	from func(i int) [4]byte
	text func(b []byte, s *sender, i int) []byte
}

// run sends them at an even pace.
func (fl flood) run(ctx context.Context, server netip.AddrPort) error {
	sock, err := openSocket(server)
	if err != nil {
		return err
	}
	defer sock.close()
	start := time.Now()
	for i := range fl.n {
		if i%batchLen == 0 {
			if ahead := time.Duration(float64(fl.over)*float64(i)/float64(fl.n)) - time.Since(start); ahead > time.Millisecond {
				time.Sleep(ahead)
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		s := sender{id: stranger(), addr: fl.from(i), port: sock.port}
		// a socket that refuses one of these may do so
		if err := sock.send(s.addr, fl.text(sock.slot(), &s, i)); err != nil && !errors.Is(err, syscall.EMSGSIZE) {
			return err
		}
	}
	return sock.flush()
}

// spread is an address of its own for each of very many numbers.
func spread(network byte, i int) [4]byte {
	return [4]byte{127, network + byte(i>>16), byte(i >> 8), byte(i)}
}

// stranger is an ID that no honest device has.
func stranger() string { return fmt.Sprintf("3402000000132%07d", 1_000_000+rand.IntN(9_000_000)) }

// strangers are REGISTERs of unknown devices, half of them from many addresses
// and half from four.
func strangers(n int, over time.Duration) flood {
	return flood{n: n, over: over,
		from: func(i int) [4]byte {
			if i%2 == 0 {
				return spread(manyNet, i%50_000)
			}
			return spread(fewNet, i/2%4)
		},
		text: func(b []byte, s *sender, i int) []byte { return s.register(b, uint32(i), "", "") },
	}
}

// forged are messages from as many sources.
func forged(n int, over time.Duration) flood {
	return flood{n: n, over: over,
		from: func(i int) [4]byte { return spread(forgedNet, i) },
		text: func(b []byte, s *sender, i int) []byte {
			switch i % 4 {
			case 0:
				return s.register(b, uint32(i), "", "")
			case 1:
				return s.keepalive(b, uint32(i))
			case 2:
				return append(s.request(b, "OPTIONS", serverID, uint32(i)), "Content-Length: 0\r\n\r\n"...)
			}
			return fmt.Appendf(b, "\x01%d no SIP at all", i)
		},
	}
}
