package api

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/media"
)

// Config is what the face is told at the start.
type Config struct {
	Instance string // name of this process, the owner of its devices
	Version  string
	// Secret signs session tokens and play addresses; at least 16 bytes. All
	// instances behind one address must share it.
	Secret []byte
	// Gateway is our ID in Monitor-User-Identity of what a caller has devices do; ""
	// names nobody.
	Gateway string
	// SessionLifetime of a sign-in. Default 12 h.
	SessionLifetime time.Duration
	// PlayLifetime of the token in a play address. Default 1 h. It is checked when
	// a viewer connects; a running one is not cut.
	PlayLifetime time.Duration
	// TrustedProxies may say by X-Forwarded-For who calls. Default: this machine.
	TrustedProxies []netip.Prefix
	// Console is the built console with index.html, or placeholder.html, at its
	// root; nil = none.
	Console fs.FS
	// Zone is that of the times that devices are told. Default UTC+8.
	Zone *time.Location
}

// MediaHandler serves one viewer of a stream.
type MediaHandler interface {
	ServeStream(w http.ResponseWriter, r *http.Request, key media.Key)
}

// Services are what the face shows. Store, Devices and Catalog must be there; a
// route whose service is nil answers 501.
type Services struct {
	Store         Store
	Devices       Devices
	Catalog       Catalog
	Records       Records
	Streams       Streams
	Downloads     Downloads
	Talks         Talks
	Settings      Settings
	Traits        Traits
	Checkups      Checkups
	Trace         Trace
	Events        Events
	Timeline      Timeline
	Sinks         Sinks
	Attempts      Attempts
	Bans          Bans
	Subscriptions Subscriptions
	Commands      Commands
	Upgrades      Upgrades
	Snapshots     Snapshots
	Reports       Reports
	System        System
	Leases        Leases
	Flight        Flight
	FLV           MediaHandler
	WHEP          OfferHandler
	WHIP          MicrophoneHandler
	Root          []byte // certificate of http.tls.auto, PEM; nil none
	Metrics       prometheus.Gatherer
}

// Server is the HTTP face. Its methods may be called from several goroutines.
type Server struct {
	// Set by New, never changed after.
	cfg     Config
	svc     Services
	log     zerolog.Logger
	m       *metrics
	signer  *signer
	hasher  *hasher
	mux     *http.ServeMux
	routes  map[string]access // by pattern
	api     huma.API
	spec    []byte // openapi.json
	handler http.Handler
	stop    context.Context // ends with Close: event streams leave
	stopAll context.CancelFunc

	throttle *throttle
	answers  *answers
	touches  *touches
	watchers chan struct{} // one slot for each event stream
	fetchers chan struct{} // one slot for each file being sent
	uploads  chan struct{} // one slot for each picture that is being uploaded

	recording sync.Mutex // held while a profile or snapshot is being taken
}

// New builds the face. It starts nothing; serve [Server.Handler].
func New(cfg Config, svc Services, reg prometheus.Registerer, log zerolog.Logger) (*Server, error) {
	if cfg.SessionLifetime <= 0 {
		cfg.SessionLifetime = 12 * time.Hour
	}
	if cfg.PlayLifetime <= 0 {
		cfg.PlayLifetime = time.Hour
	}
	if cfg.TrustedProxies == nil {
		cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	if cfg.Zone == nil {
		cfg.Zone = time.FixedZone("UTC+8", 8*3600)
	}
	if svc.Store == nil || svc.Devices == nil || svc.Catalog == nil {
		return nil, errors.New("api: store, devices and catalog must be given")
	}
	signer, err := newSigner(cfg.Secret)
	if err != nil {
		return nil, err
	}
	m := newMetrics(reg)
	s := &Server{
		cfg: cfg, svc: svc, log: log, m: m, signer: signer, hasher: newHasher(m.busy.WithLabelValues("sign_ins")),
		mux: http.NewServeMux(), routes: map[string]access{},
		throttle: newThrottle(throttleBound, m.evicted.WithLabelValues("logins")),
		answers:  newAnswers(m.evicted.WithLabelValues("idempotency")),
		touches:  &touches{last: map[string]time.Time{}},
		watchers: make(chan struct{}, 256),
		fetchers: make(chan struct{}, fetchersMost),
		uploads:  make(chan struct{}, 64),
	}
	s.stop, s.stopAll = context.WithCancel(context.Background())
	s.api = humago.New(s.mux, s.humaConfig())
	s.addSessions()
	s.addUsers()
	s.addRoles()
	s.addKeys()
	s.addAudit()
	s.addSystem()
	s.addProfiles()
	s.addLeaks()
	s.addDevices()
	s.addQuirks()
	s.addCheckups()
	s.addChannels()
	s.addRecords()
	s.addStreams()
	s.addDownloads()
	s.addTalks()
	s.addMicrophones()
	s.addTrace()
	s.addEvents()
	s.addTimeline()
	s.addSinks()
	s.addSettings()
	s.addAttempts()
	s.addBans()
	s.addSubscriptions()
	s.addPTZ()
	s.addUpgrades()
	s.addSnapshots()
	s.addReports()
	s.addMedia()
	s.addRoot()
	s.addHealth()
	if err := s.addDocs(); err != nil {
		return nil, err
	}
	if err := s.addConsole(); err != nil {
		return nil, err
	}
	s.handler = s.enter(s.export(s.hold(s.guard(s.buffer(s.idempotent(s.mux))))))
	return s, nil
}

// Handler serves everything.
func (s *Server) Handler() http.Handler { return s.handler }

// Close ends the event streams, so that an http.Server can shut down.
func (s *Server) Close() { s.stopAll() }

func (s *Server) humaConfig() huma.Config {
	c := huma.DefaultConfig("Fengsui", "1")
	c.Info.Description = "GB/T 28181 signalling and media. Sign in with POST /api/v1/sessions, or make an API key; send it as Authorization: Bearer. " +
		"Errors are application/problem+json with a six-digit code."
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", "" // served here, without other hosts
	c.CreateHooks = nil                                   // no $schema in answers
	c.Transformers = []huma.Transformer{s.transform}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", Description: "Session token (fss_…) or API key (fsk_…)."},
	}
	return c
}

// op adds an operation: what it asks of the caller, how it is documented, what
// it does.
func op[I, O any](s *Server, need access, o huma.Operation, do func(context.Context, *I) (*O, error)) {
	s.routes[o.Method+" "+o.Path] = need
	o.Responses = s.responses()
	o.Description = need.document(&o)
	o.MaxBodyBytes, o.BodyReadTimeout = maxBody+1, -1 // buffer has read it
	huma.Register(s.api, o, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(s.onBehalf(ctx), in)
		var headed huma.HeadersError
		if errors.As(err, &headed) {
			return nil, err
		}
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		return out, nil
	})
}

func (s *Server) responses() map[string]*huma.Response {
	schema := s.api.OpenAPI().Components.Schemas.Schema(typeOf[problem](), true, "Problem")
	return map[string]*huma.Response{"default": {
		Description: "Error",
		Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: schema}},
	}}
}

// route adds what is not a documented JSON operation.
func (s *Server) route(pattern string, need access, h http.HandlerFunc) {
	s.routes[pattern] = need
	s.mux.HandleFunc(pattern, h)
}
