package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/setting"
	"fengsui/internal/sim/wire"
)

const (
	// missedKeepalives in a row make a device register anew (signalling.md section 2.12).
	missedKeepalives = 3
	// pingInterval is how often a TCP connection carries a double CRLF (RFC 5626 section 3.5.1).
	pingInterval = 30 * time.Second
	// lastWords is how long a device that was told to reboot goes on, so that its
	// answer is on its way.
	lastWords = 200 * time.Millisecond
	// bootTime is how long a rebooting device is away.
	bootTime = 500 * time.Millisecond
	// maxJobs bounds the answers and notifications that wait to be sent.
	maxJobs = 64
)

var (
	errNoSuchChannel = errors.New("no such simulated channel")
	errNotRegistered = errors.New("simulated device is not registered")
)

// device is one camera or recorder: a row that its shard's loop and the
// messages that come in move on. Everything below "changing" is guarded by the
// shard's mutex.
type device struct {
	// Set by init, never changed after.
	sim   *Sim
	shard *shard
	index int
	id    string

	// Changing.
	heapAt     int32   // place in the shard's heap
	due        instant // when tick is wanted next
	path       path    // nil over TCP before the connection is there
	closed     bool    // the simulation is over
	dropped    bool
	dialing    bool
	leaving    bool
	rejoining  bool // registers again when it has unregistered
	registered bool
	known      bool // registered at least once
	failed     bool // the last registration failed
	busy       bool // a job's message is on its way
	missed     uint8
	boots      uint32
	cseq       uint32
	sn         uint32
	txSerial   uint32
	catalogs   uint32 // catalog queries answered
	callID     string // of REGISTER

	registerAt, keepaliveAt, pingAt, jobAt, rebootAt instant

	txs     []*tx
	jobs    []job
	dialogs []*dialog
	calls   []*call // in which it hears
	ears    []*ear  // of the last calls
	subs    []*subscription
	off     map[int]struct{} // channels that are off
	cameras map[int]*camera  // by channel; those that were asked for
	duties  map[int]duty     // by channel; those that were guarded or raised an alarm
	cards   [cardCount]card

	firmware   string                           // version that runs
	installing bool                             // an upgrade is under way
	result     *manscdp.DeviceUpgradeResult     // not told yet
	conf       map[*setting.Type]setting.Values // what was set
	seen       [4]seen
	seenAt     uint8
	kept       uint32 // keepalives answered since the boot
}

// seen remembers a request that was answered, so that a retransmission of it
// gets the same answer and has no second effect.
type seen struct {
	key    uint64
	status uint16
}

func (d *device) init(s *Sim, i int) {
	d.sim, d.index, d.id = s, i, s.ids.deviceID(i)
	d.firmware = firstVersion
	d.shard = s.shards[i%len(s.shards)]
	d.registerAt, d.keepaliveAt, d.pingAt, d.jobAt, d.rebootAt = never, never, never, never, never
	d.due = never
	d.newCallID()
}

func (d *device) newCallID() {
	d.callID = fmt.Sprintf("%s%06x%02x@%s", d.sim.mark, d.index, d.boots, d.id)
	d.boots++
	d.cseq = 0
}

// next is the earliest of all times the device waits for.
func (d *device) next() instant {
	if d.dropped || d.closed {
		return never
	}
	due := min(d.registerAt, d.keepaliveAt, d.pingAt, d.rebootAt)
	if !d.busy && len(d.jobs) > 0 {
		due = min(due, d.jobAt)
	}
	for _, t := range d.txs {
		due = min(due, t.at)
	}
	for _, g := range d.dialogs {
		due = min(due, g.at)
	}
	for _, c := range d.calls {
		due = min(due, c.at)
	}
	return due
}

// tick does what is due.
func (d *device) tick(now instant) {
	if d.dropped || d.closed {
		return
	}
	d.tickTransactions(now)
	if d.rebootAt <= now {
		d.reboot(now)
		return
	}
	if d.registerAt <= now {
		d.registerAt = never
		d.register(now)
	}
	if d.keepaliveAt <= now {
		d.keepaliveAt = now + d.beat()
		d.keepalive(now)
	}
	if d.pingAt <= now {
		d.pingAt = now + pingInterval
		if d.path != nil {
			_ = d.path.write([]byte("\r\n\r\n"))
		}
	}
	d.work(now)
	d.tickDialogs(now)
	d.tickCalls(now)
}

// register starts a registration: connect first, over TCP.
func (d *device) register(now instant) {
	if d.path == nil {
		if !d.dialing {
			d.dial()
		}
		return
	}
	d.sendRegister(now, int(d.lasts()/time.Second), nil)
}

// sendRegister sends one REGISTER, with an Authorization when c is given
// (signalling.md section 2.9.2).
func (d *device) sendRegister(now instant, expires int, c *challenge) {
	s := d.sim
	d.cseq++
	uri := "sip:" + string(s.cfg.ServerID) + "@" + s.cfg.Domain
	self := "<sip:" + d.id + "@" + s.cfg.Domain + ">"
	var extra []wire.Header
	if !s.quirks.has(noContact) {
		contact := d.contact()
		if s.quirks.has(expiresInContact) {
			contact += ";expires=" + strconv.Itoa(expires)
		}
		extra = append(extra, wire.Header{Name: "Contact", Value: contact})
	}
	if !s.quirks.has(expiresInContact) {
		extra = append(extra, wire.Header{Name: "Expires", Value: strconv.Itoa(expires)})
	}
	if c != nil {
		extra = append(extra, wire.Header{Name: "Authorization", Value: c.authorize(d.id, s.cfg.Password, "REGISTER", uri, random())})
	}
	if v := d.version(); v != "" {
		extra = append(extra, wire.Header{Name: "X-GB-Ver", Value: v})
	}
	d.send(now, &tx{done: func(now instant, m *wire.Message) { d.registerAnswered(now, expires, c != nil, m) }},
		head{method: "REGISTER", uri: uri, from: self + ";tag=" + random(), to: self, callID: d.callID, cseq: d.cseq, extra: extra}, nil)
}

func (d *device) registerAnswered(now instant, expires int, tried bool, m *wire.Message) {
	switch {
	case m == nil:
		d.registerFailed(now, "no answer")
	case m.Status == 401 || m.Status == 407:
		name := "WWW-Authenticate"
		if m.Status == 407 {
			name = "Proxy-Authenticate"
		}
		c, err := pickChallenge(m.All(name))
		if err != nil {
			d.registerFailed(now, "no challenge that is understood")
			return
		}
		if tried && !c.stale {
			d.registerFailed(now, strconv.Itoa(m.Status)+" again: wrong password")
			return
		}
		d.sendRegister(now, expires, &c)
	case m.Status/100 != 2:
		d.registerFailed(now, strconv.Itoa(m.Status)+" "+m.Reason)
		if after, err := strconv.Atoi(m.Get("Retry-After")); err == nil && after > 0 {
			d.registerAt = now + instant(after)*time.Second
		}
	case expires == 0:
		d.unregistered()
		if d.rejoining {
			d.rejoining = false
			d.newCallID()
			d.registerAt = now
		}
	default:
		d.sim.counters.registrations.Add(1)
		d.succeed(now, granted(m, expires))
	}
}

// granted is the expiry that the server gave, in seconds.
func granted(m *wire.Message, asked int) int {
	for _, v := range []string{wire.Param(m.Get("Contact"), "expires"), m.Get("Expires")} {
		if n, err := strconv.Atoi(v); err == nil && n > 0 {
			return n
		}
	}
	return asked
}

func (d *device) succeed(now instant, expires int) {
	d.setFailed(false)
	d.missed = 0
	// Refresh after 80 to 90 % of the time.
	d.registerAt = now + instant(float64(expires)*(0.8+0.1*rand.Float64())*float64(time.Second))
	if d.registered {
		return
	}
	d.registered = true
	d.sim.counters.register(1)
	if !d.known {
		d.known = true
		d.sim.everRegistered.Add(1)
	}
	if !d.sim.quirks.has(noKeepalive) {
		d.keepaliveAt = now + rand.N(d.beat())
	}
	if d.path.reliable() {
		d.pingAt = now + pingInterval
	}
	d.tellResult(now)
}

func (d *device) registerFailed(now instant, reason string) {
	d.sim.counters.fail(d.id, "register: "+reason)
	d.setFailed(true)
	d.rejoining = false
	d.unregistered()
	d.registerAt = never
	if !d.leaving {
		d.registerAt = now + d.retryDelay()
	}
}

// retryDelay is Config.Retry and up to half of it more (2022 9.1.1).
func (d *device) retryDelay() time.Duration {
	return d.sim.cfg.Retry + rand.N(d.sim.cfg.Retry/2+1)
}

func (d *device) setFailed(failed bool) {
	if d.failed != failed {
		d.failed = failed
		delta := int64(1)
		if !failed {
			delta = -1
		}
		d.sim.counters.failed.Add(delta)
	}
}

func (d *device) unregistered() {
	d.keepaliveAt, d.pingAt = never, never
	if d.registered {
		d.registered = false
		d.sim.counters.register(-1)
	}
}

func (d *device) keepalive(now instant) {
	if !d.registered || d.path == nil {
		return
	}
	sent := now
	body := d.notify("Keepalive", d.id, "<Status>OK</Status>\r\n")
	t := &tx{done: func(now instant, m *wire.Message) { d.keepaliveAnswered(now, sent, m) }}
	t.timeout = min(64*d.sim.cfg.T1, d.beat()*9/10)
	d.sendMessage(now, t, body)
}

func (d *device) keepaliveAnswered(now, sent instant, m *wire.Message) {
	c := &d.sim.counters
	if m != nil && m.Status/100 == 2 {
		d.missed = 0
		c.keepalives.Add(1)
		if d.kept++; d.kept == 2 && d.sim.quirks.has(portChange) {
			if err := d.move(now); err != nil {
				c.fail(d.id, "move: "+err.Error())
			}
		}
		return
	}
	c.keepalivesLost.Add(1)
	if m != nil {
		// The server does not know us: register at once, as real devices do.
		c.fail(d.id, "keepalive: "+strconv.Itoa(m.Status)+" "+m.Reason)
		d.unregistered()
		d.registerAt = now + rand.N(d.sim.cfg.T1)
		return
	}
	if d.missed++; int(d.missed) >= d.misses() {
		d.missed = 0
		c.fail(d.id, "keepalive: no answer three times")
		d.unregistered()
		d.registerAt = now + rand.N(d.sim.cfg.Retry/2+1)
	}
}

// connected hears how dialing ended.
func (d *device) connected(now instant, k *connection, err error) {
	d.dialing = false
	if d.closed || d.dropped || d.leaving {
		if k != nil {
			k.close()
		}
		return
	}
	if err != nil {
		d.registerFailed(now, "connect: "+plain(err))
		return
	}
	d.path = k
	d.register(now)
}

// plain drops the addresses of a network error, so that equal ones are counted together.
func plain(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// lost hears that the server closed the connection k.
func (d *device) lost(now instant, k *connection) {
	if d.path != path(k) {
		return
	}
	d.path = nil
	d.sim.counters.fail(d.id, "connection lost")
	d.forget()
	if !d.dropped && !d.leaving && !d.closed {
		d.registerAt = now + d.retryDelay()
	}
}

// forget ends what hangs on the connection or the power: transactions, jobs,
// subscriptions, streams and the registration.
func (d *device) forget() {
	d.unregistered()
	d.registerAt = never
	d.txs, d.jobs, d.subs, d.busy = nil, nil, nil, false
	for _, g := range d.dialogs {
		g.end()
	}
	d.dialogs = nil
	d.endCalls()
}

func (d *device) drop() {
	d.dropped = true
	d.txs, d.jobs, d.busy = nil, nil, false
	for _, g := range d.dialogs {
		g.end()
	}
	d.dialogs = nil
	d.endCalls()
}

func (d *device) restore(now instant) {
	d.dropped = false
	if !d.registered || d.registerAt == never {
		d.registerAt = now
	}
	if d.registered && !d.sim.quirks.has(noKeepalive) {
		d.keepaliveAt = min(d.keepaliveAt, now)
	}
}

func (d *device) move(now instant) error {
	if d.closed || d.path == nil {
		return errStopped
	}
	if d.path.reliable() {
		d.path.close()
		d.path = nil
		d.forget()
		d.registerAt = now
		return nil
	}
	if n := len(d.sim.shared); n > 0 {
		if n == 1 {
			return errors.New("move: only one shared socket")
		}
		for i, k := range d.sim.shared {
			if path(k) == d.path {
				d.path = d.sim.shared[(i+1)%n]
				break
			}
		}
	} else {
		k, err := d.sim.openSocket(d)
		if err != nil {
			return err
		}
		d.path.close()
		d.path = k
	}
	if d.registered && !d.sim.quirks.has(noKeepalive) {
		d.keepaliveAt = now
	}
	return nil
}

func (d *device) reboot(now instant) {
	if d.closed {
		return
	}
	if d.path != nil && d.path.reliable() {
		d.path.close()
		d.path = nil
	}
	d.forget()
	d.dropped, d.rejoining, d.kept, d.missed, d.sn = false, false, 0, 0, 0
	d.newCallID()
	d.rebootAt, d.registerAt = never, now+bootTime
}

// rejoin unregisters and registers at once, with nothing else forgotten
// (signalling.md section 2.9.3).
func (d *device) rejoin(now instant) error {
	if !d.registered || d.path == nil || d.dropped {
		return errNotRegistered
	}
	d.rejoining, d.registerAt = true, never
	d.sendRegister(now, 0, nil)
	return nil
}

// leave unregisters (signalling.md section 2.9.3).
func (d *device) leave(now instant) {
	was := d.registered
	d.leaving = true
	d.registerAt, d.keepaliveAt, d.pingAt = never, never, never
	for _, g := range d.dialogs {
		if g.confirmed {
			d.bye(now, g)
		}
		g.end()
	}
	for _, c := range d.calls {
		c.hangUp(now)
	}
	d.dialogs, d.jobs, d.subs = nil, nil, nil
	if was && !d.dropped && d.path != nil {
		d.sendRegister(now, 0, nil)
		return
	}
	d.unregistered()
}

// shut closes what is open, without a word.
func (d *device) shut() {
	d.closed = true
	for _, g := range d.dialogs {
		g.end()
	}
	d.endCalls()
	d.dialogs, d.txs, d.jobs = nil, nil, nil
	if d.path != nil {
		d.path.close()
		d.path = nil
	}
}

func (d *device) setChannel(now instant, ch int, on bool) error {
	if ch < 0 || ch >= d.sim.cfg.Channels {
		return fmt.Errorf("%w: %d of %d", errNoSuchChannel, ch, d.sim.cfg.Channels)
	}
	_, isOff := d.off[ch]
	if isOff != on {
		return nil // already so
	}
	event := "ON"
	if on {
		delete(d.off, ch)
	} else {
		event = "OFF"
		if d.off == nil {
			d.off = map[int]struct{}{}
		}
		d.off[ch] = struct{}{}
	}
	d.publish(now, "Catalog", func() string { return d.catalogEvents(d.id, []int{ch}, event) })
	return nil
}

func (d *device) alarm(now instant, ch, kind int) error {
	if ch < 0 || ch >= d.sim.cfg.Channels {
		return fmt.Errorf("%w: %d of %d", errNoSuchChannel, ch, d.sim.cfg.Channels)
	}
	d.change(ch, func(u *duty) { u.alarm = kind })
	body := d.alarmNotify(ch, kind)
	d.publish(now, "Alarm", func() string { return body })
	d.enqueue(now, job{next: once(body)})
	return nil
}

// random is a token of 16 hex digits.
func random() string {
	s := strconv.FormatUint(rand.Uint64(), 16)
	return strings.Repeat("0", 16-len(s)) + s
}
