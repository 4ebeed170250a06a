package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/shadow/journal"
)

// Events is what the face asks of the journal; journal.Journal has it.
type Events interface {
	Last() uint64
	Since(id uint64, limit int) (events []journal.Event, lost bool)
	Watch(ctx context.Context) <-chan journal.Event
}

// Times of an event stream.
const (
	heartbeat    = 15 * time.Second // comment line; also the caller's rights are looked at again
	eventTimeout = 10 * time.Second // for a caller to take what is written
)

type eventView struct {
	ID      uint64         `json:"id,omitempty"`
	At      stamp          `json:"at"`
	Type    string         `json:"type"`
	Device  string         `json:"device,omitempty"`
	Channel string         `json:"channel,omitempty"`
	Trace   string         `json:"trace,omitempty"`
	Data    map[string]any `json:"data,omitempty"`
}

func viewEvent(e journal.Event) eventView {
	return eventView{e.ID, stamp(e.At), e.Type, e.Device, e.Channel, e.Trace, e.Data}
}

var eventsAccess = access{act: rights.Look, judged: true, query: true}

func (s *Server) addEvents() {
	s.route("GET /api/v1/events", eventsAccess, s.events)
	s.describe(huma.Operation{OperationID: "watch-events", Method: http.MethodGet, Path: "/api/v1/events", Tags: []string{"events"},
		Summary: "Server-sent events", Description: "Each has id and data, a JSON object {id, at, type, device, channel, trace, data}. " +
			"Last-Event-ID, or ?last_event_id=, replays what came after it, across restarts too; 0 replays all that is kept. An event of type lost says that some in between are no longer kept: " +
			"read again what you show. Events of type position.moved, at most one a second of each device, have no id and are not replayed. ?device= and ?type= (prefixes, by comma) narrow it. ?token= is taken too. "},
		"text/event-stream", "last_event_id", "device", "type", "token")
}

// watcher is one event stream. The goroutine that serves the request owns it.
type watcher struct {
	w      http.ResponseWriter
	rc     *http.ResponseController
	last   uint64 // ID of the last event written or passed over
	device string
	types  []string
	sight  *sight // renewed with each heartbeat
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	if s.svc.Events == nil {
		s.fail(w, r, fault.New(fault.NotBuiltIn, "events are off"))
		return
	}
	e := &watcher{w: w, rc: http.NewResponseController(w), last: s.svc.Events.Last(), device: r.URL.Query().Get("device"), sight: s.sight(r.Context())}
	if t := r.URL.Query().Get("type"); t != "" {
		e.types = strings.Split(t, ",")
	}
	from, text := "header.Last-Event-ID", r.Header.Get("Last-Event-ID")
	if text == "" {
		from, text = "query.last_event_id", r.URL.Query().Get("last_event_id")
	}
	if text != "" {
		id, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			s.fail(w, r, fault.Invalid(from, text, "want the id of an event"))
			return
		}
		e.last = id
	}
	select {
	case s.watchers <- struct{}{}:
	default:
		s.m.busy.WithLabelValues("events").Inc()
		s.fail(w, r, fault.New(fault.TooManyWatchers, "%d event streams are open", cap(s.watchers)))
		return
	}
	s.m.watchers.Inc()
	defer func() {
		<-s.watchers
		s.m.watchers.Dec()
	}()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.stop, cancel)()

	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)
	if err := s.watch(ctx, r, e); err != nil {
		s.log.Debug().Ctx(ctx).Err(err).Msg("event stream ended")
	}
}

// watch writes events until ctx ends, the caller is gone or may no longer see them.
func (s *Server) watch(ctx context.Context, r *http.Request, e *watcher) error {
	live := s.svc.Events.Watch(ctx) // before the replay, so that nothing falls between
	if err := e.put("retry: 2000\n\n"); err != nil {
		return err
	}
	if err := s.replay(e); err != nil {
		return err
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case ev, open := <-live:
			switch {
			case !open:
				return nil
			case ev.ID == 0: // only passed on: no ID, no replay
				if err := e.write(ev); err != nil {
					return err
				}
			case ev.ID <= e.last: // was replayed
				continue
			case ev.ID != e.last+1: // the channel was full: the journal has what it lost
				if err := s.replay(e); err != nil {
					return err
				}
			default:
				if err := e.write(ev); err != nil {
					return err
				}
			}
		case <-beat.C:
			who, err := s.authenticate(r, eventsAccess)
			if err == nil && !who.rights.Somewhere(eventsAccess.act) {
				err = lacks(who, eventsAccess.act, "")
			}
			if err != nil {
				return fmt.Errorf("rights ended: %w", err)
			}
			e.sight = &sight{set: who.rights, catalog: s.svc.Catalog}
			if err := e.put(": \n\n"); err != nil {
				return err
			}
		}
	}
}

// replay writes what the journal holds after the last event.
func (s *Server) replay(e *watcher) error {
	for {
		events, lost := s.svc.Events.Since(e.last, 256)
		if lost {
			if err := e.put("data: {\"type\":\"lost\",\"after\":%d}\n\n", e.last); err != nil {
				return err
			}
			if len(events) == 0 {
				e.last = s.svc.Events.Last()
			}
		}
		if len(events) == 0 {
			return nil
		}
		for _, ev := range events {
			if err := e.write(ev); err != nil {
				return err
			}
		}
	}
}

func (e *watcher) write(ev journal.Event) error {
	e.last = max(e.last, ev.ID)
	if e.device != "" && ev.Device != e.device || !e.wants(ev.Type) || !e.sees(ev) {
		return nil
	}
	data, err := json.Marshal(viewEvent(ev))
	if err != nil {
		return fmt.Errorf("encode event %d: %w", ev.ID, err)
	}
	if ev.ID == 0 {
		return e.put("data: %s\n\n", data)
	}
	return e.put("id: %d\ndata: %s\n\n", ev.ID, data)
}

// sees reports whether the caller may look at what an event is of. What is of
// no device is for those who may look everywhere.
func (e *watcher) sees(ev journal.Event) bool {
	device, channel := gbID(ev.Device), gbID(ev.Channel)
	switch {
	case e.sight.all():
		return true
	case device == "":
		return false
	case channel == "":
		return e.sight.device(device)
	}
	return e.sight.channel(device, channel)
}

func (e *watcher) wants(kind string) bool {
	for _, t := range e.types {
		if strings.HasPrefix(kind, t) {
			return true
		}
	}
	return e.types == nil
}

func (e *watcher) put(format string, args ...any) error {
	_ = e.rc.SetWriteDeadline(time.Now().Add(eventTimeout)) // not every writer has one
	if _, err := fmt.Fprintf(e.w, format, args...); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if err := e.rc.Flush(); err != nil {
		return fmt.Errorf("flush event: %w", err)
	}
	_ = e.rc.SetWriteDeadline(time.Time{}) // left set, HTTP/2 would end a stream that only waits
	return nil
}
