package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fengsui/internal/api/fault"
	"fengsui/internal/reuse"
	"fengsui/shadow"
)

// Facts are what the process tells of itself.
type Facts struct {
	Commit    string
	StartedAt time.Time
	Start     []Step // in the order in which they ended
	SIPID     string
	SIPDomain string
	// Addresses that are listened at and told to devices, by what they serve:
	// "sip", "media", "http", "webrtc".
	Addresses map[string][]string
	// Leases are counts of what is held: ports, ssrcs, dialogs, viewers.
	Leases map[string]int
	// Pools keep what is used again, in sizes that follow the devices.
	Pools reuse.State
	// Degraded says what is missing, in words; empty when all is well.
	Degraded []string
}

// Step is one step of the start.
type Step struct {
	Name  string
	Took  time.Duration
	Items int // that it loaded
}

// Check is one condition of readiness.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// System is what the face asks of the process.
type System interface {
	Facts() Facts
	// Loading are the steps of the start that are not done; none once devices are
	// served.
	Loading() []string
	// Ready looks at what must work before work can be taken.
	Ready(ctx context.Context) []Check
}

type systemOutput struct {
	Body struct {
		Version   string              `json:"version"`
		Commit    string              `json:"commit"`
		Go        string              `json:"go"`
		Instance  string              `json:"instance"`
		StartedAt *stamp              `json:"started_at,omitempty"`
		Start     []stepView          `json:"start" nullable:"false" doc:"what each step of the start took, in the order in which they ended; some run beside each other"`
		Uptime    int64               `json:"uptime" doc:"seconds"`
		Time      stamp               `json:"time" doc:"this server's clock"`
		SIP       sipView             `json:"sip"`
		Counts    countsView          `json:"counts"`
		Addresses map[string][]string `json:"addresses" doc:"listened at and told to devices, by what they serve"`
		Leases    map[string]int      `json:"leases" doc:"what is held: ports, SSRCs, dialogs …"`
		Pools     poolsView           `json:"pools" doc:"what is kept to be used again, and why so much"`
		Degraded  []string            `json:"degraded" nullable:"false" doc:"what is missing; empty when all is well"`
	}
}

type stepView struct {
	Step  string  `json:"step" enum:"store,users,bans,credentials,shadows,channels,total" doc:"total: from the first moment until devices were served"`
	Took  float64 `json:"took_ms" doc:"milliseconds"`
	Items int     `json:"items" doc:"what was loaded; of total, the devices"`
}

type sipView struct {
	ID     string `json:"id"`
	Domain string `json:"domain"`
}

type countsView struct {
	Devices  stateCounts `json:"devices"`
	Channels int         `json:"channels"`
	Online   int         `json:"online_channels"`
	Streams  int         `json:"streams"`
}

type stateCounts struct {
	Total   int `json:"total"`
	Online  int `json:"online"`
	Offline int `json:"offline"`
	Unknown int `json:"unknown"`
}

func (s *Server) addSystem() {
	op(s, access{member: true, local: true}, huma.Operation{OperationID: "get-system", Method: http.MethodGet, Path: "/api/v1/system", Tags: []string{"system"},
		Summary: "Version, counts and addresses"}, s.system)
}

func (s *Server) system(ctx context.Context, _ *struct{}) (*systemOutput, error) {
	var f Facts
	if s.svc.System != nil {
		f = s.svc.System.Facts()
	}
	now := time.Now()
	out := &systemOutput{}
	b := &out.Body
	b.Version, b.Commit, b.Go, b.Instance = s.cfg.Version, f.Commit, runtime.Version(), s.cfg.Instance
	b.StartedAt, b.Time = at(f.StartedAt), stamp(now)
	if !f.StartedAt.IsZero() {
		b.Uptime = int64(now.Sub(f.StartedAt) / time.Second)
	}
	b.Start = make([]stepView, len(f.Start))
	for i, st := range f.Start {
		b.Start[i] = stepView{st.Name, float64(st.Took.Microseconds()) / 1000, st.Items}
	}
	b.SIP = sipView{f.SIPID, f.SIPDomain}
	b.Addresses, b.Leases, b.Degraded = f.Addresses, f.Leases, append([]string{}, f.Degraded...)
	b.Pools = viewPools(f.Pools)
	b.Counts = s.counts(s.sight(ctx))
	return out, nil
}

// counts are those of what a caller sees.
func (s *Server) counts(see *sight) countsView {
	var c countsView
	for d := range s.svc.Devices.All() {
		if !see.device(d.ID) {
			continue
		}
		switch d.Presence.State {
		case shadow.Online:
			c.Devices.Online++
		case shadow.Offline:
			c.Devices.Offline++
		default:
			c.Devices.Unknown++
		}
		c.Devices.Total++
		d = see.counted(d)
		c.Channels += d.Channels
		c.Online += d.OnlineChannels
	}
	if s.svc.Streams == nil {
		return c
	}
	for _, p := range s.svc.Streams.Sessions() {
		if see.channel(p.Request.Device, p.Request.Channel) {
			c.Streams++
		}
	}
	return c
}

// hold answers 503 while what an earlier process kept is still being loaded, so
// that nobody takes a part for the whole; health and metrics are served.
func (s *Server) hold(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz", "/readyz", "/metrics":
		default:
			if s.svc.System == nil {
				break
			}
			if left := s.svc.System.Loading(); len(left) > 0 {
				w.Header().Set("Retry-After", "1")
				s.fail(w, r, fault.New(fault.NotReady, "still to be done: %s", strings.Join(left, ", ")))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) addHealth() {
	s.route("GET /healthz", access{open: true}, func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	s.route("GET /readyz", access{open: true}, s.ready)
	if s.svc.Metrics == nil {
		return
	}
	h := promhttp.HandlerFor(s.svc.Metrics, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: 4})
	s.route("GET /metrics", access{member: true}, h.ServeHTTP)
}

// ready tells strangers only which condition fails, not why.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	checks := []Check{{Name: "store", OK: s.svc.Store.Ping(ctx) == nil}}
	if s.svc.System != nil {
		checks = append(checks, s.svc.System.Ready(ctx)...)
	}
	status, word := http.StatusOK, "ready"
	for i := range checks {
		if !checks[i].OK {
			status, word = http.StatusServiceUnavailable, "not ready"
		}
		if !loopback(r) {
			checks[i].Detail = ""
		}
	}
	writeJSON(w, status, map[string]any{"status": word, "checks": checks})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		body, status = fmt.Appendf(nil, `{"detail":%q}`, err), http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the caller may be gone
}
