package whep

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/internal/lease"
	"fengsui/media"
)

// Config of a [Server]. The zero value works.
type Config struct {
	// Listen is the address of the UDP port and of the TCP port. Default
	// ":8189"; with a host it is reached by that address only.
	Listen string

	// Advertise are the IP addresses that browsers are told, for a server behind
	// NAT. Default all of this machine's, loopback too.
	Advertise []string

	// MaxSessions is how many viewers there may be. Default 500; each costs about
	// a megabyte and one encryption of the stream.
	MaxSessions int

	// ConnectTimeout ends a session that does not connect. Default 15 s.
	ConnectTimeout time.Duration

	// Fail answers a request that fails. By default with [Status] and the
	// error's words.
	Fail func(w http.ResponseWriter, r *http.Request, err error)

	// RequestKey, if set, asks the camera for a key frame: a viewer waits for
	// one or has lost its picture. It must not block; it is called at most every
	// 2 s for a viewer.
	RequestKey func(key media.Key)

	// Leases knows the viewers; nil: nobody watches for leaks. Wanted reports
	// whether a stream still is; nil: until it ends by itself.
	Leases *lease.Book
	Wanted func(media.Key) bool
}

const (
	maxOffer  = 64 << 10 // bytes
	firstWait = 10 * time.Second
	tcpBuffer = 1 << 20 // bytes for a slow viewer over TCP, then packets are lost
)

// Server serves viewers by WebRTC. Call Listen, then Run once.
type Server struct {
	// Set by New, never changed after.
	cfg     Config
	open    media.Opener
	log     zerolog.Logger
	metrics metrics

	// Set by Listen.
	udp    net.PacketConn
	tcp    net.Listener
	udpMux ice.UDPMux
	tcpMux ice.TCPMux

	wait sync.WaitGroup // sessions

	mu       sync.Mutex // guards what follows
	running  bool
	sessions map[string]*session
}

type metrics struct {
	sessions prometheus.Gauge
	refused  *prometheus.CounterVec
	ended    *prometheus.CounterVec
	dropped  prometheus.Counter
	keys     prometheus.Counter
}

// New makes a server that opens streams by open. It starts nothing.
func New(cfg Config, open media.Opener, reg prometheus.Registerer, log zerolog.Logger) *Server {
	if cfg.Listen == "" {
		cfg.Listen = ":8189"
	}
	if cfg.MaxSessions <= 0 {
		cfg.MaxSessions = 500
	}
	if cfg.ConnectTimeout <= 0 {
		cfg.ConnectTimeout = 15 * time.Second
	}
	if cfg.Fail == nil {
		cfg.Fail = func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), Status(err))
		}
	}
	s := &Server{cfg: cfg, open: open, log: log, sessions: map[string]*session{}, metrics: metrics{
		sessions: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fengsui_whep_sessions", Help: "Viewers by WebRTC now."}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_whep_refused_total", Help: "Viewers by WebRTC refused, by reason: codec, offer, full, stream."},
			[]string{"reason"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_whep_ended_total", Help: "Viewers by WebRTC that ended, by reason: stream, left, ice, connect, codec, orphaned, shutdown, failed."},
			[]string{"reason"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_whep_dropped_frames_total", Help: "Frames that viewers by WebRTC lost by being slow."}),
		keys: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_whep_key_requests_total", Help: "Key frames asked for by viewers (RTCP PLI and FIR)."}),
	}}
	m := s.metrics
	reg.MustRegister(m.sessions, m.refused, m.ended, m.dropped, m.keys)
	return s
}

// Listen binds the UDP and the TCP port.
func (s *Server) Listen(ctx context.Context) error {
	udp, tcp, err := bind(ctx, s.cfg.Listen)
	if err != nil {
		return err
	}
	if c, ok := udp.(*net.UDPConn); ok { // a key frame to many viewers comes at once
		if err := c.SetWriteBuffer(4 << 20); err != nil {
			s.log.Debug().Err(err).Msg("webrtc send buffer stays small")
		}
	}
	logs := pionLog{s.log}
	s.udp, s.tcp = udp, tcp
	s.udpMux = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: udp, Logger: logs.NewLogger("udp")})
	s.tcpMux = ice.NewTCPMuxDefault(ice.TCPMuxParams{Listener: tcp, Logger: logs.NewLogger("tcp"),
		ReadBufferSize: 8, WriteBufferSize: tcpBuffer, FirstStunBindTimeout: 10 * time.Second})
	s.mu.Lock()
	s.running = true
	s.mu.Unlock()
	return nil
}

// bind binds UDP and TCP to the same port. If any port will do, one that is free
// for both takes some tries.
func bind(ctx context.Context, address string) (net.PacketConn, net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, fmt.Errorf("listen for WebRTC: %w", err)
	}
	tries := 1
	if port == "" || port == "0" {
		tries = 50
	}
	var lc net.ListenConfig
	for {
		tcp, err := lc.Listen(ctx, "tcp", address)
		if err != nil {
			return nil, nil, fmt.Errorf("listen for WebRTC on tcp %s (free the port or set another): %w", address, err)
		}
		_, port, err := net.SplitHostPort(tcp.Addr().String())
		if err != nil {
			return nil, nil, errors.Join(err, tcp.Close())
		}
		udp, err := lc.ListenPacket(ctx, "udp", net.JoinHostPort(host, port))
		if err == nil {
			return udp, tcp, nil
		}
		if tries--; tries == 0 {
			return nil, nil, errors.Join(fmt.Errorf("listen for WebRTC on udp %s (free the port or set another): %w", address, err), tcp.Close())
		}
		if err := tcp.Close(); err != nil {
			return nil, nil, fmt.Errorf("close tcp port: %w", err)
		}
	}
}

// Run serves until ctx ends; then it ends the sessions and closes the ports.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	s.mu.Lock()
	s.running = false
	for _, v := range s.sessions {
		v.end(errShutdown)
	}
	s.mu.Unlock()
	s.wait.Wait()
	err := errors.Join(s.tcpMux.Close(), s.udpMux.Close())
	for _, c := range []io.Closer{s.tcp, s.udp} { // the muxes may have done so
		if e := c.Close(); e != nil && !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		return fmt.Errorf("close WebRTC ports: %w", err)
	}
	return nil
}

// Addr is the address that UDP and TCP are bound to, nil before Listen.
func (s *Server) Addr() net.Addr {
	if s.udp == nil {
		return nil
	}
	return s.udp.LocalAddr()
}

// Count is the number of sessions now.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// ServeOffer answers a POST of an SDP offer: 201 with the answer and in Location
// the address of the session, which is that of the request with the session's
// name behind it. There [Server.ServeSession] takes over.
func (s *Server) ServeOffer(w http.ResponseWriter, r *http.Request, key media.Key) {
	if !begin(w, r, http.MethodPost) {
		return
	}
	w.Header().Set("Accept-Post", "application/sdp")
	var id, answer string
	var err error
	lease.Do(r.Context(), lease.WebRTCViewer, owner(key), func() { // labels pion's goroutines too
		id, answer, err = s.offer(w, r, key)
	})
	if err != nil {
		s.metrics.refused.WithLabelValues(refusal(err)).Inc()
		s.cfg.Fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/sdp")
	w.Header().Set("Location", path(r)+"/"+id)
	w.WriteHeader(http.StatusCreated)
	if _, err := io.WriteString(w, answer); err != nil {
		s.log.Debug().Err(err).Str("key", string(key)).Msg("webrtc answer not delivered")
	}
}

// ServeSession ends a session by DELETE. Candidates are not taken one by one:
// PATCH is 405, all of ours are in the answer.
func (s *Server) ServeSession(w http.ResponseWriter, r *http.Request, id string) {
	if !begin(w, r, http.MethodDelete) {
		return
	}
	s.mu.Lock()
	v := s.sessions[id]
	s.mu.Unlock()
	if v == nil {
		s.cfg.Fail(w, r, fmt.Errorf("end %q: %w", id, ErrNoSession))
		return
	}
	v.end(errLeft)
	w.WriteHeader(http.StatusOK)
}

// begin sets the headers of cross-origin use and answers what is not method.
func begin(w http.ResponseWriter, r *http.Request, method string) bool {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Location")
	h.Set("Cache-Control", "no-store")
	switch r.Method {
	case method:
		return true
	case http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", method+", OPTIONS")
		h.Set("Access-Control-Allow-Headers", "Content-Type, Authorization")
		w.WriteHeader(http.StatusNoContent)
	default:
		h.Set("Allow", method+", OPTIONS")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
	return false
}

// path is the request's path as the client wrote it.
func path(r *http.Request) string {
	p := r.URL.Path
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		p = u.EscapedPath()
	}
	for len(p) > 0 && p[len(p)-1] == '/' {
		p = p[:len(p)-1]
	}
	return p
}

func refusal(err error) string {
	switch Status(err) {
	case http.StatusNotAcceptable:
		return "codec"
	case http.StatusBadRequest:
		return "offer"
	case http.StatusServiceUnavailable:
		return "full"
	}
	return "stream"
}

// offer makes a session of an offer.
func (s *Server) offer(w http.ResponseWriter, r *http.Request, key media.Key) (id, answer string, err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/sdp" {
		return "", "", fmt.Errorf("%w: Content-Type is %q, want application/sdp", ErrOffer, r.Header.Get("Content-Type"))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOffer))
	if err != nil {
		return "", "", fmt.Errorf("%w: read: %w", ErrOffer, err)
	}
	video, audio, err := parseOffer(string(body))
	if err != nil {
		return "", "", err
	}
	if err := s.admit(); err != nil {
		return "", "", err
	}
	reader, err := s.open.Open(r.Context(), key)
	if err != nil {
		return "", "", fmt.Errorf("open %s: %w", key, err)
	}
	v := &session{server: s, id: rand.Text(), key: key, owner: owner(key), remote: r.RemoteAddr, reader: reader}
	// It outlives the request.
	v.ctx, v.cancel = context.WithCancelCause(context.Background())
	defer func() {
		if err != nil {
			v.cancel(err)
			err = errors.Join(err, v.close())
		}
	}()
	if err := v.first(r.Context()); err != nil {
		return "", "", err
	}
	if err := v.choose(video, audio); err != nil {
		return "", "", err
	}
	if answer, err = v.negotiate(r.Context(), string(body)); err != nil {
		return "", "", err
	}
	if err := s.add(v); err != nil {
		return "", "", err
	}
	return v.id, answer, nil
}

// admit refuses a viewer that there is no room for.
func (s *Server) admit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.running:
		return ErrClosed
	case len(s.sessions) >= s.cfg.MaxSessions:
		return ErrFull
	}
	return nil
}

// add starts a session's goroutine. In the time since admit others may have come.
func (s *Server) add(v *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.running:
		return ErrClosed
	case len(s.sessions) >= s.cfg.MaxSessions:
		return ErrFull
	}
	s.sessions[v.id] = v
	s.metrics.sessions.Set(float64(len(s.sessions)))
	s.wait.Add(1)
	s.cfg.Leases.Open(&v.lease, lease.WebRTCViewer, v)
	go func() {
		defer s.wait.Done()
		defer v.lease.Release()
		v.run()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.sessions, v.id)
		s.metrics.sessions.Set(float64(len(s.sessions)))
	}()
	return nil
}

// API makes pion's factory for a session with just the codecs of its answer, on the
// ports of the server.
func (s *Server) API(codecs *webrtc.MediaEngine) (*webrtc.API, error) {
	var e webrtc.SettingEngine
	e.LoggerFactory = pionLog{s.log}
	e.SetICEUDPMux(s.udpMux)
	e.SetICETCPMux(s.tcpMux)
	e.DisableActiveTCP(true)
	e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6})
	e.SetIncludeLoopbackCandidate(true)
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	e.SetICETimeouts(5*time.Second, 10*time.Second, 2*time.Second)
	if len(s.cfg.Advertise) > 0 {
		err := e.SetICEAddressRewriteRules(webrtc.ICEAddressRewriteRule{External: s.cfg.Advertise,
			AsCandidateType: webrtc.ICECandidateTypeHost, Mode: webrtc.ICEAddressRewriteReplace})
		if err != nil {
			return nil, fmt.Errorf("advertise %v: %w", s.cfg.Advertise, err)
		}
	}
	chain, err := interceptors()
	if err != nil {
		return nil, err
	}
	return webrtc.NewAPI(webrtc.WithSettingEngine(e), webrtc.WithMediaEngine(codecs), webrtc.WithInterceptorRegistry(chain)), nil
}
