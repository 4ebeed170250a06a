//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"fengsui/internal/sim/wire"
)

const (
	tcpNet     = 2    // second byte of the addresses
	tcpConnect = 1000 // connections a second
	tcpWait    = 10 * time.Second
)

// tcpFleet is many cameras, each behind a connection of its own from an address
// of its own.
type tcpFleet struct {
	cameras []*tcpCamera
	readers sync.WaitGroup
	ha2     string

	mu      sync.Mutex // guards what follows
	check   checker
	answers *responder
	faults  faults
	kept    uint64
	ended   error   // of the first connection that ended
	took    []int32 // µs of each keepalive, while timed
	timed   bool
}

// tcpCamera is one connection.
type tcpCamera struct {
	mu     sync.Mutex // guards the camera and the writing
	camera camera
	conn   net.Conn
	up     chan error // told once, when registered or failed
	told   bool
}

// connectFleet connects and registers n cameras.
func connectFleet(ctx context.Context, server netip.AddrPort, n int, check checker) (*tcpFleet, error) {
	t := &tcpFleet{cameras: make([]*tcpCamera, n), check: check, answers: newResponder(nil), faults: faults{}, ha2: registerHA2()}
	start := time.Now()
	err := inParallel(ctx, n, 32, func(ctx context.Context, i int) error {
		if d := time.Until(start.Add(time.Duration(i) * time.Second / tcpConnect)); d > 0 {
			if err := sleep(ctx, d); err != nil {
				return err
			}
		}
		return t.connect(ctx, server, i)
	})
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *tcpFleet) connect(ctx context.Context, server netip.AddrPort, i int) error {
	c := newCamera(i, tcpNet, 0, "TCP")
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: c.addr[:]}, Timeout: tcpWait}
	conn, err := d.DialContext(ctx, "tcp4", server.String())
	if err != nil {
		return fmt.Errorf("connect camera %d: %w", i, err)
	}
	c.setPort(uint16(conn.LocalAddr().(*net.TCPAddr).Port))
	k := &tcpCamera{camera: c, conn: conn, up: make(chan error, 1)}
	t.cameras[i] = k
	t.readers.Go(func() {
		err := t.read(k)
		if !k.tell(err) {
			t.end(err)
		}
	})
	if err := k.begin(opRegister); err != nil {
		return err
	}
	select {
	case err := <-k.up:
		return err
	case <-time.After(tcpWait):
		return fmt.Errorf("camera %d is not registered after %v", i, tcpWait)
	}
}

func (t *tcpFleet) close() {
	for _, k := range t.cameras {
		if k != nil {
			_ = k.conn.Close()
		}
	}
	t.readers.Wait()
}

// background sends keepalives of all, each once a minute, until stop.
func (t *tcpFleet) background(ctx context.Context) (stop func() error) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan error, 1)
	go func() {
		_, err := t.keepAlive(ctx, float64(len(t.cameras))/60, math.MaxInt64)
		done <- err
	}()
	return func() error {
		cancel(errEnough)
		if err := <-done; !errors.Is(err, errEnough) {
			return err
		}
		return nil
	}
}

// keepAlive sends perSec keepalives a second for d, and says how many began. A
// camera that waits for an answer is left out, so that fewer begin when the
// server is slow.
func (t *tcpFleet) keepAlive(ctx context.Context, perSec float64, d time.Duration) (begun uint64, err error) {
	next := 0
	for start := time.Now(); time.Since(start) < d; {
		due := uint64(time.Since(start).Seconds() * perSec)
		for range t.cameras {
			if begun >= due {
				break
			}
			k := t.cameras[next]
			next = (next + 1) % len(t.cameras)
			switch err := k.begin(opKeepalive); {
			case errors.Is(err, errWaits):
			case err != nil:
				return begun, errors.Join(err, t.wrong())
			default:
				begun++
			}
		}
		at := start.Add(time.Duration(float64(begun+1) / perSec * float64(time.Second)))
		if err := sleep(ctx, max(time.Millisecond, time.Until(at))); err != nil {
			return begun, err
		}
	}
	return begun, nil
}

// measure sends keepalives and says what they cost the process that answers.
func (t *tcpFleet) measure(ctx context.Context, b *bench, p *process, perSec float64, d time.Duration) (r rate, sp span, err error) {
	t.time(true)
	before, err := read(p.pid())
	if err != nil {
		return r, sp, err
	}
	begun, err := t.keepAlive(ctx, perSec, d)
	if err != nil {
		return r, sp, err
	}
	after, err := read(p.pid())
	if err != nil {
		return r, sp, err
	}
	sp = between(before, after, b.cores)
	if err := sleep(ctx, answerTime); err != nil {
		return r, sp, err
	}
	took := t.time(false)
	if err := t.wrong(); err != nil {
		return r, sp, err
	}
	ops := float64(len(took))
	r = rate{
		Asked: perSec, Offered: float64(begun) / d.Seconds(), PerSec: ops / d.Seconds(), P99: time.Duration(percentile(took, 0.99)) * time.Microsecond,
		Loss: math.Max(0, float64(begun)-ops) / math.Max(float64(begun), 1), Micros: float64(sp.Server.Microseconds()) / math.Max(ops, 1), Server: sp.ServerShare(), Driver: sp.DriverShare(),
	}
	r.RSS, err = sharedMemory(p.pid())
	return r, sp, err
}

// time starts or ends timing; what was timed is returned in order.
func (t *tcpFleet) time(on bool) []int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	took := t.took
	t.timed, t.took = on, nil
	slices.Sort(took)
	return took
}

// wrong says what answers were wrong.
func (t *tcpFleet) wrong() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.faults) > 0 {
		return errors.Join(t.ended, fmt.Errorf("wrong answers: %v", t.faults))
	}
	return t.ended
}

var errWaits = errors.New("an answer is awaited")

// begin starts an operation, or returns errWaits while another is under way.
func (k *tcpCamera) begin(kind uint8) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.camera.op != opNone {
		if time.Since(k.camera.since) > tcpWait {
			return fmt.Errorf("camera %d got no answer within %v", k.camera.index, tcpWait)
		}
		return errWaits
	}
	k.camera.serial++
	k.camera.since = time.Now()
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

// tell says how the registration went, unless that is known.
func (k *tcpCamera) tell(err error) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.told {
		return false
	}
	k.told = true
	k.up <- err
	return true
}

// end notes a connection that ended after its registration.
func (t *tcpFleet) end(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended == nil {
		t.ended = err
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
		if t.timed {
			t.took = append(t.took, int32(time.Since(c.since).Microseconds()))
		}
	}
	c.op = opNone
	return nil
}
