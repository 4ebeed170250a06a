//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"time"
)

// Kinds of operation.
const (
	idle = iota
	registering
	authorizing
	keeping
)

const (
	windowLen = 512 // operations under way, at most
	firstWait = 500 * time.Millisecond
	refresh   = 20 * time.Minute // of a registration of an hour
	// tries of a request, each after twice the wait of the one before up to 4 s,
	// as RFC 3261 17.1.2.2 has it
	tries = 10
)

// device is an honest camera.
type device struct {
	sender
	op         uint8
	tries      uint8
	registered time.Time // last, zero before
	serial     uint32
	nonce      string
	notBefore  time.Time // told to come back later
}

// fleet is many honest devices, each with an address of its own. One goroutine
// at a time drives it.
type fleet struct {
	sock    *socket
	network byte // second byte of the addresses
	devices []device
	next    int
	open    int
	waiting [4][]expected // for answers, by the time they are given: 0.5, 1, 2 and 4 s

	asked   time.Time // when the server last asked something
	reports uint32

	Answered int // operations
	Lost     int // operations that were never answered
	Repeats  int // requests sent again
	Later    int // registrations told to come back later
	Wrong    map[string]int
}

type expected struct {
	index  int
	serial uint32
	until  time.Time
}

// openFleet makes devices that are numbered from first on.
func openFleet(server netip.AddrPort, network byte, first, n int) (*fleet, error) {
	sock, err := openSocket(server)
	if err != nil {
		return nil, err
	}
	f := &fleet{sock: sock, network: network, devices: make([]device, n), Wrong: make(map[string]int)}
	for i := range f.devices {
		f.devices[i].sender = sender{id: number(first + i), addr: [4]byte{127, network + byte(i>>16), byte(i >> 8), byte(i)}, port: sock.port}
	}
	return f, nil
}

func (f *fleet) close() { f.sock.close() }

// fault is what was wrong with the answers so far, nil for nothing.
func (f *fleet) fault() error {
	if f.Lost == 0 && len(f.Wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d operations of honest devices were not answered; wrong answers: %v", f.Lost, f.Answered+f.Lost, f.Wrong)
}

// work says what run shall do, until one of the last three has come about.
type work struct {
	kind  uint8   // registering: each device once; keeping
	rate  float64 // operations a second, 0 as many as are answered
	ops   int
	until <-chan struct{}
	quiet time.Duration // the server has asked nothing for so long
}

// run drives the fleet until its work is done and answered. Devices told to come
// back later do so.
func (f *fleet) run(ctx context.Context, w work) error {
	start, begun, over := time.Now(), 0, false
	f.asked = start
	for ctx.Err() == nil {
		now := time.Now()
		select {
		case <-w.until:
			over = true
		default:
		}
		over = over || w.ops > 0 && begun >= w.ops || w.quiet > 0 && now.Sub(f.asked) >= w.quiet
		if over && f.open == 0 {
			break
		}
		for sent := 0; !over && sent < batchLen && f.open < windowLen && (w.ops == 0 || begun < w.ops); sent++ {
			if w.rate > 0 && float64(begun) >= now.Sub(start).Seconds()*w.rate {
				break
			}
			i, left := f.pick(w.kind, now)
			if i < 0 {
				over = over || left == 0
				break
			}
			begun++
			kind := w.kind
			if now.Sub(f.devices[i].registered) > refresh {
				kind = registering
			}
			if err := f.begin(i, kind, now); err != nil {
				return err
			}
		}
		if err := f.sock.flush(); err != nil {
			return err
		}
		if err := f.sock.receive(2*time.Millisecond, f.take); err != nil {
			return err
		}
		if err := f.again(now); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// pick is a device that can begin an operation, -1 for none now; left is how many
// have still to.
func (f *fleet) pick(kind uint8, now time.Time) (i, left int) {
	for range f.devices {
		i = f.next
		if f.next++; f.next == len(f.devices) {
			f.next = 0
		}
		d := &f.devices[i]
		if kind == registering && !d.registered.IsZero() {
			continue
		}
		left++
		if d.op == idle && !now.Before(d.notBefore) {
			return i, left
		}
	}
	return -1, left
}

func (f *fleet) begin(i int, kind uint8, now time.Time) error {
	d := &f.devices[i]
	d.nonce = ""
	f.open++
	return f.ask(i, kind, now)
}

// ask sends the next request of an operation.
func (f *fleet) ask(i int, kind uint8, now time.Time) error {
	d := &f.devices[i]
	d.op, d.tries = kind, 0
	d.serial++
	return f.send(i, now)
}

func (f *fleet) send(i int, now time.Time) error {
	d := &f.devices[i]
	level := min(int(d.tries), len(f.waiting)-1)
	d.tries++
	f.waiting[level] = append(f.waiting[level], expected{i, d.serial, now.Add(firstWait << level)})
	b := f.sock.slot()
	if d.op == keeping {
		b = d.keepalive(b, d.serial)
	} else {
		b = d.register(b, d.serial, d.nonce, password)
	}
	return f.sock.send(d.addr, b)
}

// again repeats what was not answered in its time.
func (f *fleet) again(now time.Time) error {
	for level := range f.waiting {
		for len(f.waiting[level]) > 0 {
			e := f.waiting[level][0]
			d := &f.devices[e.index]
			if d.op != idle && d.serial == e.serial && now.Before(e.until) {
				break
			}
			f.waiting[level] = f.waiting[level][1:]
			switch {
			case d.op == idle || d.serial != e.serial:
			case d.tries == tries:
				f.Lost++
				f.finish(d)
			default:
				f.Repeats++
				if err := f.send(e.index, now); err != nil {
					return err
				}
			}
		}
	}
	return f.sock.flush()
}

func (f *fleet) finish(d *device) {
	d.op = idle
	f.open--
}

// take handles one datagram of the server's.
func (f *fleet) take(to [4]byte, b []byte) error {
	i := int(to[1]-f.network)<<16 | int(to[2])<<8 | int(to[3])
	if i >= len(f.devices) {
		f.Wrong["at no device's address"]++
		return nil
	}
	d := &f.devices[i]
	if !bytes.HasPrefix(b, []byte("SIP/2.0 ")) {
		return f.question(d, b)
	}
	r, ok := readReply(b)
	if !ok || d.op == idle || r.serial != d.serial {
		return nil // to a report, or to a request that was repeated
	}
	now := time.Now()
	switch {
	case d.op == registering && r.status == 401 && r.nonce != nil:
		d.nonce = string(r.nonce)
		return f.ask(i, authorizing, now)
	case d.op != keeping && r.status == 503 && r.after > 0:
		d.notBefore = now.Add(time.Duration(r.after) * time.Second)
		f.Later++
	case r.status == 200:
		if f.Answered++; d.op == authorizing {
			d.registered = now
		}
	default:
		f.Wrong[fmt.Sprintf("%d to a %s", r.status, [...]string{registering: "REGISTER", authorizing: "right password", keeping: "keepalive"}[d.op])]++
	}
	f.finish(d)
	return nil
}

// question answers a request of the server's, as a camera does.
func (f *fleet) question(d *device, b []byte) error {
	f.asked = time.Now()
	if err := f.sock.send(d.addr, answer(f.sock.slot(), b)); err != nil {
		return err
	}
	_, body, _ := bytes.Cut(b, []byte("\r\n\r\n"))
	if report := d.report(body); report != "" {
		return f.sock.send(d.addr, d.message(f.sock.slot(), f.report(), report))
	}
	return nil
}

// report is the serial of the next report; those of operations are lower.
func (f *fleet) report() uint32 {
	f.reports++
	return 1<<30 + f.reports
}
