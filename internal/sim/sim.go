package sim

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"fengsui/gb28181"
	"fengsui/internal/sim/clips"
	"fengsui/internal/sim/stream"
	"fengsui/internal/sim/wire"
	"fengsui/media"
)

var (
	errStopped = errors.New("simulation is stopped")
	// ErrNoDevice is reported for an index outside the simulation.
	ErrNoDevice = errors.New("no such simulated device")
)

// maxDials bounds the TCP connections being opened at a time.
const maxDials = 64

// goodbye is how long devices may take to unregister at the end, 32*T1 at most.
const goodbye = 3 * time.Second

// Sim is a number of simulated devices. Create it with New, then call Run once.
type Sim struct {
	// Set by New and at the start of Run, never changed after.
	cfg     Config
	quirks  quirks
	expect  []expectation
	ids     numbering
	epoch   time.Time
	seed    maphash.Seed
	mark    string // makes our branches, tags and Call-IDs differ from another simulation's
	server  netip.AddrPort
	local   netip.Addr
	devices []device
	shards  []*shard
	shared  []*socket
	pacer   *stream.Pacer
	dials   chan struct{}
	ctx     context.Context
	buffers sync.Pool // of *[]byte, readBuffer long

	counters       counters
	everRegistered atomic.Uint64 // devices that registered at least once

	mu       sync.Mutex
	programs map[programKey]*stream.Program
	stopping bool
	workers  sync.WaitGroup
}

type programKey struct {
	video, audio media.Codec
	profile      media.Profile
	bare         bool
}

// New checks the configuration, reporting every fault at once, and opens nothing.
func New(cfg Config) (*Sim, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("simulate devices: %w", err)
	}
	s := &Sim{
		cfg: cfg, epoch: time.Now(), seed: maphash.MakeSeed(), mark: fmt.Sprintf("%08x", rand.Uint32()),
		pacer: stream.New(), dials: make(chan struct{}, maxDials), programs: map[programKey]*stream.Program{},
	}
	var err error
	if s.quirks, err = parseQuirks(cfg.Quirks); err != nil {
		return nil, fmt.Errorf("simulate devices: %w", err)
	}
	if s.expect, err = parseExpect(cfg.Expect, cfg.Devices); err != nil {
		return nil, fmt.Errorf("simulate devices: %w", err)
	}
	if s.ids, err = newNumbering(&cfg); err != nil {
		return nil, fmt.Errorf("simulate devices: %w", err)
	}
	s.counters.changed = make(chan struct{})
	s.buffers.New = func() any { b := make([]byte, readBuffer); return &b }
	for range min(4, runtime.GOMAXPROCS(0)) {
		s.shards = append(s.shards, &shard{sim: s, wake: make(chan struct{}, 1)})
	}
	s.devices = make([]device, cfg.Devices)
	for i := range s.devices {
		d := &s.devices[i]
		d.init(s, i)
		heap.Push(&d.shard.heap, d)
	}
	return s, nil
}

// Run registers the devices and lets them live until ctx ends; then they
// unregister, within three seconds. It returns nil then, or an error when
// nothing could be opened.
func (s *Sim) Run(ctx context.Context) error {
	if err := s.resolve(ctx); err != nil {
		return fmt.Errorf("simulate devices: %w", err)
	}
	// Devices outlive ctx by the time they need to unregister.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s.ctx = work
	if err := s.open(); err != nil {
		stop()
		s.shut()
		return fmt.Errorf("simulate devices: %w", err)
	}
	s.work(func() { _ = s.pacer.Run(work) })
	for _, sh := range s.shards {
		s.work(func() { sh.run(work) })
	}
	<-ctx.Done()
	s.leave()
	stop()
	s.shut()
	return nil
}

// resolve finds the server and the local address that leads to it.
func (s *Sim) resolve(ctx context.Context) error {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "udp", s.cfg.Server) // sends nothing
	if err != nil {
		return fmt.Errorf("find the way to %s: %w", s.cfg.Server, err)
	}
	defer c.Close()
	server, local := c.RemoteAddr().(*net.UDPAddr).AddrPort(), c.LocalAddr().(*net.UDPAddr).AddrPort()
	s.server = netip.AddrPortFrom(server.Addr().Unmap(), server.Port())
	s.local = local.Addr().Unmap()
	return nil
}

// open opens the sockets and sets the times of the first registrations.
func (s *Sim) open() error {
	if s.cfg.Transport == UDP && s.cfg.Sockets > 0 {
		for range s.cfg.Sockets {
			k, err := s.openSocket(nil)
			if err != nil {
				return err
			}
			s.shared = append(s.shared, k)
		}
	}
	for i := range s.devices {
		d := &s.devices[i]
		var opened path
		switch {
		case s.cfg.Transport == TCP:
		case len(s.shared) > 0:
			opened = s.shared[i%len(s.shared)]
		default:
			k, err := s.openSocket(d)
			if err != nil {
				return fmt.Errorf("device %d of %d: %w", i+1, len(s.devices), err)
			}
			opened = k
		}
		d.shard.do(d, func(now instant) {
			d.path = opened
			d.registerAt = now + instant(i)*time.Second/instant(s.cfg.Rate)
		})
	}
	return nil
}

// work starts a goroutine that Run waits for; false after the end.
func (s *Sim) work(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.workers.Go(f)
	return true
}

// leave unregisters what is registered and waits for the answers.
func (s *Sim) leave() {
	for i := range s.devices {
		d := &s.devices[i]
		d.shard.do(d, d.leave)
	}
	timeout := time.NewTimer(min(goodbye, 32*s.cfg.T1))
	defer timeout.Stop()
	for {
		n, changed := s.counters.watch()
		if n == 0 {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			return
		}
	}
}

// shut closes everything and waits for every goroutine.
func (s *Sim) shut() {
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	for i := range s.devices {
		d := &s.devices[i]
		d.shard.do(d, func(instant) { d.shut() })
	}
	for _, k := range s.shared {
		_ = k.conn.Close()
	}
	s.workers.Wait()
}

func (s *Sim) now() instant { return time.Since(s.epoch) }

// receive handles one message that came over a path; d is nil on a shared socket.
func (s *Sim) receive(from path, d *device, b []byte) {
	m, err := wire.Parse(b)
	if err != nil {
		for _, c := range b {
			if c != '\r' && c != '\n' && c != 0 {
				s.counters.unreadable.Add(1)
				return
			}
		}
		return // keep-alive
	}
	if m.Status != 0 {
		i, id, ok := s.readBranch(m.Branch())
		if !ok || d != nil && i != d.index {
			return
		}
		d = &s.devices[i]
		d.shard.do(d, func(now instant) {
			if d.path == from && !d.dropped {
				d.answered(now, id, m)
			}
		})
		return
	}
	if d == nil {
		i, _, ok := s.ids.find(wire.User(m.URI))
		if !ok {
			i, _, ok = s.ids.find(wire.User(m.Get("To")))
		}
		if !ok { // nobody here has that ID; any device can say so
			if d = &s.devices[0]; m.Method != "ACK" {
				d.shard.do(d, func(instant) { _ = from.write(d.response(m, 404, nil, nil)) })
			}
			return
		}
		d = &s.devices[i]
	}
	d.shard.do(d, func(now instant) {
		if d.path == from && !d.dropped {
			d.request(now, m)
		}
	})
}

// program is the clip of a profile, made on first use.
func (s *Sim) program(p media.Profile, bare bool) (*stream.Program, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := programKey{s.cfg.Video, s.cfg.Audio, p, bare}
	if made := s.programs[key]; made != nil {
		return made, nil
	}
	video, err := clips.Video(s.cfg.Video, p)
	if err != nil {
		return nil, err
	}
	var audio *clips.Clip
	if s.cfg.Audio != NoAudio {
		if audio, err = clips.Audio(s.cfg.Audio); err != nil {
			return nil, err
		}
	}
	var made *stream.Program
	if bare {
		made = stream.NewBare(video)
	} else {
		bitrate := 0
		if p == media.Main {
			bitrate = s.cfg.Bitrate
		}
		if made, err = stream.NewProgram(video, audio, bitrate); err != nil {
			return nil, err
		}
	}
	s.programs[key] = made
	return made, nil
}

// WaitRegistered waits until at least n devices are registered. It reports how
// many are when ctx ends first.
func (s *Sim) WaitRegistered(ctx context.Context, n int) error {
	for {
		have, changed := s.counters.watch()
		if have >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d simulated devices registered: %w", have, n, context.Cause(ctx))
		}
	}
}

// Device is what a simulated device is like now.
type Device struct {
	ID         gb28181.ID
	Name       string
	Channels   []gb28181.ID
	Registered bool
	Addr       netip.AddrPort // SIP source address, zero before it is open
	Streams    int
}

// Device tells of the device of an index from 0; the zero Device for another.
func (s *Sim) Device(i int) Device {
	if i < 0 || i >= len(s.devices) {
		return Device{}
	}
	d := &s.devices[i]
	out := Device{ID: gb28181.ID(d.id), Name: s.ids.deviceName(i)}
	for ch := range s.cfg.Channels {
		out.Channels = append(out.Channels, gb28181.ID(s.ids.channelID(i, ch)))
	}
	d.shard.do(d, func(instant) {
		out.Registered = d.registered
		if d.path != nil {
			out.Addr = d.path.local()
		}
		out.Streams = d.streaming()
	})
	return out
}

// Drop makes a device vanish: it answers nothing, sends nothing, and its
// streams stop, as when its cable is pulled.
func (s *Sim) Drop(i int) error {
	return s.with(i, func(d *device, _ instant) error { d.drop(); return nil })
}

// Restore brings a dropped device back. It goes on with its keepalives as if
// nothing had happened; its streams are gone.
func (s *Sim) Restore(i int) error {
	return s.with(i, func(d *device, now instant) error { d.restore(now); return nil })
}

// Move makes a device speak from a new port, as behind a NAT that lost its
// mapping; the old port is deaf. It sends a keepalive at once. Over TCP it
// connects and registers anew.
func (s *Sim) Move(i int) error { return s.with(i, (*device).move) }

// Reboot makes a device stop without a word and register anew after half a second.
func (s *Sim) Reboot(i int) error {
	return s.with(i, func(d *device, now instant) error { d.reboot(now); return nil })
}

// Rejoin makes a device unregister and register anew at once, as devices do
// when their settings are saved. Its streams and subscriptions go on.
func (s *Sim) Rejoin(i int) error { return s.with(i, (*device).rejoin) }

// SetChannel switches a channel on or off. Subscribers are notified.
func (s *Sim) SetChannel(i, ch int, on bool) error {
	return s.with(i, func(d *device, now instant) error { return d.setChannel(now, ch, on) })
}

// Alarm makes a channel report a video alarm: kind is AlarmType for
// AlarmMethod 5 (2 motion, 5 trip-wire, 6 intrusion).
func (s *Sim) Alarm(i, ch, kind int) error {
	return s.with(i, func(d *device, now instant) error { return d.alarm(now, ch, kind) })
}

func (s *Sim) with(i int, f func(d *device, now instant) error) error {
	if i < 0 || i >= len(s.devices) {
		return fmt.Errorf("%w: %d of %d", ErrNoDevice, i, len(s.devices))
	}
	d := &s.devices[i]
	var err error
	d.shard.do(d, func(now instant) { err = f(d, now) })
	return err
}
