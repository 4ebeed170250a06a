package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/internal/telemetry"
)

// Flight is what the face asks of the flight recorder; telemetry.Flight has it.
type Flight interface {
	Snapshot(w io.Writer) error
}

// While block or mutex is recorded, one of so many nanoseconds of waiting, or
// of so many waits for a lock, is noted.
const (
	blockRate     = 10_000
	mutexFraction = 100
)

// profile is one of runtime/pprof.
type profile struct {
	name, about string
	recorded    bool // for some seconds; the others are of now
}

func profiles() []profile {
	return []profile{
		{"allocs", "all memory ever allocated, by where (sampled)", false},
		{"block", "where goroutines wait for each other", true},
		{"cpu", "where processor time goes; labels kind and owner say for whom", true},
		{"goroutine", "all goroutines; labels kind and owner say whom they serve", false},
		{"heap", "memory that lives, by where it was allocated (sampled); gc=1 collects first", false},
		{"mutex", "which locks are waited for", true},
		{"threadcreate", "what made the process start threads", false},
	}
}

type profileView struct {
	Name     string `json:"name"`
	About    string `json:"about"`
	Recorded bool   `json:"recorded" doc:"it takes the time that the parameter seconds says, one at a time"`
}

func (s *Server) addProfiles() {
	tags := []string{"system"}
	need := access{act: rights.Admin, query: true}
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "list-profiles", Method: http.MethodGet, Path: "/api/v1/system/profiles", Tags: tags,
		Summary: "What can be profiled"}, func(context.Context, *struct{}) (*listOutput[profileView], error) {
		out := &listOutput[profileView]{}
		for _, p := range profiles() {
			out.Body.Items = append(out.Body.Items, profileView{p.name, p.about, p.recorded})
		}
		out.Body.Total = len(out.Body.Items)
		return out, nil
	})
	s.route("GET /api/v1/system/profiles/{name}", need, s.getProfile)
	s.describe(huma.Operation{OperationID: "get-profile", Method: http.MethodGet, Path: "/api/v1/system/profiles/{name}", Tags: tags,
		Summary: "A profile as go tool pprof reads it", Description: "debug=1 answers text, debug=2 the stacks of all goroutines. cpu, block and mutex are recorded for seconds (1 to 60, default 10), one at a time. ?token= is taken too. "},
		"application/octet-stream", "seconds", "debug", "token")
	s.route("GET /api/v1/system/flight", need, s.getFlight)
	s.describe(huma.Operation{OperationID: "get-flight", Method: http.MethodGet, Path: "/api/v1/system/flight", Tags: tags,
		Summary: "The last seconds of the execution trace, as go tool trace reads it", Description: "Needs telemetry.flight_recorder; ?token= is taken too. "},
		"application/octet-stream", "token")
}

func (s *Server) getProfile(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	debug, err := s.takeProfile(r.Context(), &b, r.PathValue("name"), r.URL.Query())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	kind := "application/octet-stream"
	if debug > 0 {
		kind = "text/plain; charset=utf-8"
	}
	s.sendRecord(w, r, b.Bytes(), kind, r.PathValue("name")+".pprof")
}

func (s *Server) getFlight(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	if err := s.takeFlight(&b); err != nil {
		s.fail(w, r, err)
		return
	}
	s.sendRecord(w, r, b.Bytes(), "application/octet-stream", "flight.trace")
}

// sendRecord sends what the process recorded of itself, and has the audit say who took it.
func (s *Server) sendRecord(w http.ResponseWriter, r *http.Request, body []byte, kind, name string) {
	callOf(r.Context()).sensitive = true
	s.log.Info().Ctx(r.Context()).Str("user", callOf(r.Context()).who.name).Str("record", name).Int("bytes", len(body)).Msg("profile taken")
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="fengsui-`+time.Now().UTC().Format("20060102-150405")+"-"+name+`"`)
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // the caller may be gone
}

func (s *Server) takeFlight(to io.Writer) error {
	if s.svc.Flight == nil {
		return fault.New(fault.NotBuiltIn, "the flight recorder is not there")
	}
	if !s.recording.TryLock() {
		return fault.New(fault.ProfileBusy, "another profile or snapshot is being taken")
	}
	defer s.recording.Unlock()
	err := s.svc.Flight.Snapshot(to)
	if errors.Is(err, telemetry.ErrFlightOff) {
		return fault.New(fault.NotBuiltIn, "the flight recorder is off (telemetry.flight_recorder)")
	}
	return err
}

// takeProfile writes a profile in the form that debug asks for, and says which.
func (s *Server) takeProfile(ctx context.Context, to io.Writer, name string, q url.Values) (debug int, err error) {
	var wanted *profile
	for _, p := range profiles() {
		if p.name == name {
			wanted = &p
		}
	}
	if wanted == nil {
		return 0, fault.New(fault.UnknownProfile, "profile %q", name)
	}
	if debug, err = within(q, "debug", 0, 0, 2); err != nil {
		return 0, err
	}
	seconds, err := within(q, "seconds", 10, 1, 60)
	if err != nil {
		return 0, err
	}
	if !wanted.recorded {
		if name == "heap" && q.Get("gc") != "" {
			runtime.GC()
		}
		return debug, pprof.Lookup(name).WriteTo(to, debug)
	}
	if !s.recording.TryLock() {
		return 0, fault.New(fault.ProfileBusy, "another profile or snapshot is being taken")
	}
	defer s.recording.Unlock()
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(seconds)*time.Second, errRecorded)
	defer cancel()
	defer context.AfterFunc(s.stop, cancel)() // a server that stops does not wait for it
	if err := record(ctx, to, name, debug); err != nil {
		return 0, err
	}
	if cause := context.Cause(ctx); !errors.Is(cause, errRecorded) {
		return 0, cause // the caller left
	}
	if name == "cpu" {
		debug = 0 // it has no other form
	}
	return debug, nil
}

// errRecorded ends a recording that took its time.
var errRecorded = errors.New("recorded")

// record records until ctx ends.
func record(ctx context.Context, to io.Writer, name string, debug int) error {
	switch name {
	case "cpu":
		if err := pprof.StartCPUProfile(to); err != nil {
			return fault.New(fault.ProfileBusy, "%v", err)
		}
		<-ctx.Done()
		pprof.StopCPUProfile()
		return nil
	case "block":
		runtime.SetBlockProfileRate(blockRate)
		defer runtime.SetBlockProfileRate(0)
	case "mutex":
		defer runtime.SetMutexProfileFraction(runtime.SetMutexProfileFraction(mutexFraction))
	}
	<-ctx.Done()
	return pprof.Lookup(name).WriteTo(to, debug)
}

// within reads a number of a query, or takes the default.
func within(q url.Values, name string, without, least, most int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return without, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fault.Invalid("query."+name, text, "want %d to %d", least, most)
	}
	return n, nil
}
