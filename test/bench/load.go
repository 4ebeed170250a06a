//go:build linux

package main

import (
	"bytes"
	"context"
	"net/netip"
	"slices"
	"time"
)

const (
	windowSize  = 512                    // operations under way, at most, where the server sets the pace
	answerTime  = 500 * time.Millisecond // T1: what has no answer then counts as lost
	fleetNet    = 1                      // second byte of the first cameras' addresses
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
	keeping int // the camera whose keepalive is next beside other work
	open    int
	waiting []waiting // by time, from head on
	head    int
	auth    []byte

	took   []int32 // µs of each operation of a run that is timed
	timed  bool
	faults faults
	counts counts
}

type waiting struct {
	index  int
	serial uint32
	at     time.Time
}

type counts struct {
	Begun uint64 // operations: pairs or keepalives
	Ops   uint64 // of these, well answered
	Sent  uint64 // requests
	Lost  uint64 // operations without an answer in time
	Later uint64 // of the lost, those that were asked to come back later (503 with Retry-After)
	Late  uint64 // answers after that time
}

func (c counts) minus(o counts) counts {
	return counts{c.Begun - o.Begun, c.Ops - o.Ops, c.Sent - o.Sent, c.Lost - o.Lost, c.Later - o.Later, c.Late - o.Late}
}

func openFleet(server netip.AddrPort, n int, check checker) (*fleet, error) {
	sock, err := openBatch(server)
	if err != nil {
		return nil, err
	}
	f := &fleet{sock: sock, check: check, ha2: registerHA2(), faults: faults{}}
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
	kind   uint8         // opRegister: pairs; opKeepalive; opNone: only answer
	ops    uint64        // as many, if not 0
	until  time.Duration // for so long, if not 0
	rate   float64       // operations a second, answered or not; 0 is as many as get answered
	timed  bool          // the time of each operation is kept
	gather bool          // answers gather a while, so that none of them has to wake the driver
	fresh  bool          // only cameras that are not registered yet, and no more under way than the server answers
	keep   float64       // beside it, keepalives a second of those that are
	stop   func() bool   // asked now and then; may be nil
}

// load is what a run did.
type load struct {
	counts
	Lasted time.Duration // until the last operation began
	P99    time.Duration // of the operations, where they are timed
}

// run drives the cameras until the work is done and its answers are in. What the
// server asks is answered all the time.
func (f *fleet) run(ctx context.Context, w work) (l load, err error) {
	before, start := f.counts, time.Now()
	f.timed, f.took = w.timed, f.took[:0]
	begun, kept := uint64(0), uint64(0)
	now := start
	ended := func() bool {
		return ctx.Err() != nil || w.ops > 0 && begun >= w.ops || w.until > 0 && now.Sub(start) >= w.until || w.stop != nil && w.stop()
	}
	most := windowSize
	if w.rate > 0 && !w.fresh {
		most = len(f.cameras)
	}
	over := false
	for turn := 0; ; turn++ {
		now = time.Now()
		if !over && (turn&15 == 0 || w.rate > 0) && ended() {
			over, l.Lasted = true, now.Sub(start)
		}
		if over && f.open == 0 {
			break
		}
		sent, idle := 0, false
		for !over && w.kind != opNone && f.open < most && sent < batchSize && (w.ops == 0 || begun < w.ops) {
			if w.rate > 0 && float64(begun) >= now.Sub(start).Seconds()*w.rate {
				break
			}
			began, err := f.begin(w, now)
			if err != nil {
				return l, err
			}
			if idle = !began; idle {
				break
			}
			begun++
			sent++
		}
		for ; !over && float64(kept) < now.Sub(start).Seconds()*w.keep; kept++ {
			if err := f.keepOne(now); err != nil {
				return l, err
			}
		}
		if err := f.answers.tick(now, f.sock.send); err != nil {
			return l, err
		}
		if err := f.sock.flush(); err != nil {
			return l, err
		}
		wait := time.Duration(0)
		if w.gather && sent < batchSize {
			f.sock.gather()
		} else if idle { // every camera has one under way or was asked to come back later
			wait = pacedSlack
		} else if sent == 0 && w.rate > 0 && !over && f.open < most {
			due := time.Duration(float64(begun) / w.rate * float64(time.Second))
			wait = min(pacedSlack, max(0, due-time.Since(start)))
		} else if sent == 0 {
			wait = readerSlack
		}
		if err := f.sock.receive(wait, f.take); err != nil {
			return l, err
		}
		if err := f.sock.flush(); err != nil {
			return l, err
		}
		f.expire(now)
	}
	slices.Sort(f.took)
	l.counts, l.P99 = f.counts.minus(before), time.Duration(percentile(f.took, 0.99))*time.Microsecond
	return l, context.Cause(ctx)
}

// begin starts an operation of the next camera that has none under way.
func (f *fleet) begin(w work, now time.Time) (bool, error) {
	for range f.cameras {
		c := &f.cameras[f.next]
		if f.next++; f.next == len(f.cameras) {
			f.next = 0
		}
		if c.op != opNone || w.fresh && c.registered || now.Before(c.notBefore) {
			continue
		}
		return true, f.start(c, w.kind, now)
	}
	return false, nil
}

// keepOne sends the keepalive of the next camera, if it is registered and free.
func (f *fleet) keepOne(now time.Time) error {
	c := &f.cameras[f.keeping]
	if f.keeping++; f.keeping == len(f.cameras) {
		f.keeping = 0
	}
	if !c.registered || c.op != opNone {
		return nil
	}
	return f.start(c, opKeepalive, now)
}

func (f *fleet) start(c *camera, kind uint8, now time.Time) error {
	c.serial++
	c.op = kind
	c.since = now
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
	f.counts.Begun++
	f.counts.Sent++
	return f.sock.send(c.addr, b)
}

// take handles one datagram from the server.
func (f *fleet) take(to [4]byte, b []byte) error {
	if f.echo {
		return f.takeEcho(b)
	}
	if !bytes.HasPrefix(b, []byte("SIP/2.0 ")) {
		i := int(to[1]-fleetNet)<<16 | int(to[2])<<8 | int(to[3])
		if to[0] != 127 || i >= len(f.cameras) {
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
	if a.status == 503 && a.retry > 0 && c.op != opKeepalive {
		c.notBefore = now.Add(a.retry)
		f.finish(c)
		f.counts.Lost++
		f.counts.Later++
		return nil
	}
	if fault := f.check.check(c, &a, now); fault != "" {
		f.faults.add(fault)
		f.finish(c)
		return nil
	}
	if c.op == opChallenge {
		return f.authenticate(c, quoted(a.challenge, "nonce"), now)
	}
	f.succeed(c, now)
	return nil
}

// authenticate sends the second request of a pair.
func (f *fleet) authenticate(c *camera, nonce []byte, now time.Time) error {
	c.nonce = string(nonce)
	c.cseq++
	c.serial++
	c.op = opRegister
	f.auth = c.appendAuthorization(f.auth[:0], nonce, f.ha2)
	f.waiting = append(f.waiting, waiting{c.index, c.serial, now})
	f.counts.Sent++
	return f.sock.send(c.addr, c.appendRegister(f.sock.slot(), f.auth))
}

var echoNonce = []byte("00000000000000000000000000000000")

// takeEcho takes what the floor sent back for the answer.
func (f *fleet) takeEcho(b []byte) error {
	a, err := scanFields(b)
	if err != nil {
		f.faults.add(err.Error())
		return nil
	}
	index, serial, ok := readBranch(a.branch)
	if !ok || index >= len(f.cameras) || f.cameras[index].serial != serial || f.cameras[index].op == opNone {
		f.counts.Late++
		return nil
	}
	c := &f.cameras[index]
	if c.op == opChallenge {
		return f.authenticate(c, echoNonce, time.Now())
	}
	f.succeed(c, time.Now())
	return nil
}

func (f *fleet) succeed(c *camera, now time.Time) {
	if f.timed {
		f.took = append(f.took, int32(now.Sub(c.since).Microseconds()))
	}
	c.registered = c.registered || c.op == opRegister
	f.finish(c)
	f.counts.Ops++
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
