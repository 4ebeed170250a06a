package whip

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/internal/lease"
	"fengsui/media"
)

// Reasons why a microphone is refused.
var (
	ErrFull      = errors.New("too many microphones")
	ErrClosed    = errors.New("the WebRTC server is not running")
	ErrOffer     = errors.New("bad SDP offer of a microphone")
	ErrCodec     = errors.New("the offer has no G.711")
	ErrNoSession = errors.New("no such microphone")
)

const (
	maxOffer       = 64 << 10 // bytes
	maxSessions    = 256
	connectTimeout = 15 * time.Second
)

// Ends of a session, as causes of its context.
var (
	errShutdown = errors.New("shutdown")
	errLeft     = errors.New("left")
	errICE      = errors.New("ice")
	errConnect  = errors.New("connect")
	errTalk     = errors.New("talk")
	errOrphaned = errors.New("orphaned")
)

// Ports makes peer connections on shared ports; whep.Server is one.
type Ports interface {
	API(codecs *webrtc.MediaEngine) (*webrtc.API, error)
	// Answer is a local description as browsers should see it.
	Answer(sdp string) string
}

// Line is where the sound of a microphone goes.
type Line struct {
	ID    string      // of the talk
	Law   media.Codec // that is wanted; the other one may come
	Push  func(seq uint16, law media.Codec, sound []byte)
	Done  <-chan struct{} // closed when nobody listens any more
	Close func()          // the microphone is gone; called once
}

// Open opens the line when the offer is known to be good.
type Open func(ctx context.Context) (Line, error)

// Config of a [Server].
type Config struct {
	// Fail answers a request that fails.
	Fail func(w http.ResponseWriter, r *http.Request, err error)
	// Leases knows the microphones; nil: nobody watches for leaks.
	Leases *lease.Book
}

// Server takes microphones. mu guards sessions and running.
type Server struct {
	cfg     Config
	ports   Ports
	log     zerolog.Logger
	refused *prometheus.CounterVec
	ended   *prometheus.CounterVec
	wait    sync.WaitGroup // sessions

	mu       sync.Mutex
	running  bool
	sessions map[string]*session
}

// New makes a server on the ports; call Run once.
func New(cfg Config, ports Ports, reg prometheus.Registerer, log zerolog.Logger) *Server {
	s := &Server{cfg: cfg, ports: ports, log: log, running: true, sessions: map[string]*session{},
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_whip_refused_total", Help: "Microphones refused, by reason: codec, offer, full, talk."}, []string{"reason"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_whip_ended_total", Help: "Microphones that ended, by reason: talk, left, ice, connect, orphaned, shutdown."}, []string{"reason"}),
	}
	s.refused.WithLabelValues("full")
	reg.MustRegister(s.refused, s.ended, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "fengsui_whip_sessions", Help: "Microphones now."}, func() float64 { return float64(s.Count()) }))
	return s
}

// Run serves until ctx ends; then it ends the sessions and waits for them.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	s.mu.Lock()
	s.running = false
	for _, v := range s.sessions {
		v.cancel(errShutdown)
	}
	s.mu.Unlock()
	s.wait.Wait()
	return nil
}

// Count is the number of sessions now.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// ServeOffer answers a POST of an SDP offer: 201 with the answer, and in Location
// the address of the session, which is that of the request with the talk's ID
// behind it. The line is opened for it and closed with it.
func (s *Server) ServeOffer(w http.ResponseWriter, r *http.Request, open Open) {
	w.Header().Set("Accept-Post", "application/sdp")
	id, answer, err := s.offer(w, r, open)
	if err != nil {
		s.refused.WithLabelValues(reason(err)).Inc()
		s.cfg.Fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/sdp")
	w.Header().Set("Location", strings.TrimRight(r.URL.EscapedPath(), "/")+"/"+id)
	w.WriteHeader(http.StatusCreated)
	if _, err := io.WriteString(w, answer); err != nil {
		s.log.Debug().Err(err).Str("talk", id).Msg("whip answer not delivered")
	}
}

// ServeSession ends a session by DELETE.
func (s *Server) ServeSession(w http.ResponseWriter, r *http.Request, id string) {
	s.mu.Lock()
	v := s.sessions[id]
	s.mu.Unlock()
	if v == nil {
		s.cfg.Fail(w, r, fmt.Errorf("end %q: %w", id, ErrNoSession))
		return
	}
	v.cancel(errLeft)
	select {
	case <-v.finished:
	case <-r.Context().Done():
	}
	w.WriteHeader(http.StatusOK)
}

func reason(err error) string {
	switch {
	case errors.Is(err, ErrCodec):
		return "codec"
	case errors.Is(err, ErrOffer):
		return "offer"
	case errors.Is(err, ErrFull), errors.Is(err, ErrClosed):
		return "full"
	}
	return "talk"
}

// offer makes a session of an offer.
func (s *Server) offer(w http.ResponseWriter, r *http.Request, open Open) (id, answer string, err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/sdp" {
		return "", "", fmt.Errorf("%w: Content-Type is %q, want application/sdp", ErrOffer, r.Header.Get("Content-Type"))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOffer))
	if err != nil {
		return "", "", fmt.Errorf("%w: read: %w", ErrOffer, err)
	}
	laws, err := readOffer(string(body))
	if err != nil {
		return "", "", err
	}
	v := &session{server: s, remote: r.RemoteAddr, connected: make(chan struct{}), finished: make(chan struct{})}
	if err := s.enter(v); err != nil {
		return "", "", err
	}
	// It outlives the request.
	v.ctx, v.cancel = context.WithCancelCause(context.Background())
	defer func() {
		if err != nil {
			v.cancel(err)
			s.leave(v)
			err = errors.Join(err, v.close())
		}
	}()
	if v.line, err = open(r.Context()); err != nil {
		return "", "", err
	}
	v.opened = true
	lease.Do(r.Context(), lease.WebRTCTalker, "talk:"+v.line.ID, func() { // labels pion's goroutines too
		answer, err = v.negotiate(r.Context(), string(body), laws)
	})
	if err != nil {
		return "", "", err
	}
	s.start(v)
	return v.line.ID, answer, nil
}

// enter counts a session in before its talk begins, under a name of its own.
func (s *Server) enter(v *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.running:
		return ErrClosed
	case len(s.sessions) >= maxSessions:
		return fmt.Errorf("%w: %d", ErrFull, len(s.sessions))
	}
	v.name = rand.Text()
	s.sessions[v.name] = v
	v.cancel = func(error) {} // until its context is there
	return nil
}

// start renames a session to its talk's ID and gives it its goroutine.
func (s *Server) start(v *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, v.name)
	v.name = v.line.ID
	s.sessions[v.name] = v
	if !s.running {
		v.cancel(errShutdown)
	}
	s.wait.Add(1)
	s.cfg.Leases.Open(&v.lease, lease.WebRTCTalker, v)
	go func() {
		defer s.wait.Done()
		defer close(v.finished)
		defer v.lease.Release()
		v.run()
		s.leave(v)
	}()
}

func (s *Server) leave(v *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, v.name)
}

// readOffer returns the payload type of each law in the audio section.
func readOffer(text string) (map[media.Codec]webrtc.PayloadType, error) {
	d := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: text}
	parsed, err := d.Unmarshal()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOffer, err)
	}
	for _, m := range parsed.MediaDescriptions {
		if m.MediaName.Media != "audio" {
			continue
		}
		laws := map[media.Codec]webrtc.PayloadType{}
		for _, f := range m.MediaName.Formats {
			switch f { // static, RFC 3551
			case "0":
				laws[media.PCMU] = 0
			case "8":
				laws[media.PCMA] = 8
			}
		}
		for _, a := range m.Attributes {
			pt, name, _ := strings.Cut(a.Value, " ")
			n, err := strconv.ParseUint(pt, 10, 7)
			if a.Key != "rtpmap" || err != nil {
				continue
			}
			switch strings.ToUpper(strings.TrimSuffix(strings.TrimSpace(name), "/1")) {
			case "PCMU/8000":
				laws[media.PCMU] = webrtc.PayloadType(n)
			case "PCMA/8000":
				laws[media.PCMA] = webrtc.PayloadType(n)
			}
		}
		if len(laws) == 0 {
			return nil, fmt.Errorf("%w: its audio is %s", ErrCodec, strings.Join(m.MediaName.Formats, " "))
		}
		return laws, nil
	}
	return nil, fmt.Errorf("%w: it has no audio", ErrOffer)
}
