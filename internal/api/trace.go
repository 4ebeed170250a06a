package api

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/text/encoding/simplifiedchinese"

	"fengsui/gb28181"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/sip/trace"
)

// Trace is what the face asks of the ring of SIP messages; trace.Ring has it.
type Trace interface {
	Find(q trace.Query) []trace.Message
	Routine(device string) (trace.Routine, bool)
	Watch(p trace.Peer, by string, length time.Duration) (trace.Watch, error)
	Unwatch(trace.Peer) bool
	Watches() []trace.Watch
}

type traceInput struct {
	Device string `query:"device" maxLength:"64" doc:"messages from, to or by the address of this device"`
	Source string `query:"source" maxLength:"64" doc:"messages from and to this IP address, at any port"`
	CallID string `query:"call_id" maxLength:"256"`
	Since  stamp  `query:"since" doc:"not before"`
	Limit  int    `query:"page_size" minimum:"1" maximum:"1000" default:"200" doc:"the newest so many"`
	Redact bool   `query:"redact" default:"true" doc:"false shows passwords, tokens, keys and Digest responses, but not passwords in XML: written to the log"`
}

type messageView struct {
	At        stamp  `json:"at"`
	Dir       string `json:"dir" enum:"in,out"`
	From      string `json:"from" doc:"of its arrow in a ladder: server, or the peer's address"`
	To        string `json:"to"`
	Label     string `json:"label" doc:"of its arrow: MESSAGE Catalog, 200 OK (INVITE)"`
	Repeat    bool   `json:"repeat" doc:"a retransmission"`
	Transport string `json:"transport"`
	Local     string `json:"local"`
	Remote    string `json:"remote"`
	Device    string `json:"device"`
	CallID    string `json:"call_id"`
	Method    string `json:"method"`
	CSeq      string `json:"cseq"`
	Status    int    `json:"status" doc:"0 for requests"`
	Size      int    `json:"size" doc:"bytes on the wire"`
	Text      string `json:"text" doc:"the message, passwords and Digest responses replaced unless asked otherwise; GB18030 is shown as UTF-8"`
}

type routineView struct {
	Registers  uint64 `json:"registers"`
	Refused    uint64 `json:"refused" doc:"REGISTERs answered other than 2xx; the usual challenge is one"`
	Keepalives uint64 `json:"keepalives"`
	Failed     uint64 `json:"failed" doc:"keepalives answered other than 2xx"`
	Last       *stamp `json:"last,omitempty"`
}

type traceOutput struct {
	Body struct {
		Items   []messageView `json:"items" nullable:"false"`
		Total   int           `json:"total"`
		Redact  bool          `json:"redact" doc:"whether passwords, tokens, keys and Digest responses are replaced"`
		Routine *routineView  `json:"routine,omitempty" doc:"REGISTER and keepalive counters of the device; only the last three of each are among items, unless it is recorded whole"`
		Watch   *watchView    `json:"watch,omitempty" doc:"the device, or the address that it is reached at, is recorded whole"`
	}
}

func (s *Server) addTrace() {
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "get-trace", Method: http.MethodGet, Path: "/api/v1/trace", Tags: []string{"trace"},
		Summary: "SIP messages as sent and received", Description: "Oldest first, from memory (trace.memory, trace.keep), each with its arrow in a ladder diagram. "}, s.getTrace)
	s.route("GET /api/v1/trace.pcap", access{act: rights.Admin, query: true}, s.tracePcap)
	s.describe(huma.Operation{OperationID: "get-trace-pcap", Method: http.MethodGet, Path: "/api/v1/trace.pcap", Tags: []string{"trace"},
		Summary: "The same as a capture file", Description: "Takes the parameters of /api/v1/trace. ?token= is taken too. "},
		"application/vnd.tcpdump.pcap", "device", "source", "call_id", "since", "page_size", "redact", "token")
	s.addWatches()
}

func (s *Server) query(in traceInput) (trace.Query, error) {
	q := trace.Query{Device: in.Device, CallID: in.CallID, Since: time.Time(in.Since), Limit: in.Limit, Secrets: !in.Redact}
	if d, ok := s.svc.Devices.Device(gb28181.ID(in.Device)); ok && in.Device != "" {
		q.Remote, _ = netip.ParseAddrPort(d.Remote) // none before it registered
	}
	if in.Source != "" {
		a, err := netip.ParseAddr(in.Source)
		if err != nil {
			return q, fault.Invalid("query.source", in.Source, "expected an IP address")
		}
		q.Source = a.Unmap().WithZone("")
	}
	return q, nil
}

// secrets has the audit and the log say who saw them.
func (s *Server) secrets(ctx context.Context, in traceInput) {
	if in.Redact {
		return
	}
	c := callOf(ctx)
	c.sensitive, c.target = true, strings.TrimSpace(in.Device+" "+in.Source+" "+in.CallID)
	s.log.Warn().Ctx(ctx).Str("audit", "trace").Str("user", callOf(ctx).who.name).Str("device", in.Device).Str("source", in.Source).Str("call_id", in.CallID).Msg("messages shown with their secrets")
}

func (s *Server) getTrace(ctx context.Context, in *traceInput) (*traceOutput, error) {
	if s.svc.Trace == nil {
		return nil, fault.New(fault.NotBuiltIn, "the SIP trace is off")
	}
	q, err := s.query(*in)
	if err != nil {
		return nil, err
	}
	s.secrets(ctx, *in)
	msgs := s.svc.Trace.Find(q)
	out := &traceOutput{}
	out.Body.Redact = in.Redact
	out.Body.Watch = s.watchOf(q)
	out.Body.Total = len(msgs)
	out.Body.Items = make([]messageView, len(msgs))
	for i, m := range msgs {
		out.Body.Items[i] = messageView{
			At: stamp(m.At), Dir: m.Dir.String(), Transport: m.Flow.Transport, Local: m.Flow.Local.String(), Remote: m.Flow.Remote.String(),
			Device: m.Device, CallID: m.CallID, Method: m.Method, CSeq: m.CSeq, Status: m.Status, Size: m.Size, Text: readable(m.Raw),
		}
	}
	for _, a := range trace.Ladder(msgs) {
		v := &out.Body.Items[a.Index]
		v.From, v.To, v.Label, v.Repeat = a.From, a.To, a.Label, a.Repeat
	}
	if r, ok := s.svc.Trace.Routine(in.Device); ok && in.Device != "" {
		out.Body.Routine = &routineView{r.Registers, r.Refused, r.Keepalives, r.Failed, at(r.Last)}
	}
	return out, nil
}

// readable is the message as UTF-8: what is not is taken for GB18030.
func readable(raw []byte) string {
	if utf8.Valid(raw) {
		return string(raw)
	}
	text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(raw)
	if err != nil {
		text = raw
	}
	return string([]rune(string(text))) // what is neither becomes U+FFFD
}

func (s *Server) tracePcap(w http.ResponseWriter, r *http.Request) {
	in, err := parseTrace(r.URL.Query())
	if err == nil && s.svc.Trace == nil {
		err = fault.New(fault.NotBuiltIn, "the SIP trace is off")
	}
	var q trace.Query
	if err == nil {
		q, err = s.query(in)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.secrets(r.Context(), in)
	msgs := s.svc.Trace.Find(q)
	w.Header().Set("Content-Type", "application/vnd.tcpdump.pcap")
	w.Header().Set("Content-Disposition", `attachment; filename="fengsui-`+time.Now().UTC().Format("20060102-150405")+`.pcap"`)
	if err := trace.WritePcap(w, msgs); err != nil {
		s.log.Debug().Ctx(r.Context()).Err(err).Msg("capture file not sent whole")
	}
}

func parseTrace(q url.Values) (in traceInput, err error) {
	in = traceInput{Device: q.Get("device"), Source: q.Get("source"), CallID: q.Get("call_id"), Limit: 1000, Redact: true}
	if text := q.Get("redact"); text != "" {
		if in.Redact, err = strconv.ParseBool(text); err != nil {
			return in, fault.Invalid("query.redact", text, "want true or false")
		}
	}
	if text := q.Get("page_size"); text != "" {
		if in.Limit, err = strconv.Atoi(text); err != nil || in.Limit < 1 || in.Limit > 1000 {
			return in, fault.Invalid("query.page_size", text, "want 1 to 1000")
		}
	}
	if text := q.Get("since"); text != "" {
		if err := in.Since.UnmarshalText([]byte(text)); err != nil {
			return in, fault.Invalid("query.since", text, "want an RFC 3339 time")
		}
	}
	return in, nil
}
