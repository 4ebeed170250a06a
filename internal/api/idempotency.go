package api

import (
	"bytes"
	"container/list"
	"crypto/sha256"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fengsui/internal/api/fault"
)

// Bounds of what is remembered of answers.
const (
	answersKept     = 4096
	answersBytes    = 16 << 20
	answerBytes     = 256 << 10 // a larger one is not remembered
	answersLifetime = time.Hour
)

// answers remembers what POSTs with an Idempotency-Key were answered.
type answers struct {
	evicted prometheus.Counter

	mu    sync.Mutex // guards all below and the entries but their done channels
	byKey map[[sha256.Size]byte]*answer
	order *list.List // of *answer, oldest first; only finished ones
	bytes int
}

type answer struct {
	key     [sha256.Size]byte // hash of caller, address and Idempotency-Key
	request [sha256.Size]byte // hash of the body
	done    chan struct{}     // closed when finished or given up
	kept    bool              // false = given up: do it again
	expires time.Time
	place   *list.Element

	status int
	header http.Header
	body   []byte
}

func newAnswers(evicted prometheus.Counter) *answers {
	return &answers{evicted: evicted, byKey: map[[sha256.Size]byte]*answer{}, order: list.New()}
}

// claim returns the answer of a key: mine is true for the caller that has to make it.
func (a *answers) claim(key, request [sha256.Size]byte, now time.Time) (_ *answer, mine bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for e := a.order.Front(); e != nil && now.After(e.Value.(*answer).expires); e = a.order.Front() {
		a.drop(e.Value.(*answer))
	}
	if known := a.byKey[key]; known != nil {
		return known, false
	}
	mineNow := &answer{key: key, request: request, done: make(chan struct{})}
	a.byKey[key] = mineNow
	return mineNow, true
}

// finish keeps an answer, or gives it up so that the next caller does it again.
func (a *answers) finish(e *answer, rec *capture, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if rec != nil && rec.status > 0 && rec.status < 500 && !rec.overflow {
		e.status, e.header, e.body = rec.status, rec.Header().Clone(), rec.body.Bytes()
		e.kept, e.expires = true, now.Add(answersLifetime)
		e.place = a.order.PushBack(e)
		a.bytes += len(e.body)
		for a.order.Len() > answersKept || a.bytes > answersBytes {
			a.drop(a.order.Front().Value.(*answer))
			a.evicted.Inc()
		}
	} else {
		delete(a.byKey, e.key)
	}
	close(e.done)
}

// drop forgets a finished answer. Under mu.
func (a *answers) drop(e *answer) {
	a.order.Remove(e.place)
	a.bytes -= len(e.body)
	delete(a.byKey, e.key)
}

// idempotent answers a POST that repeats an Idempotency-Key of the same caller
// with the first answer; a repeat while the first runs waits for it. Answers of
// 500 and above are not kept: a retry tries again. Sign-ins are not repeatable.
func (s *Server) idempotent(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		if key == "" || r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == "/api/v1/sessions" {
			next.ServeHTTP(w, r)
			return
		}
		if len(key) > 128 || strings.ContainsFunc(key, func(c rune) bool { return c < '!' || c > '~' }) {
			s.fail(w, r, fault.New(fault.BadIdempotency, "the Idempotency-Key has %d bytes, or ones that are not printable", len(key)))
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		who := callOf(r.Context()).who
		// A hash, so that long addresses do not fill the memory.
		full := sha256.Sum256([]byte(strings.Join([]string{who.via, who.name, r.URL.RequestURI(), key}, "\x00")))
		sum := sha256.Sum256(body)
		for {
			e, mine := s.answers.claim(full, sum, time.Now())
			if e.request != sum {
				s.fail(w, r, fault.New(fault.OtherIdempotency, "Idempotency-Key %q came with another body before", key))
				return
			}
			if mine {
				r.Body = io.NopCloser(bytes.NewReader(body))
				s.answer(e, next, w, r)
				return
			}
			select {
			case <-e.done:
			case <-r.Context().Done():
				return
			}
			if e.kept {
				s.m.replayed.Inc()
				e.replay(w)
				return
			}
		}
	})
}

func (s *Server) answer(e *answer, next http.Handler, w http.ResponseWriter, r *http.Request) {
	rec := &capture{ResponseWriter: w}
	whole := false
	defer func() {
		if !whole { // a panic is on its way up
			rec = nil
		}
		s.answers.finish(e, rec, time.Now())
	}()
	next.ServeHTTP(rec, r)
	whole = true
}

func (e *answer) replay(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range e.header {
		if name != "Traceparent" && name != "X-Trace-Id" { // those of this call
			h[name] = values
		}
	}
	h.Set("Idempotent-Replayed", "true")
	w.WriteHeader(e.status)
	_, _ = w.Write(e.body) // the caller may be gone
}

// capture keeps a copy of the answer as it is written.
type capture struct {
	http.ResponseWriter
	status   int
	body     bytes.Buffer
	overflow bool
}

func (c *capture) WriteHeader(status int) {
	if c.status == 0 && status >= 200 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *capture) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	if c.body.Len()+len(b) > answerBytes {
		c.overflow = true
	} else {
		c.body.Write(b)
	}
	return c.ResponseWriter.Write(b)
}

func (c *capture) Unwrap() http.ResponseWriter { return c.ResponseWriter }
