//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"fengsui/internal/sim/wire"
	"fengsui/test/bench/report"
)

const (
	tcpNet   = 2               // second byte of the addresses
	tcpRate  = 1000            // connections a second
	tcpAlive = 2 * time.Minute // of keepalives
)

// tcpIdle: many cameras over TCP that only keep alive.
func tcpIdle(ctx context.Context, b *bench) (*result, error) {
	once := *b
	once.rounds = 1
	rounds, notes, err := repeat(ctx, &once, "10,000 TCP devices", resident, func(ctx context.Context) (population, span, error) {
		return tcpOnce(ctx, b)
	})
	if err != nil {
		return nil, err
	}
	p := middle(rounds, func(p population) float64 { return float64(p.worst()) }).value
	return &result{
		rows: []report.Row{
			report.Plain("10,000 devices over TCP, registered, catalogued and idle: resident memory", megabytes(p.worst())),
			report.Plain("— when the last catalog was in, after two more minutes of keepalives, peak", fmt.Sprintf("%s, %s, %s", megabytes(p.Complete.RSS), megabytes(p.Later.RSS), megabytes(p.Later.Peak))),
			report.Plain("— CPU while they only keep alive, 167 a second", fmt.Sprintf("%.3f core", p.IdleShare)),
		},
		notes: append(notes, "Measured once. A connection and a source address for each device. The kernel's own memory for the connections is not in RSS."),
	}, nil
}

// tcpCamera is one connection.
type tcpCamera struct {
	mu     sync.Mutex // guards the camera and the writing
	camera camera
	conn   net.Conn
	up     chan error // told once, when registered or failed
	told   bool
}

func tcpOnce(ctx context.Context, b *bench) (p population, sp span, err error) {
	s, err := startServer(ctx, b)
	if err != nil {
		return p, sp, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if p.EmptyServer, err = processMemory(s.pid()); err != nil {
		return p, sp, err
	}
	all := make([]*tcpCamera, deviceCount)
	var readers sync.WaitGroup
	defer func() {
		for _, t := range all {
			if t != nil {
				_ = t.conn.Close()
			}
		}
		readers.Wait()
	}()
	t := &tcpFleet{check: checker{zone: b.zone}, answers: newResponder(nil), faults: faults{}, ha2: registerHA2()}
	start := time.Now()
	err = inParallel(ctx, deviceCount, 32, func(ctx context.Context, i int) error {
		if d := time.Until(start.Add(time.Duration(i) * time.Second / tcpRate)); d > 0 {
			if err := sleep(ctx, d); err != nil {
				return err
			}
		}
		c := newCamera(i, tcpNet, 0, "TCP")
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: c.addr[:]}, Timeout: 10 * time.Second}
		conn, err := d.DialContext(ctx, "tcp4", s.sip.String())
		if err != nil {
			return fmt.Errorf("connect camera %d: %w", i, err)
		}
		c.setPort(uint16(conn.LocalAddr().(*net.TCPAddr).Port))
		k := &tcpCamera{camera: c, conn: conn, up: make(chan error, 1)}
		all[i] = k
		readers.Go(func() { k.tell(t.read(k)) })
		if err := k.begin(opRegister); err != nil {
			return err
		}
		select {
		case err := <-k.up:
			return err
		case <-time.After(10 * time.Second):
			return fmt.Errorf("camera %d is not registered after 10 s", i)
		}
	})
	if err != nil {
		return p, sp, err
	}
	p.Registered = time.Since(start)
	stop := t.background(ctx, all)
	ended := false
	defer func() {
		if !ended {
			err = errors.Join(err, stop())
		}
	}()
	if err := s.waitComplete(ctx, deviceCount, catalogTime); err != nil {
		return p, sp, err
	}
	p.Took = time.Since(start)
	if p.Complete, err = processMemory(s.pid()); err != nil {
		return p, sp, err
	}
	if err := s.settle(ctx, catalogTime); err != nil {
		return p, sp, err
	}
	if p.Later, sp, err = s.idle(ctx, b.cores, tcpAlive); err != nil {
		return p, sp, err
	}
	p.IdleShare = sp.ServerShare()
	ended = true
	if err := stop(); err != nil {
		return p, sp, err
	}
	now, err := s.system(ctx)
	if err == nil && now.Counts.Devices.Online != deviceCount {
		err = fmt.Errorf("%d of %d devices are online at the end", now.Counts.Devices.Online, deviceCount)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.faults) > 0 {
		err = errors.Join(err, fmt.Errorf("wrong answers: %v", t.faults))
	}
	p.Keepalives = t.kept
	return p, sp, err
}

// tcpFleet is what all connections share.
type tcpFleet struct {
	ha2 string

	mu      sync.Mutex // guards what follows
	check   checker
	answers *responder
	faults  faults
	kept    uint64
}

// background sends keepalives of all, each once a minute, until stop.
func (t *tcpFleet) background(ctx context.Context, all []*tcpCamera) (stop func() error) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan error, 1)
	go func() {
		start := time.Now()
		for n := 0; ; n++ {
			if err := sleep(ctx, time.Until(start.Add(time.Duration(n)*time.Minute/time.Duration(len(all))))); err != nil {
				done <- err
				return
			}
			if err := all[n%len(all)].begin(opKeepalive); err != nil {
				done <- err
				return
			}
		}
	}()
	return func() error {
		cancel(errEnough)
		if err := <-done; !errors.Is(err, errEnough) {
			return err
		}
		return nil
	}
}

// begin starts an operation. One that still waits is a keepalive without answer.
func (k *tcpCamera) begin(kind uint8) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.camera.op != opNone {
		return fmt.Errorf("camera %d got no answer", k.camera.index)
	}
	k.camera.serial++
	var b []byte
	if kind == opRegister {
		k.camera.cseq++
		k.camera.op = opChallenge
		b = k.camera.appendRegister(nil, nil)
	} else {
		k.camera.op = opKeepalive
		b = k.camera.appendKeepalive(nil)
	}
	return k.write([4]byte{}, b)
}

// write needs mu.
func (k *tcpCamera) write(_ [4]byte, b []byte) error {
	_, err := k.conn.Write(b)
	return err
}

func (k *tcpCamera) tell(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.told {
		k.told = true
		k.up <- err
	}
}

// read takes messages until the connection ends.
func (t *tcpFleet) read(k *tcpCamera) error {
	var data []byte
	buf := make([]byte, 4096)
	for {
		n, err := k.conn.Read(buf)
		if err != nil {
			return fmt.Errorf("connection of camera %d: %w", k.camera.index, err)
		}
		data = append(data, buf[:n]...)
		for {
			skip, size, ok, err := wire.Frame(data)
			if err != nil {
				return fmt.Errorf("camera %d: %w", k.camera.index, err)
			}
			data = data[skip:]
			if !ok {
				break
			}
			if err := t.take(k, data[:size]); err != nil {
				return err
			}
			data = data[size:]
		}
		if len(data) == 0 {
			data = nil
		}
	}
}

func (t *tcpFleet) take(k *tcpCamera, b []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &k.camera
	if !bytes.HasPrefix(b, []byte("SIP/2.0 ")) {
		return t.answers.request(c, b, k.write)
	}
	a, err := scanAnswer(b)
	if err != nil {
		return err
	}
	index, serial, ok := readBranch(a.branch)
	if !ok {
		if !t.answers.answered(&a) {
			t.faults.add("answer to nothing")
		}
		return nil
	}
	if index != c.index || serial != c.serial || c.op == opNone {
		t.faults.add("answer to another request")
		return nil
	}
	if fault := t.check.check(c, &a, time.Now()); fault != "" {
		t.faults.add(fault)
		c.op = opNone
		return fmt.Errorf("camera %d: %s", c.index, fault)
	}
	switch c.op {
	case opChallenge:
		c.nonce = string(quoted(a.challenge, "nonce"))
		c.cseq++
		c.serial++
		c.op = opRegister
		return k.write(c.addr, c.appendRegister(nil, c.appendAuthorization(nil, []byte(c.nonce), t.ha2)))
	case opRegister:
		if !k.told {
			k.told = true
			k.up <- nil
		}
	case opKeepalive:
		t.kept++
	}
	c.op = opNone
	return nil
}
