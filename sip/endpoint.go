package sip

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo"
	gosip "github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/internal/reuse"
	"fengsui/sip/intake"
)

// How long requests that were read may take to be answered when Run ends.
const drainTime = time.Second

// Listen is one address to listen on.
type Listen struct {
	Network string // udp, tcp or tls
	Address string // host:port; an empty host is every address of both families, port 0 any free port
	// Advertise is host or host:port as peers should see us in Via and
	// Contact. Empty: the local address of the way to each peer.
	Advertise string
	TLS       *tls.Config // of tls; a certificate is needed
}

// Network makes sockets. The zero [Config] has the system's.
type Network interface {
	ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error)
	Listen(ctx context.Context, network, address string) (net.Listener, error)
	// Route is our address on the way to remote.
	Route(remote netip.Addr) (netip.Addr, error)
}

// Config is what an endpoint needs to know.
type Config struct {
	ID        string // our 20-digit code, user of From and Contact
	Domain    string // host of From
	UserAgent string // User-Agent of what we send; empty: none
	Listeners []Listen

	// Sign are header fields that vouch for a request to a peer, made of the values
	// of From, To and Call-ID and of the body; nil: none are needed.
	Sign func(device, from, to, callID string, body []byte) []intake.Header
	// Admit judges each request but REGISTER, ACK and CANCEL before its handler; a
	// Response with a Status refuses it. nil: all are handled.
	Admit func(r *Request) Response
	// URIHost is host[:port] for Request-URI and To of a peer that wants another
	// than its address there, "" else; nil: no peer does.
	URIHost func(device string) string

	// TimerT1 is the first interval of UDP repeats; default 500 ms. The
	// library keeps it for the process: two endpoints cannot differ.
	TimerT1 time.Duration
	// InviteTimeout ends an INVITE that got a provisional answer and nothing
	// more; default 3 min (timer C of RFC 3261).
	InviteTimeout time.Duration
	// Workers run what handlers leave for after the answer; default 16.
	Workers int
	// QueueLen is how much of that may wait for one sender; default 1024. The
	// newest is dropped and counted beyond.
	QueueLen int
	// QueueTotal is how much may wait for all; default 65536.
	QueueTotal int
	// MaxHandlers is how many requests are handled at a time; default 4096.
	// More are answered 503 and counted.
	MaxHandlers int
	// MaxBodies is how many bytes of bodies over 16 KiB are handled at a time;
	// default 64 MiB, of which one address may have a quarter. More are answered
	// 503 and counted.
	MaxBodies int64
	// Net makes the sockets; default the system's.
	Net Network
	// Reuse sizes the pools; nil: they stay at their smallest.
	Reuse *reuse.Keeper
}

func (c *Config) setDefaults() {
	def(&c.TimerT1, 500*time.Millisecond)
	def(&c.InviteTimeout, 3*time.Minute)
	def(&c.Workers, 16)
	def(&c.QueueLen, 1024)
	def(&c.QueueTotal, 65536)
	def(&c.MaxHandlers, 4096)
	def(&c.MaxBodies, 64<<20)
	if c.Net == nil {
		c.Net = system{}
	}
}

// Endpoint is our end of SIP: listeners, handlers, client requests, dialogs.
// All methods may be called from any goroutine, except that Handle comes
// before Listen, Listen before Run, and each of the two is called once.
type Endpoint struct {
	// Set by New, never changed after.
	cfg    Config
	in     *intake.Intake
	direct intake.Direct
	log    zerolog.Logger
	m      *metrics
	ua     *sipgo.UserAgent
	srv    *sipgo.Server
	order  *order
	bodies *bodies
	seen   *repeats
	tokens tokens
	routes routes
	memory

	// Set before Run.
	handlers       map[string]Handler
	allow          string
	bound          []*bound
	severalPackets bool // more than one datagram socket

	ready        chan struct{} // closed when Run can send
	done         chan struct{} // closed when Run begins to close
	background   sync.WaitGroup
	handling     sync.WaitGroup
	active       atomic.Int64 // handlers running
	transactions atomic.Int64

	// gate is held for reading while a request is given to the library, so
	// that none is after closing began: the library would bind a socket again.
	gate   sync.RWMutex
	closed bool // guarded by gate

	mu      sync.Mutex         // guards all below; taken before a Dialog's
	dialogs map[string]*Dialog // by Call-ID
	conns   map[*streamConn]struct{}
}

// Counts is what is open at the moment.
type Counts struct {
	Dialogs      int   // established, or an INVITE under way
	Transactions int   // client transactions; over UDP a failed INVITE's stays 32 s to repeat its ACK
	Queued       int   // functions after an answer that wait
	Handlers     int   // requests being handled
	Connections  int   // TCP and TLS
	Bodies       int64 // bytes of bodies over 16 KiB being handled
}

// New builds an endpoint and opens nothing. The direct answers are asked for
// what the intake could not answer itself.
func New(cfg Config, in *intake.Intake, direct intake.Direct, log zerolog.Logger, reg prometheus.Registerer) (*Endpoint, error) {
	cfg.setDefaults()
	e := &Endpoint{
		cfg: cfg, in: in, direct: direct, log: log,
		seen:     newRepeats(),
		bodies:   &bodies{},
		handlers: make(map[string]Handler),
		ready:    make(chan struct{}),
		done:     make(chan struct{}),
		dialogs:  make(map[string]*Dialog),
		conns:    make(map[*streamConn]struct{}),
	}
	e.SetMaxBodies(cfg.MaxBodies)
	e.routes.lookup = cfg.Net.Route
	e.memory = newMemory(cfg.Reuse)
	var err error
	if e.ua, err = newUA(cfg.ID, cfg.TimerT1, log, e.tokens.redeem, e.onStray); err != nil {
		return nil, fmt.Errorf("sip library: %w", err)
	}
	if e.srv, err = sipgo.NewServer(e.ua); err != nil {
		return nil, fmt.Errorf("sip library: %w", err)
	}
	e.srv.OnNoRoute(e.serve)
	if e.m, err = newMetrics(reg, e.Counts); err != nil {
		return nil, fmt.Errorf("sip metrics: %w", err)
	}
	e.order = newOrder(cfg.QueueLen, cfg.QueueTotal, e.m, cfg.Reuse)
	return e, nil
}

// Handle sets the handler of a method. REGISTER and MESSAGE ask the direct
// answers first; OPTIONS, BYE and CANCEL are the endpoint's own and ACK has none.
func (e *Endpoint) Handle(method string, h Handler) { e.handlers[method] = h }

// SetMaxBodies replaces Config.MaxBodies while serving; bodies being handled
// stay taken.
func (e *Endpoint) SetMaxBodies(bytes int64) { e.bodies.limit.Store(bytes) }

// Counts says what is open.
func (e *Endpoint) Counts() Counts {
	e.mu.Lock()
	c := Counts{Dialogs: len(e.dialogs), Connections: len(e.conns)}
	e.mu.Unlock()
	c.Transactions = int(e.transactions.Load())
	c.Handlers = int(e.active.Load())
	c.Queued = e.order.queued()
	c.Bodies = e.bodies.held()
	return c
}

// Run serves until ctx ends or a listener fails, closes everything, and
// returns when nothing of the endpoint runs any more. It returns nil when ctx
// ended. Dialogs still open are dropped without BYE: their owners end them
// before.
func (e *Endpoint) Run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	e.order.start(e.cfg.Workers)
	var serving sync.WaitGroup
	for _, b := range e.bound {
		serving.Go(func() {
			if err := e.listenOn(b); !errors.Is(err, net.ErrClosed) {
				fail(fmt.Errorf("serve %s %s: %w", b.listen.Network, b.local, err))
			}
		})
	}
	for _, b := range e.bound {
		if b.packet == nil {
			continue
		}
		select {
		case <-b.packet.reading:
		case <-ctx.Done():
		}
	}
	close(e.ready)
	<-ctx.Done()
	e.shut()
	serving.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

func (e *Endpoint) listenOn(b *bound) error {
	var err error
	switch b.listen.Network {
	case "udp":
		err = e.servePackets(b.packet)
	case "tcp":
		err = e.srv.ServeTCP(b.listener)
	case "tls":
		err = e.srv.ServeTLS(b.listener)
	}
	if err == nil { // a datagram socket ends without one
		err = net.ErrClosed
	}
	if e.closing() {
		return net.ErrClosed
	}
	if errors.Is(err, net.ErrClosed) {
		return errors.New("socket closed from outside")
	}
	return err
}

// shut closes in order: no new connections and requests, those read are
// handled, no transactions, no sockets, no handlers, no work after them.
func (e *Endpoint) shut() {
	close(e.done)
	for _, b := range e.bound {
		if b.listener != nil {
			_ = b.close()
		}
	}
	e.order.drain(drainTime)
	e.mu.Lock()
	conns := make([]*streamConn, 0, len(e.conns))
	for c := range e.conns {
		conns = append(conns, c)
	}
	dialogs := make([]*Dialog, 0, len(e.dialogs))
	for _, d := range e.dialogs {
		dialogs = append(dialogs, d)
	}
	e.mu.Unlock()
	for _, c := range conns { // before the gate: a writer may be stuck in one
		_ = c.Close()
	}
	e.gate.Lock()
	e.closed = true
	e.gate.Unlock()
	for _, d := range dialogs {
		d.end(ErrClosed)
	}
	if err := e.ua.Close(); err != nil {
		e.log.Debug().Err(err).Msg("closing sip transports")
	}
	for _, b := range e.bound {
		if b.packet != nil {
			_ = b.close()
		}
	}
	e.background.Wait()
	e.handling.Wait()
	e.order.close()
}

// closing reports that no more requests are taken.
func (e *Endpoint) closing() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// open waits until requests can be sent.
func (e *Endpoint) open(ctx context.Context) error {
	if e.closing() {
		return ErrClosed
	}
	select {
	case <-e.ready:
		return nil
	case <-e.done:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// transact gives a request to the library.
func (e *Endpoint) transact(ctx context.Context, req *gosip.Request) (*gosip.ClientTx, error) {
	e.gate.RLock()
	defer e.gate.RUnlock()
	if e.closed {
		return nil, ErrClosed
	}
	tx, err := e.ua.TransactionLayer().Request(ctx, req)
	if err != nil {
		return nil, explain(err)
	}
	e.transactions.Add(1)
	if !tx.OnTerminate(func(string, error) { e.transactions.Add(-1) }) {
		e.transactions.Add(-1)
	}
	return tx, nil
}

// write sends a request outside any transaction: ACK of a 2xx.
func (e *Endpoint) write(req *gosip.Request) error {
	e.gate.RLock()
	defer e.gate.RUnlock()
	if e.closed {
		return ErrClosed
	}
	if err := e.ua.TransportLayer().WriteMsg(req); err != nil {
		return explain(err)
	}
	return nil
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func upper(transport string) string { return strings.ToUpper(transport) }
