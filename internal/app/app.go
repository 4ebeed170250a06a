package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/gb28181/catalog"
	"fengsui/gb28181/command"
	"fengsui/gb28181/device"
	"fengsui/gb28181/download"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/play"
	"fengsui/gb28181/records"
	"fengsui/gb28181/registrar"
	"fengsui/gb28181/report"
	"fengsui/gb28181/snapshot"
	"fengsui/gb28181/subscribe"
	"fengsui/gb28181/talk"
	"fengsui/gb28181/traits"
	"fengsui/gb28181/upgrade"
	"fengsui/internal/api"
	"fengsui/internal/authority"
	"fengsui/internal/lease"
	"fengsui/internal/reuse"
	"fengsui/internal/sink"
	"fengsui/internal/store"
	"fengsui/internal/telemetry"
	"fengsui/media/engine"
	"fengsui/media/out/flv"
	"fengsui/media/out/whep"
	"fengsui/media/whip"
	"fengsui/shadow/journal"
	"fengsui/sip"
	"fengsui/sip/digest"
	"fengsui/sip/guard"
	"fengsui/sip/intake"
	"fengsui/sip/trace"
	"fengsui/web"
)

// Bounds and times of the whole that no key changes.
const (
	nonceLifetime  = 120 * time.Second
	attemptRows    = 1000
	journalFile    = "journal.db" // in the data folder
	headerTimeout  = 10 * time.Second
	idleHTTP       = 2 * time.Minute  // a kept-alive connection without a request
	answerTimeout  = 10 * time.Minute // longer than any start; what streams sets its own deadlines
	maxHeaderBytes = 64 << 10
	idleTCP        = 10 * time.Minute
)

// App is the whole server. Its fields are set by New and never changed after,
// but for those that Reload stores.
type App struct {
	sipPassword atomic.Pointer[string] // common device password; "" = only provisioned devices
	certificate atomic.Pointer[tls.Certificate]
	authority   *authority.Authority // nil without http.tls.auto

	cfg     configs.Config
	folder  *folder
	secrets secrets
	zone    *time.Location
	log     zerolog.Logger
	start   *start
	ready   chan struct{} // closed when everything is loaded and served

	registry  *prometheus.Registry
	book      *lease.Book
	flight    *telemetry.Flight
	reuse     *reuse.Keeper
	store     *store.Store
	journal   *journal.Journal
	sinks     *sink.Sinks
	ring      *trace.Ring
	table     *device.Table
	attempts  *registrar.Attempts
	guard     *guard.Guard
	intake    *intake.Intake
	endpoint  *sip.Endpoint
	command   *command.Commander
	catalog   *catalog.Catalog
	records   *records.Records
	traits    *traits.Book
	notes     *notes
	subscribe *subscribe.Subscriptions
	report    *report.Desk
	upgrade   *upgrade.Table
	snapshot  *snapshot.Album
	engine    *engine.Engine
	play      *play.Coordinator
	downloads *download.Downloads
	talk      *talk.Switchboard
	flv       *flv.Handler
	whep      *whep.Server
	whip      *whip.Server
	api       *api.Server
	http      *http.Server
}

// New builds the server. It has loaded nothing and listens nowhere yet; call Run,
// or Close to give it up.
func New(ctx context.Context, cfg configs.Config, logTo io.Writer) (_ *App, err error) {
	a := &App{cfg: cfg, registry: telemetry.NewRegistry(Version, Commit), ready: make(chan struct{})}
	a.start = newStart(a.registry)
	if a.secrets, err = loadSecrets(&cfg); err != nil {
		return nil, err
	}
	if a.folder, err = takeFolder(cfg.DataDir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if a.zone, err = time.LoadLocation(cfg.Time.Zone); err != nil {
		return nil, fmt.Errorf("time.zone: %w", err)
	}
	a.sipPassword.Store(&a.secrets.sipPassword)
	if a.log, err = newLogger(&cfg, logTo); err != nil {
		return nil, err
	}
	a.reuse = reuse.NewKeeper(cmp.Or(limitMemory(cfg.Memory.Limit), assumedMemory))
	a.registry.MustRegister(a.reuse)
	a.book = lease.New(a.registry, a.part("leases"))
	a.flight = telemetry.NewFlight(cfg.Telemetry.FlightRecorder)
	err = a.step(ctx, stepStore, func(ctx context.Context) (_ int, err error) {
		a.store, err = store.Open(ctx, store.Config{
			Path: databasePath(&cfg), Key: a.secrets.cluster, AuditKeep: cfg.Audit.Keep, BeforeMigration: beforeMigration(&cfg),
		}, a.registry, a.part("store"))
		return 1, newerDatabase(&cfg, err)
	})
	if err != nil {
		return nil, err
	}
	a.journal, err = journal.Open(journal.Config{
		Path: filepath.Join(cfg.DataDir, journalFile), Keep: cfg.Journal.Keep, Bytes: int64(cfg.Journal.Size),
	}, a.registry, a.part("journal"))
	if err != nil {
		return nil, err
	}
	if err = a.buildSignalling(); err != nil {
		return nil, err
	}
	if err = a.buildMedia(); err != nil {
		return nil, err
	}
	if err = a.buildSinks(); err != nil {
		return nil, err
	}
	a.connect()
	if err = a.buildFace(); err != nil {
		return nil, err
	}
	return a, nil
}

// buildSignalling makes the way from a socket to the device table and back.
func (a *App) buildSignalling() (err error) {
	cfg := &a.cfg
	id := gb28181.ID(cfg.SIP.ID)
	a.ring = trace.NewRing(int(cfg.Trace.Memory), cfg.Trace.Keep)
	a.ring.Register(a.registry)
	a.guard = guard.New(guardConfig(&cfg.SIP.Guard), a.registry, a.part("guard"))
	a.table = device.New(device.Config{
		Interval: cfg.Keepalive.Interval, Missed: cfg.Keepalive.Missed, Follow: device.Follow(cfg.SIP.Follow), Moved: a.guard.Moved,
	}, device.ProberFunc(a.probe), a.journal, a.part("device"), a.registry)
	rules, err := loadQuirks(cfg)
	if err != nil {
		return err
	}
	a.traits = traits.New(hands{a.store}, rules, a.registry)
	a.notes = newNotes(&cfg.SIP.Note, a.zone, a.store, a.editionNow, a.part("note"), a.registry)
	a.attempts = registrar.NewAttempts(attemptRows)
	algorithms, err := parseAlgorithms(cfg.SIP.DigestAlgorithms)
	if err != nil {
		return err
	}
	reg := registrar.New(registrar.Config{
		ID: id, Domain: cfg.SIP.SIPDomain(), Password: a.SIPPassword, ApproveUnknown: cfg.SIP.ApproveUnknown,
		Algorithms: algorithms, QOP: cfg.SIP.QOP == "auth", Zone: a.zone, IsKeepalive: manscdp.ScanKeepalive, EmptyKeepalive: true,
		Guard: a.guard, AnyRealm: a.anyRealm, First: a.registered, Admit: a.notes.Keepalive,
	}, a.table, a.accounts(), digest.NewNonces(a.secrets.cluster, nonceLifetime), a.attempts, a.part("registrar"), a.registry)

	a.intake = intake.New(intake.Config{
		MaxBody: int(cfg.SIP.MaxBody), MaxMessageTCP: int(cfg.SIP.MaxBody) + maxHeaderBytes,
		Device: a.deviceOn, Leases: a.book, Reuse: a.reuse,
		IdleTCP: max(idleTCP, 2*cfg.Keepalive.Interval*time.Duration(cfg.Keepalive.Missed)), // longer than any device may be silent
	}, reg, a.ring, a.registry, a.part("intake"))
	a.intake.OnClose(a.table.ConnectionClosed)
	a.intake.Use(a.guard)
	listeners, err := sipListeners(cfg)
	if err != nil {
		return err
	}
	a.endpoint, err = sip.New(sip.Config{
		ID: cfg.SIP.ID, Domain: cfg.SIP.SIPDomain(), UserAgent: "Fengsui", Listeners: listeners,
		MaxBodies: int64(cfg.SIP.Guard.Bodies), Reuse: a.reuse, URIHost: a.uriHost, Sign: a.notes.Sign, Admit: a.notes.Admit,
	}, a.intake, reg, a.part("sip"), a.registry)
	if err != nil {
		return err
	}
	a.command = command.New(command.Config{Rate: cfg.SIP.QueryRate, Busy: a.intake.Busy, Secret: a.devicePassword, Rhythm: a.table.SetRhythm, Quirks: a.traits.Of, Reuse: a.reuse}, a.endpoint, a.table, a.part("command"), a.registry)
	a.catalog = catalog.New(catalog.Config{Self: id, AnyType: a.anyType}, a.command, a.store, a.part("catalog"), a.registry)
	a.records = records.New(records.Config{Zone: a.zone, ZoneOf: a.zoneOf}, a.command, a.part("records"), a.registry)
	a.subscribe = subscribe.New(subscribe.Config{
		On: subscribedKinds(&cfg.Subscribe), Interval: cfg.Subscribe.Interval, Pace: a.command.Pace, Secret: a.devicePassword,
	}, subscribe.Over(a.endpoint), a.table, a.part("subscribe"), a.registry)
	a.upgrade = upgrade.New(a.table, a.orderUpgrade, a.journal, a.part("upgrade"), a.registry)
	if err := a.buildSnapshots(); err != nil {
		return err
	}
	a.report = report.New(a.zoneOf, a.store, a.journal, a.command, a.part("report"), a.registry)
	return nil
}

// buildMedia makes the engine, its outputs, and what invites for them.
func (a *App) buildMedia() (err error) {
	cfg := &a.cfg
	a.engine, err = engine.New(engine.Config{
		Listen: cfg.Media.Listen, PortMin: cfg.Media.Ports.First, PortMax: cfg.Media.Ports.Last,
		Domain: cfg.SIP.ID, IdleClose: cfg.Media.IdleClose, Reuse: a.reuse, Leases: a.book, Wanted: a.wanted,
	}, a.part("media"), a.registry)
	if err != nil {
		return err
	}
	a.play = play.New(play.Config{
		ID: gb28181.ID(cfg.SIP.ID), Transport: cfg.Media.Transport, Mode: cfg.Media.Mode, Advertise: a.mediaAdvertise(),
		AnswerTimeout: cfg.Media.AnswerTimeout, PacketTimeout: cfg.Media.PacketTimeout, Settings: a.playSettings,
		RequestKeyFrame: a.command.RequestKeyFrame, Slots: cfg.Play.Slots, Silence: cfg.Play.Silence,
	}, a.table, a.catalog, inviter{a.endpoint}, a.engine, a.journal, a.registry, a.part("play"))
	a.downloads, err = download.Open(download.Config{
		Dir: filepath.Join(cfg.DataDir, "downloads"), Space: int64(cfg.Downloads.Space), Keep: cfg.Downloads.Keep, Running: cfg.Downloads.Running,
	}, a.play, a.journal, a.registry, a.part("download"))
	if err != nil {
		return err
	}
	a.talk = talk.New(talk.Config{
		ID: gb28181.ID(cfg.SIP.ID), Advertise: a.mediaAdvertise(), AnswerTimeout: cfg.Media.AnswerTimeout, InviteTimeout: cfg.Media.AnswerTimeout,
		MediaTimeout: cfg.Media.PacketTimeout, Settings: a.talkSettings,
	}, a.table, a.catalog, a.command, caller{a.endpoint}, a.engine, a.journal, a.registry, a.part("talk"))
	a.flv = flv.New(a.play, flv.Config{Fail: a.fail, Leases: a.book, Wanted: a.wanted}, a.registry, a.part("flv"))
	if cfg.Media.WebRTCListen != "" {
		c := whep.Config{Listen: cfg.Media.WebRTCListen, Fail: a.fail, RequestKey: a.play.RequestKey, Leases: a.book, Wanted: a.wanted}
		if m := a.mediaAdvertise(); m != "" {
			c.Advertise = []string{m}
		}
		a.whep = whep.New(c, a.play, a.registry, a.part("whep"))
		a.whip = whip.New(whip.Config{Fail: a.fail, Leases: a.book}, a.whep, a.registry, a.part("whip"))
	}
	return nil
}

// buildFace makes the HTTP side.
func (a *App) buildFace() (err error) {
	cfg := &a.cfg
	console, _ := web.FS()
	services := api.Services{
		Store: a.store, Reports: a.store, Devices: a.table, Catalog: a.catalog, Records: a.records, Streams: streams{a.play, a.engine}, Downloads: a.downloads, Trace: a.ring, Events: a.journal, Timeline: a.journal, Sinks: a.sinks,
		Attempts: a.attempts, Bans: a.guard, Subscriptions: subscriptions{a.subscribe}, Commands: a.command, System: a, Leases: a.book, Flight: a.flight,
		Talks: a.talk, FLV: a.flv, Metrics: counted{a.registry},
	}
	services.Settings, services.Upgrades, services.Snapshots, services.Traits, services.Checkups = a.command, a.upgrade, a.snapshot, a, a
	if a.whep != nil {
		services.WHEP, services.WHIP = offers{a.whep}, a.whip
	}
	if cfg.HTTP.TLS.Auto {
		if err := a.openAuthority(); err != nil {
			return err
		}
		services.Root = a.authority.Root()
	}
	a.api, err = api.New(api.Config{
		Instance: a.instance(), Version: Version, Gateway: cfg.SIP.Gateway, Secret: a.secrets.cluster, Console: console, Zone: a.zone,
	}, services, a.registry, a.part("api"))
	if err != nil {
		return err
	}
	a.http = &http.Server{
		Handler: a.api.Handler(), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleHTTP, WriteTimeout: answerTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: newHTTPLog(a.part("http")),
	}
	if a.authority != nil {
		a.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: a.authority.GetCertificate}
	}
	if cfg.HTTP.TLS.Cert != "" {
		if err := a.loadCertificate(cfg); err != nil {
			return err
		}
		a.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: a.getCertificate}
	}
	return nil
}

// Run listens everywhere, loads what an earlier process kept, and serves until
// ctx ends or a part fails. It then stops accepting, sends BYE to the streams, and
// closes every part in reverse of the order they were built in. Call it exactly
// once.
//
// While it loads, HTTP says so (503, and /readyz which steps are left), and the
// sockets for SIP and media are bound but not read: a REGISTER of that time waits
// in the socket, and is answered once its credentials are there.
func (a *App) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, a.Close()) }()
	listener, err := a.listen(ctx)
	if err != nil {
		return err
	}
	serving := make(chan error, 1)
	go func() { serving <- a.serveHTTP(listener) }()
	// The parts that streams and devices need live until the streams have ended.
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	list, loadErr := a.parts(), a.load(ctx)
	if loadErr != nil {
		list = a.bound() // only to be closed: what is half known must not be kept
		stopBackground()
	}
	parts, background := errgroup.WithContext(background)
	for _, part := range list {
		parts.Go(func() error { return part(background) })
	}
	if loadErr == nil {
		a.log.Info().Str("http", listener.Addr().String()).Str("sip", a.cfg.SIP.Listen).Str("media", a.cfg.Media.Listen).Msg("serving")
		a.serving()
	}

	select {
	case <-ctx.Done():
		a.log.Info().Msg("stopping")
	case <-background.Done(): // a part failed, or not all could be loaded
		if ctx.Err() == nil {
			err = loadErr
		}
	case err = <-serving:
		err = fmt.Errorf("http: %w", err)
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.ShutdownTimeout)
	defer cancel()
	err = errors.Join(err, a.drain(drain))
	stopBackground()
	return errors.Join(err, parts.Wait())
}

// parts are what runs all the time.
func (a *App) parts() []func(context.Context) error {
	return append(a.bound(), a.tuneMemory, a.flight.Run, a.book.Run, a.store.Run, a.journal.Run, a.sinks.Run, a.table.Run, a.command.Run, a.catalog.Run, a.subscribe.Run, a.report.Run, a.upgrade.Run, a.snapshot.Run, a.pruneReports, a.play.Run, a.downloads.Run, a.keepBans)
}

// bound are the parts that listen has bound sockets for, which their end closes.
func (a *App) bound() []func(context.Context) error {
	list := []func(context.Context) error{a.endpoint.Run, a.engine.Run}
	if a.whep != nil {
		list = append(list, a.whip.Run, a.whep.Run)
	}
	return list
}

// listen opens every address, or none and says all that is wrong.
func (a *App) listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	l, httpErr := lc.Listen(ctx, "tcp", a.cfg.HTTP.Listen)
	if httpErr != nil {
		httpErr = fmt.Errorf("http.listen %s: %w; choose another with --set http.listen=host:port", a.cfg.HTTP.Listen, httpErr)
	}
	errs := []error{a.endpoint.Listen(ctx), a.engine.Listen(ctx), httpErr}
	if a.whep != nil {
		errs = append(errs, a.whep.Listen(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
		return nil, fmt.Errorf("%w\n`fengsui doctor` shows who has a port", err)
	}
	return l, nil
}

func (a *App) serveHTTP(l net.Listener) error {
	var err error
	if a.authority != nil {
		err = a.serveBoth(l)
	} else if a.http.TLSConfig != nil {
		err = a.http.ServeTLS(l, "", "")
	} else {
		err = a.http.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// drain ends what others hold open: event streams, streams with a BYE each, viewers.
func (a *App) drain(ctx context.Context) error {
	a.api.Close()
	a.command.StopMoving(ctx)
	err := errors.Join(a.talk.Close(ctx), a.downloads.Close(ctx), a.play.Close(ctx)) // viewers end with their streams
	if e := a.http.Shutdown(ctx); e != nil {
		err = errors.Join(err, e, a.http.Close())
	}
	return err
}

// Close gives up an App that was never run; Run does it at its end.
func (a *App) Close() error {
	var errs []error
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	if a.journal != nil {
		errs = append(errs, a.journal.Close())
	}
	return errors.Join(append(errs, a.folder.release())...)
}

// Listening is closed when everything is loaded and served.
func (a *App) Listening() <-chan struct{} { return a.ready }

// SIPPassword is the common device password; "" = only provisioned devices.
func (a *App) SIPPassword() string { return *a.sipPassword.Load() }

// AdminPassword is the first administrator's.
func (a *App) AdminPassword() string { return a.secrets.adminPassword }

// Announce prints the administrator's password if this start made it.
func (a *App) Announce(out io.Writer) {
	if a.secrets.adminMade {
		fmt.Fprintf(out, "first start: user admin, password %s (kept in %s)\n",
			a.secrets.adminPassword, filepath.Join(a.cfg.DataDir, adminPasswordFile))
	}
}

// newLogger is at the finest level itself: zerolog's global level decides, which
// Reload can change.
func newLogger(cfg *configs.Config, to io.Writer) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(cfg.Log.Level)
	if err != nil {
		return zerolog.Logger{}, fmt.Errorf("log.level: %w", err)
	}
	format := cfg.Log.Format
	if format == "auto" {
		format = ""
	}
	zerolog.SetGlobalLevel(level)
	return telemetry.NewLogger(to, telemetry.LogConfig{Level: "trace", Format: format})
}

func (a *App) part(name string) zerolog.Logger { return a.log.With().Str("part", name).Logger() }

func (a *App) instance() string {
	if a.cfg.Cluster.Instance != "" {
		return a.cfg.Cluster.Instance
	}
	if h, err := os.Hostname(); err == nil {
		return h
	}
	return "fengsui"
}

// mediaAdvertise is the IP address put into SDP and ICE; "" = learned by route.
func (a *App) mediaAdvertise() string {
	if a.cfg.Media.Advertise != "" {
		return a.cfg.Media.Advertise
	}
	host := a.cfg.SIP.Advertise
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if net.ParseIP(host) == nil {
		return ""
	}
	return host
}

func databasePath(cfg *configs.Config) string {
	if p, ok := strings.CutPrefix(cfg.Store.URL, "sqlite:"); ok {
		return p
	}
	return filepath.Join(cfg.DataDir, "fengsui.db")
}

func sipListeners(cfg *configs.Config) ([]sip.Listen, error) {
	list := []sip.Listen{
		{Network: "udp", Address: cfg.SIP.Listen, Advertise: cfg.SIP.Advertise},
		{Network: "tcp", Address: cfg.SIP.Listen, Advertise: cfg.SIP.Advertise},
	}
	var conf *tls.Config
	if cfg.SIP.TLS.Cert != "" {
		var err error
		if conf, err = sipTLS(&cfg.SIP.TLS); err != nil {
			return nil, err
		}
	}
	if cfg.SIP.TLS.Listen != "" {
		list = append(list, sip.Listen{Network: "tls", Address: cfg.SIP.TLS.Listen, Advertise: cfg.SIP.Advertise, TLS: conf})
	}
	for _, l := range cfg.SIP.Listeners {
		s := sip.Listen{Network: l.Transport, Address: l.Address, Advertise: l.Advertise}
		if l.Transport == "tls" {
			s.TLS = conf
		}
		list = append(list, s)
	}
	return list, nil
}
