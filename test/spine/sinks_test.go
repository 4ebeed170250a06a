package spine_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"fengsui/configs"
	"fengsui/internal/sim"
	"fengsui/internal/sink/webhook"
)

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// told is an event as a receiver got it.
type told struct {
	Key    string         `json:"key"`
	ID     uint64         `json:"id"`
	At     time.Time      `json:"at"`
	Type   string         `json:"type"`
	Tenant string         `json:"tenant"`
	Device string         `json:"device"`
	Data   map[string]any `json:"data"`

	came time.Time
}

// ears collect what a receiver is told, once for each key, as receivers are to do.
type ears struct {
	mu   sync.Mutex
	all  []told
	keys map[string]bool
}

func (e *ears) hear(t testing.TB, body []byte) {
	var one told
	if err := json.Unmarshal(body, &one); err != nil {
		t.Errorf("event %s: %v", body, err)
	}
	one.came = time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.keys == nil {
		e.keys = map[string]bool{}
	}
	if !e.keys[one.Key] {
		e.keys[one.Key] = true
		e.all = append(e.all, one)
	}
}

func (e *ears) heard() []told {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.all)
}

// wire is a way to a receiver that can be cut.
type wire interface {
	address() string
	cut()
	mend()
}

// line is a TCP way to a receiver behind another address.
type line struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	dead  bool
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

func lineTo(t testing.TB, to string) *line {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &line{listener: l, to: to, conns: map[net.Conn]bool{}}
	w.wg.Go(w.serve)
	t.Cleanup(func() {
		l.Close()
		w.cut()
		w.wg.Wait()
	})
	return w
}

func (l *line) address() string { return l.listener.Addr().String() }

func (l *line) serve() {
	for {
		in, err := l.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", l.to)
		if err != nil || !l.keep(in, out) {
			in.Close()
			if err == nil {
				out.Close()
			}
			continue
		}
		for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
			l.wg.Go(func() {
				_, _ = io.Copy(pair[0], pair[1]) // ends with either
				in.Close()
				out.Close()
			})
		}
	}
}

func (l *line) keep(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		l.conns[c] = true
	}
	return !l.dead
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	for c := range l.conns {
		c.Close()
	}
	clear(l.conns)
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = false
}

type sinkView struct {
	Name      string `json:"name"`
	State     string `json:"state"`
	Pending   int    `json:"pending"`
	Dead      int    `json:"dead"`
	LastError string `json:"last_error"`
}

func (h *house) sink(name string) (v sinkView) {
	h.t.Helper()
	var out struct {
		Items []sinkView `json:"items"`
	}
	h.get("/api/v1/sinks", &out)
	for _, v := range out.Items {
		if v.Name == name {
			return v
		}
	}
	h.t.Fatalf("no sink %s in %+v", name, out)
	return v
}

// receivers are of each kind: where the sink is, what it heard, and how it is
// configured beside its address.
var receivers = map[string]func(t *testing.T, e *ears) (way wire, c configs.Sink){
	"webhook": hookReceiver,
	"kafka":   kafkaReceiver,
	"redis":   redisReceiver,
}

// A receiver of each kind is told of every event of a device once and in order:
// within a second, after a cut, and after a restart of ours while it was away.
func TestSinksTellEachEventOnceAndInOrder(t *testing.T) {
	t.Parallel()
	for kind, receiver := range receivers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var e ears
			way, c := receiver(t, &e)
			s := configs.DefaultSink()
			s.Name, s.Kind, s.URL, s.Secret, s.Tenant = "there", kind, strings.Replace(c.URL, "ADDRESS", way.address(), 1), c.Secret, "north"
			h := open(t, func(c *configs.Config) { c.Sinks = []configs.Sink{s} })
			devices := h.run(sim.Config{Channels: 2})
			h.complete(recorder, 2)
			rejoin := func() {
				t.Helper()
				before := devices.Stats().Registrations
				if err := devices.Rejoin(0); err != nil {
					t.Fatal(err)
				}
				eventually(t, "another registration", func() bool { return devices.Stats().Registrations == before+1 })
			}
			same := func(when string) {
				t.Helper()
				var want []told
				eventually(t, "all events "+when, func() bool {
					var out struct {
						Items []told `json:"items"`
					}
					h.get("/api/v1/devices/"+string(recorder)+"/timeline", &out)
					want = out.Items
					return len(e.heard()) >= len(want)
				})
				slices.Reverse(want)
				got := e.heard()
				if len(got) != len(want) {
					t.Fatalf("%s: heard %d events, the time line has %d", when, len(got), len(want))
				}
				for i := range want {
					if got[i].ID != want[i].ID || got[i].Type != want[i].Type || got[i].Tenant != "north" || got[i].Device != string(recorder) {
						t.Errorf("%s: event %d is %+v, want %+v", when, i, got[i], want[i])
					}
				}
			}
			same("at first")
			soon := false
			for range 5 { // the machine may be busy
				rejoin()
				same("after another registration")
				last := e.heard()[len(e.heard())-1]
				soon = soon || last.came.Sub(last.At) < time.Second
			}
			if !soon {
				t.Error("no event came within a second")
			}
			way.cut()
			rejoin()
			eventually(t, "the sink to notice the cut", func() bool { return h.sink("there").State == "failing" })
			rejoin()
			h.close()
			h.start()
			rejoin()
			eventually(t, "the events to wait", func() bool { return h.sink("there").Pending >= 3 })
			way.mend()
			same("after a cut and a restart")
			eventually(t, "the sink to be well", func() bool { v := h.sink("there"); return v.State == "ok" && v.Pending == 0 && v.Dead == 0 })
		})
	}
}

func hookReceiver(t *testing.T, e *ears) (wire, configs.Sink) {
	key, err := webhook.ParseSecret(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("webhook-signature") != webhook.Sign(key, r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), body) {
			t.Errorf("signature %v", r.Header)
		}
		e.hear(t, body)
	}))
	t.Cleanup(server.Close)
	return lineTo(t, server.Listener.Addr().String()), configs.Sink{URL: "http://ADDRESS/hook?token=x", Secret: hookSecret}
}

// door is a listener whose connections can be cut.
type door struct {
	net.Listener
	line
}

func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil || d.keep(c) {
			return c, err
		}
		c.Close()
	}
}

func (d *door) address() string { return d.Addr().String() }

// kafkaReceiver is the client library's own test broker. Its clients go where it
// says it is, so the cut is made at its door.
func kafkaReceiver(t *testing.T, e *ears) (wire, configs.Sink) {
	d := &door{line: line{conns: map[net.Conn]bool{}}}
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "fengsui.events"), kfake.ListenFn(func(_, _ string) (net.Listener, error) {
		var err error
		d.Listener, err = net.Listen("tcp", "127.0.0.1:0")
		return d, err
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	consumer, err := kgo.NewClient(kgo.SeedBrokers(d.address()), kgo.ConsumeTopics("fengsui.events"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-done
		consumer.Close()
	})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			consumer.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				if string(r.Key) == "" || len(r.Headers) != 2 {
					t.Errorf("record %+v", r)
				}
				e.hear(t, r.Value)
			})
		}
	}()
	return d, configs.Sink{URL: "kafka://ADDRESS"}
}

// redisReceiver is a real Redis.
func redisReceiver(t *testing.T, e *ears) (wire, configs.Sink) {
	address := freeAddress(t, "127.0.0.1")
	_, port, _ := net.SplitHostPort(address)
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is missing: apt-get install redis-server")
	}
	server := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	server.Stdout = io.Discard
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(&redis.Options{Addr: address})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-done
		c.Close()
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Wait()
	})
	go func() {
		defer close(done)
		for last := "0"; ctx.Err() == nil; {
			streams, err := c.XRead(ctx, &redis.XReadArgs{Streams: []string{"fengsui:events", last}, Block: 200 * time.Millisecond}).Result()
			if err != nil {
				time.Sleep(50 * time.Millisecond) // nothing yet, or Redis is starting
				continue
			}
			for _, m := range streams[0].Messages {
				last = m.ID
				if n := len(e.heard()); m.Values["key"] == "" || m.Values["device"] == "" || m.Values["type"] == "" {
					t.Errorf("entry %+v", m)
				} else if e.hear(t, []byte(m.Values["event"].(string))); len(e.heard()) == n {
					t.Errorf("entry %s came twice", m.Values["key"])
				}
			}
		}
	}()
	return lineTo(t, address), configs.Sink{URL: "redis://ADDRESS"}
}
