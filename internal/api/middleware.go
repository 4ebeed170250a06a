package api

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/internal/api/fault"
	"fengsui/internal/telemetry"
)

// maxBody bounds every request body, in bytes.
const maxBody = 1 << 20

// contentPolicy fits the console: its own scripts and workers, styles that its
// widgets set, pictures and media made in memory. Nothing comes from elsewhere.
const contentPolicy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' blob:; connect-src 'self' ws: wss:; worker-src 'self' blob:; " +
	"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// enter gives the request its trace and call, answers a panic, and tells log
// and metrics how it went.
func (s *Server) enter(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		t, err := telemetry.ParseTraceparent(r.Header.Get("Traceparent"))
		if err != nil {
			t = telemetry.NewTrace()
		}
		t = t.Child()
		c := &call{lang: language(r.Header.Get("Accept-Language")), trace: t.ID()}
		r = r.WithContext(withCall(telemetry.NewContext(r.Context(), t), c))
		c.r = r
		if !uploading(r) { // a picture has a bound of its own
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}

		rec := &recorder{ResponseWriter: w}
		rec.Header().Set("Traceparent", t.Traceparent())
		rec.Header().Set("X-Trace-Id", t.ID())
		secureHeaders(rec.Header(), originOf(r).secure)

		s.m.running.Inc()
		defer func() {
			s.m.running.Dec()
			what := recover()
			if what != nil && what != http.ErrAbortHandler { //nolint:errorlint // compared by net/http in the same way
				s.log.Error().Ctx(r.Context()).Str("panic", fmt.Sprint(what)).Bytes("stack", debug.Stack()).Msg("request panicked")
				if rec.status == 0 {
					s.fail(rec, r, fault.New(fault.Internal, "the log holds the cause under this trace"))
					what = nil
				}
			}
			s.done(r, c, rec, time.Since(start))
			s.audit(c, rec.status)
			if what != nil {
				panic(http.ErrAbortHandler) // net/http cuts the connection: the answer is not whole
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

// done logs a request: what changes something or failed at info, the rest at
// debug. The query is left out, as it may hold a token.
func (s *Server) done(r *http.Request, c *call, rec *recorder, took time.Duration) {
	status := rec.status
	if status == 0 {
		status = http.StatusOK
	}
	s.m.requests.WithLabelValues(fmt.Sprintf("%dxx", status/100)).Inc()
	if !rec.streaming {
		s.m.seconds.Observe(took.Seconds())
	}
	level := zerolog.DebugLevel
	if status >= 500 || r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions {
		level = zerolog.InfoLevel
	}
	s.log.WithLevel(level).Ctx(r.Context()).Str("method", r.Method).Str("path", shownPath(r)).Int("status", status).
		Str("user", c.who.name).Str("remote", s.clientAddr(r).String()).Dur("took", took).Msg("request")
}

// shownPath is the path of a request as it is logged: without the secret of an upload.
func shownPath(r *http.Request) string {
	if uploading(r) {
		return UploadPath
	}
	return r.URL.Path
}

func secureHeaders(h http.Header, secure bool) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(self)")
	h.Set("Cache-Control", "no-store")
	if secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// recorder remembers the status. It unwraps, flushes and hijacks as the writer does.
type recorder struct {
	http.ResponseWriter
	status    int
	streaming bool // an answer without end: its time says nothing
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) Flush() {
	w.streaming = true
	_ = http.NewResponseController(w.ResponseWriter).Flush() // nothing to flush is no fault
}

func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.streaming, w.status = true, http.StatusSwitchingProtocols
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

type metrics struct {
	requests  *prometheus.CounterVec
	seconds   prometheus.Histogram
	running   prometheus.Gauge
	watchers  prometheus.Gauge
	logins    *prometheus.CounterVec
	replayed  prometheus.Counter
	evicted   *prometheus.CounterVec
	unaudited prometheus.Counter
	busy      *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_http_requests_total", Help: "HTTP requests answered, by class of status.",
		}, []string{"class"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "fengsui_http_request_seconds", Help: "Time to answer, streams without end left out.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10, 30},
		}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fengsui_http_running_requests", Help: "Requests being answered, event and media streams included.",
		}),
		watchers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fengsui_http_event_streams", Help: "Open streams of server-sent events.",
		}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_http_logins_total", Help: "Sign-ins by outcome: ok, wrong, slowed.",
		}, []string{"outcome"}),
		replayed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_http_idempotent_replays_total", Help: "Answers given again for a known Idempotency-Key.",
		}),
		evicted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_http_evicted_total", Help: "Entries dropped from full tables, by table: idempotency, logins.",
		}, []string{"table"}),
	}
	m.unaudited = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "fengsui_http_unaudited_total", Help: "Calls that the audit could not keep.",
	})
	m.busy = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fengsui_http_busy_total", Help: "Requests answered 503 because too many of their kind were open: events, sign_ins, files, uploads.",
	}, []string{"what"})
	if reg != nil {
		reg.MustRegister(m.requests, m.seconds, m.running, m.watchers, m.logins, m.replayed, m.evicted, m.busy, m.unaudited)
	}
	return m
}
