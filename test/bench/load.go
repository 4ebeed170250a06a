//go:build linux

package main

import (
	"bytes"
	"context"
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	windowSize  = 512                    // operations under way, at most
	answerTime  = 500 * time.Millisecond // T1: what has no answer then counts as lost
	fleetNet    = 1                      // second byte of the cameras' addresses
	readerSlack = time.Millisecond       // longest wait while operations are under way
	pacedSlack  = 5 * time.Millisecond   // and while the pace leaves time
)

// fleet is many cameras behind one batched socket, each with an address of its
// own. One goroutine at a time drives it, by run.
type fleet struct {
	sock    *batchSocket
	cameras []camera
	answers *responder
	check   checker
	ha2     string
	echo    bool // the peer sends everything back instead of answering

	next    int
	open    int
	waiting []waiting // by time, from head on
	head    int
	auth    []byte

	faults faults
	counts counts
	done   atomic.Uint64 // operations, for those who watch
}

type waiting struct {
	index  int
	serial uint32
	at     time.Time
}

type counts struct {
	Ops  uint64 // finished: pairs or keepalives
	Sent uint64 // requests
	Lost uint64 // operations without an answer in time
	Late uint64 // answers after that
}

func openFleet(server netip.AddrPort, n int, zone *time.Location) (*fleet, error) {
	sock, err := openBatch(server)
	if err != nil {
		return nil, err
	}
	f := &fleet{sock: sock, check: checker{zone: zone}, ha2: registerHA2(), faults: faults{}}
	f.cameras = make([]camera, n)
	for i := range f.cameras {
		f.cameras[i] = newCamera(i, fleetNet, sock.port, "UDP")
	}
	f.answers = newResponder(f.cameras)
	return f, nil
}

func (f *fleet) close() {
	f.answers.close()
	f.sock.close()
}

// work says what run shall do.
type work struct {
	kind  uint8         // opRegister: pairs; opKeepalive; opNone: only answer
	ops   uint64        // as many, if not 0
	until time.Duration // for so long, if not 0
	rate  float64       // operations a second; 0 is as many as get answered
	stop  func() bool   // asked now and then; may be nil
}

// run drives the cameras until the work is done and its answers are in. What the
// server asks is answered all the time.
func (f *fleet) run(ctx context.Context, w work) (counts, error) {
	before, start := f.counts, time.Now()
	begun := uint64(0)
	now := start
	ended := func() bool {
		return ctx.Err() != nil || w.ops > 0 && begun >= w.ops || w.until > 0 && now.Sub(start) >= w.until || w.stop != nil && w.stop()
	}
	over := false
	for turn := 0; ; turn++ {
		now = time.Now()
		if turn&15 == 0 || w.rate > 0 {
			over = over || ended()
		}
		if over && f.open == 0 {
			break
		}
		sent := 0
		for !over && w.kind != opNone && f.open < windowSize && sent < batchSize && (w.ops == 0 || begun < w.ops) {
			if w.rate > 0 && float64(begun) >= now.Sub(start).Seconds()*w.rate {
				break
			}
			began, err := f.begin(w.kind, now)
			if err != nil {
				return counts{}, err
			}
			if !began {
				break
			}
			begun++
			sent++
		}
		if err := f.answers.tick(now, f.sock.send); err != nil {
			return counts{}, err
		}
		if err := f.sock.flush(); err != nil {
			return counts{}, err
		}
		wait := time.Duration(0)
		if sent == 0 && w.rate > 0 {
			wait = pacedSlack
		} else if sent == 0 {
			wait = readerSlack
		}
		if err := f.sock.receive(wait, f.take); err != nil {
			return counts{}, err
		}
		if err := f.sock.flush(); err != nil {
			return counts{}, err
		}
		f.expire(now)
	}
	c := f.counts
	return counts{c.Ops - before.Ops, c.Sent - before.Sent, c.Lost - before.Lost, c.Late - before.Late}, context.Cause(ctx)
}

// begin starts an operation of the next camera that has none under way.
func (f *fleet) begin(kind uint8, now time.Time) (bool, error) {
	for range f.cameras {
		c := &f.cameras[f.next]
		if f.next++; f.next == len(f.cameras) {
			f.next = 0
		}
		if c.op != opNone {
			continue
		}
		c.serial++
		c.op = kind
		b := f.sock.slot()
		if kind == opRegister {
			c.op = opChallenge
			c.cseq++
			b = c.appendRegister(b, nil)
		} else {
			b = c.appendKeepalive(b)
		}
		f.open++
		f.waiting = append(f.waiting, waiting{c.index, c.serial, now})
		f.counts.Sent++
		return true, f.sock.send(c.addr, b)
	}
	return false, nil
}

// take handles one datagram from the server.
func (f *fleet) take(to [4]byte, b []byte) error {
	if f.echo {
		return f.takeEcho(b)
	}
	if !bytes.HasPrefix(b, []byte("SIP/2.0 ")) {
		i := int(to[2])<<8 | int(to[3])
		if to[0] != 127 || to[1] != fleetNet || i >= len(f.cameras) {
			f.faults.add("request to an address without a camera")
			return nil
		}
		return f.answers.request(&f.cameras[i], b, f.sock.send)
	}
	a, err := scanAnswer(b)
	if err != nil {
		f.faults.add(err.Error())
		return nil
	}
	index, serial, ok := readBranch(a.branch)
	if !ok {
		if !f.answers.answered(&a) {
			f.faults.add("answer to nothing")
		}
		return nil
	}
	if index >= len(f.cameras) || f.cameras[index].addr != to {
		f.faults.add("answer to another camera's address")
		return nil
	}
	c := &f.cameras[index]
	if c.op == opNone || serial != c.serial {
		f.counts.Late++
		return nil
	}
	now := time.Now()
	if fault := f.check.check(c, &a, now); fault != "" {
		f.faults.add(fault)
		f.finish(c)
		return nil
	}
	if c.op == opChallenge {
		nonce := quoted(a.challenge, "nonce")
		c.nonce = string(nonce)
		c.cseq++
		c.serial++
		c.op = opRegister
		f.auth = c.appendAuthorization(f.auth[:0], nonce, f.ha2)
		f.waiting = append(f.waiting, waiting{c.index, c.serial, now})
		f.counts.Sent++
		return f.sock.send(c.addr, c.appendRegister(f.sock.slot(), f.auth))
	}
	f.finish(c)
	f.counts.Ops++
	f.done.Add(1)
	return nil
}

// takeEcho counts what the floor sent back.
func (f *fleet) takeEcho(b []byte) error {
	from := bytes.Index(b, []byte("z9hG4bKb"))
	if from < 0 {
		f.faults.add("echo of nothing")
		return nil
	}
	branch, _, _ := bytes.Cut(b[from:], []byte("\r\n"))
	index, serial, ok := readBranch(branch)
	if !ok || index >= len(f.cameras) || f.cameras[index].serial != serial || f.cameras[index].op == opNone {
		f.counts.Late++
		return nil
	}
	f.finish(&f.cameras[index])
	f.counts.Ops++
	return nil
}

func (f *fleet) finish(c *camera) {
	c.op = opNone
	f.open--
}

// expire gives up what waited too long.
func (f *fleet) expire(now time.Time) {
	for f.head < len(f.waiting) && now.Sub(f.waiting[f.head].at) > answerTime {
		w := &f.waiting[f.head]
		f.head++
		if c := &f.cameras[w.index]; c.op != opNone && c.serial == w.serial {
			f.finish(c)
			f.counts.Lost++
		}
	}
	for f.head < len(f.waiting) { // what is answered need not wait
		w := &f.waiting[f.head]
		if c := &f.cameras[w.index]; c.op != opNone && c.serial == w.serial {
			break
		}
		f.head++
	}
	if f.head > 1<<14 {
		f.waiting = append(f.waiting[:0], f.waiting[f.head:]...)
		f.head = 0
	}
}
