package spine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/internal/app"
	"fengsui/internal/rights"
	"fengsui/internal/sim"
	"fengsui/internal/store"
	"fengsui/sip/siptest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Tests wait for devices most of the time; the number of processors says
	// nothing of how many can run beside each other.
	_ = flag.Set("test.parallel", "28")
	goleak.VerifyTestMain(m)
}

const (
	password      = "Fengsui-1" // of devices
	apiKey        = "fsk_SPINESPINESPINESPINESPINE"
	clusterSecret = "a secret of the spine's tests"
	serverID      = "34020000002000000001"

	// patience is how long anything may take that has no time of its own: the
	// machine may be busy with other tests.
	patience = 40 * time.Second

	pollEvery = 60 * time.Millisecond
)

// house is a running server and a caller of its API.
type house struct {
	t    testing.TB
	cfg  configs.Config
	app  *app.App
	http *http.Client
	base string // http://127.0.0.1:port
	log  *logBuffer

	token string
	end   context.CancelFunc
	ended chan struct{} // closed when Run has returned
	err   error         // of Run
}

// open starts a server on free loopback ports with an empty data folder; change
// may alter its configuration. It is closed with the test.
func open(t testing.TB, change ...func(*configs.Config)) *house {
	t.Helper()
	c := configs.Default()
	secret := password
	c.DataDir, c.Cluster.Secret = t.TempDir(), clusterSecret
	furnish(t, c.DataDir)
	c.SIP.Listen = freeAddress(t, "127.0.0.1")
	c.SIP.Password = &secret
	c.SIP.QueryRate = 2000
	c.HTTP.Listen = freeAddress(t, "127.0.0.1")
	c.Media.Listen = freeAddress(t, "127.0.0.1")
	c.Media.Ports = freeRange(t, 64)
	c.Media.WebRTCListen = ""
	c.Log.Level, c.Log.Format = "debug", "json"
	for _, f := range change {
		f(&c)
	}
	h := &house{t: t, cfg: c, log: &logBuffer{}, token: apiKey}
	t.Cleanup(func() {
		h.close()
		if t.Failed() {
			t.Logf("log of the server:\n%s", h.log.tail(20_000))
		}
	})
	h.start()
	return h
}

// furnished are the files of a data folder with a database in which the tests
// have an API key. Signing in at each server would cost more than the tests.
var furnished = sync.OnceValues(func() (files map[string][]byte, err error) {
	dir, err := os.MkdirTemp("", "spine")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := store.Open(context.Background(), store.Config{Path: filepath.Join(dir, "fengsui.db"), Key: []byte(clusterSecret)}, nil, zerolog.Nop())
	if err != nil {
		return nil, err
	}
	_, err = s.AddKey(context.Background(), store.Key{ID: "spine", Name: "spine", Grants: []rights.Grant{{Act: rights.Admin, Subtree: rights.Everywhere}}, CreatedBy: "admin"}, apiKey)
	if err == nil {
		_, err = s.AddFirstUser(context.Background(), store.User{Name: "admin", Roles: []string{rights.Administrator}, Hash: "none"})
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	files = map[string][]byte{}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		b, readErr := os.ReadFile(filepath.Join(dir, e.Name()))
		files[e.Name()], err = b, errors.Join(err, readErr)
	}
	return files, err
})

func furnish(t testing.TB, dir string) {
	t.Helper()
	files, err := furnished()
	for name, b := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	if err != nil {
		t.Fatalf("make a data folder: %v", err)
	}
}

// start runs the server on its configuration.
func (h *house) start() {
	h.t.Helper()
	var err error
	ctx, cancel := context.WithCancel(context.Background())
	if h.app, err = app.New(ctx, h.cfg, h.log); err != nil {
		cancel()
		h.t.Fatalf("build the server: %v", err)
	}
	h.end, h.ended = cancel, make(chan struct{})
	server, ended := h.app, h.ended
	go func() {
		defer close(ended)
		h.err = server.Run(ctx)
	}()
	select {
	case <-h.app.Listening():
	case <-h.ended:
		h.t.Fatalf("run the server: %v", h.err)
	}
	h.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	h.base = "http://" + h.cfg.HTTP.Listen
}

// close ends the server as SIGTERM does and checks that it ended well.
func (h *house) close() {
	if h.end == nil {
		return
	}
	h.end()
	<-h.ended
	h.end = nil
	if h.http != nil {
		h.http.CloseIdleConnections()
	}
	if h.err != nil {
		h.t.Errorf("server ended: %v", h.err)
	}
}

// run starts simulated devices and returns when all are registered.
func (h *house) run(c sim.Config) *sim.Sim {
	h.t.Helper()
	s := h.launch(c)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.WaitRegistered(ctx, max(c.Devices, 1)); err != nil {
		h.t.Fatalf("%v\n%s", err, s.Stats())
	}
	return s
}

// launch starts simulated devices of this server and waits for nothing.
func (h *house) launch(c sim.Config) *sim.Sim {
	h.t.Helper()
	if c.Server == "" {
		c.Server = h.cfg.SIP.Listen
	}
	if c.Password == "" {
		c.Password = password
	}
	s, err := sim.New(c)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	h.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Error(err)
		}
		if h.t.Failed() {
			h.t.Logf("simulated devices from %s %v:\n%s", s.Device(0).ID, c.Quirks, s.Stats())
		}
	})
	return s
}

// camera is a device of plain text at the server's SIP address.
func (h *house) camera(c siptest.Config) *siptest.Device {
	h.t.Helper()
	if !c.Server.IsValid() {
		c.Server = netip.MustParseAddrPort(h.cfg.SIP.Listen)
	}
	return siptest.NewDevice(h.t, c)
}

// problem is an error answer of the API.
type problem struct {
	Status int         `json:"status"`
	Code   int         `json:"code"`
	Name   string      `json:"name"`
	Title  string      `json:"title"`
	Detail string      `json:"detail"`
	Remedy string      `json:"remedy"`
	Stages []stageView `json:"stages"`
	Space  []struct {
		Download string
		Bytes    int64
	} `json:"space"`
}

// call sends a request and reads the answer into out, or into a problem.
func (h *house) call(ctx context.Context, method, path string, body, out any) (*problem, error) {
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		send = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, h.base+path, send)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	res, err := h.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 400 {
		p := &problem{Status: res.StatusCode}
		if err := json.Unmarshal(b, p); err != nil {
			return nil, fmt.Errorf("%s %s: %s: %q", method, path, res.Status, b)
		}
		return p, nil
	}
	if out == nil {
		return nil, nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %q", method, path, err, b)
	}
	return nil, nil
}

// must is call for what has to succeed.
func (h *house) must(method, path string, body, out any) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p, err := h.call(ctx, method, path, body, out)
	if err != nil {
		h.t.Fatal(err)
	}
	if p != nil {
		h.t.Fatalf("%s %s: %d %s: %s", method, path, p.Status, p.Name, p.Detail)
	}
}

func (h *house) get(path string, out any) {
	h.t.Helper()
	h.must("GET", path, nil, out)
}

// eventually waits until is holds. what is said when it does not.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	within(t, patience, what, is)
}

func within(t testing.TB, d time.Duration, what string, is func() bool) {
	t.Helper()
	until := time.Now().Add(d)
	for !is() {
		if time.Now().After(until) {
			t.Fatalf("not within %v: %s", d, what)
		}
		time.Sleep(pollEvery)
	}
}

type catalogView struct {
	Expected int  `json:"expected"`
	Received int  `json:"received"`
	Complete bool `json:"complete"`
	Skipped  int  `json:"skipped"`
}

type deviceView struct {
	ID            string      `json:"id"`
	Name          string      `json:"name"`
	State         string      `json:"state"`
	StateReason   string      `json:"state_reason"`
	StateEvidence string      `json:"state_evidence"`
	StateSince    string      `json:"state_since"`
	Transport     string      `json:"transport"`
	Remote        string      `json:"remote"`
	Manufacturer  string      `json:"manufacturer"`
	RegisteredAt  string      `json:"registered_at"`
	KeepaliveAt   string      `json:"keepalive_at"`
	Channels      int         `json:"channels"`
	Online        int         `json:"online_channels"`
	Catalog       catalogView `json:"catalog"`
}

type channelView struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Parent      string `json:"parent"`
	State       string `json:"state"`
	StateReason string `json:"state_reason"`
	Invitable   bool   `json:"invitable"`
}

// device is what the API shows of a device; the zero view when it is unknown.
func (h *house) device(id gb28181.ID) (d deviceView) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p, err := h.call(ctx, "GET", "/api/v1/devices/"+string(id), nil, &d)
	if err != nil {
		h.t.Fatal(err)
	}
	if p != nil && p.Name != "unknown_device" {
		h.t.Fatalf("device %s: %+v", id, p)
	}
	return d
}

// becomes waits until the API shows the device in a state.
func (h *house) becomes(id gb28181.ID, state string) (d deviceView) {
	h.t.Helper()
	until := time.Now().Add(patience)
	for d = h.device(id); d.State != state; d = h.device(id) {
		if time.Now().After(until) {
			h.t.Fatalf("device %s is %q (%s, by %s), want %q", id, d.State, d.StateReason, d.StateEvidence, state)
		}
		time.Sleep(pollEvery)
	}
	return d
}

// complete waits until the whole catalog of a device is there.
func (h *house) complete(id gb28181.ID, channels int) deviceView {
	h.t.Helper()
	var d deviceView
	eventually(h.t, fmt.Sprintf("complete catalog of %s", id), func() bool {
		d = h.device(id)
		return d.Catalog.Complete && d.Channels == channels
	})
	return d
}

func (h *house) channels(id gb28181.ID) []channelView {
	h.t.Helper()
	var all []channelView
	for page := 1; ; page++ {
		var list struct {
			Items []channelView `json:"items"`
			Total int           `json:"total"`
		}
		h.get(fmt.Sprintf("/api/v1/devices/%s/channels?page_size=1000&page=%d", id, page), &list)
		if all = append(all, list.Items...); len(all) >= list.Total || len(list.Items) == 0 {
			return all
		}
	}
}

type attemptView struct {
	ID     string `json:"id"`
	Remote string `json:"remote"`
	Check  string `json:"check"`
	Detail string `json:"detail"`
	Count  int    `json:"count"`
}

// attempt waits for a refused registration of a device and returns the newest.
func (h *house) attempt(id gb28181.ID) (a attemptView) {
	h.t.Helper()
	eventually(h.t, "attempt of "+string(id), func() bool {
		var list struct {
			Items []attemptView `json:"items"`
		}
		h.get("/api/v1/attempts?q="+string(id), &list)
		if len(list.Items) > 0 {
			a = list.Items[0]
		}
		return a.ID != ""
	})
	return a
}

type eventView struct {
	ID     uint64         `json:"id"`
	Type   string         `json:"type"`
	Device string         `json:"device"`
	Data   map[string]any `json:"data"`
}

// events are all that happened to a device so far. What is kept is sent at once,
// so a second later the stream of events is given up.
func (h *house) events(id gb28181.ID) (list []eventView) {
	h.t.Helper()
	return h.eventsAfter(0, id)
}

// eventsAfter are those that are replayed to who has seen an event.
func (h *house) eventsAfter(last uint64, id gb28181.ID) (list []eventView) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", h.base+"/api/v1/events?device="+string(id), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	r.Header.Set("Last-Event-ID", strconv.FormatUint(last, 10))
	res, err := h.http.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	quiet := time.AfterFunc(time.Second, cancel)
	defer quiet.Stop()
	b, _ := io.ReadAll(res.Body) // ends with the cancellation
	for line := range strings.Lines(string(b)) {
		data, ok := strings.CutPrefix(line, "data: ")
		var e eventView
		if ok && json.Unmarshal([]byte(data), &e) == nil {
			list = append(list, e)
		}
	}
	return list
}

func types(events []eventView) (list []string) {
	for _, e := range events {
		list = append(list, e.Type)
	}
	return list
}

type leases struct {
	Ports        int `json:"ports"`
	SSRCs        int `json:"ssrcs"`
	Receivers    int `json:"receivers"`
	MediaConns   int `json:"media_connections"`
	Dialogs      int `json:"dialogs"`
	Transactions int `json:"transactions"`
}

func (h *house) leases() leases {
	h.t.Helper()
	var s struct {
		Leases leases `json:"leases"`
	}
	h.get("/api/v1/system", &s)
	return s.Leases
}

// given are the ports handed out in this process, so that tests that run at the
// same time do not take each other's.
var given struct {
	sync.Mutex
	ports map[int]bool
}

// freeAddress is host:port with a port that is free for UDP and TCP. It is
// outside of the range from which the system gives ports of its own accord.
func freeAddress(t testing.TB, host string) string {
	t.Helper()
	return net.JoinHostPort(host, strconv.Itoa(freePorts(t, host, 1)))
}

// freeRange is n consecutive ports, the first of them even.
func freeRange(t testing.TB, n int) configs.PortRange {
	t.Helper()
	first := freePorts(t, "127.0.0.1", n)
	return configs.PortRange{First: first, Last: first + n - 1}
}

func freePorts(t testing.TB, host string, n int) int {
	t.Helper()
	given.Lock()
	defer given.Unlock()
	if given.ports == nil {
		given.ports = map[int]bool{}
	}
	for range 1000 {
		first := 10000 + 2*rand.IntN(10000)
		free := true
		for p := first; free && p < first+n; p++ {
			free = !given.ports[p] && isFree(net.JoinHostPort(host, strconv.Itoa(p)))
		}
		if free {
			for p := first; p < first+n; p++ {
				given.ports[p] = true
			}
			t.Cleanup(func() { giveBack(first, n) })
			return first
		}
	}
	t.Fatal("no free ports")
	return 0
}

// giveBack lets other tests have ports.
func giveBack(first, n int) {
	given.Lock()
	defer given.Unlock()
	for p := first; p < first+n; p++ {
		delete(given.ports, p)
	}
}

func isFree(address string) bool {
	u, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	defer u.Close()
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// logBuffer keeps what the server logs, but not that the tests read its API.
type logBuffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	also io.Writer // gets all; may be nil
}

func (l *logBuffer) tee(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.also = w
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.also != nil {
		_, _ = l.also.Write(p) // never fails
	}
	if bytes.Contains(p, []byte(`"method":"GET"`)) && bytes.Contains(p, []byte(`"status":200`)) {
		return len(p), nil
	}
	return l.b.Write(p)
}

func (l *logBuffer) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.b.Bytes()
	return string(b[max(0, len(b)-n):])
}

// in is the same server for a subtest.
func (h *house) in(t testing.TB) *house {
	sub := *h
	sub.t = t
	return &sub
}

// number is an ID with another sequence.
func number(id gb28181.ID, sequence int) gb28181.ID {
	return id[:14] + gb28181.ID(fmt.Sprintf("%06d", sequence))
}
