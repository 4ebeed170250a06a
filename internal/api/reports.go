package api

import (
	"context"
	"encoding/csv"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/internal/store"
)

// Reports is what the face asks of the kept alarms and positions; store.Store has it.
type Reports interface {
	Alarms(ctx context.Context, f store.ReportFilter) ([]gb28181.Alarm, error)
	CountAlarms(ctx context.Context, f store.ReportFilter) (int, error)
	Positions(ctx context.Context, f store.ReportFilter) ([]gb28181.Position, error)
	CountPositions(ctx context.Context, f store.ReportFilter) (int, error)
	Alarm(ctx context.Context, id int64) (gb28181.Alarm, error)
	// Acknowledge with a zero time takes an acknowledgement back.
	Acknowledge(ctx context.Context, id int64, by string, at time.Time) (gb28181.Alarm, error)
}

// wholeChannels is up to how many channels a device may have whose own position
// is shown as that of each (signalling.md section 9 row 43).
const wholeChannels = 100

// ReportInput holds what lists of alarms and positions are narrowed by.
type ReportInput struct {
	Page     int       `query:"page" default:"1" minimum:"1" maximum:"1000000" doc:"from 1"`
	PageSize int       `query:"page_size" default:"100" minimum:"1" maximum:"1000"`
	Device   string    `query:"device" maxLength:"20"`
	Channel  string    `query:"channel" maxLength:"64"`
	Since    time.Time `query:"since" doc:"received then or later"`
	Until    time.Time `query:"until" doc:"received before"`
}

// filter reads the caller's conditions.
func (in *ReportInput) filter() store.ReportFilter {
	return store.ReportFilter{
		Device: gb28181.ID(in.Device), Channel: gb28181.ID(in.Channel), Since: in.Since, Until: in.Until,
		Limit: in.PageSize, Offset: (in.Page - 1) * in.PageSize,
	}
}

type alarmInput struct {
	ReportInput
	Priority int  `query:"priority" minimum:"0" maximum:"4" doc:"1 (highest) to 4"`
	Method   int  `query:"method" minimum:"0" maximum:"7" doc:"1 telephone, 2 device, 3 SMS, 4 GPS, 5 video, 6 fault, 7 other"`
	Open     bool `query:"open" doc:"only those that nobody has acknowledged"`
}

type alarmView struct {
	ID             int64    `json:"id"`
	Device         string   `json:"device"`
	Channel        string   `json:"channel,omitempty" doc:"alarm input or camera; absent = the device's own"`
	Priority       int      `json:"priority" doc:"1 (highest) to 4; 0 = not told"`
	Method         int      `json:"method"`
	Type           int      `json:"type" doc:"of the method; 0 = not told"`
	EventType      int      `json:"event_type,omitempty" doc:"of an intrusion: 1 entering, 2 leaving"`
	Name           string   `json:"name" doc:"of method and type, as motion; empty = none"`
	At             stamp    `json:"at" doc:"by the device's clock"`
	ReceivedAt     stamp    `json:"received_at"`
	Description    string   `json:"description"`
	Longitude      *float64 `json:"longitude,omitempty"`
	Latitude       *float64 `json:"latitude,omitempty"`
	Acknowledged   bool     `json:"acknowledged"`
	AcknowledgedAt *stamp   `json:"acknowledged_at,omitempty"`
	AcknowledgedBy string   `json:"acknowledged_by,omitempty"`
}

func viewAlarm(a gb28181.Alarm) alarmView {
	return alarmView{
		ID: a.ID, Device: string(a.Device), Channel: string(a.Channel), Priority: a.Priority, Method: a.Method, Type: a.Type,
		EventType: a.EventType, Name: a.Name, At: stamp(a.At), ReceivedAt: stamp(a.ReceivedAt), Description: a.Description,
		Longitude: a.Longitude, Latitude: a.Latitude,
		Acknowledged: !a.AcknowledgedAt.IsZero(), AcknowledgedAt: at(a.AcknowledgedAt), AcknowledgedBy: a.AcknowledgedBy,
	}
}

type positionView struct {
	ID         int64    `json:"id"`
	Device     string   `json:"device"`
	Channel    string   `json:"channel,omitempty" doc:"absent = of the device as a whole"`
	At         stamp    `json:"at" doc:"by the device's clock"`
	ReceivedAt stamp    `json:"received_at"`
	Longitude  float64  `json:"longitude" doc:"degrees, WGS-84"`
	Latitude   float64  `json:"latitude"`
	Speed      *float64 `json:"speed,omitempty" doc:"km/h"`
	Direction  *float64 `json:"direction,omitempty" doc:"degrees clockwise from north"`
	Altitude   *float64 `json:"altitude,omitempty" doc:"metres"`
	Height     *float64 `json:"height,omitempty" doc:"metres above ground"`
}

func viewPosition(p gb28181.Position) positionView {
	return positionView{
		ID: p.ID, Device: string(p.Device), Channel: string(p.Channel), At: stamp(p.At), ReceivedAt: stamp(p.ReceivedAt),
		Longitude: p.Longitude, Latitude: p.Latitude, Speed: p.Speed, Direction: p.Direction, Altitude: p.Altitude, Height: p.Height,
	}
}

type acknowledgeInput struct {
	ID   int64 `path:"alarm" minimum:"1"`
	Body struct {
		Acknowledged bool `json:"acknowledged"`
	}
}

type alarmOutput struct{ Body alarmView }

func (s *Server) addReports() {
	tags := []string{"reports"}
	const how = "The newest received first. As CSV with ?format=csv or Accept: text/csv, then all pages at once. "
	op(s, access{act: rights.Look, judged: true}, huma.Operation{OperationID: "list-alarms", Method: http.MethodGet, Path: "/api/v1/alarms", Tags: tags,
		Summary: "Alarms that devices have reported", Description: how}, s.listAlarms)
	op(s, access{act: rights.Look, judged: true}, huma.Operation{OperationID: "acknowledge-alarm", Method: http.MethodPatch, Path: "/api/v1/alarms/{alarm}", Tags: tags,
		Summary: "Say that somebody has seen to an alarm, or not"}, s.acknowledge)
	op(s, access{act: rights.Look, judged: true}, huma.Operation{OperationID: "list-positions", Method: http.MethodGet, Path: "/api/v1/positions", Tags: tags,
		Summary: "Positions that devices have reported", Description: how + "With device and channel, those of the device as a whole are listed too, if it has at most 100 channels. "}, s.listPositions)
	s.route("GET /api/v1/alarms.csv", access{act: rights.Look, judged: true}, s.alarmsCSV)
	s.route("GET /api/v1/positions.csv", access{act: rights.Look, judged: true}, s.positionsCSV)
	const whole = "All that the list has, the newest received first. A text that a spreadsheet would take for a formula begins with an apostrophe."
	s.describe(huma.Operation{OperationID: "export-alarms", Method: http.MethodGet, Path: "/api/v1/alarms.csv", Tags: tags,
		Summary: "Alarms as CSV", Description: whole}, "text/csv", "device", "channel", "since", "until", "priority", "method", "open")
	s.describe(huma.Operation{OperationID: "export-positions", Method: http.MethodGet, Path: "/api/v1/positions.csv", Tags: tags,
		Summary: "Positions as CSV", Description: whole}, "text/csv", "device", "channel", "since", "until")
}

func (s *Server) reports() (Reports, error) {
	if s.svc.Reports == nil {
		return nil, fault.New(fault.NotBuiltIn, "reports are not kept")
	}
	return s.svc.Reports, nil
}

func (in *alarmInput) filter() store.ReportFilter {
	f := in.ReportInput.filter()
	f.Priority, f.Method, f.Open = in.Priority, in.Method, in.Open
	return f
}

func (s *Server) listAlarms(ctx context.Context, in *alarmInput) (*listOutput[alarmView], error) {
	f := in.filter()
	r, err := s.reportsOf(ctx, f)
	if err != nil {
		return nil, err
	}
	return listReports(ctx, f, r.Alarms, r.CountAlarms, viewAlarm)
}

func (s *Server) listPositions(ctx context.Context, in *ReportInput) (*listOutput[positionView], error) {
	f := in.filter()
	r, err := s.reportsOf(ctx, f)
	if err != nil {
		return nil, err
	}
	return listReports(ctx, s.whole(ctx, f), r.Positions, r.CountPositions, viewPosition)
}

// reportsOf is where reports are kept, for a list that its caller may look at.
func (s *Server) reportsOf(ctx context.Context, f store.ReportFilter) (Reports, error) {
	r, err := s.reports()
	if err != nil {
		return nil, err
	}
	return r, s.lookedAt(ctx, f)
}

// lookedAt refuses a list of more than its caller may look at: who may not look
// everywhere names a device, or a channel, of which all may be seen.
func (s *Server) lookedAt(ctx context.Context, f store.ReportFilter) error {
	see, who := s.sight(ctx), callOf(ctx).who
	switch {
	case see.all(), f.Device != "" && see.whole(f.Device):
		return nil
	case f.Device == "":
		return lacks(who, rights.Look, " everywhere: name a device")
	}
	if err := s.may(who, rights.Look, f.Device, f.Channel); err != nil {
		return err
	}
	if f.Channel == "" {
		return lacks(who, rights.Look, " at all of device "+string(f.Device)+": name a channel")
	}
	return nil
}

// whole widens a filter by channel to the device as a whole, where it is small.
func (s *Server) whole(ctx context.Context, f store.ReportFilter) store.ReportFilter {
	d, ok := s.svc.Devices.Device(f.Device)
	f.Whole = ok && d.Channels <= wholeChannels && s.sight(ctx).whole(f.Device)
	return f
}

func listReports[T, V any](ctx context.Context, f store.ReportFilter, list func(context.Context, store.ReportFilter) ([]T, error),
	count func(context.Context, store.ReportFilter) (int, error), view func(T) V) (*listOutput[V], error) {
	rows, err := list(ctx, f)
	if err != nil {
		return nil, storeFault(err)
	}
	out := &listOutput[V]{}
	if out.Body.Total, err = count(ctx, f); err != nil {
		return nil, storeFault(err)
	}
	out.Body.Items = make([]V, 0, len(rows))
	for _, row := range rows {
		out.Body.Items = append(out.Body.Items, view(row))
	}
	return out, nil
}

func (s *Server) acknowledge(ctx context.Context, in *acknowledgeInput) (*alarmOutput, error) {
	r, err := s.reports()
	if err != nil {
		return nil, err
	}
	a, err := r.Alarm(ctx, in.ID)
	if err == nil && !s.sees(ctx, a) {
		err = store.ErrNotFound
	}
	if err == nil {
		by, when := "", time.Time{}
		if in.Body.Acknowledged {
			by, when = callOf(ctx).who.name, time.Now()
		}
		a, err = r.Acknowledge(ctx, in.ID, by, when)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, fault.New(fault.UnknownAlarm, "alarm %d", in.ID)
	}
	if err != nil {
		return nil, storeFault(err)
	}
	return &alarmOutput{viewAlarm(a)}, nil
}

// sees reports whether the caller may look at what raised an alarm.
func (s *Server) sees(ctx context.Context, a gb28181.Alarm) bool {
	see := s.sight(ctx)
	return see.whole(a.Device) || a.Channel != "" && see.channel(a.Device, a.Channel)
}

// Sizes and times of an export.
const (
	exportRows    = 500              // read at a time: no reader of the database waits for a caller
	exportTimeout = 30 * time.Second // for the caller to take them
)

func (s *Server) alarmsCSV(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f, err := exportFilter(r)
	for name, to := range map[string]*int{"priority": &f.Priority, "method": &f.Method} {
		if text := q.Get(name); text != "" && err == nil {
			if *to, err = strconv.Atoi(text); err != nil {
				err = fault.Invalid("query."+name, text, "expected integer")
			}
		}
	}
	f.Open = q.Get("open") == "true"
	var reports Reports
	if err == nil {
		reports, err = s.reportsOf(r.Context(), f)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	exportCSV(s, w, r, "alarms", []string{"id", "device", "channel", "priority", "method", "type", "event_type", "name", "at", "received_at", "description", "longitude", "latitude", "acknowledged_at", "acknowledged_by"},
		f, reports.Alarms, func(a gb28181.Alarm) (int64, []string) {
			return a.ID, []string{strconv.FormatInt(a.ID, 10), cell(string(a.Device)), cell(string(a.Channel)), strconv.Itoa(a.Priority), strconv.Itoa(a.Method),
				strconv.Itoa(a.Type), strconv.Itoa(a.EventType), cell(a.Name), moment(a.At), moment(a.ReceivedAt), cell(a.Description),
				number(a.Longitude), number(a.Latitude), moment(a.AcknowledgedAt), cell(a.AcknowledgedBy)}
		})
}

func (s *Server) positionsCSV(w http.ResponseWriter, r *http.Request) {
	f, err := exportFilter(r)
	var reports Reports
	if err == nil {
		reports, err = s.reportsOf(r.Context(), f)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	exportCSV(s, w, r, "positions", []string{"id", "device", "channel", "at", "received_at", "longitude", "latitude", "speed", "direction", "altitude", "height"},
		s.whole(r.Context(), f), reports.Positions, func(p gb28181.Position) (int64, []string) {
			return p.ID, []string{strconv.FormatInt(p.ID, 10), cell(string(p.Device)), cell(string(p.Channel)), moment(p.At), moment(p.ReceivedAt),
				number(&p.Longitude), number(&p.Latitude), number(p.Speed), number(p.Direction), number(p.Altitude), number(p.Height)}
		})
}

// exportFilter reads the conditions of a list that is exported whole.
func exportFilter(r *http.Request) (f store.ReportFilter, err error) {
	q := r.URL.Query()
	f.Device, f.Channel = gb28181.ID(q.Get("device")), gb28181.ID(q.Get("channel"))
	for name, to := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		if text := q.Get(name); text != "" {
			if *to, err = time.Parse(time.RFC3339, text); err != nil {
				return f, fault.Invalid("query."+name, text, "expected a time as 2026-11-20T08:00:00Z")
			}
		}
	}
	return f, nil
}

// exportCSV writes all reports that a filter lets through, part by part.
func exportCSV[T any](s *Server, w http.ResponseWriter, r *http.Request, name string, columns []string, f store.ReportFilter,
	list func(context.Context, store.ReportFilter) ([]T, error), row func(T) (id int64, cells []string)) {
	f.Limit = exportRows
	rows, err := list(r.Context(), f)
	if err != nil {
		s.fail(w, r, storeFault(err))
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
	rc, out := http.NewResponseController(w), csv.NewWriter(w)
	_ = out.Write(columns) // Flush and Error tell
	for len(rows) > 0 {
		for _, one := range rows {
			var cells []string
			f.Before, cells = row(one)
			_ = out.Write(cells)
		}
		_ = rc.SetWriteDeadline(time.Now().Add(exportTimeout)) // not every writer has one
		if out.Flush(); out.Error() != nil {
			return // the caller is gone
		}
		if rows, err = list(r.Context(), f); err != nil {
			s.log.Warn().Ctx(r.Context()).Err(err).Str("export", name).Msg("export broke off")
			panic(http.ErrAbortHandler) // the caller must not take it for the whole
		}
	}
	out.Flush()
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeFormat)
}

func number(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'f', -1, 64)
}

// export leads callers that want a list as CSV to the route that writes it.
func (s *Server) export(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/alarms", "/api/v1/positions":
			if r.Method == http.MethodGet && (r.URL.Query().Get("format") == "csv" || strings.HasPrefix(r.Header.Get("Accept"), "text/csv")) {
				again := r.Clone(r.Context())
				again.URL.Path += ".csv"
				r = again
			}
		}
		next.ServeHTTP(w, r)
	})
}
