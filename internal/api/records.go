package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/records"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/shadow"
)

// Records is what the face asks of the recordings at devices; records.Records has it.
type Records interface {
	Find(ctx context.Context, q records.Query) (records.Result, error)
}

// longestSearch is the longest time that one search may be about.
const longestSearch = 31 * 24 * time.Hour

type recordsInput struct {
	DevicePath
	Channel string    `path:"channel" maxLength:"64" doc:"20 digits" example:"34020000001320000001"`
	Start   time.Time `query:"start" required:"true" doc:"RFC 3339 with zone" example:"2026-11-20T00:00:00+08:00"`
	End     time.Time `query:"end" required:"true" doc:"after start, at most 31 days" example:"2026-11-21T00:00:00+08:00"`
	Type    string    `query:"type" enum:"all,time,alarm,manual" default:"all"`
	Stream  int       `query:"stream" default:"-1" minimum:"-1" maximum:"15" doc:"stream number, 0 is the main one; devices of before 2022 refuse it; -1: any"`
	Wait    int       `query:"wait" default:"60" minimum:"1" maximum:"300" doc:"seconds to wait for the device; what has come by then is the answer"`
}

type recordView struct {
	Name      string `json:"name"`
	Start     *stamp `json:"start"`
	End       *stamp `json:"end" doc:"start when the device did not tell it"`
	Type      string `json:"type" doc:"time, alarm or manual, as the device sent it"`
	Stream    *int   `json:"stream,omitempty" doc:"stream number"`
	Size      int64  `json:"size" doc:"bytes; 0 unknown"`
	Recorder  string `json:"recorder" doc:"who started the recording"`
	FilePath  string `json:"file_path"`
	Address   string `json:"address"`
	Location  string `json:"location" doc:"ID of who stores it"`
	Secrecy   bool   `json:"secrecy"`
	ChannelID string `json:"channel" doc:"as the device sent it"`
}

type spanView struct {
	Start *stamp `json:"start"`
	End   *stamp `json:"end"`
}

type recordsOutput struct {
	Body struct {
		Items     []recordView `json:"items" doc:"by start, each once"`
		Ranges    []spanView   `json:"ranges" doc:"time in which something was recorded, within what was asked"`
		Complete  bool         `json:"complete" doc:"nothing is missing"`
		Missing   []spanView   `json:"missing" doc:"time of which the device did not tell, though asked again"`
		Reason    string       `json:"reason,omitempty" doc:"why it is not complete"`
		Announced int          `json:"announced" doc:"recordings that the device says it has; some count wrongly"`
		Skipped   int          `json:"skipped" doc:"recordings that could not be read"`
		Rounds    int          `json:"rounds" doc:"how often was asked; more than 1: something was missing at first"`
	}
}

func (s *Server) addRecords() {
	op(s, access{act: rights.Playback}, huma.Operation{OperationID: "list-records", Method: http.MethodGet, Path: "/api/v1/devices/{device}/channels/{channel}/records",
		Tags: []string{"channels"}, Summary: "Recordings of a channel at its device",
		Description: "Asks the device, and again for what it did not send. What has come is given also when it is not complete. "}, s.listRecords)
}

func (s *Server) listRecords(ctx context.Context, in *recordsInput) (*recordsOutput, error) {
	q, err := s.recordsQuery(in)
	if err != nil {
		return nil, err
	}
	wait := time.Duration(in.Wait) * time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, wait, fmt.Errorf("%w: waited %v, as the request said", gb28181.ErrTimeout, wait))
	defer cancel()
	defer context.AfterFunc(s.stop, cancel)()
	res, err := s.svc.Records.Find(ctx, q)
	if err != nil {
		return nil, recordsFault(err)
	}
	return viewRecords(&res), nil
}

// recordsPlaces are where in the request the elements of a question come from.
var recordsPlaces = map[string]string{
	"DeviceID": "path.channel", "StartTime": "query.start", "EndTime": "query.end", "Type": "query.type", "StreamNumber": "query.stream",
}

// recordsFault names by its place in the request what a device cannot be told.
func recordsFault(err error) error {
	var value manscdp.ErrValue
	if !errors.As(err, &value) || recordsPlaces[value.Field] == "" {
		return err
	}
	place := recordsPlaces[value.Field]
	f := fault.Wrap(fault.OutOfRange, value)
	f.Fields = []fault.Field{{Location: place, Message: "want " + value.Want, Value: plain(place, value.Value)}}
	return f
}

// recordsQuery checks what can be known before the device is asked.
func (s *Server) recordsQuery(in *recordsInput) (q records.Query, err error) {
	if s.svc.Records == nil {
		return q, fault.New(fault.NotBuiltIn, "recordings")
	}
	d, err := s.device(in.Device)
	if err != nil {
		return q, err
	}
	c, ok := s.svc.Catalog.Channel(d.live.ID, gb28181.ID(in.Channel))
	if !ok {
		return q, fault.New(fault.UnknownChannel, "channel %s of device %s", in.Channel, d.live.ID)
	}
	if length := in.End.Sub(in.Start); length <= 0 || length > longestSearch {
		return q, fault.New(fault.BadRecordTime, "start %s, end %s: %v", in.Start.Format(time.RFC3339), in.End.Format(time.RFC3339), length)
	}
	if d.live.Presence.State == shadow.Offline || d.live.Remote == "" {
		return q, fault.New(fault.DeviceOffline, "device %s: %s", d.live.ID, d.live.Presence.Reason)
	}
	q = records.Query{Device: d.live.ID, Channel: c.ID, Span: records.Span{From: in.Start, To: in.End}, Type: in.Type}
	if in.Stream >= 0 {
		q.Stream = &in.Stream
	}
	return q, nil
}

func viewRecords(res *records.Result) *recordsOutput {
	out := &recordsOutput{}
	b := &out.Body
	b.Items = make([]recordView, len(res.Records))
	for i := range res.Records {
		b.Items[i] = viewRecord(&res.Records[i])
	}
	b.Ranges, b.Missing = viewSpans(res.Ranges), viewSpans(res.Missing)
	b.Complete, b.Reason, b.Announced, b.Skipped, b.Rounds = res.Complete, res.Reason, res.Announced, res.Skipped, res.Rounds
	return out
}

func viewRecord(r *records.Record) recordView {
	v := recordView{
		Name: r.Name, Start: at(r.Start), End: at(r.End), Type: r.Type, Size: r.Size, Recorder: r.Recorder, FilePath: r.Path,
		Address: r.Address, Location: string(r.Location), Secrecy: r.Secret, ChannelID: string(r.Channel),
	}
	if r.Stream >= 0 {
		v.Stream = &r.Stream
	}
	return v
}

func viewSpans(list []records.Span) []spanView {
	out := make([]spanView, len(list))
	for i, s := range list {
		out[i] = spanView{at(s.From), at(s.To)}
	}
	return out
}
