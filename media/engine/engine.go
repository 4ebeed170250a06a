package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/internal/lease"
	"fengsui/internal/reuse"
	"fengsui/media"
	"fengsui/media/rtp"
)

// Errors of an engine and of its streams.
var (
	ErrBusy         = errors.New("engine: the stream has a receiver")
	ErrNoStream     = errors.New("engine: no such stream")
	ErrClosed       = errors.New("engine: closed")
	ErrSilent       = errors.New("engine: no RTP")
	ErrDisconnected = errors.New("engine: the media connection ended")
	ErrIdle         = errors.New("engine: nobody watches")
	ErrOrphaned     = errors.New("engine: who received it is gone")
	ErrSlow         = errors.New("engine: the reader is too slow")
	ErrSetup        = errors.New("engine: both sides wait for the media connection")
)

const (
	tickEvery  = 50 * time.Millisecond
	checkEvery = time.Second // liveness, idleness and statistics
)

// Config is how an engine receives. The zero value of a field is its default.
type Config struct {
	// Listen is host:port of the one shared media port, UDP and TCP; empty: none.
	Listen string
	// PortMin and PortMax bound the port pairs leased one per stream; both 0: none.
	PortMin, PortMax int
	// Domain is our SIP domain or server ID, whose digits 4 to 8 go into SSRCs.
	Domain string
	// IdleClose ends a stream that nobody reads. Default 30 s; negative: never.
	// Shorter saves the device's bandwidth, and a viewer that reloads its page
	// waits for a new INVITE.
	IdleClose time.Duration
	// Silent ends a stream without RTP. Default 15 s, range 2 s to 5 min.
	Silent time.Duration
	// FirstPacket ends a receiver that never got one. Default 60 s. Signalling
	// gives up earlier; this bounds a forgotten lease.
	FirstPacket time.Duration
	// Reconnect is how long a device that connected to us may stay away after its
	// connection ended. Default 5 s.
	Reconnect time.Duration
	// ReorderPackets (default 64) and ReorderDelay (default 150 ms) bound how long a
	// packet waits for those before it.
	ReorderPackets int
	ReorderDelay   time.Duration
	// Leases knows what is held open; nil: nobody watches for leaks. Wanted
	// reports whether whoever receives a stream still wants it; nil: until it
	// closes the receiver.
	Leases *lease.Book
	// Reuse sizes the pools; nil: they stay at their smallest.
	Reuse  *reuse.Keeper
	Wanted func(media.Key) bool
}

func (c *Config) defaults() {
	for v, d := range map[*time.Duration]time.Duration{
		&c.IdleClose: 30 * time.Second, &c.Silent: 15 * time.Second,
		&c.FirstPacket: 60 * time.Second, &c.Reconnect: 5 * time.Second,
	} {
		if *v == 0 {
			*v = d
		}
	}
}

// Want is what a receiver is for.
type Want struct {
	Key       media.Key
	Transport string        // udp (default), tcp-passive, tcp-active: our role
	Mode      string        // single, range; empty: single if the engine has a shared port
	History   bool          // playback or download
	Length    time.Duration // playback: of the period that is played; 0: the frames keep the source's pace
	Silent    time.Duration // without RTP for so long the stream ends; 0: Config.Silent
	From      netip.Addr    // the device as signalling knows it; may be invalid
}

// Counts are the leases and connections that exist now.
type Counts struct {
	Ports, SSRCs, Receivers, Conns int
}

// Orphan is a sender of RTP that no receiver expects.
type Orphan = rtp.Orphan

// Engine owns the streams and, through media/rtp, sockets and leases.
type Engine struct {
	// Set by New.
	cfg    Config
	log    zerolog.Logger
	server *rtp.Server
	totals totals

	mu      sync.Mutex // before any receiver's mu
	streams map[media.Key]*Receiver
	closed  bool
}

// New makes an engine that has nothing open. reg may be nil.
func New(cfg Config, log zerolog.Logger, reg prometheus.Registerer) (*Engine, error) {
	cfg.defaults()
	server, err := rtp.New(rtp.Config{
		Listen: cfg.Listen, PortMin: cfg.PortMin, PortMax: cfg.PortMax, Domain: cfg.Domain,
		ReorderPackets: cfg.ReorderPackets, ReorderDelay: cfg.ReorderDelay, Leases: cfg.Leases, Reuse: cfg.Reuse,
	}, log)
	if err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, log: log, server: server,
		streams: make(map[media.Key]*Receiver)}
	if reg != nil {
		if err := e.register(reg); err != nil {
			return nil, fmt.Errorf("register metrics of the media engine: %w", err)
		}
	}
	return e, nil
}

// Listen binds the shared media port.
func (e *Engine) Listen(ctx context.Context) error { return e.server.Listen(ctx) }

// Port is the shared media port, 0 if there is none.
func (e *Engine) Port() int { return e.server.Port() }

// Run serves until ctx ends, then ends every stream and waits for all goroutines.
func (e *Engine) Run(ctx context.Context) error {
	var running sync.WaitGroup
	running.Go(func() { _ = e.server.Run(ctx) })
	e.tick(ctx)
	e.mu.Lock()
	e.closed = true
	all := slices.Collect(maps.Values(e.streams))
	e.mu.Unlock()
	for _, r := range all {
		_ = r.Close()
	}
	running.Wait()
	return nil
}

// Receive leases port and SSRC for a stream. It reports [ErrBusy], [ErrClosed],
// or an error wrapping rtp.ErrNoPort or rtp.ErrNoSSRC.
func (e *Engine) Receive(_ context.Context, w Want) (*Receiver, error) {
	r, err := e.receive(w)
	if err != nil {
		return nil, fmt.Errorf("receive %s: %w", w.Key, err)
	}
	return r, nil
}

func (e *Engine) receive(w Want) (*Receiver, error) {
	transport, err := transportOf(w.Transport)
	if err != nil {
		return nil, err
	}
	want := rtp.Want{Transport: transport, From: w.From, Owner: "stream:" + string(w.Key)}
	switch w.Mode {
	case "single":
		want.Mode = rtp.Single
	case "range":
		want.Mode = rtp.Range
	case "":
		if e.cfg.Listen == "" && e.cfg.PortMax > 0 {
			want.Mode = rtp.Range
		}
	default:
		return nil, fmt.Errorf("bad port mode %q: want single or range", w.Mode)
	}
	if w.History {
		want.Class = rtp.History
	}
	r := newReceiver(e, w)
	want.Living, want.End = r.wanted, func() { r.end(ErrOrphaned) }
	e.mu.Lock()
	switch {
	case e.closed:
		e.mu.Unlock()
		return nil, ErrClosed
	case e.streams[w.Key] != nil:
		e.mu.Unlock()
		return nil, ErrBusy
	}
	e.streams[w.Key] = r
	e.mu.Unlock()

	session, err := e.server.Open(want, &r.in)
	if err != nil {
		r.end(err)
		return nil, err
	}
	if !r.open(session) { // ended meanwhile, by the end of Run
		session.Close()
		return nil, ErrClosed
	}
	return r, nil
}

// Speak is what a sender of sound is opened for.
type Speak struct {
	Transport string // udp, tcp-passive, tcp-active: our role
	// SSRC is the peer's choice, 0: one is leased; the other fields are those of
	// rtp.SendWant.
	SSRC   uint32
	From   netip.Addr
	Owner  string
	Living func() bool
	End    func()
	Heard  func(h rtp.Header, payload []byte)
}

// Send leases a pair of ports, and an SSRC unless it is given, to send sound from.
// It reports rtp.ErrNoPort, rtp.ErrNoSSRC or rtp.ErrClosed.
func (e *Engine) Send(w Speak) (*rtp.Sender, error) {
	transport, err := transportOf(w.Transport)
	if err != nil {
		return nil, err
	}
	return e.server.OpenSender(rtp.SendWant{Transport: transport, SSRC: w.SSRC, From: w.From, Owner: w.Owner, Living: w.Living, End: w.End, Heard: w.Heard})
}

func transportOf(name string) (rtp.Transport, error) {
	switch name {
	case "udp", "":
		return rtp.UDP, nil
	case "tcp-passive":
		return rtp.TCPPassive, nil
	case "tcp-active":
		return rtp.TCPActive, nil
	}
	return 0, fmt.Errorf("bad transport %q: want udp, tcp-passive or tcp-active", name)
}

// Attach gives a viewer its end of a stream: first the group of pictures that
// is kept, then live. It reports [ErrNoStream].
func (e *Engine) Attach(key media.Key) (media.Reader, error) {
	e.mu.Lock()
	r := e.streams[key]
	e.mu.Unlock()
	if r != nil {
		if rd := r.attach(viewerDepth); rd != nil {
			return rd, nil
		}
	}
	return nil, fmt.Errorf("attach to %s: %w", key, ErrNoStream)
}

// Stats are a stream's; ok is false if there is no such stream.
func (e *Engine) Stats(key media.Key) (st Stats, ok bool) {
	e.mu.Lock()
	r := e.streams[key]
	e.mu.Unlock()
	if r == nil {
		return Stats{}, false
	}
	return r.Stats(), true
}

// All are the statistics of all streams by key.
func (e *Engine) All() map[media.Key]Stats {
	out := make(map[media.Key]Stats)
	for _, r := range e.receivers() {
		out[r.want.Key] = r.Stats()
	}
	return out
}

// Orphans are the senders of RTP that no receiver expects, the oldest first.
func (e *Engine) Orphans() []Orphan { return e.server.Orphans() }

// Counts are what exists now. Released leases in quarantine are not in it.
func (e *Engine) Counts() Counts {
	c := e.server.Counts()
	e.mu.Lock()
	defer e.mu.Unlock()
	return Counts{Ports: c.Ports, SSRCs: c.SSRCs, Receivers: len(e.streams), Conns: c.Conns}
}

func (e *Engine) receivers() []*Receiver {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Collect(maps.Values(e.streams))
}

// tick is the one clock of all streams.
func (e *Engine) tick(ctx context.Context) {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	checked := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := time.Now()
		e.server.Tick(now)
		if now.Sub(checked) >= checkEvery {
			checked = now
			for _, r := range e.receivers() {
				r.check(now)
			}
		}
	}
}

// forget takes an ended stream out.
func (e *Engine) forget(r *Receiver) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.streams[r.want.Key] == r {
		delete(e.streams, r.want.Key)
	}
}
