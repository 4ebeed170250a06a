package app

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fengsui/configs"
	"fengsui/sip/flow"
	"fengsui/sip/siptest"
)

var update = flag.Bool("update", false, "write docs/bounds.md")

// page is docs/bounds.md.
func page() string {
	var b strings.Builder
	b.WriteString(`# What is bounded, and what happens when it is full

Made from internal/app/bounds.go by ` + "`go test ./internal/app -run Bounds -update`" + `; the same test proves that each counter is served and
each test exists. ` + "`" + queueFull + "{queue=\"…\"}`" + ` counts them all; the last column but one is the package's own counter. Rings that
are meant to lose the oldest (the 16,384 newest events in memory, the journal of ` + "`journal.size`" + `, the trace of ` + "`trace.memory`" + `, the last three keepalives of each device) are no queues.

| Name | Holds | Most | Set by | When full | Own counter | Filled by |
|---|---|---|---|---|---|---|
`)
	for _, q := range bounds {
		own := q.metric
		if q.label != "" {
			own = fmt.Sprintf("%s{%s=%q}", q.metric, q.label, q.value)
		}
		key := "–"
		if q.key != "" {
			key = "`" + q.key + "`"
		}
		pkg, test, _ := strings.Cut(q.test, " ")
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | `%s` | %s in %s |\n", q.name, q.holds, q.most, key, q.full, own, test, pkg)
	}
	return b.String()
}

func TestBoundsPageSaysWhatIsBounded(t *testing.T) {
	const path = "../../docs/bounds.md"
	if *update {
		if err := os.WriteFile(path, []byte(page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != page() {
		t.Errorf("docs/bounds.md is not what the list says: go test ./internal/app -run Bounds -update (%v)", err)
	}
	if !slices.IsSortedFunc(bounds, func(a, b bound) int { return strings.Compare(a.name, b.name) }) {
		t.Error("the list is not in order")
	}
	defaults := configs.Default()
	sample := defaults.Print()
	for _, q := range bounds {
		first, _, _ := strings.Cut(q.key, ",")
		if _, last, _ := strings.Cut(first, "."); q.key != "" && !strings.Contains(sample, last[strings.LastIndex(last, ".")+1:]+":") {
			t.Errorf("%s: there is no key %s", q.name, first)
		}
		pkg, test, _ := strings.Cut(q.test, " ")
		files, _ := filepath.Glob("../../" + pkg + "/*_test.go")
		if !slices.ContainsFunc(files, func(f string) bool {
			text, err := os.ReadFile(f)
			return err == nil && strings.Contains(string(text), "\nfunc "+test+"(")
		}) {
			t.Errorf("%s: package %s has no test %s", q.name, pkg, test)
		}
	}
}

// lost are words by which counters of what did not fit are named.
var lost = regexp.MustCompile(`dropped|refused|evicted|shed|full|postponed|merged|rejected|busy|unlisted`)

// Counters by those words that are of no bound, and why.
var unbounded = map[string]string{
	"fengsui_command_postponed_total":              "devices that were busy",
	"fengsui_media_kernel_dropped_datagrams_total": "the system's buffers",
	"fengsui_pool_dropped_total":                   "pools keep less than they are given back: nothing is lost",
	"fengsui_pool_model_postponed_total":           "likewise",
	"fengsui_registrar_refused_total":              "by verdict",
}

func TestBoundsAreAllCounted(t *testing.T) {
	a := serve(t, func(c *configs.Config) { c.Media.WebRTCListen = "127.0.0.1:0" })
	served := map[string]bool{}
	descs := make(chan *prometheus.Desc, 4096)
	a.registry.Describe(descs)
	close(descs)
	name := regexp.MustCompile(`fqName: "([^"]+)"`)
	for d := range descs {
		served[name.FindStringSubmatch(d.String())[1]] = true
	}
	listed := map[string]bool{}
	for _, q := range bounds {
		listed[q.metric] = true
		if !served[q.metric] {
			t.Errorf("%s: no counter %s", q.name, q.metric)
		}
	}
	for metric := range served {
		if lost.MatchString(metric) && !listed[metric] && unbounded[metric] == "" {
			t.Errorf("%s counts what did not fit: name what is bounded in bounds.go", metric)
		}
	}
}

func TestFullQueuesAreServedUnderOneName(t *testing.T) {
	a := serve(t, func(c *configs.Config) { unexempt(c); c.SIP.Guard.Rate, c.SIP.Guard.Burst = 10, 100 })
	read := func() map[string]float64 {
		t.Helper()
		families, err := counted{a.registry}.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			if f.GetName() == queueFull {
				for _, m := range f.GetMetric() {
					got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
				}
			}
		}
		return got
	}
	if before := read(); len(before) != len(bounds) || before["guard.source"] != 0 {
		t.Fatalf("at first %v", before)
	}
	d := siptest.NewDevice(t, siptest.Config{Server: a.endpoint.Addrs()[0].Local, Transport: flow.UDP})
	for range 300 {
		d.Send(d.Request("OPTIONS", "").Bytes())
	}
	for end := time.Now().Add(10 * time.Second); read()["guard.source"] < 100; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after 300 messages with a budget of 100: %v", read())
		}
	}
	if n := read()["guard.network"]; n != 0 {
		t.Errorf("%v of a network's budget counted", n)
	}
}
