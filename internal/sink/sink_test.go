package sink_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fengsui/internal/sink"
	"fengsui/shadow/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	cam = "34020000001320000001"
	nvr = "34020000001180000002"
	org = "34020000002160000003"
)

// receiver takes messages, or answers as the test says.
type receiver struct {
	mu     sync.Mutex
	answer func(m sink.Message) error // nil = take all
	took   []sink.Message
	asked  int // messages that came
	closed bool
}

func (r *receiver) Send(_ context.Context, messages []sink.Message) []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	results := make([]error, len(messages))
	failed := map[string]bool{}
	for i, m := range messages {
		if failed[m.Device] {
			results[i] = sink.ErrNotTried
			continue
		}
		r.asked++
		if r.answer != nil {
			results[i] = r.answer(m)
		}
		if failed[m.Device] = results[i] != nil; results[i] == nil {
			r.took = append(r.took, m)
		}
	}
	return results
}

func (r *receiver) Close() error {
	r.closed = true
	return nil
}

func (r *receiver) say(answer func(m sink.Message) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// all is what was taken.
func (r *receiver) all() []sink.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.took)
}

func (r *receiver) tries() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// got is what came of a device, in order: the numbers of raise.
func (r *receiver) got(device string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, m := range r.took {
		var b struct {
			Data struct{ N int }
		}
		if err := json.Unmarshal(m.Body, &b); err == nil && m.Device == device {
			out = append(out, fmt.Sprint(b.Data.N))
		}
	}
	return strings.Join(out, " ")
}

// house is a journal with one sink, both running.
type house struct {
	t       *testing.T
	path    string
	change  func(*sink.Config)
	to      *receiver
	journal *journal.Journal
	sinks   *sink.Sinks
	reg     *prometheus.Registry
	end     func()
	n       int
}

func open(t *testing.T, change func(*sink.Config)) *house {
	h := &house{t: t, path: filepath.Join(t.TempDir(), "j"), change: change, to: &receiver{}}
	h.start()
	return h
}

func (h *house) start() {
	var err error
	if h.journal, err = journal.Open(journal.Config{Path: h.path}, nil, zerolog.Nop()); err != nil {
		h.t.Fatal(err)
	}
	h.reg = prometheus.NewRegistry()
	h.sinks = sink.New(h.journal, h.reg, zerolog.Nop())
	c := sink.Config{Name: "ops", Kind: "webhook", Target: "http://ops", Tenant: "default", Tries: 3, Age: time.Hour, Pending: 1000, Batch: 8}
	if h.change != nil {
		h.change(&c)
	}
	if err := h.sinks.Add(c, h.to); err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { _ = h.journal.Run(ctx) })
	parts.Go(func() {
		if err := h.sinks.Run(ctx); err != nil {
			h.t.Error(err)
		}
	})
	h.end = func() {
		cancel()
		parts.Wait()
		if err := h.journal.Close(); err != nil {
			h.t.Error(err)
		}
	}
}

// raise makes events of a device, numbered through.
func (h *house) raise(device string, n int) {
	for range n {
		h.n++
		h.journal.Append(journal.Event{Type: "device.online", Device: device, Data: map[string]any{"n": h.n}})
	}
}

func TestEventsArriveWithinASecondAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, nil)
		defer h.end()
		time.Sleep(10 * time.Second)
		h.raise(cam, 20)
		h.raise(nvr, 2)
		time.Sleep(time.Second)
		if h.to.got(cam) != "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20" || h.to.got(nvr) != "21 22" {
			t.Errorf("got %q and %q", h.to.got(cam), h.to.got(nvr))
		}
		m := h.to.all()[0]
		if want := `"type":"device.online","tenant":"default","device":"` + cam + `","data":{"n":1}}`; !strings.HasPrefix(string(m.Body), `{"key":"`+m.Key+`","id":`) || !strings.HasSuffix(string(m.Body), want) {
			t.Errorf("body %s", m.Body)
		}
		st := h.sinks.States()[0]
		if st.State != "ok" || st.Sent != 22 || st.Pending != 0 || st.LastSentAt.IsZero() || st.Target != "http://ops" {
			t.Errorf("state %+v", st)
		}
		if n := testutil.ToFloat64(counter{h.reg, "fengsui_sink_letters_total", "sent"}); n != 22 {
			t.Errorf("%v counted as sent", n)
		}
	})
}

func TestACutLosesNothingAndDoublesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, nil)
		h.raise(cam, 3)
		time.Sleep(time.Second)
		h.to.say(func(sink.Message) error { return errors.New("connection refused") })
		h.raise(cam, 300)
		time.Sleep(10 * time.Minute)
		tries := h.to.tries() - 3
		if st := h.sinks.States()[0]; st.State != "failing" || st.LastError != "connection refused" || st.Pending != 300 {
			t.Errorf("state %+v", st)
		}
		if tries < 10 || tries > 30 { // 1-2 s three times, then doubling to a minute
			t.Errorf("%d tries in ten minutes", tries)
		}
		h.end() // restart while it is down
		h.raise(cam, 0)
		h.start()
		defer func() { h.end() }()
		time.Sleep(time.Second)
		h.raise(cam, 1)
		h.to.say(nil)
		time.Sleep(2 * time.Minute)
		var want []string
		for n := 1; n <= 304; n++ {
			want = append(want, fmt.Sprint(n))
		}
		if got := h.to.got(cam); got != strings.Join(want, " ") {
			t.Errorf("got %q", got)
		}
	})
}

func TestARefusedEventHoldsItsDeviceOnlyAndIsPutAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, nil)
		defer h.end()
		var bad string
		h.to.say(func(m sink.Message) error {
			if bad == "" {
				bad = m.Key
			}
			if m.Key == bad {
				return &sink.Refusal{Reason: "400 Bad Request"}
			}
			return nil
		})
		h.raise(cam, 3)
		h.raise(nvr, 2)
		time.Sleep(900 * time.Millisecond)
		if h.to.got(cam) != "" || h.to.got(nvr) != "4 5" {
			t.Errorf("while the first is refused: %q and %q", h.to.got(cam), h.to.got(nvr))
		}
		time.Sleep(10 * time.Second)
		if h.to.got(cam) != "2 3" {
			t.Errorf("after it was given up: %q", h.to.got(cam))
		}
		dead, err := h.sinks.Letters("ops", "dead", 0, 9)
		if err != nil || len(dead) != 1 || dead[0].Key != bad || dead[0].Tries != 3 || !strings.Contains(dead[0].Reason, "400 Bad Request, 3 times") {
			t.Fatalf("dead %+v, %v", dead, err)
		}
		h.to.say(nil)
		if n, err := h.sinks.Resend("ops"); n != 1 || err != nil {
			t.Errorf("sent again %d, %v", n, err)
		}
		time.Sleep(time.Second)
		if st := h.sinks.States()[0]; h.to.got(cam) != "2 3 1" || st.Dead != 0 || st.Pending != 0 || st.State != "ok" {
			t.Errorf("sent again by hand: %q, %+v", h.to.got(cam), st)
		}
		for _, err := range []error{
			func() error { _, err := h.sinks.Letters("x", "dead", 0, 1); return err }(),
			func() error { _, err := h.sinks.Resend("x"); return err }(),
			func() error { _, err := h.sinks.Discard("x"); return err }(),
		} {
			if !errors.Is(err, sink.ErrUnknown) {
				t.Errorf("of a sink that is not there: %v", err)
			}
		}
	})
}

func TestWhatIsTooOldIsPutAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, func(c *sink.Config) { c.Age = 5 * time.Minute })
		defer h.end()
		h.to.say(func(sink.Message) error { return errors.New("no route to host") })
		h.raise(cam, 2)
		time.Sleep(10 * time.Minute)
		h.to.say(nil)
		time.Sleep(2 * time.Minute)
		h.raise(cam, 1)
		time.Sleep(time.Second)
		dead, err := h.sinks.Letters("ops", "dead", 0, 9)
		if err != nil || len(dead) != 2 || !strings.Contains(dead[0].Reason, "no route to host, and it is older than 5m") || h.to.got(cam) != "3" {
			t.Errorf("dead %+v, %v; got %q", dead, err, h.to.got(cam))
		}
		if n, err := h.sinks.Discard("ops"); n != 2 || err != nil {
			t.Errorf("discarded %d, %v", n, err)
		}
	})
}

func TestApartSendsOneOfEachDeviceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, func(c *sink.Config) { c.Apart = true })
		defer h.end()
		h.raise(cam, 3)
		h.raise(nvr, 3)
		time.Sleep(time.Second)
		var devices []string
		for _, m := range h.to.all() {
			devices = append(devices, m.Device)
		}
		if !slices.Equal(devices, []string{cam, nvr, cam, nvr, cam, nvr}) {
			t.Errorf("sent in the order %v", devices)
		}
	})
}

func TestFilterByKindAndSubtree(t *testing.T) {
	for _, c := range []struct {
		filter sink.Filter
		want   string
	}{
		{sink.Filter{}, "online alarm offline input moved none"},
		{sink.Filter{Events: []string{"device"}}, "online offline none"},
		{sink.Filter{Events: []string{"device.off", "device.online"}}, "online none"},
		{sink.Filter{Events: []string{"alarm.", "device.offline"}}, "alarm offline input"},
		{sink.Filter{Events: []string{"position"}}, "moved"},
		{sink.Filter{Subtrees: []string{cam}}, "online alarm moved"},
		{sink.Filter{Subtrees: []string{nvr + "/" + org}}, "offline input"},
		{sink.Filter{Subtrees: []string{nvr + "/" + cam}}, "offline"},
		{sink.Filter{Subtrees: []string{"*"}, Events: []string{"alarm"}}, "alarm input"},
	} {
		synctest.Test(t, func(t *testing.T) {
			c.filter.Inside = func(device, channel string, items []string) bool {
				return device == nvr && channel == "input" && slices.Contains(items, org)
			}
			h := open(t, func(conf *sink.Config) { conf.Filter = c.filter })
			defer h.end()
			h.journal.Append(journal.Event{Type: "device.online", Device: cam, Trace: "online"})
			h.journal.Append(journal.Event{Type: "alarm.raised", Device: cam, Trace: "alarm"})
			h.journal.Append(journal.Event{Type: "device.offline", Device: nvr, Trace: "offline"})
			h.journal.Append(journal.Event{Type: "alarm.raised", Device: nvr, Channel: "input", Trace: "input"})
			h.journal.Pass(journal.Event{Type: "position.moved", Device: cam, Trace: "moved"})
			h.journal.Append(journal.Event{Type: "device.online", Trace: "none"})
			time.Sleep(time.Second)
			var got []string
			for _, m := range h.to.all() {
				var b struct{ Trace string }
				if err := json.Unmarshal(m.Body, &b); err != nil {
					t.Error(err)
				}
				got = append(got, b.Trace)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%+v: %q, want %q", c.filter, got, c.want)
			}
		})
	}
}

func TestTheOutboxOfAFormerSinkIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, nil)
		h.to.say(func(sink.Message) error { return errors.New("down") })
		h.raise(cam, 2)
		time.Sleep(time.Second)
		h.end()
		h.change = func(c *sink.Config) { c.Name = "other" }
		h.start()
		defer h.end()
		time.Sleep(time.Second)
		if names, err := h.journal.Outboxes(); err != nil || !slices.Equal(names, []string{"other"}) {
			t.Errorf("outboxes %v, %v", names, err)
		}
	})
}

// counter is the sum of a counter's children with a value of the label result.
type counter struct {
	reg          *prometheus.Registry
	name, result string
}

func (c counter) Describe(ch chan<- *prometheus.Desc) {}
func (c counter) Collect(ch chan<- prometheus.Metric) {
	families, _ := c.reg.Gather()
	sum := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == c.name && l.GetName() == "result" && l.GetValue() == c.result {
					sum += m.GetCounter().GetValue()
				}
			}
		}
	}
	ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("sum", "sum", nil, nil), prometheus.GaugeValue, sum)
}
