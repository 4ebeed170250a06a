package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fengsui/gb28181"
	"fengsui/gb28181/catalog"
	"fengsui/gb28181/device"
	"fengsui/gb28181/play"
	"fengsui/gb28181/registrar"
	"fengsui/internal/api"
	"fengsui/internal/reuse"
	"fengsui/internal/store"
	"fengsui/media"
	"fengsui/shadow/journal"
	"fengsui/sip/flow"
	"fengsui/sip/guard"
	"fengsui/sip/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	cam      = gb28181.ID("34020000001320000001")
	nvr      = gb28181.ID("34020000001180000002")
	password = "correct horse"
)

// house is the face over real stores and tables, and streams of the test's.
type house struct {
	t        *testing.T
	server   *api.Server
	http     *httptest.Server
	store    *store.Store
	table    *device.Table
	catalog  *catalog.Catalog
	journal  *journal.Journal
	ring     *trace.Ring
	streams  *streams
	attempts *attempts
	bans     *bans
	subs     *subscriptions
	log      *safeBuffer
	admin    string // session token
}

// hash is argon2id of password, made once: each costs 50 ms.
var hash = sync.OnceValue(func() string { return api.HashPassword(password) })

func build(t *testing.T, change ...func(*api.Config, *api.Services)) *house {
	t.Helper()
	h := &house{t: t, log: &safeBuffer{}, streams: &streams{}, attempts: &attempts{}, bans: &bans{}, subs: &subscriptions{}}
	log := zerolog.New(h.log)
	var err error
	h.store, err = store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "db"), Key: make([]byte, 32)}, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"administrator", "operator", "viewer"} {
		name := map[string]string{"administrator": "admin"}[role]
		if name == "" {
			name = role
		}
		if _, err := h.store.AddUser(t.Context(), store.User{Name: name, Roles: []string{role}, Hash: hash()}); err != nil {
			t.Fatal(err)
		}
	}
	h.journal = journal.New(64)
	h.ring = trace.NewRing(1<<20, time.Hour)
	h.table = device.New(device.Config{}, device.ProberFunc(func(context.Context, gb28181.ID, flow.Flow) error { return nil }), nil, zerolog.Nop(), prometheus.NewRegistry())
	h.catalog = catalog.New(catalog.Config{}, asker{}, nil, zerolog.Nop(), prometheus.NewRegistry())

	reg := prometheus.NewRegistry()
	cfg := api.Config{
		Instance: "here", Version: "test", Secret: []byte(apiSecret),
		Console: fstest.MapFS{
			"index.html":                {Data: []byte("<!doctype html><title>console</title>")},
			"assets/app-1a2b3c4d.js":    {Data: []byte("console.log(1)")},
			"assets/app-1a2b3c4d.js.gz": {Data: []byte("\x1f\x8b gz")},
			"favicon.svg":               {Data: []byte("<svg/>")},
		},
	}
	svc := api.Services{
		Store: h.store, Devices: h.table, Catalog: h.catalog, Streams: h.streams, Trace: h.ring, Events: h.journal, Attempts: h.attempts, Bans: h.bans,
		Subscriptions: h.subs, Reports: h.store, System: facts{}, FLV: outputs{}, WHEP: outputs{}, Metrics: reg,
	}
	for _, c := range change {
		c(&cfg, &svc)
	}
	h.server, err = api.New(cfg, svc, reg, log)
	if err != nil {
		t.Fatal(err)
	}
	h.http = httptest.NewServer(h.server.Handler())
	t.Cleanup(func() {
		h.server.Close()
		h.http.CloseClientConnections()
		h.http.Close()
		http.DefaultClient.CloseIdleConnections()
		if err := h.store.Close(); err != nil {
			t.Error(err)
		}
	})
	h.admin = h.login("admin")
	return h
}

func (h *house) login(user string) string {
	h.t.Helper()
	var out struct{ Token string }
	h.do("", "POST", "/api/v1/sessions", map[string]string{"username": user, "password": password}).want(201).into(&out)
	return out.Token
}

// online binds a device at an address, with channels.
func (h *house) online(id gb28181.ID, channels ...gb28181.Channel) {
	h.t.Helper()
	_, err := h.table.Bind(device.Registration{
		ID: id, CallID: "c", UserAgent: "IPC", Expires: time.Hour, Edition: gb28181.Edition2022, At: time.Now(),
		Flow: flow.Flow{Transport: flow.UDP, Local: netip.MustParseAddrPort("192.0.2.1:5060"), Remote: netip.MustParseAddrPort("192.0.2.20:5060")},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	for i := range channels {
		channels[i].Device = id
	}
	if err := h.catalog.Restore(channels); err != nil {
		h.t.Fatal(err)
	}
}

type answer struct {
	t    *testing.T
	what string
	*http.Response
	body []byte
}

// do sends a request; body may be nil, a string, or what JSON can hold. headers
// are name, value, name, value.
func (h *house) do(token, method, path string, body any, headers ...string) *answer {
	h.t.Helper()
	var r io.Reader
	kind := ""
	switch b := body.(type) {
	case nil:
	case string:
		r, kind = strings.NewReader(b), "application/json"
	default:
		text, err := json.Marshal(b)
		if err != nil {
			h.t.Fatal(err)
		}
		r, kind = bytes.NewReader(text), "application/json"
	}
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.http.URL+path, r)
	if err != nil {
		h.t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	return &answer{h.t, method + " " + path, res, got}
}

func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.StatusCode != status {
		a.t.Fatalf("%s = %d, want %d: %s", a.what, a.StatusCode, status, a.body)
	}
	return a
}

func (a *answer) into(v any) *answer {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%s: %v in %s", a.what, err, a.body)
	}
	return a
}

type problem struct {
	Type, Title, Detail, Remedy, Trace, Instance, Name string
	Status, Code                                       int
	Errors                                             []struct {
		Location, Message string
		Value             any
	}
	Stages []map[string]any
	Space  []struct {
		By    string
		Bytes int64
	}
}

// problem checks that the answer is one of this status and code.
func (a *answer) problem(status, code int) problem {
	a.t.Helper()
	a.want(status)
	var p problem
	a.into(&p)
	if a.Header.Get("Content-Type") != "application/problem+json" {
		a.t.Errorf("%s: Content-Type %q", a.what, a.Header.Get("Content-Type"))
	}
	if p.Code != code || p.Status != status || p.Title == "" || p.Remedy == "" || p.Detail == "" || len(p.Trace) != 32 || p.Instance == "" || p.Name == "" {
		a.t.Errorf("%s = %s, want code %d and all words", a.what, a.body, code)
	}
	return p
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

type asker struct{}

func (asker) Ask(context.Context, gb28181.ID, string, int) error { return nil }

type facts struct{}

// apiSecret signs the tokens of the server under test.
const apiSecret = "0123456789abcdef"

func (facts) Facts() api.Facts {
	return api.Facts{Commit: "c0ffee", StartedAt: time.Now().Add(-time.Minute), Start: []api.Step{{Name: "shadows", Took: 1500 * time.Microsecond, Items: 7}}, SIPID: "34020000002000000001", SIPDomain: "3402000000", Addresses: map[string][]string{"sip": {"192.0.2.1:5060"}},
		Pools: reuse.State{Limit: 1 << 30, Devices: 7, Period: 1500 * time.Millisecond, Kept: []reuse.Row{{
			Spec: reuse.Spec{Name: "sip_request", Level: reuse.Requests}, Size: 8, Least: 12, Counts: reuse.Counts{Taken: 4, Missed: 1},
		}}}}
}

func (facts) Loading() []string { return nil }

func (facts) Ready(context.Context) []api.Check {
	return []api.Check{{Name: "sip", OK: true, Detail: "192.0.2.1:5060"}}
}

// streams plays what the test says.
type streams struct {
	mu    sync.Mutex
	start func(play.Request) (play.Session, error)
	all   []play.Session
	calls int
}

func (s *streams) Start(_ context.Context, r play.Request) (play.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.start != nil {
		return s.start(r)
	}
	p := playing(r)
	s.all = []play.Session{p}
	return p, nil
}

func playing(r play.Request) play.Session {
	return play.Session{
		ID: "stream-1", Request: r, Key: r.Key(), State: play.Playing, CallID: "call", SSRC: "0200000001", Transport: "udp", StartedAt: time.Now(),
		Tracks: []*media.Track{{Codec: media.H265, Width: 1920, Height: 1080}, {Codec: media.PCMA, SampleRate: 8000, Channels: 1}},
		Stages: []play.Stage{{Name: play.StageDevice, At: time.Now(), Took: 1500 * time.Microsecond}, {Name: play.StageKeyFrame, At: time.Now(), Took: 2 * time.Second, Detail: "H265"}},
	}
}

func (s *streams) Stop(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range s.all {
		if p.ID == id {
			s.all = append(s.all[:i], s.all[i+1:]...)
			return nil
		}
	}
	return fmt.Errorf("stop %s: %w", id, play.ErrNoSession)
}

func (s *streams) Control(_ context.Context, id string, want play.Control) (play.Session, error) {
	p, ok := s.Session(id)
	switch {
	case !ok:
		return p, fmt.Errorf("control %s: %w", id, play.ErrNoSession)
	case want.Scale != nil && *want.Scale > 16:
		return p, play.ErrScale
	case want.Paused != nil:
		p.Paused = *want.Paused
	}
	return p, nil
}

func (s *streams) Sessions() []play.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]play.Session(nil), s.all...)
}

func (s *streams) Session(id string) (play.Session, bool) {
	for _, p := range s.Sessions() {
		if p.ID == id {
			return p, true
		}
	}
	return play.Session{}, false
}

func (s *streams) Statistics(media.Key) (api.Statistics, bool) {
	return api.Statistics{Bytes: 1000, Bitrate: 2e6, FPS: 25, KeyInterval: 2 * time.Second, Readers: 1, Source: "192.0.2.20:15060"}, true
}

type attempts struct {
	mu   sync.Mutex
	rows []registrar.Attempt
}

func (a *attempts) List() []registrar.Attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]registrar.Attempt(nil), a.rows...)
}

func (a *attempts) Forget(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rows = nil
}

type bans struct {
	mu   sync.Mutex
	rows []guard.Ban
}

func (b *bans) Bans() []guard.Ban {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.rows)
}

func (b *bans) Unban(ip netip.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := len(b.rows)
	b.rows = slices.DeleteFunc(b.rows, func(x guard.Ban) bool { return x.Source.Contains(ip) })
	return len(b.rows) < before
}

type subscriptions struct {
	on    bool
	terms api.Terms
	err   error // of Subscribe
}

func (s *subscriptions) Subscription(gb28181.ID, string) (api.Subscription, bool) {
	return api.Subscription{Terms: s.terms, Enabled: s.on, State: map[bool]string{true: "pending"}[s.on]}, s.on
}

func (s *subscriptions) Subscribe(_ context.Context, _ gb28181.ID, _ string, t api.Terms) error {
	s.on, s.terms = s.err == nil, t
	return s.err
}

func (s *subscriptions) Unsubscribe(context.Context, gb28181.ID, string) error {
	s.on = false
	return nil
}

// outputs answer with the key they were asked for.
type outputs struct{}

func (outputs) ServeStream(w http.ResponseWriter, _ *http.Request, key media.Key) {
	fmt.Fprintf(w, "FLV %s", key)
}

func (outputs) ServeOffer(w http.ResponseWriter, r *http.Request, key media.Key) {
	if r.Method == http.MethodPost {
		w.Header().Set("Location", "/whep/"+string(key)+"/viewer")
		w.WriteHeader(http.StatusCreated)
	}
	fmt.Fprintf(w, "WHEP %s %s", r.Method, key)
}

var errInside = errors.New("secret inside of the server")
